use thiserror::Error;

/// What can be wrong with a network, a plan for it, or a computation on it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A block number beyond the last block.
    #[error("block {block} does not exist: the network has {blocks} blocks, numbered 0 to {last}", last = blocks.saturating_sub(1))]
    UnknownBlock {
        /// The number asked for.
        block: usize,
        /// How many blocks there are.
        blocks: usize,
    },
    /// A function number beyond the last function of a block.
    #[error(
        "function {function} of block {block} does not exist: that block computes {functions} function(s), numbered from 0"
    )]
    UnknownFunction {
        /// The block.
        block: usize,
        /// The number asked for.
        function: usize,
        /// How many functions the block computes.
        functions: usize,
    },
    /// A selector that is neither a number nor the name of a block.
    #[error(
        "no block is named `{selector}`; give a number (`17`), a function (`17.2`), a range (`3-5`) or a name as in the checkpoint (such as `{example}`)"
    )]
    UnknownSelector {
        /// What was given.
        selector: String,
        /// A name that would have worked.
        example: String,
    },
    /// A plan would pass a tensor of one shape to a block that expects another.
    #[error(
        "block {block} expects {expected} at its input but the plan gives it {found}; only blocks of equal shape can be passed over or exchanged"
    )]
    ShapeMismatch {
        /// The block.
        block: usize,
        /// Shape that the block was built for.
        expected: String,
        /// Shape that the plan delivers.
        found: String,
    },
    /// A layer cannot take the shape that reaches it.
    #[error("layer `{layer}` cannot take an input of shape {found}: {reason}")]
    LayerShape {
        /// Name of the layer.
        layer: String,
        /// Shape that reaches it.
        found: String,
        /// Why not.
        reason: String,
    },
    /// A parameter is absent from the given tensors.
    #[error(
        "the checkpoint has no tensor `{name}`, which the {what} needs; is it a checkpoint of another architecture?"
    )]
    MissingParameter {
        /// Name of the tensor.
        name: String,
        /// What needs it.
        what: String,
    },
    /// A parameter has another shape than the architecture says.
    #[error("tensor `{name}` has shape {found:?}, but the architecture needs {expected:?}")]
    ParameterShape {
        /// Name of the tensor.
        name: String,
        /// Shape needed.
        expected: Vec<i64>,
        /// Shape found.
        found: Vec<i64>,
    },
    /// An architecture that cannot be built.
    #[error("this architecture cannot be built: {0}")]
    Architecture(String),
    /// A plan that replaces function outputs was run without what replaces them.
    #[error(
        "the plan replaces the output of block {0}, but nothing that could stand in for it was given"
    )]
    MissingSubstitute(usize),
    /// Something that the program itself rules out.
    #[error("internal error: {0}; please report it")]
    Internal(String),
    /// libtorch refused an operation.
    #[error("libtorch failed: {0}")]
    Torch(String),
}

impl NetworkError {
    /// The same, with the place in an exported graph where it happened.
    pub(super) fn within(self, scope: &str) -> Self {
        match self {
            Self::Torch(message) => Self::Torch(format!("{message} (in `{scope}`)")),
            other => other,
        }
    }
}

impl From<pathscope_torch::TorchError> for NetworkError {
    fn from(error: pathscope_torch::TorchError) -> Self {
        Self::Torch(error.to_string())
    }
}

/// Length of `tensor` along `axis`.
///
/// # Errors
/// [`NetworkError::Internal`] where the tensor has no such dimension.
pub fn length(tensor: &tch::Tensor, axis: usize) -> Result<i64, NetworkError> {
    let size = tensor.size();
    size.get(axis).copied().ok_or_else(|| {
        NetworkError::Internal(format!("a tensor of size {size:?} has no dimension {axis}"))
    })
}

/// A count that libtorch or a description gives, which is never negative.
///
/// # Errors
/// [`NetworkError::Internal`] where it is negative.
pub fn count<N: Copy + std::fmt::Display>(number: N) -> Result<usize, NetworkError>
where
    usize: TryFrom<N>,
{
    usize::try_from(number).map_err(|_| NetworkError::Internal(format!("{number} is not a count")))
}

impl From<tch::TchError> for NetworkError {
    fn from(error: tch::TchError) -> Self {
        // libtorch appends a C++ backtrace; its first line is the message.
        let message = error.to_string();
        Self::Torch(message.lines().next().unwrap_or(&message).to_owned())
    }
}
