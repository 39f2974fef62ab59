//! What is worth telling about how a file was read.

use std::fmt;

/// Something worth telling about how a file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadNote {
    /// The tensors stood inside a dictionary under this key.
    Entered(String),
    /// This key holds tensors too; they were not taken.
    AlsoHeld(String),
    /// A word of a wrapper was removed from the names.
    PartStripped {
        /// The word.
        part: &'static str,
        /// How many names had it.
        tensors: usize,
    },
    /// Weights that were kept as what weight or spectral normalisation computes them from.
    Folded(usize),
    /// The network is a part of what the file holds.
    Below(String),
    /// The architecture was recognised.
    Recognized {
        /// What the network is called.
        title: String,
        /// Whose names these are, and what the names do not say.
        origin: String,
    },
    /// A network was found in an exported graph.
    GraphRead {
        /// The class of the model.
        title: String,
        /// How many residual blocks it has.
        blocks: usize,
    },
    /// Something about how an exported graph was taken apart.
    Remark(String),
    /// The file states no normalisation of its inputs, and none was given.
    AssumedNormalization(&'static str),
    /// The normalisation of the inputs is among the tensors.
    InsideNormalization(String),
    /// Tensors that the network does not have.
    Unused {
        /// How many.
        tensors: usize,
        /// The first names.
        first: String,
    },
    /// Parameters that are infinite or not a number.
    NotFinite {
        /// How many tensors hold such numbers.
        tensors: usize,
        /// The first of them.
        first: String,
    },
    /// A whole pickled module: its tensors were collected, its code was not run.
    ModuleRead(String),
    /// A TorchScript module: its tensors were collected, its program was not run.
    ScriptRead(String),
    /// An entry that is no tensor was left out.
    NotATensor {
        /// Its name.
        name: String,
        /// What it is.
        what: String,
    },
    /// More entries that are no tensors were left out.
    MoreLeftOut(usize),
    /// The bytes of an archive's entry do not have the checksum that the archive states.
    ChecksumMismatch(String),
}

impl LoadNote {
    /// Whether the note only matters to those who want to know how a file was read: nothing of the
    /// network was left out or chosen, and nothing is damaged.
    #[must_use]
    pub fn is_detail(&self) -> bool {
        match self {
            Self::Entered { .. }
            | Self::PartStripped { .. }
            | Self::Folded { .. }
            | Self::Recognized { .. }
            | Self::GraphRead { .. }
            | Self::AssumedNormalization { .. }
            | Self::ModuleRead { .. }
            | Self::ScriptRead { .. }
            | Self::NotATensor { .. }
            | Self::MoreLeftOut { .. } => true,
            Self::AlsoHeld { .. }
            | Self::Below { .. }
            | Self::Remark(_)
            | Self::InsideNormalization { .. }
            | Self::Unused { .. }
            | Self::NotFinite { .. }
            | Self::ChecksumMismatch { .. } => false,
        }
    }
}

impl fmt::Display for LoadNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Entered(key) => format!("tensors taken from the entry `{key}`"),
            Self::AlsoHeld(key) => {
                format!("the entry `{key}` holds tensors as well; they were left out")
            }
            Self::PartStripped { part, tensors } => {
                format!("`{part}.` removed from {tensors} names")
            }
            Self::Folded(weights) => {
                format!("weight or spectral normalisation computed for {weights} weights")
            }
            Self::Below(prefix) => format!("the network taken is the one below `{prefix}`"),
            Self::Recognized { title, origin } => format!("recognised as {title}: {origin}"),
            Self::Remark(text) => text.clone(),
            Self::GraphRead { title, blocks } => {
                format!("{title}: {blocks} residual blocks found in the exported graph")
            }
            Self::AssumedNormalization(name) => {
                format!("the file states no normalisation; assuming `{name}`")
            }
            Self::InsideNormalization(tensors) => {
                format!("the model normalises its inputs itself ({tensors}); taken over")
            }
            Self::Unused { tensors, first } => format!("{tensors} tensor(s) not used: {first}"),
            Self::NotFinite { tensors, first } => format!(
                "{tensors} tensor(s) hold infinities or NaN, first `{first}`: the file is damaged, \
                 or the training diverged"
            ),
            Self::ModuleRead(class) => {
                format!("tensors of a pickled `{class}` collected; its code was not run")
            }
            Self::ScriptRead(class) => format!(
                "tensors of the TorchScript module `{class}` collected; its program was not run"
            ),
            Self::NotATensor { name, what } => format!("`{name}` left out: {what}"),
            Self::MoreLeftOut(entries) => {
                format!("{entries} more entries that are no tensors left out")
            }
            Self::ChecksumMismatch(entry) => {
                format!("`{entry}` does not match its checksum: the file may be damaged")
            }
        };
        f.write_str(&text)
    }
}
