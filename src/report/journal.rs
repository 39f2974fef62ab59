//! Results files: JSON Lines with a header first.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use pathscope_analysis::record::{
    Commutator, Ensemble, Header, Outcome, Record, Removal, SCHEMA_VERSION, SampledPath, Spectrum,
};
use thiserror::Error;

/// Why results cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A file that cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line that is no record.
    #[error(
        "{}, line {line}: {problem}; each line must be one record as `pathscope schema` describes",
        path.display()
    )]
    NotARecord {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A file without a header.
    #[error(
        "{}: the first line is no header; give a results file that an experiment of pathscope wrote",
        path.display()
    )]
    NoHeader {
        /// The file.
        path: PathBuf,
    },
    /// A second header.
    #[error(
        "{}, line {line}: a second header; results of two runs cannot share a file, split them",
        path.display()
    )]
    TwoHeaders {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Records of a later version.
    #[error(
        "{}: written in version {found} of the records, this pathscope reads up to {}; update it",
        path.display(),
        SCHEMA_VERSION
    )]
    Later {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Nothing to read in a folder.
    #[error("{}: no results there; give a folder that holds .jsonl files of experiments", path.display())]
    NoResults {
        /// The folder.
        path: PathBuf,
    },
}

/// A results file as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Journal {
    /// Where it lies.
    pub path: PathBuf,
    /// What was measured, and how to do it again.
    pub header: Header,
    /// The measurements, in the order of the file.
    pub records: Vec<Record>,
}

impl Journal {
    /// Reads a results file. A last line without its end, as a run that was killed leaves it, is
    /// left out; the run measures it again when it is resumed.
    ///
    /// # Errors
    /// An unreadable file, a line that is no record, or no header or a second one.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let unreadable = |source| JournalError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
        let (mut header, mut records) = (None, Vec::new());
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            if reader.read_until(b'\n', &mut text).map_err(unreadable)? == 0 {
                break;
            }
            let whole = text.ends_with(b"\n");
            if text.trim_ascii().is_empty() {
                continue;
            }
            let record = match serde_json::from_slice::<Record>(&text) {
                Ok(record) => record,
                Err(_) if !whole && header.is_some() => break,
                Err(_) if header.is_none() => {
                    return Err(JournalError::NoHeader {
                        path: path.to_owned(),
                    });
                }
                Err(problem) => {
                    return Err(JournalError::NotARecord {
                        path: path.to_owned(),
                        line,
                        problem: problem.to_string(),
                    });
                }
            };
            match (record, &header) {
                (Record::Header(found), None) if found.schema > SCHEMA_VERSION => {
                    return Err(JournalError::Later {
                        path: path.to_owned(),
                        found: found.schema,
                    });
                }
                (Record::Header(found), None) => header = Some(found),
                (Record::Header(_), Some(_)) => {
                    return Err(JournalError::TwoHeaders {
                        path: path.to_owned(),
                        line,
                    });
                }
                (_, None) => {
                    return Err(JournalError::NoHeader {
                        path: path.to_owned(),
                    });
                }
                (record, Some(_)) => records.push(record),
            }
        }
        let header = header.ok_or_else(|| JournalError::NoHeader {
            path: path.to_owned(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            header,
            records,
        })
    }

    /// The plans evaluated.
    pub fn outcomes(&self) -> Vec<&Outcome> {
        self.only(|record| match record {
            Record::Outcome(outcome) => Some(outcome),
            _ => None,
        })
    }

    /// The gradients by path length, one per mini-batch.
    pub fn spectra(&self) -> Vec<&Spectrum> {
        self.only(|record| match record {
            Record::Spectrum(spectrum) => Some(spectrum),
            _ => None,
        })
    }

    /// The pairs of blocks whose commuting was measured.
    pub fn commutators(&self) -> Vec<&Commutator> {
        self.only(|record| match record {
            Record::Commutator(commutator) => Some(commutator),
            _ => None,
        })
    }

    /// The paths drawn.
    pub fn sampled_paths(&self) -> Vec<&SampledPath> {
        self.only(|record| match record {
            Record::SampledPath(path) => Some(path),
            _ => None,
        })
    }

    /// The ensembles.
    pub fn ensembles(&self) -> Vec<&Ensemble> {
        self.only(|record| match record {
            Record::Ensemble(ensemble) => Some(ensemble),
            _ => None,
        })
    }

    /// The steps of a greedy removal.
    pub fn removals(&self) -> Vec<&Removal> {
        self.only(|record| match record {
            Record::Removal(removal) => Some(removal),
            _ => None,
        })
    }

    fn only<'a, T>(&'a self, kind: impl Fn(&'a Record) -> Option<&'a T>) -> Vec<&'a T> {
        self.records.iter().filter_map(kind).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;
    use std::io::Write;

    fn written(lines: &[String], end: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{}{end}", lines.join("\n")).unwrap();
        file
    }

    fn lines() -> Vec<String> {
        let journal = example::lesions();
        let header = Record::Header(journal.header);
        std::iter::once(&header)
            .chain(&journal.records)
            .map(|record| serde_json::to_string(record).unwrap())
            .collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let read = Journal::read(written(&lines(), "\n").path()).unwrap();
        let expected = example::lesions();
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
            Err(JournalError::NoHeader { .. })
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
