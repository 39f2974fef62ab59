//! What can be wrong with a model file.

use std::{io, path::PathBuf};

use tch::TchError;

use super::{pickle::PickleError, tensor::EntryError};

/// Why a model file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A model card that is not what this version of pathscope writes.
    #[error("the model card in {} cannot be used: {fault}", file.display())]
    ModelCard {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        fault: serde_json::Error,
    },
    /// Tensors that fit no architecture.
    #[error(
        "the architecture of {} is not recognised from its tensors (they begin {names}); \
         convert it to a file that states its architecture", file.display()
    )]
    UnknownArchitecture {
        /// The file.
        file: PathBuf,
        /// The first names in it.
        names: String,
    },
    /// Tensors that do not fit the architecture that the file states or seems to have.
    #[error("{}: {fault}", file.display())]
    Network {
        /// The file.
        file: PathBuf,
        /// What does not fit.
        fault: crate::network::NetworkError,
    },
    /// The file cannot be opened or read.
    #[error("cannot read {}: {fault}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        fault: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {fault}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system says.
        fault: io::Error,
    },
    /// Not a model file that is known.
    #[error(
        "{} is not a model file that can be read: it {appearance}; \
         give a .safetensors file or a state dict saved by torch.save", file.display()
    )]
    Unrecognized {
        /// The file.
        file: PathBuf,
        /// What it looks like.
        appearance: String,
    },
    /// A TorchScript archive of an unknown architecture.
    #[error(
        "{} is a TorchScript archive whose architecture is not recognised from its tensors; export \
         the model's graph in Python with `torch.export.save(torch.export.export(MODEL.eval(), \
         (EXAMPLE_INPUT,)), \"model.pt2\")` and open that",
        file.display()
    )]
    TorchScript {
        /// The file.
        file: PathBuf,
    },
    /// An archive of `torch.export.save`, where tensors alone were asked for.
    #[error(
        "{} is an archive of torch.export, which holds a graph, not a dictionary of tensors; read \
         it as a model",
        file.display()
    )]
    ExportedProgram {
        /// The file.
        file: PathBuf,
    },
    /// A graph that is damaged, or none that has residual blocks.
    #[error("{} holds a graph that cannot be used: {what}", file.display())]
    Graph {
        /// The file.
        file: PathBuf,
        /// Why not.
        what: String,
    },
    /// A graph with operations that are not known.
    #[error(
        "{} uses operations that are not supported: {operations}; rewrite the model without them, \
         or ask for them to be added",
        file.display()
    )]
    UnsupportedOperations {
        /// The file.
        file: PathBuf,
        /// Their names.
        operations: String,
    },
    /// A file name that says no format.
    #[error(
        "the name {} does not say how to write the model: end it in .safetensors (pathscope's own \
         format), .pt or .pth (PyTorch)",
        file.display()
    )]
    UnknownTarget {
        /// The file.
        file: PathBuf,
    },
    /// A written model that computes something else.
    #[error(
        "{} would not be the same model: its outputs differ by {difference:.1e} of the largest one",
        file.display()
    )]
    NotTheSame {
        /// The file.
        file: PathBuf,
        /// Largest difference over largest output.
        difference: f64,
    },
    /// Numbers in the other byte order.
    #[error(
        "{} was written on a big-endian machine; load it there and save it as .safetensors",
        file.display()
    )]
    BigEndian {
        /// The file.
        file: PathBuf,
    },
    /// A safetensors header that is damaged.
    #[error("{} has a damaged safetensors header: {fault}", file.display())]
    Safetensors {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        fault: safetensors::SafeTensorError,
    },
    /// A zip archive that is damaged.
    #[error("{} is a damaged zip archive ({fault}); copy or download it again", file.display())]
    Archive {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// A pickle that is damaged or hostile.
    #[error("{}: the pickle `{pickle}` is damaged or hostile: {fault}", file.display())]
    Pickle {
        /// The file.
        file: PathBuf,
        /// Which pickle of the file.
        pickle: String,
        /// What is wrong.
        fault: PickleError,
    },
    /// A legacy file whose parts do not fit together.
    #[error("{} is a damaged PyTorch file, at byte {offset}: {what}", file.display())]
    Legacy {
        /// The file.
        file: PathBuf,
        /// Where.
        offset: usize,
        /// What is wrong.
        what: String,
    },
    /// One tensor cannot be read.
    #[error("{}: the entry `{entry}` cannot be read: {fault}", file.display())]
    Entry {
        /// The file.
        file: PathBuf,
        /// The tensor.
        entry: String,
        /// What is wrong.
        fault: EntryError,
    },
    /// There is no dictionary of tensors.
    #[error("{} holds no dictionary of tensors: it holds {held}", file.display())]
    NoTensors {
        /// The file.
        file: PathBuf,
        /// What is there instead.
        held: String,
    },
    /// More entries or longer names than any model has.
    #[error("{} has more than {limit} {what}: no model needs that many", file.display())]
    TooMany {
        /// The file.
        file: PathBuf,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A tensor cannot be converted.
    #[error("the tensor `{entry}` cannot be converted: {fault}")]
    Convert {
        /// The tensor.
        entry: String,
        /// What libtorch says.
        fault: TchError,
    },
    /// A tensor cannot be stored.
    #[error("the tensor `{entry}` cannot be written to {}: {what}", file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// The tensor.
        entry: String,
        /// Why.
        what: String,
    },
}
