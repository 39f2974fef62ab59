use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{
    BlockIndex, BlockShape, BranchState, Exchange, FeatureShape, FunctionIndex, Layer,
    NetworkError, Parameter, Plan, Step, Substitutes,
};

/// A stem, residual blocks, and a head, over layers of any kind `L`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResidualNetwork<L> {
    /// From the input `[N, C, H, W]` to the first block.
    pub stem: Vec<L>,
    /// The blocks, in the order in which data meets them.
    pub blocks: Vec<Block<L>>,
    /// From the last block to the logits `[N, classes]`.
    pub head: Vec<L>,
}

/// `x' = post(skip(pre(x)) + sum_i f_i(pre(x)))`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block<L> {
    /// Its name in a checkpoint, such as `layer2.3`.
    pub name: String,
    /// Applied before skip and branches alike: the BN-ReLU that the first block of a
    /// pre-activation stage shares between its functions and its shortcut.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub pre: Vec<L>,
    /// The skip; no layers make it the identity. `None` where the network has no skip here:
    /// a plain (VGG) layer, which is passed over when its function is off.
    pub skip: Option<Vec<L>>,
    /// The k residual functions.
    pub branches: Vec<Branch<L>>,
    /// Applied to the sum: ReLU in post-activation networks (He et al. 2015).
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub post: Vec<L>,
}

/// One residual function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Branch<L> {
    /// Its layers, in order.
    pub layers: Vec<L>,
}

/// The description of a network, without parameters.
pub type Specification = ResidualNetwork<Layer>;

/// Whether batch normalisation uses the statistics of the batch or its running ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Batch statistics; the running ones move towards them by `momentum`.
    Training {
        /// Weight of the new batch in the running statistics.
        momentum: f64,
    },
    /// Running statistics.
    Evaluation,
}

/// The circumstances of one forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// How batch normalisation behaves.
    pub mode: Mode,
    /// What stands in for branches that the plan substitutes.
    pub substitutes: Option<&'a Substitutes>,
    /// Position in the data set of the first example of the batch: which substitute an
    /// example gets depends on the example, not on how the data were cut into batches.
    pub first_example: usize,
    /// Factors by which branch outputs are multiplied, one tensor `[N, 1, 1, 1]` or `[1]` a
    /// block: stochastic depth.
    pub gates: Option<&'a [Tensor]>,
    /// Where other processes compute some of the functions.
    pub exchange: Option<&'a dyn Exchange>,
}

impl Pass<'_> {
    /// Running statistics, no substitutes.
    pub const EVALUATION: Pass<'static> = Pass {
        mode: Mode::Evaluation,
        substitutes: None,
        first_example: 0,
        gates: None,
        exchange: None,
    };
}

/// A layer that can be computed.
pub trait Forward {
    /// The layer's output; `x` stays as it is.
    ///
    /// # Errors
    /// Where libtorch refuses, a shape that does not fit for instance.
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor, NetworkError>;

    /// The same where nobody else needs `x`, which may then be overwritten.
    ///
    /// # Errors
    /// As [`Forward::forward`].
    fn forward_owned(&self, x: Tensor, mode: Mode) -> Result<Tensor, NetworkError> {
        self.forward(&x, mode)
    }
}

/// Runs `layers` one after the other; the identity, sharing storage with `x`, for no layers.
pub(super) fn chain<L: Forward>(
    layers: &[L],
    x: &Tensor,
    mode: Mode,
) -> Result<Tensor, NetworkError> {
    match layers.split_first() {
        None => Ok(x.shallow_clone()),
        Some((first, rest)) => chain_owned(rest, first.forward(x, mode)?, mode),
    }
}

fn chain_owned<L: Forward>(layers: &[L], x: Tensor, mode: Mode) -> Result<Tensor, NetworkError> {
    layers
        .iter()
        .try_fold(x, |x, layer| layer.forward_owned(x, mode))
}

impl<L> ResidualNetwork<L> {
    /// The block at `index`.
    ///
    /// # Errors
    /// [`NetworkError::UnknownBlock`] beyond the last one.
    pub fn block(&self, index: BlockIndex) -> Result<&Block<L>, NetworkError> {
        self.blocks
            .get(index.position())
            .ok_or(NetworkError::UnknownBlock {
                block: index.position(),
                blocks: self.blocks.len(),
            })
    }

    /// The number of functions in each block.
    #[must_use]
    pub fn functions(&self) -> Vec<usize> {
        self.blocks
            .iter()
            .map(|block| block.branches.len())
            .collect()
    }

    /// The same structure over other layers: `convert` sees every run of layers that follow one
    /// another without anything joining or leaving, with the name of its block.
    ///
    /// # Errors
    /// The first one that `convert` gives.
    pub fn try_map<M, E>(
        &self,
        mut convert: impl FnMut(&[L]) -> Result<Vec<M>, E>,
    ) -> Result<ResidualNetwork<M>, E> {
        let stem = convert(&self.stem)?;
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            blocks.push(Block {
                name: block.name.clone(),
                pre: convert(&block.pre)?,
                skip: block.skip.as_ref().map(|skip| convert(skip)).transpose()?,
                branches: block
                    .branches
                    .iter()
                    .map(|branch| {
                        Ok(Branch {
                            layers: convert(&branch.layers)?,
                        })
                    })
                    .collect::<Result<_, E>>()?,
                post: convert(&block.post)?,
            });
        }
        Ok(ResidualNetwork {
            stem,
            blocks,
            head: convert(&self.head)?,
        })
    }

    /// All layers, in the order stem, blocks (pre, skip, branches, post), head.
    pub fn layers(&self) -> impl Iterator<Item = &L> {
        let blocks = self.blocks.iter().flat_map(Block::layers);
        self.stem.iter().chain(blocks).chain(&self.head)
    }
}

impl<L> Block<L> {
    /// All layers of the block: pre, skip, branches, post.
    pub fn layers(&self) -> impl Iterator<Item = &L> {
        let branches = self.branches.iter().flat_map(|branch| &branch.layers);
        self.pre
            .iter()
            .chain(self.skip.iter().flatten())
            .chain(branches)
            .chain(&self.post)
    }
}

impl<L: Forward> ResidualNetwork<L> {
    /// Logits `[N, classes]` of a batch `[N, C, H, W]` under `plan`.
    ///
    /// # Errors
    /// A plan or batch that does not fit the network.
    pub fn forward(
        &self,
        batch: &Tensor,
        plan: &Plan,
        pass: &Pass<'_>,
    ) -> Result<Tensor, NetworkError> {
        let mut x = self.stem(batch, pass)?;
        for step in plan.steps() {
            x = self.step(step, &x, pass)?;
        }
        self.head(&x, pass)
    }

    /// From the input to the first block.
    ///
    /// # Errors
    /// A batch that does not fit.
    pub fn stem(&self, batch: &Tensor, pass: &Pass<'_>) -> Result<Tensor, NetworkError> {
        chain(&self.stem, batch, pass.mode)
    }

    /// One step of a plan, from a block's input to its output.
    ///
    /// # Errors
    /// An unknown block, or an input that does not fit.
    pub fn step(&self, step: &Step, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor, NetworkError> {
        self.block(step.block)?.forward(step, x, pass)
    }

    /// From the last block to the logits.
    ///
    /// # Errors
    /// Features that do not fit.
    pub fn head(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor, NetworkError> {
        chain(&self.head, x, pass.mode)
    }
}

impl<L: Forward> Block<L> {
    fn forward(&self, step: &Step, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor, NetworkError> {
        let silent = step.branches.iter().all(|&state| state == BranchState::Off);
        if silent && self.skip.is_none() {
            return Ok(x.shallow_clone());
        }
        let mut u = chain(&self.pre, x, pass.mode)?;
        let mut taken = u.shallow_clone();
        if let Some(exchange) = pass.exchange {
            u = exchange.enter(&u)?;
            taken = exchange.part(&u)?;
        }
        let here = |function| {
            let block = step.block;
            pass.exchange
                .is_none_or(|exchange| exchange.computes(FunctionIndex { block, function }))
        };
        let mut sum = None;
        for (function, (branch, &state)) in self.branches.iter().zip(&step.branches).enumerate() {
            if !here(function) {
                continue;
            }
            let output = match state {
                BranchState::Off => continue,
                BranchState::On => branch.forward(&taken, pass)?,
                BranchState::Detached => tch::no_grad(|| branch.forward(&taken, pass))?,
                BranchState::Substitute(kind) => pass
                    .substitutes
                    .and_then(|bank| bank.rows(step.block, function, kind, pass, taken.size()[0]))
                    .ok_or(NetworkError::MissingSubstitute {
                        block: step.block.position(),
                    })??,
            };
            let output = match pass
                .gates
                .and_then(|gates| gates.get(step.block.position()))
            {
                Some(gate) => output.f_mul(&gate.f_to_kind(output.kind())?)?,
                None => output,
            };
            sum = Some(match sum {
                None => output,
                Some(sum) => accumulate(sum, &output)?,
            });
        }
        let skip = match &self.skip {
            Some(skip) if step.skip => Some(chain(skip, &u, pass.mode)?),
            _ => None,
        };
        let (sum, skip) = match (pass.exchange, skip) {
            (Some(exchange), Some(skip)) if !silent => {
                let partial = sum.map_or_else(|| skip.f_zeros_like(), Ok)?;
                // Out of place: what others gave is where their gradients begin.
                (Some(exchange.join(&partial)?.f_add(&skip)?), None)
            }
            (_, skip) => (sum, skip),
        };
        let sum = match (sum, skip) {
            (Some(sum), Some(skip)) => accumulate(sum, &skip)?,
            (None, Some(skip)) => {
                // The skip may share storage with x, which `post` must not overwrite.
                return chain(&self.post, &skip, pass.mode);
            }
            (Some(sum), None) => sum,
            // Skip and branches all cut: nothing passes but zeros of the block's output shape.
            (None, None) => match &self.skip {
                Some(skip) => chain(skip, &u, pass.mode)?.f_zeros_like()?,
                None => u.f_zeros_like()?,
            },
        };
        chain_owned(&self.post, sum, pass.mode)
    }
}

/// `sum + term`, in the storage of `sum`: a branch's output is nobody else's.
fn accumulate(mut sum: Tensor, term: &Tensor) -> Result<Tensor, NetworkError> {
    Ok(sum.f_add_(term)?)
}

impl<L: Forward> Block<L> {
    /// Output `[N, C, H, W]` of every function for the block's input `x`.
    ///
    /// # Errors
    /// An input that does not fit.
    pub fn branch_outputs(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Vec<Tensor>, NetworkError> {
        let u = chain(&self.pre, x, pass.mode)?;
        self.branches
            .iter()
            .map(|branch| branch.forward(&u, pass))
            .collect()
    }
}

impl<L: Forward> Branch<L> {
    fn forward(&self, u: &Tensor, pass: &Pass<'_>) -> Result<Tensor, NetworkError> {
        chain(&self.layers, u, pass.mode)
    }
}

impl Specification {
    /// The tensors that the network needs, in the order of its layers; those that several layers
    /// share once.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut seen = HashSet::new();
        self.layers()
            .flat_map(Layer::parameters)
            .filter(|parameter| seen.insert(parameter.name.clone()))
            .collect()
    }

    /// Number of trained values.
    #[must_use]
    pub fn parameter_count(&self) -> i64 {
        count(self.layers())
    }

    /// Input and output shape of every block for images of shape `input`.
    ///
    /// # Errors
    /// The first layer that cannot take what reaches it.
    pub fn shapes(&self, input: FeatureShape) -> Result<Vec<BlockShape>, NetworkError> {
        let mut x = propagate(&self.stem, input)?;
        let mut shapes = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let output = block.output_shape(x)?;
            shapes.push(BlockShape { input: x, output });
            x = output;
        }
        propagate(&self.head, x)?;
        Ok(shapes)
    }

    /// Classes that the head tells apart; `None` where it does not end in a linear layer.
    #[must_use]
    pub fn classes(&self) -> Option<usize> {
        match self.head.last()?.operation {
            super::Operation::Linear { outputs, .. } => usize::try_from(outputs).ok(),
            super::Operation::Fragment(ref fragment) => {
                usize::try_from(*fragment.output.last()?).ok()
            }
            _ => None,
        }
    }

    /// How many different tokens the network knows; `None` where its input is no list of tokens.
    #[must_use]
    pub fn vocabulary(&self) -> Option<i64> {
        match &self.stem.first()?.operation {
            super::Operation::Fragment(fragment) => fragment.vocabulary(),
            _ => None,
        }
    }

    /// How many tokens a sequence has; `None` where the input is no list of tokens.
    #[must_use]
    pub fn sequence_length(&self) -> Option<i64> {
        match &self.stem.first()?.operation {
            super::Operation::Fragment(fragment) if fragment.vocabulary().is_some() => {
                Some(fragment.input.iter().product())
            }
            _ => None,
        }
    }

    /// Predictions for each example: 1, or as many as the head of an exported graph gives rows of
    /// logits, such as one for each token.
    #[must_use]
    pub fn positions(&self) -> usize {
        match self.head.last().map(|layer| &layer.operation) {
            Some(super::Operation::Fragment(fragment)) => {
                let rows = fragment.output.split_last().map(|(_, rows)| rows);
                let positions = rows.unwrap_or_default().iter().product::<i64>();
                usize::try_from(positions).unwrap_or(1)
            }
            _ => 1,
        }
    }

    /// A random batch of inputs: images of shape `input`, or what an exported graph takes.
    ///
    /// # Errors
    /// Where libtorch cannot hold it.
    pub fn random_batch(
        &self,
        input: FeatureShape,
        examples: i64,
        seed: u64,
    ) -> Result<Tensor, NetworkError> {
        let each = match self.stem.first().map(|layer| &layer.operation) {
            Some(super::Operation::Fragment(fragment)) => fragment.input.clone(),
            _ => vec![input.channels, input.height, input.width],
        };
        super::random_batch(&each, self.vocabulary(), examples, seed)
    }

    /// Channels of the images that the stem takes.
    #[must_use]
    pub fn input_channels(&self) -> Option<i64> {
        self.layers().find_map(|layer| match layer.operation {
            super::Operation::Convolution { inputs, .. } => Some(inputs),
            super::Operation::BatchNorm { channels, .. } => Some(channels),
            _ => None,
        })
    }
}

impl Block<Layer> {
    /// Number of trained values in the block.
    #[must_use]
    pub fn parameter_count(&self) -> i64 {
        count(self.layers())
    }

    /// Convolutions in the longest branch, and matrices in exported ones: a module's length in
    /// layers.
    #[must_use]
    pub fn convolutions(&self) -> usize {
        let counted = |layer: &Layer| match &layer.operation {
            super::Operation::Convolution { .. } => 1,
            super::Operation::Fragment(fragment) => fragment.counted(),
            _ => 0,
        };
        let length = |branch: &Branch<Layer>| branch.layers.iter().map(counted).sum();
        self.branches.iter().map(length).max().unwrap_or(0)
    }

    pub(super) fn output_shape(&self, input: FeatureShape) -> Result<FeatureShape, NetworkError> {
        let u = propagate(&self.pre, input)?;
        let mut outputs = Vec::new();
        for layers in self
            .branches
            .iter()
            .map(|branch| &branch.layers)
            .chain(&self.skip)
        {
            outputs.push((propagate(layers, u)?, layers));
        }
        let Some(&(first, _)) = outputs.first() else {
            return Ok(u);
        };
        for (shape, layers) in outputs {
            if shape != first {
                return Err(NetworkError::LayerShape {
                    layer: layers
                        .last()
                        .map_or_else(|| self.name.clone(), |l| l.name.clone()),
                    found: input.to_string(),
                    reason: format!(
                        "it gives {shape} where the block's first function gives {first}"
                    ),
                });
            }
        }
        propagate(&self.post, first)
    }
}

pub(super) fn count<'a>(layers: impl Iterator<Item = &'a Layer>) -> i64 {
    let mut seen = HashSet::new();
    layers
        .flat_map(Layer::parameters)
        .filter(|parameter| parameter.role.is_trained() && seen.insert(parameter.name.clone()))
        .map(|parameter| parameter.shape.iter().product::<i64>())
        .sum()
}

pub(super) fn propagate(
    layers: &[Layer],
    input: FeatureShape,
) -> Result<FeatureShape, NetworkError> {
    trace(layers, input).map(|(shape, _)| shape)
}

/// Output shape and multiply-adds of a run of layers.
pub(super) fn trace(
    layers: &[Layer],
    input: FeatureShape,
) -> Result<(FeatureShape, i64), NetworkError> {
    layers.iter().try_fold((input, 0), |(shape, total), layer| {
        let output = layer.output_shape(shape)?;
        Ok((output, total + layer.multiply_adds(output)))
    })
}
