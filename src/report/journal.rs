//! Results files, which [`pathscope_analysis::record`] reads and writes.

pub use pathscope_analysis::record::{Journal, JournalError};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support;
    use pathscope_analysis::record::Record;
    use std::io::Write;
    use std::path::Path;

    fn written(lines: &[String], end: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{}{end}", lines.join("\n")).unwrap();
        file
    }

    fn lines() -> Vec<String> {
        let journal = test_support::lesions();
        let header = Record::Header(journal.header);
        std::iter::once(&header)
            .chain(&journal.records)
            .map(|record| serde_json::to_string(record).unwrap())
            .collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let read = Journal::read(written(&lines(), "\n").path()).unwrap();
        let expected = test_support::lesions();
        assert_eq!(
            (read.header, read.records),
            (expected.header, expected.records)
        );
    }

    #[test]
    fn the_line_of_a_killed_run_is_left_out() {
        let all = lines();
        let file = written(&all, "\n{\"type\":\"outc");
        let read = Journal::read(file.path()).unwrap();
        assert_eq!(read.records.len(), all.len() - 1);
    }

    #[test]
    fn problems_name_file_and_line() {
        let mut broken = lines();
        broken[2] = "{\"type\":\"outcome\"}".into();
        let file = written(&broken, "\n");
        let problem = Journal::read(file.path()).unwrap_err().to_string();
        assert!(
            problem.starts_with(&format!("{}, line 3: missing field", file.path().display())),
            "{problem}"
        );
        let file = written(&lines()[1..], "\n");
        assert!(matches!(
            Journal::read(file.path()),
            Err(JournalError::NoHeader(_))
        ));
        let mut twice = lines();
        twice.push(twice[0].clone());
        assert!(matches!(
            Journal::read(written(&twice, "\n").path()),
            Err(JournalError::TwoHeaders { .. })
        ));
        assert!(matches!(
            Journal::read(Path::new("no/such/file")),
            Err(JournalError::Unreadable { .. })
        ));
    }
}
