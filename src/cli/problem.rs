use std::io;

use thiserror::Error;

use crate::data::DataError;
use crate::experiment::ExperimentError;
use crate::format::FormatError;
use crate::network::NetworkError;
use crate::report::JournalError;
use crate::report::family::FamilyError;
use crate::training::TrainingError;

/// Why a command ended without its result: one line for a person, and an exit code.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The input or the way it was given: exit code 2.
    #[error("{0}")]
    BadInput(String),
    /// Something that was right to ask for did not work: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Ctrl-C or a request to end: exit code 130.
    #[error("interrupted; {0}")]
    Interrupted(String),
    /// Nobody reads the output any more: not an error.
    #[error("the output was closed")]
    OutputClosed,
}

impl Problem {
    /// The exit code that scripts see.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BadInput(_) => 2,
            Self::Failed(_) => 1,
            Self::Interrupted(_) => 130,
            Self::OutputClosed => 0,
        }
    }
}

impl From<FormatError> for Problem {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::Write { .. } | FormatError::NotTheSame { .. } => {
                Self::Failed(error.to_string())
            }
            _ => Self::BadInput(error.to_string()),
        }
    }
}

impl From<DataError> for Problem {
    fn from(error: DataError) -> Self {
        Self::BadInput(error.to_string())
    }
}

impl From<NetworkError> for Problem {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::Torch(_) => Self::Failed(error.to_string()),
            _ => Self::BadInput(error.to_string()),
        }
    }
}

impl From<ExperimentError> for Problem {
    fn from(error: ExperimentError) -> Self {
        match error {
            ExperimentError::Network(error) => error.into(),
            ExperimentError::Data(error) => error.into(),
            ExperimentError::Stopped => Self::Interrupted(error.to_string()),
            ExperimentError::NotFinite { .. }
            | ExperimentError::Journal { .. }
            | ExperimentError::Elsewhere { .. }
            | ExperimentError::Team(_)
            | ExperimentError::Analysis(_) => Self::Failed(error.to_string()),
            _ => Self::BadInput(error.to_string()),
        }
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        Self::BadInput(error.to_string())
    }
}

impl From<FamilyError> for Problem {
    fn from(error: FamilyError) -> Self {
        Self::BadInput(error.to_string())
    }
}

impl From<TrainingError> for Problem {
    fn from(error: TrainingError) -> Self {
        match error {
            TrainingError::Network(error) => error.into(),
            TrainingError::Data(error) => error.into(),
            TrainingError::Format(error) => error.into(),
            TrainingError::Diverged { .. }
            | TrainingError::File { .. }
            | TrainingError::Elsewhere { .. }
            | TrainingError::Team(_) => Self::Failed(error.to_string()),
            _ => Self::BadInput(error.to_string()),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(error.to_string()),
        }
    }
}
