//! The results of a run: a folder of files, each of which an experiment or a training wrote.

use std::fs;
use std::path::{Path, PathBuf};

use super::journal::{Journal, JournalError};
use super::training_log::TrainingLog;

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
    #[must_use]
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
    use crate::test_support;
    use pathscope_analysis::record::Record;

    fn write(folder: &Path, name: &str, lines: &[String]) {
        fs::write(folder.join(name), lines.join("\n") + "\n").unwrap();
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
        write(place, "b.jsonl", &lines(&test_support::spectrum()));
        write(place, "a.jsonl", &lines(&test_support::lesions()));
        write(place, "other.jsonl", &["{\"depth\": 20}".into()]);
        write(place, "notes.txt", &["not a result".into()]);
        let header = r#"{"record":"header","schema":1,"version":"0.1.0","command":"","recipe":{"architecture":{"depth":14,"k":2}},"seed":3,"source":{"place":"data","validation":0,"limit":null},"data_hash":"","examples":100,"parameters":77,"threads":1,"device":"cpu"}"#;
        let epoch = r#"{"record":"epoch","epoch":0,"loss":1.5,"errors":30,"examples":100,"learning_rate":0.1,"seconds":1.0,"images_per_second":9.0}"#;
        write(place, "train.jsonl", &[header.into(), epoch.into()]);
        let run = Run::read(place).unwrap();
        let kinds: Vec<&str> = run
            .journals
            .iter()
            .map(|journal| journal.header.options.experiment())
            .collect();
        assert_eq!(kinds, ["lesion", "gradient-spectrum"]);
        assert_eq!(run.trainings.len(), 1);
        assert_eq!(run.passed_over, [place.join("other.jsonl")]);
        assert_eq!(Run::read(&place.join("a.jsonl")).unwrap().journals.len(), 1);
    }

    #[test]
    fn a_folder_without_results_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let fault = Run::read(folder.path()).unwrap_err();
        assert!(matches!(fault, JournalError::NoResults(_)), "{fault}");
        let fault = Run::read(&folder.path().join("absent")).unwrap_err();
        assert!(matches!(fault, JournalError::Unreadable { .. }), "{fault}");
    }
}
