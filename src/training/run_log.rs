use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{DataSource, EpochSummary, Evaluation, Recipe, TrainingError};

/// Version of the records of a training's log.
pub const RUN_LOG_SCHEMA: u32 = 1;

/// One line of a training's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum RunRecord {
    /// The first line: what is trained on what, and by which command.
    Header(Box<RunHeader>),
    /// What an epoch gave.
    Epoch(EpochRecord),
    /// The last line of a training that came to its end.
    Result(RunResult),
}

/// What is trained on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// [`RUN_LOG_SCHEMA`].
    pub schema: u32,
    /// Version of pathscope.
    pub version: String,
    /// The command as it was given.
    pub command: String,
    /// The recipe with every change from the command line.
    pub recipe: Recipe,
    /// The seed of every random choice.
    pub seed: u64,
    /// The examples.
    pub source: DataSource,
    /// SHA-256 of the training examples.
    pub data_hash: String,
    /// Training examples.
    pub examples: usize,
    /// Trained values of the network.
    pub parameters: i64,
    /// Threads; the last bits of the weights depend on it.
    pub threads: usize,
    /// Device.
    pub device: String,
}

/// What an epoch gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Loss and errors as the examples were met.
    #[serde(flatten)]
    pub summary: EpochSummary,
    /// On the held-out examples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Evaluation>,
    /// Time since the start of the training, in seconds; pauses do not count.
    pub seconds: f64,
    /// Training images per second of the epoch, or of what was left of it after a pause.
    pub images_per_second: f64,
}

/// What the training gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The finished network on the test split, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Evaluation>,
    /// Epoch of the best validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_epoch: Option<usize>,
    /// The network of that epoch on the test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_test: Option<Evaluation>,
    /// Time of training, in seconds.
    pub seconds: f64,
}

/// A training's log, as JSON Lines.
#[derive(Debug)]
pub(super) struct RunLog {
    path: PathBuf,
    file: File,
}

impl RunLog {
    /// A log that begins with `header`.
    pub fn begin(path: &Path, header: RunHeader) -> Result<Self, TrainingError> {
        let file = File::create(path).map_err(at(path))?;
        let mut log = Self {
            path: path.to_owned(),
            file,
        };
        log.append(&RunRecord::Header(Box::new(header)))?;
        Ok(log)
    }

    /// The log at `path` as it was when `epoch` epochs were done: what was written afterwards
    /// will be written again.
    pub fn rewind(path: &Path, epoch: usize) -> Result<Self, TrainingError> {
        let kept = read_log(path)?.into_iter().filter(|record| match record {
            RunRecord::Header(_) => true,
            RunRecord::Epoch(record) => record.summary.epoch < epoch,
            RunRecord::Result(_) => false,
        });
        let beside = path.with_extension("jsonl.partial");
        let mut writer = BufWriter::new(File::create(&beside).map_err(at(&beside))?);
        for record in kept {
            writer
                .write_all(&line(path, &record)?)
                .map_err(at(&beside))?;
        }
        writer.flush().map_err(at(&beside))?;
        fs::rename(&beside, path).map_err(at(path))?;
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(at(path))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Writes one record.
    pub fn append(&mut self, record: &RunRecord) -> Result<(), TrainingError> {
        let line = line(&self.path, record)?;
        self.file.write_all(&line).map_err(at(&self.path))
    }
}

/// Reads the log of a training, finished or not: a last line that was cut off is left out.
///
/// # Errors
/// A file that cannot be read, or a line that is no record.
pub fn read_log(path: &Path) -> Result<Vec<RunRecord>, TrainingError> {
    let text = fs::read_to_string(path).map_err(at(path))?;
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .enumerate()
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|fault| TrainingError::LogLine {
                file: path.to_owned(),
                line: number + 1,
                fault,
            })
        })
        .collect()
}

fn line(path: &Path, record: &RunRecord) -> Result<Vec<u8>, TrainingError> {
    let mut line = serde_json::to_vec(record).map_err(|fault| at(path)(fault.into()))?;
    line.push(b'\n');
    Ok(line)
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> TrainingError + use<> {
    let file = path.to_owned();
    move |fault| TrainingError::File { file, fault }
}
