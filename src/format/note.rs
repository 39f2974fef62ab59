//! What is worth telling about how a file was read.

use std::fmt;

/// Something worth telling about how a file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadNote {
    /// The tensors stood inside a dictionary under this key.
    Entered {
        /// The key.
        key: String,
    },
    /// This key holds tensors too; they were not taken.
    AlsoHeld {
        /// The key.
        key: String,
    },
    /// A prefix was removed from the names.
    PrefixStripped {
        /// The prefix.
        prefix: &'static str,
        /// How many names had it.
        tensors: usize,
    },
    /// A whole pickled module: its tensors were collected, its code was not run.
    ModuleRead {
        /// Its class.
        class: String,
    },
    /// A TorchScript module: its tensors were collected, its program was not run.
    ScriptRead {
        /// Its class.
        class: String,
    },
    /// An entry that is no tensor was left out.
    NotATensor {
        /// Its name.
        name: String,
        /// What it is.
        what: String,
    },
    /// More entries that are no tensors were left out.
    MoreLeftOut {
        /// How many.
        entries: usize,
    },
    /// The bytes of an archive's entry do not have the checksum that the archive states.
    ChecksumMismatch {
        /// The entry.
        entry: String,
    },
}

impl fmt::Display for LoadNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entered { key } => write!(f, "tensors taken from the entry `{key}`"),
            Self::AlsoHeld { key } => {
                write!(
                    f,
                    "the entry `{key}` holds tensors as well; they were left out"
                )
            }
            Self::PrefixStripped { prefix, tensors } => {
                write!(f, "prefix `{prefix}` removed from {tensors} names")
            }
            Self::ModuleRead { class } => {
                write!(
                    f,
                    "tensors of a pickled `{class}` collected; its code was not run"
                )
            }
            Self::ScriptRead { class } => {
                write!(
                    f,
                    "tensors of the TorchScript module `{class}` collected; its program was not run"
                )
            }
            Self::NotATensor { name, what } => write!(f, "`{name}` left out: {what}"),
            Self::MoreLeftOut { entries } => {
                write!(f, "{entries} more entries that are no tensors left out")
            }
            Self::ChecksumMismatch { entry } => {
                write!(
                    f,
                    "`{entry}` does not match its checksum: the file may be damaged"
                )
            }
        }
    }
}
