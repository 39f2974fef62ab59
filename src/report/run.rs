//! The results of a run: a folder of files, each of which an experiment or a training wrote.

use std::fs;
use std::path::{Path, PathBuf};

use pathscope_analysis::record::{Journal, JournalError, TrainingLog};

/// Everything that a folder of results holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Results of experiments, by the names of their files.
    pub journals: Vec<Journal>,
    /// Logs of trainings.
    pub trainings: Vec<TrainingLog>,
    /// Files that hold neither.
    pub passed_over: Vec<PathBuf>,
}

impl Run {
    /// Reads the `.jsonl` files of a folder, or a single file.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged, or no results at all.
    pub fn read(place: &Path) -> Result<Self, JournalError> {
        let mut run = Self::default();
        for file in files(place)? {
            match Journal::read(&file) {
                Ok(journal) => run.journals.push(journal),
                Err(JournalError::NoHeader(_)) => match TrainingLog::read(&file)? {
                    Some(training) => run.trainings.push(training),
                    None => run.passed_over.push(file),
                },
                Err(fault) => return Err(fault),
            }
        }
        if run.journals.is_empty() && run.trainings.is_empty() {
            return Err(JournalError::NoResults(place.to_owned()));
        }
        Ok(run)
    }

    /// Everything that several runs hold, in their order.
    pub fn joined(runs: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for run in runs {
            all.journals.extend(run.journals);
            all.trainings.extend(run.trainings);
            all.passed_over.extend(run.passed_over);
        }
        all
    }
}

/// The file itself, or the results files of a folder by name.
fn files(place: &Path) -> Result<Vec<PathBuf>, JournalError> {
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let unreadable = |source| JournalError::Unreadable {
        path: place.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(place).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() && path.extension().is_some_and(|end| end == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{self, TRAINING, epoch};
    use pathscope_analysis::record::Record;

    fn write(folder: &Path, name: &str, lines: &[String]) -> PathBuf {
        let file = folder.join(name);
        fs::write(&file, lines.join("\n") + "\n").unwrap();
        file
    }

    fn lines(journal: &Journal) -> Vec<String> {
        let header = Record::Header(journal.header.clone());
        std::iter::once(&header)
            .chain(&journal.records)
            .map(|record| serde_json::to_string(record).unwrap())
            .collect()
    }

    #[test]
    fn a_folder_holds_results_of_every_kind() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        let lesions = test_support::lesions();
        write(place, "b.jsonl", &lines(&test_support::spectrum()));
        write(place, "a.jsonl", &lines(&lesions));
        write(place, "other.jsonl", &["{\"depth\": 20}".into()]);
        write(place, "notes.txt", &["not a result".into()]);
        write(place, "train.jsonl", &[TRAINING.into(), epoch(0, 30, "")]);
        let run = Run::read(place).unwrap();
        let kinds: Vec<&str> = run
            .journals
            .iter()
            .map(|journal| journal.header.options.experiment())
            .collect();
        assert_eq!(kinds, ["lesion", "gradient-spectrum"]);
        assert_eq!(run.trainings.len(), 1);
        assert_eq!(run.passed_over, [place.join("other.jsonl")]);
        let single = Run::read(&place.join("a.jsonl")).unwrap().journals;
        assert_eq!(single.len(), 1);
        assert_eq!(single[0].header, lesions.header);
        assert_eq!(single[0].records, lesions.records);
    }

    #[test]
    fn a_folder_without_results_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let fault = Run::read(folder.path()).unwrap_err();
        assert!(matches!(fault, JournalError::NoResults(_)), "{fault}");
        let fault = Run::read(&folder.path().join("absent")).unwrap_err();
        assert!(matches!(fault, JournalError::Unreadable { .. }), "{fault}");
    }

    #[test]
    fn the_line_of_a_killed_run_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let all = lines(&test_support::lesions());
        let file = folder.path().join("killed.jsonl");
        fs::write(&file, all.join("\n") + "\n{\"type\":\"outc").unwrap();
        let read = Journal::read(&file).unwrap();
        assert_eq!(read.records.len(), all.len() - 1);
    }

    #[test]
    fn problems_name_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let whole = lines(&test_support::lesions());
        let read = |lines: &[String]| Journal::read(&write(folder.path(), "file.jsonl", lines));
        let mut broken = whole.clone();
        broken[2] = "{\"type\":\"outcome\"}".into();
        let problem = read(&broken).unwrap_err().to_string();
        let file = folder.path().join("file.jsonl");
        let place = format!("{}, line 3: missing field", file.display());
        assert!(problem.starts_with(&place), "{problem}");
        let fault = read(&whole[1..]).unwrap_err();
        assert!(matches!(fault, JournalError::NoHeader { .. }), "{fault}");
        let fault = read(&[&whole[..], &whole[..1]].concat()).unwrap_err();
        assert!(matches!(fault, JournalError::TwoHeaders { .. }), "{fault}");
        let fault = Journal::read(Path::new("no/such/file")).unwrap_err();
        assert!(matches!(fault, JournalError::Unreadable { .. }), "{fault}");
    }

    #[test]
    fn a_resumed_run_wrote_an_epoch_twice() {
        let folder = tempfile::tempdir().unwrap();
        let held_out = r#","validation":{"errors":8,"examples":10,"loss":0.5}"#;
        let epochs = [epoch(0, 90, ""), epoch(1, 80, ""), epoch(1, 70, held_out)];
        let lines = [&[TRAINING.to_owned()], &epochs[..]].concat();
        let file = write(folder.path(), "log.jsonl", &lines);
        let log = TrainingLog::read(&file).unwrap().unwrap();
        let errors: Vec<usize> = log.epochs.iter().map(|epoch| epoch.errors).collect();
        assert_eq!(errors, [90, 70]);
        assert_eq!(log.epochs[1].held_out(), Some((8, 10)));
        assert_eq!(log.member, None, "it has not come to its end");
        fs::write(&file, "{}").unwrap();
        assert_eq!(TrainingLog::read(&file).unwrap(), None);
    }
}
