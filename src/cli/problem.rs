use std::error::Error as StdError;
use std::io;
use std::path::Path;

use super::interrupt;
use pathscope_analysis::{PairedError, PathCountsError};
use thiserror::Error;

use crate::data::{DataError, FetchError};
use crate::experiment::ExperimentError;
use crate::format::{Fault, FormatError};
use crate::network::NetworkError;
use crate::report::MergeError;
use crate::report::family::FamilyError;
use crate::report::{JournalError, SourceError};
use crate::team::TeamError;
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
    /// An error of a library, with the exit code that it stands for.
    #[error("{text}")]
    Caused {
        /// The exit code.
        code: u8,
        /// What happened, in the words of the command line.
        text: String,
        /// Lines to copy that are a way out.
        lines: Option<String>,
        /// The error behind it.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Something that cannot happen did: exit code 70.
    #[error("internal error: {0}; this is a bug in pathscope, please report it")]
    Internal(String),
    /// Ctrl-C or a request to end, with what is kept and how to go on: exit code 130 or 143.
    #[error("interrupted{}", after_semicolon(.0))]
    Interrupted(String),
    /// Broken pipe; not an error.
    #[error("the output was closed")]
    OutputClosed,
}

/// What is kept, where there is something to say.
fn after_semicolon(kept: &str) -> String {
    match kept {
        "" => String::new(),
        kept => format!("; {kept}"),
    }
}

impl Problem {
    /// The exit code that scripts see.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BadInput(_) => 2,
            Self::Failed(_) => 1,
            Self::Caused { code, .. } => *code,
            Self::Internal(_) => 70,
            Self::Interrupted(_) => interrupt::exit_code(),
            Self::OutputClosed => 0,
        }
    }

    /// Input that a library refuses: exit code 2.
    pub(crate) fn bad_input(error: impl StdError + Send + Sync + 'static) -> Self {
        Self::caused(2, error)
    }

    /// Work of a library that fails: exit code 1.
    pub(crate) fn failed(error: impl StdError + Send + Sync + 'static) -> Self {
        Self::caused(1, error)
    }

    /// A file that cannot be written: exit code 1.
    pub(crate) fn writing(file: &Path, fault: io::Error) -> Self {
        Self::Caused {
            code: 1,
            text: format!("cannot write {}: {fault}", file.display()),
            lines: None,
            source: Box::new(fault),
        }
    }

    /// An error that no input can cause: exit code 70.
    pub(crate) fn internal(error: impl StdError) -> Self {
        Self::Internal(error.to_string())
    }

    fn caused(code: u8, error: impl StdError + Send + Sync + 'static) -> Self {
        Self::Caused {
            code,
            text: error.to_string(),
            lines: None,
            source: Box::new(error),
        }
    }

    /// The same with what to do, in words of the command line.
    pub(crate) fn advised(mut self, advice: &str) -> Self {
        if let Self::Caused { text, .. } = &mut self {
            *text += &format!("; {advice}");
        }
        self
    }

    /// The same, naming the network where its numbers are to blame.
    pub(crate) fn with_network(mut self, name: &str) -> Self {
        if let Self::Caused { text, source, .. } = &mut self
            && let Some(
                ExperimentError::NotFinite { .. }
                | ExperimentError::LossNotFinite { .. }
                | ExperimentError::ActivationNotFinite(_),
            ) = source.downcast_ref()
        {
            *text = format!("{name}: {text}");
        }
        self
    }

    /// The same with lines to copy.
    fn with_lines(mut self, copied: String) -> Self {
        if let Self::Caused { lines, .. } = &mut self {
            *lines = Some(copied);
        }
        self
    }

    /// Lines to copy that are a way out, where there are such.
    pub(crate) fn lines(&self) -> Option<&str> {
        match self {
            Self::Caused { lines, .. } => lines.as_deref(),
            _ => None,
        }
    }
}

impl From<FormatError> for Problem {
    fn from(error: FormatError) -> Self {
        match *error.fault {
            Fault::Write(_) | Fault::NotTheSame { .. } => Self::failed(error),
            Fault::UnknownGroups { .. } => Self::bad_input(error).advised("give it as --assume"),
            Fault::SeveralNetworks { .. } => Self::bad_input(error).advised("give it as --prefix"),
            Fault::NoSuchWeights { .. } => Self::bad_input(error).advised("give one as --weights"),
            Fault::MustBeExported { ref python, .. } => {
                let lines = python.clone();
                Self::bad_input(error)
                    .advised("these lines write a .pt2 file to open instead:")
                    .with_lines(lines)
            }
            _ => Self::bad_input(error),
        }
    }
}

impl From<NetworkError> for Problem {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::Internal(what) => Self::Internal(what),
            NetworkError::Torch(_) => Self::failed(error),
            _ => Self::bad_input(error),
        }
    }
}

impl From<ExperimentError> for Problem {
    fn from(error: ExperimentError) -> Self {
        match error {
            ExperimentError::Network(error) => error.into(),
            ExperimentError::Data(error) => error.into(),
            ExperimentError::Internal(what) => Self::Internal(what),
            ExperimentError::Stopped => Self::Interrupted(error.to_string()),
            ExperimentError::Memory { .. } => {
                Self::bad_input(error).advised("raise --memory or lower --threads")
            }
            ExperimentError::SumCheck { .. } => {
                Self::failed(error).advised("compute with --float64")
            }
            ExperimentError::GradientAtTokens => Self::bad_input(error).advised("add --at stem"),
            ExperimentError::Journal(JournalError::Unreadable { .. })
            | ExperimentError::Elsewhere { .. }
            | ExperimentError::Team(_)
            | ExperimentError::Analysis(_) => Self::failed(error),
            _ => Self::bad_input(error),
        }
    }
}

impl From<TrainingError> for Problem {
    fn from(error: TrainingError) -> Self {
        match error {
            TrainingError::Network(error) => error.into(),
            TrainingError::Data(error) => error.into(),
            TrainingError::Format(error) => error.into(),
            TrainingError::Internal(what) => Self::Internal(what.to_owned()),
            TrainingError::NoCheckpoint(_) => {
                Self::bad_input(error).advised("begin the training without --resume")
            }
            TrainingError::FolderTaken(_) => {
                Self::bad_input(error).advised("continue it with --resume, or give another folder")
            }
            TrainingError::NoRoomForCrops { .. } => {
                Self::bad_input(error).advised("leave out --ten-crop")
            }
            TrainingError::Diverged { .. }
            | TrainingError::File { .. }
            | TrainingError::Log(JournalError::Unreadable { .. })
            | TrainingError::Elsewhere(_)
            | TrainingError::Team(_) => Self::failed(error),
            _ => Self::bad_input(error),
        }
    }
}

impl From<DataError> for Problem {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Parquet { ref python, .. } => {
                let lines = python.clone();
                Self::bad_input(error)
                    .advised("these lines do so:")
                    .with_lines(lines)
            }
            _ => Self::bad_input(error),
        }
    }
}

impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Taken { .. } => {
                Self::bad_input(error).advised("give another folder, or use it with --data")
            }
            FetchError::Stopped { .. } => Self::Interrupted(error.to_string()),
            FetchError::Refused { .. } => {
                Self::failed(error).advised("give another address with --from")
            }
            _ => Self::failed(error),
        }
    }
}

impl From<MergeError> for Problem {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::NotAPart(_) => {
                Self::bad_input(error).advised("give the files that --shard wrote")
            }
            _ => Self::bad_input(error),
        }
    }
}

impl From<FamilyError> for Problem {
    fn from(error: FamilyError) -> Self {
        match error {
            FamilyError::NoSpectrum { measure, .. } => {
                Self::bad_input(error).advised(&format!("measure it with --measure {measure}"))
            }
            _ => Self::bad_input(error),
        }
    }
}

/// Errors that always mean one thing.
macro_rules! problems {
    ($($error:ty => $kind:ident,)*) => {
        $(impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                Self::$kind(error)
            }
        })*
    };
}

problems! {
    JournalError => bad_input,
    PathCountsError => bad_input,
    SourceError => bad_input,
    PairedError => failed,
    serde_json::Error => failed,
    TeamError => failed,
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::failed(error),
        }
    }
}
