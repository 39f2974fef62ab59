use std::io;
use std::path::PathBuf;

use pathscope_analysis::record::JournalError;
use thiserror::Error;

use pathscope_data::DataError;
use pathscope_format::FormatError;
use pathscope_network::NetworkError;
use pathscope_team::TeamError;
use pathscope_torch::TorchError;

/// What can go wrong in training.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// The loss is no longer a number.
    #[error(
        "training diverged: the loss of epoch {epoch}, mini-batch {batch} is {loss}; lower the learning rate or clip gradients (the last good checkpoint is kept)"
    )]
    Diverged {
        /// Epoch, from 0.
        epoch: usize,
        /// Mini-batch in the epoch, from 0.
        batch: usize,
        /// The loss.
        loss: f64,
    },
    /// A restriction that the network cannot meet.
    #[error("cannot train {asked} blocks per mini-batch: the network has {blocks}")]
    TooManyBlocks {
        /// Blocks asked for.
        asked: usize,
        /// Blocks there are.
        blocks: usize,
    },
    /// A restriction that the network cannot meet.
    #[error("cannot train {asked} functions per mini-batch: the network has {functions}")]
    TooManyFunctions {
        /// Functions asked for.
        asked: usize,
        /// Functions there are.
        functions: usize,
    },
    /// A restriction that makes no sense for any network.
    #[error("cannot restrict training: {0}")]
    Restriction(String),
    /// Batch normalisation needs two examples.
    #[error("{what} has {found} example(s), but batch normalisation needs at least 2")]
    TooFewExamples {
        /// What has too few.
        what: &'static str,
        /// How many it has.
        found: usize,
    },
    /// A name that no shipped recipe has.
    #[error("no recipe is called `{name}`; give a .toml file or one of {known}")]
    UnknownRecipe {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A recipe that cannot be read or written.
    #[error("the recipe {origin} cannot be used: {fault}")]
    Recipe {
        /// Its file or name.
        origin: String,
        /// What is wrong, and where.
        fault: String,
    },
    /// A number that no training can have.
    #[error("training.{field} is {value:?}; it must be {allowed}")]
    OutOfRange {
        /// The field of [`TrainingOptions`](crate::TrainingOptions).
        field: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },
    /// A checkpoint of another training.
    #[error("cannot continue from {}: {reason}", file.display())]
    Checkpoint {
        /// The checkpoint.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A run folder that holds a training already.
    #[error("{} holds a training already", .0.display())]
    FolderTaken(PathBuf),
    /// A file of the run cannot be read or written.
    #[error("{}: {fault}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        fault: io::Error,
    },
    /// A log that cannot be read or written.
    #[error(transparent)]
    Log(#[from] JournalError),
    /// A training that the processes cannot share.
    #[error("cannot train in parallel: {0}")]
    Parallel(String),
    /// The first process could not go on.
    #[error("process 0 of the team: {0}")]
    Elsewhere(String),
    /// Processes do not understand each other.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// Crops need larger images.
    #[error("ten crops of {height}x{width} need images larger than that, but a batch is {images}")]
    NoRoomForCrops {
        /// Height of a crop.
        height: i64,
        /// Width of a crop.
        width: i64,
        /// Shape of a batch.
        images: String,
    },
    /// A folder without a training to go on with: where its checkpoint would be.
    #[error("{}: there is no such checkpoint", .0.display())]
    NoCheckpoint(PathBuf),
    /// What cannot happen.
    #[error("internal error: {0}; please report it")]
    Internal(&'static str),
    /// libtorch refused an operation.
    #[error("libtorch failed: {0}")]
    Torch(#[from] TorchError),
    /// A model file refuses.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The network refuses.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The data refuse.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl From<tch::TchError> for TrainingError {
    fn from(error: tch::TchError) -> Self {
        Self::Network(error.into())
    }
}
