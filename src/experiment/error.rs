use pathscope_analysis::record::JournalError;
use thiserror::Error;

use pathscope_data::DataError;
use pathscope_network::NetworkError;
use pathscope_team::TeamError;

/// What can go wrong in an experiment.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// Somebody asked to stop.
    #[error("stopped before the end")]
    Stopped,
    /// The memory bound leaves no room for one example.
    #[error("{given} bytes of memory are not enough for one example, which needs {needed}")]
    Memory {
        /// Bytes permitted.
        given: u64,
        /// Bytes that one example needs.
        needed: u64,
    },
    /// What cannot be asked of a network, and what can.
    #[error("{0}")]
    Impossible(String),
    /// A gradient at inputs that are tokens.
    #[error(
        "tokens are numbers of rows of a table, at which there is no gradient; take it at the stem's output"
    )]
    GradientAtTokens,
    /// Examples that are not what the network takes or answers: what each of the two has, and what to
    /// give.
    #[error("{0}")]
    Misfit(String),
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
    /// A loss that is not a number.
    #[error(
        "the loss of example {example} is not finite ({change}): values stop being so {place} \
         (blocks count from 0); look for damaged or huge weights there"
    )]
    LossNotFinite {
        /// The example, from 0.
        example: usize,
        /// What was changed.
        change: String,
        /// Where values stop being finite.
        place: String,
    },
    /// Activations that have no direction, at the inputs of these blocks.
    #[error(
        "the activations at depths {} and {} are not finite numbers; look for damaged or huge \
         weights in the blocks before them",
        .0[0], .0[1]
    )]
    ActivationNotFinite([usize; 2]),
    /// A spectrum that does not add up.
    #[error(
        "the gradients of all path lengths differ from the ordinary gradient by {check:.1e} of it \
         in mini-batch {batch}, where rounding in float32 explains 1e-3 at most; no result is \
         recorded"
    )]
    SumCheck {
        /// The mini-batch.
        batch: usize,
        /// The relative difference.
        check: f64,
    },
    /// Results that cannot be read or written, or belong to another measurement.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Something that the program itself rules out.
    #[error("internal error: {0}; please report it")]
    Internal(String),
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

/// The classes that `f_argmax` found.
pub(super) fn predictions(found: &tch::Tensor) -> Result<Vec<u32>, ExperimentError> {
    let class = |class: i64| {
        let fault = |_| ExperimentError::Internal(format!("class {class} was predicted"));
        u32::try_from(class).map_err(fault)
    };
    let found = Vec::<i64>::try_from(found)?;
    found.into_iter().map(class).collect()
}

impl From<tch::TchError> for ExperimentError {
    fn from(error: tch::TchError) -> Self {
        Self::Network(error.into())
    }
}
