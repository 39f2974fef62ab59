use std::fs;
use std::path::Path;

use pathscope_analysis::record::{
    LineWriter, TrainingHeader, TrainingRecord, TrainingResult, read_training,
};

use super::{Recipe, TrainingError};

/// One line of a training's log.
pub type RunRecord = TrainingRecord<Recipe>;
/// What is trained on what.
pub type RunHeader = TrainingHeader<Recipe>;
/// What the training gave.
pub type RunResult = TrainingResult;

/// A training's log, as JSON Lines.
#[derive(Debug)]
pub(super) struct RunLog(LineWriter);

impl RunLog {
    /// A log that begins with `header`.
    pub fn begin(path: &Path, header: RunHeader) -> Result<Self, TrainingError> {
        let mut log = Self(LineWriter::open(path)?);
        log.0.truncate(0)?;
        log.append(&RunRecord::Header(Box::new(header)))?;
        Ok(log)
    }

    /// The log at `path` as it was when `epoch` epochs were done: what was written afterwards
    /// will be written again.
    pub fn rewind(path: &Path, epoch: usize) -> Result<Self, TrainingError> {
        let beside = path.with_extension("jsonl.partial");
        let mut log = LineWriter::open(&beside)?;
        log.truncate(0)?;
        for record in read_log(path)? {
            let is_kept = match &record {
                RunRecord::Header(_) => true,
                RunRecord::Epoch(record) => record.epoch < epoch,
                RunRecord::Result(_) => false,
            };
            if is_kept {
                log.append(&record)?;
            }
        }
        fs::rename(&beside, path).map_err(|fault| TrainingError::File {
            file: path.to_owned(),
            fault,
        })?;
        Ok(Self(log))
    }

    /// Writes one record.
    pub fn append(&mut self, record: &RunRecord) -> Result<(), TrainingError> {
        Ok(self.0.append(record)?)
    }
}

/// Reads the log of a training, finished or not: a last line that was cut off is left out.
///
/// # Errors
/// A file that cannot be read, or a line that is no record.
pub fn read_log(path: &Path) -> Result<Vec<RunRecord>, TrainingError> {
    Ok(read_training(path)?)
}
