use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::data::DataError;
use crate::network::NetworkError;
use crate::team::TeamError;

/// What can go wrong in an experiment.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// Somebody asked to stop.
    #[error("stopped before the end")]
    Stopped,
    /// The memory bound leaves no room for one example.
    #[error(
        "{given} bytes of memory are not enough for one example, which needs {needed}; raise --memory or lower --threads"
    )]
    Memory {
        /// Bytes permitted.
        given: u64,
        /// Bytes that one example needs.
        needed: u64,
    },
    /// A question that the network leaves open.
    #[error("{what}")]
    Impossible {
        /// What cannot be asked of it, and what can.
        what: String,
    },
    /// Examples that are not what the network takes or answers.
    #[error("{what}")]
    Misfit {
        /// What each of the two has, and what to give.
        what: String,
    },
    /// A gradient that is not a number.
    #[error("the gradient is not finite: {what} {place} (blocks count from 0); {remedy}")]
    NotFinite {
        /// What is not finite.
        what: &'static str,
        /// Where it comes from.
        place: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A journal that belongs to another measurement.
    #[error("{} holds the results of another measurement ({what} differs); give another file or remove it", file.display())]
    OtherJournal {
        /// The file.
        file: PathBuf,
        /// What differs.
        what: String,
    },
    /// A journal that is damaged in its middle.
    #[error("{}, line {line}: {fault}; remove that line to measure it again", file.display())]
    DamagedJournal {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        fault: String,
    },
    /// A journal that cannot be read or written.
    #[error("{}: {fault}", file.display())]
    Journal {
        /// The file.
        file: PathBuf,
        /// What the system says.
        fault: io::Error,
    },
    /// Another process could not go on.
    #[error("process {rank} of the team: {what}")]
    Elsewhere {
        /// Its rank.
        rank: usize,
        /// What it says.
        what: String,
    },
    /// Processes do not understand each other.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// Mathematics refuses.
    #[error("{0}")]
    Analysis(String),
    /// The network refuses.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The data refuse.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl From<tch::TchError> for ExperimentError {
    fn from(error: tch::TchError) -> Self {
        Self::Network(error.into())
    }
}
