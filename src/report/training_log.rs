//! What training writes after each epoch: one JSON object a line.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::journal::JournalError;

/// An epoch of a training run.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Epoch {
    /// Its number, from 0.
    pub epoch: usize,
    /// Mean loss in nats over its examples, as they were met.
    pub loss: f64,
    /// Examples classified wrongly as they were met.
    pub errors: usize,
    /// Examples met.
    pub examples: usize,
    /// The held-out examples after it, where they were measured.
    #[serde(default)]
    pub validation: Option<HeldOut>,
}

/// Held-out examples.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct HeldOut {
    /// Examples classified wrongly.
    pub errors: usize,
    /// Examples in all.
    pub examples: usize,
}

impl Epoch {
    /// Errors and number of the held-out examples.
    #[must_use]
    pub fn held_out(&self) -> Option<(usize, usize)> {
        self.validation
            .map(|held_out| (held_out.errors, held_out.examples))
    }
}

/// The epochs of a training run.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingLog {
    /// What the run is called: its folder, or the file.
    pub name: String,
    /// Its epochs in order; where a resumed run wrote one twice, the later one.
    pub epochs: Vec<Epoch>,
}

impl TrainingLog {
    /// Reads the epochs of a log, and passes over its other lines; none where it has no epoch.
    ///
    /// # Errors
    /// An unreadable file.
    pub fn read(path: &Path) -> Result<Option<Self>, JournalError> {
        let text = fs::read_to_string(path).map_err(|source| JournalError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let mut epochs: Vec<Epoch> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        epochs.reverse();
        epochs.sort_by_key(|epoch| epoch.epoch);
        epochs.dedup_by_key(|epoch| epoch.epoch);
        let folder = path.parent().and_then(Path::file_name);
        let stem = path.file_stem().filter(|stem| *stem != "log");
        let name = stem
            .or(folder)
            .map(|name| name.to_string_lossy().into_owned());
        Ok((!epochs.is_empty()).then(|| Self {
            name: name.unwrap_or_default(),
            epochs,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_run_wrote_an_epoch_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let lines = [
            r#"{"record":"header","anything":1}"#,
            r#"{"epoch":0,"loss":2.0,"errors":90,"examples":100,"learning_rate":0.1}"#,
            r#"{"epoch":1,"loss":1.9,"errors":80,"examples":100,"learning_rate":0.1}"#,
            r#"{"epoch":1,"loss":1.8,"errors":70,"examples":100,"validation":{"errors":8,"examples":10,"loss":0.5}}"#,
        ];
        fs::write(&path, lines.join("\n")).unwrap();
        let log = TrainingLog::read(&path).unwrap().unwrap();
        let errors: Vec<usize> = log.epochs.iter().map(|epoch| epoch.errors).collect();
        assert_eq!(errors, [90, 70]);
        assert_eq!(log.epochs[1].held_out(), Some((8, 10)));
        fs::write(&path, "{}").unwrap();
        assert_eq!(TrainingLog::read(&path).unwrap(), None);
    }
}
