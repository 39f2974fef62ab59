//! What can be wrong with a model file.

use std::{
    io,
    path::{Path, PathBuf},
};

use pathscope_data::DataError;
use pathscope_file::{pickle::PickleError, sentence, shortened};
use pathscope_network::NetworkError;
use tch::TchError;

/// Why a model file could not be read or written, and which.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", sentence(&file.display()), sentence(fault))]
pub struct FormatError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: Box<Fault>,
}

/// What is wrong with a model file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A model card that is not what this version of pathscope writes.
    #[error("its model card cannot be used: {0}")]
    ModelCard(#[source] serde_json::Error),
    /// Tensors that fit no architecture.
    #[error(
        "its architecture is not recognised from its tensors (they begin {names}){stop}; \
         export the model in Python with torch.export and open the .pt2 file"
    )]
    UnknownArchitecture {
        /// The first names in it.
        names: String,
        /// Where the recognition that got furthest stopped, with what stands before it.
        stop: String,
    },
    /// Normalisations of which only scale and shift are stored.
    #[error(
        "its normalisations (the first is `{0}`) have no running statistics, and nothing says \
         over how many groups of channels they normalise; state it (a GroupNorm of 16 groups as \
         groups=16, a LayerNorm as groups=1, an InstanceNorm as groups=channels); a network that \
         normalises by the statistics of each batch has no output of its own for one image"
    )]
    UnknownGroups(String),
    /// An assumption that leads nowhere.
    #[error("`{assumption}` cannot be assumed of it: {offered}")]
    Assumption {
        /// What was given.
        assumption: String,
        /// What can be.
        offered: String,
    },
    /// Several networks that are not the same.
    #[error("holds {count} networks that differ, below {prefixes}; choose one by its prefix")]
    SeveralNetworks {
        /// How many.
        count: usize,
        /// Their prefixes.
        prefixes: String,
    },
    /// A prefix that no tensor has.
    #[error("no tensor has a name that begins {prefix}; they begin {names}")]
    NoSuchPrefix {
        /// What was given.
        prefix: String,
        /// How names begin.
        names: String,
    },
    /// A prefix for a file that describes its network itself.
    #[error("describes the one network that it holds, so no prefix is to be chosen; leave out {0}")]
    NothingToChoose(String),
    /// An entry of a checkpoint that holds no tensors.
    #[error("has no entry `{key}` that holds tensors; those that do: {held}")]
    NoSuchWeights {
        /// What was given.
        key: String,
        /// The entries that hold tensors.
        held: String,
    },
    /// A parametrisation that cannot be computed.
    #[error(
        "the tensor `{0}` belongs to a parametrisation that is not known; call \
         torch.nn.utils.parametrize.remove_parametrizations in Python and save the model again"
    )]
    Parametrization(String),
    /// A folder that is no model's.
    #[error(
        "a folder without a model: expected config.json beside model.safetensors or \
         pytorch_model.bin (or an index of their shards), as save_pretrained and timm write them"
    )]
    NoModelFolder,
    /// A JSON file that is damaged.
    #[error("not valid JSON: {0}")]
    FolderJson(#[source] serde_json::Error),
    /// An index of shards that is damaged.
    #[error("not a usable index of shards: {0}; download the folder again")]
    FolderIndex(&'static str),
    /// A tensor that two shards hold.
    #[error("holds the tensor `{0}`, which another shard holds too; download the folder again")]
    TwoShards(String),
    /// A preparation of images that is not supported.
    #[error(
        "prepares its images in a way that is not supported: {0}; prepare them in Python and give \
         them as .npz, with the file of weights instead of the folder"
    )]
    Preparation(String),
    /// A network that is not known by its tensors.
    #[error("its architecture is not known from its tensors: {why}; export the model in Python")]
    MustBeExported {
        /// Why not.
        why: String,
        /// The lines that export it.
        python: String,
    },
    /// Tensors that do not fit the architecture that the file states or seems to have.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The file cannot be opened or read.
    #[error("cannot be read: {0}")]
    Read(#[source] io::Error),
    /// The file cannot be written.
    #[error("cannot be written: {0}")]
    Write(#[source] io::Error),
    /// Not a model file that is known.
    #[error(
        "not a model file that can be read: it {0}; \
         give a .safetensors file or a state dict saved by torch.save"
    )]
    Unrecognized(String),
    /// A TorchScript archive of an unknown architecture.
    #[error(
        "a TorchScript archive whose architecture is not recognised from its tensors; export \
         the model's graph in Python with `torch.export.save(torch.export.export(MODEL.eval(), \
         (EXAMPLE_INPUT,)), \"model.pt2\")` and open that"
    )]
    TorchScript,
    /// A network that was compiled, without its graph.
    #[error(
        "a compiled network ({0}): it holds machine code or a program for one runtime, no graph; \
         keep the exported program too, in Python with \
         `torch.export.save(torch.export.export(MODEL.eval(), (EXAMPLE_INPUT,)), \"model.pt2\")`, \
         and open that"
    )]
    Compiled(&'static str),
    /// An archive of `torch.export.save`, where tensors alone were asked for.
    #[error(
        "an archive of torch.export, which holds a graph, not a dictionary of tensors; read \
         it as a model"
    )]
    ExportedProgram,
    /// A graph that is damaged, or none that has residual blocks.
    #[error("holds a graph that cannot be used: {0}")]
    Graph(String),
    /// A graph with operations that are not known.
    #[error(
        "uses operations that are not supported: {0}; rewrite the model without them, \
         or ask for them to be added"
    )]
    UnsupportedOperations(String),
    /// An input for which no normalisation is known, and none was given.
    #[error(transparent)]
    Normalization(#[from] DataError),
    /// A file name that says no format.
    #[error(
        "the name does not say how to write the model: end it in .safetensors (pathscope's own \
         format), .pt or .pth (PyTorch)"
    )]
    UnknownTarget,
    /// A model whose outputs cannot be compared with anything.
    #[error(
        "its outputs on random inputs are not finite, so nothing can be proven to be the same \
         model; look for damaged or huge weights"
    )]
    OutputsNotFinite,
    /// A written model that computes something else.
    #[error("would not be the same model: its outputs differ by {0:.1e} of the largest one")]
    NotTheSame(f64),
    /// Numbers in the other byte order.
    #[error("was written on a big-endian machine; load it there and save it as .safetensors")]
    BigEndian,
    /// A safetensors header that is damaged.
    #[error("has a damaged safetensors header: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// A zip archive that is damaged.
    #[error("a damaged zip archive ({0}); copy or download it again")]
    Archive(#[from] zip::result::ZipError),
    /// A pickle that is damaged or hostile.
    #[error("the pickle `{pickle}` is damaged or hostile: {fault}")]
    Pickle {
        /// Which pickle of the file.
        pickle: String,
        /// What is wrong.
        #[source]
        fault: PickleError,
    },
    /// A legacy file whose parts do not fit together.
    #[error("a damaged PyTorch file, at byte {offset}: {what}")]
    Legacy {
        /// Where.
        offset: usize,
        /// What is wrong.
        what: String,
    },
    /// One tensor cannot be read.
    #[error("the entry `{entry}` cannot be read: {fault}")]
    Entry {
        /// The tensor.
        entry: String,
        /// What is wrong.
        #[source]
        fault: EntryError,
    },
    /// There is no dictionary of tensors.
    #[error(
        "holds no dictionary of tensors by name: it holds {0}; save the one that \
         `model.state_dict()` gives"
    )]
    NoTensors(String),
    /// More entries or longer names than any model has.
    #[error("has more than {limit} {what}: no model needs that many")]
    TooMany {
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
        #[source]
        fault: TchError,
    },
    /// A tensor cannot be stored.
    #[error("the tensor `{entry}` cannot be written: {what}")]
    Unwritable {
        /// The tensor.
        entry: String,
        /// Why.
        what: String,
    },
}

impl Fault {
    /// libtorch could not convert the tensor `entry`.
    pub(super) fn convert(entry: &str, fault: TchError) -> Self {
        Self::Convert {
            entry: entry.to_owned(),
            fault,
        }
    }

    pub(super) fn at(self, file: &Path) -> FormatError {
        FormatError {
            file: file.to_owned(),
            fault: Box::new(self),
        }
    }
}

/// Why one entry of a file is not a tensor that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The tensor is made by a class or function that is not known here.
    #[error("it is made by `{0}`, which is not among the tensor constructors read here")]
    UnknownConstructor(String),
    /// The tensor is quantised.
    #[error(
        "it is quantised; dequantise it in PyTorch with `.dequantize()` and save the file again"
    )]
    Quantised,
    /// The tensor is sparse.
    #[error("it is sparse; make it dense in PyTorch with `.to_dense()` and save the file again")]
    Sparse,
    /// The description of the tensor does not have the form that PyTorch writes.
    #[error("its description lacks {0}")]
    Malformed(&'static str),
    /// A type of numbers that is not read.
    #[error("its numbers are `{0}`; read are f16, bf16, f32, f64, i8 to i64, u8 and bool")]
    UnsupportedElement(String),
    /// A parameter that is not made of floating-point numbers, such as those of quantised networks.
    #[error(
        "its numbers are {0}, where floating-point numbers are needed; save the network \
         before it is quantised"
    )]
    NotFloat(String),
    /// The tensor looks into a storage that the file does not hold.
    #[error("its storage {0:?} is not in the file")]
    StorageMissing(String),
    /// The storage is compressed, which PyTorch never does.
    #[error("its storage {0:?} is compressed; PyTorch stores plainly: save the file again")]
    StorageCompressed(String),
    /// The storage holds fewer bytes than claimed.
    #[error("it claims {claimed} numbers of storage {key:?}, which has {held} bytes")]
    StorageTooShort {
        /// The name of the storage.
        key: String,
        /// How many numbers are claimed.
        claimed: usize,
        /// How many bytes there are.
        held: usize,
    },
    /// Shape, strides and offset lead out of the storage.
    #[error(
        "shape {size:?}, strides {strides:?} and offset {offset} lead out of a storage of {held} numbers"
    )]
    OutOfStorage {
        /// Its shape.
        size: Vec<i64>,
        /// Its strides, in numbers.
        strides: Vec<i64>,
        /// Its first number.
        offset: i64,
        /// How many numbers the storage has.
        held: usize,
    },
    /// Entries of an archive lie over each other, which no program writes.
    #[error("its storage {0:?} lies over another entry of the archive")]
    StorageOverlaps(String),
    /// Its size does not fit into a machine word.
    #[error("its size overflows")]
    Overflow,
    /// The storages of a file claim more than the file holds.
    #[error("with storage {0:?} the entries claim more memory than twice the file's length")]
    ClaimsTooMuch(String),
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

impl EntryError {
    /// The same of the entry `name`.
    pub(super) fn of(self, name: &str) -> Fault {
        Fault::Entry {
            entry: shortened(name),
            fault: self,
        }
    }
}

/// The first few of some names from a file.
pub(super) fn few<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    const SHOWN: usize = 3;
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    let names: Vec<String> = names.take(SHOWN).map(shortened).collect();
    names.join(", ") + more
}
