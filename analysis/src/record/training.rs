//! The log of a training: a header, a record for each epoch, and the result.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::lines::Lines;
use super::{FamilyMember, JournalError, number};

/// Version of the records of a training's log.
pub const TRAINING_SCHEMA_VERSION: u32 = 1;

/// One line of a training's log. `R` is the recipe: as it is followed, or a part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum TrainingRecord<R> {
    /// The first line: what is trained on what, and by which command.
    Header(Box<TrainingHeader<R>>),
    /// What an epoch gave.
    Epoch(EpochRecord),
    /// The last line of a training that came to its end.
    Result(TrainingResult),
}

/// What is trained on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingHeader<R> {
    /// [`TRAINING_SCHEMA_VERSION`].
    pub schema: u32,
    /// Version of pathscope.
    pub version: String,
    /// The command as it was given.
    pub command: String,
    /// The recipe with every change from the command line.
    pub recipe: R,
    /// The seed of every random choice.
    pub seed: u64,
    /// The examples.
    pub source: DataSource,
    /// SHA-256 of the training examples.
    pub data_hash: String,
    /// Training examples.
    pub examples: usize,
    /// Trained values of the network.
    pub parameters: u64,
    /// Threads; the last bits of the weights depend on it.
    pub threads: usize,
    /// Device.
    pub device: String,
}

/// Where the examples of a training came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSource {
    /// Folder, archive or file.
    pub place: PathBuf,
    /// Training examples that are held out.
    pub validation: usize,
    /// Most training examples that are read.
    pub limit: Option<usize>,
    /// Whether image files that cannot be read are left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip_broken: bool,
}

/// What a recipe says of its network, as far as reports need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipeSummary {
    /// The network.
    pub architecture: TrainedShape,
}

/// Depth and width of a trained network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainedShape {
    /// Layers with weights on its longest path.
    pub depth: usize,
    /// Residual functions per block.
    pub k: usize,
}

/// What an epoch gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Number of the epoch, from 0.
    pub epoch: usize,
    /// Mean loss in nats over its examples, as they were met.
    #[serde(with = "number")]
    pub loss: f64,
    /// Examples classified wrongly as they were met.
    pub errors: usize,
    /// Examples met.
    pub examples: usize,
    /// Learning rate of its last step.
    pub learning_rate: f64,
    /// On the held-out examples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Evaluation>,
    /// Time since the start of the training, in seconds; pauses do not count.
    pub seconds: f64,
    /// Training images per second of the epoch, or of what was left of it after a pause.
    pub images_per_second: f64,
}

impl EpochRecord {
    /// Errors and number of the held-out examples.
    #[must_use]
    pub fn held_out(&self) -> Option<(usize, usize)> {
        let held_out = self.validation?;
        Some((held_out.errors, held_out.examples))
    }
}

/// How a network does on examples that it was not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Examples of which another class than the right one is the likeliest.
    pub errors: usize,
    /// Examples in all.
    pub examples: usize,
    /// Mean cross-entropy.
    #[serde(with = "number")]
    pub loss: f64,
}

impl Evaluation {
    /// Top-1 error in per cent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        100.0 * self.errors as f64 / self.examples.max(1) as f64
    }
}

/// What the training gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingResult {
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

/// Reads the log of a training, finished or not: a last line that was cut off is left out.
///
/// # Errors
/// A file that cannot be read, or a line that is no record.
pub fn read_training<R: DeserializeOwned>(
    path: &Path,
) -> Result<Vec<TrainingRecord<R>>, JournalError> {
    let mut lines = Lines::open(path)?;
    let mut records = Vec::new();
    while lines.advance()? {
        match lines.parse() {
            _ if lines.is_blank() => {}
            Ok(record) => records.push(record),
            Err(_) if !lines.is_complete() => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(records)
}

/// The log of a training, as far as reports need it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingLog {
    /// What the run is called: its folder, or the file.
    pub name: String,
    /// Its epochs in order; where a resumed run wrote one twice, the later one.
    pub epochs: Vec<EpochRecord>,
    /// The trained network as a member of a family; `None` where the training has not come to its
    /// end, or was not tested.
    pub member: Option<FamilyMember>,
}

impl TrainingLog {
    /// Reads the log at `path`; `None` where the file is none.
    ///
    /// # Errors
    /// An unreadable file, or one that begins as a log and is damaged.
    pub fn read(path: &Path) -> Result<Option<Self>, JournalError> {
        let mut first = Lines::open(path)?;
        first.advance()?;
        let Ok(TrainingRecord::<RecipeSummary>::Header(header)) = first.parse() else {
            return Ok(None);
        };
        let (mut epochs, mut test) = (Vec::new(), None);
        for record in read_training::<RecipeSummary>(path)? {
            match record {
                TrainingRecord::Header(_) => {}
                TrainingRecord::Epoch(epoch) => epochs.push(epoch),
                TrainingRecord::Result(result) => test = result.test,
            }
        }
        epochs.reverse();
        epochs.sort_by_key(|epoch: &EpochRecord| epoch.epoch);
        epochs.dedup_by_key(|epoch| epoch.epoch);
        let folder = path.parent().and_then(Path::file_name);
        let stem = path.file_stem().filter(|stem| *stem != "log");
        let name = stem.or(folder).unwrap_or_default();
        let shape = header.recipe.architecture;
        Ok(Some(Self {
            name: name.to_string_lossy().into_owned(),
            epochs,
            member: test.map(|test| shape.member(header.parameters, header.seed, test)),
        }))
    }
}

impl TrainedShape {
    /// The network of this shape, as a member of a family.
    #[must_use]
    pub fn member(self, parameters: u64, seed: u64, test: Evaluation) -> FamilyMember {
        FamilyMember {
            depth: self.depth,
            k: self.k,
            parameters,
            errors: test.errors,
            examples: test.examples,
            seed,
        }
    }
}
