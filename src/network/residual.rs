use std::collections::HashSet;

use pathscope_analysis::record::LesionKind;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::resolve::{Resolved, Skip, Source, Sum, Term};
use super::{
    BlockIndex, BlockShape, Exchange, FeatureShape, FunctionIndex, Layer, NetworkError, Operation,
    Parameter, Plan, StandIn, Step, Substitutes,
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

/// `x' = post(skip(u) + sum_i f_i(u))` with `u = pre(x)`; of a gated block
/// `post((1 - g) skip(u) + g sum_i f_i(u))` with `g = gate(u)` (Srivastava et al., arXiv 1505.00387). Where
/// `mean` is set, the sum is divided by the number of functions that take part in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block<L> {
    /// Its name in a checkpoint, such as `layer2.3`.
    pub name: String,
    /// Applied before skip and functions alike: the BN-ReLU that the first block of a
    /// pre-activation stage shares between its functions and its shortcut.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub pre: Vec<L>,
    /// The skip; no layers make it the identity. `None` where the network has no skip here:
    /// a plain (VGG) layer, which is passed over when its function is off.
    pub skip: Option<Vec<L>>,
    /// The k residual functions.
    #[serde(rename = "branches")]
    pub functions: Vec<Function<L>>,
    /// What gives the share of the functions, between 0 and 1, in the shape of the sum: the transform gate
    /// of a Highway network. Where all functions are off the skip is carried whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Vec<L>>,
    /// Whether the functions' mean takes the place of their sum, over those that take part (Larsson et
    /// al., arXiv 1605.07648).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mean: bool,
    /// Applied to the sum: ReLU in post-activation networks (He et al. 2015).
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub post: Vec<L>,
}

/// One residual function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Function<L> {
    /// Its layers, in order.
    pub layers: Vec<L>,
}

/// The description of a network, without parameters.
pub type Specification = ResidualNetwork<Layer>;

/// Whether batch normalisation uses the statistics of the batch or its running ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Batch statistics; the running ones move towards them by `momentum`. Random choices are drawn.
    Training {
        /// Weight of the new batch in the running statistics.
        momentum: f64,
        /// Of the random choices in this pass.
        seed: u64,
    },
    /// Running statistics, and random choices drawn as in training: stochastic inference.
    Sampled {
        /// Of the random choices in this pass.
        seed: u64,
    },
    /// Running statistics; means stand for random choices.
    Evaluation,
}

/// The circumstances of one forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// How batch normalisation behaves.
    pub mode: Mode,
    /// What stands in for functions that the plan substitutes.
    pub substitutes: Option<&'a Substitutes>,
    /// Position in the data set of the first example of the batch: which substitute an
    /// example gets depends on the example, not on how the data were cut into batches.
    pub first_example: usize,
    /// Factors by which function outputs are multiplied, one tensor `[N, 1, 1, 1]` or `[1]` a
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

    /// What stands in for a function.
    fn stand_in(
        &self,
        block: BlockIndex,
        function: usize,
        kind: LesionKind,
    ) -> Result<&dyn StandIn, NetworkError> {
        self.substitutes
            .and_then(|measured| measured.get(block, function, kind))
            .ok_or(NetworkError::MissingSubstitute(block.position()))
    }
}

/// A layer that can be computed.
pub trait Forward {
    /// The layer's output; `x` stays as it is.
    ///
    /// # Errors
    /// Where libtorch refuses, a shape that does not fit for instance.
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor, NetworkError>;

    /// The same where nothing else needs `x`, which may then be overwritten.
    ///
    /// # Errors
    /// As [`Forward::forward`].
    fn forward_owned(&self, x: Tensor, mode: Mode) -> Result<Tensor, NetworkError> {
        self.forward(&x, mode)
    }

    /// Whether the output has storage that neither the input nor the gradient needs, so that
    /// others may write into it.
    fn output_may_be_overwritten(&self) -> bool;

    /// Whether both compute the same from the same tensors, so that one output can serve as both; `false`
    /// where that is not known.
    fn is_same(&self, _other: &Self) -> bool
    where
        Self: Sized,
    {
        false
    }

    /// The sum of what `functions` give for `u`, computed together, in storage of its own; `None`
    /// where each of them is computed alone.
    ///
    /// # Errors
    /// As [`Forward::forward`].
    fn sum_of(
        _functions: &[&Function<Self>],
        _u: &Tensor,
        _mode: Mode,
    ) -> Result<Option<Tensor>, NetworkError>
    where
        Self: Sized,
    {
        Ok(None)
    }
}

/// A tensor on its way through layers.
pub(super) struct Flow {
    /// The values.
    pub tensor: Tensor,
    /// Whether nothing else needs them, so that they may be overwritten.
    own: bool,
}

impl Flow {
    /// Values that something else needs as well.
    pub fn shared(tensor: &Tensor) -> Self {
        Self {
            tensor: tensor.shallow_clone(),
            own: false,
        }
    }

    /// Values in storage that nothing else uses.
    fn owned(tensor: Tensor) -> Self {
        Self { tensor, own: true }
    }

    /// The values after `layers`, one after the other.
    fn through<L: Forward>(self, layers: &[L], mode: Mode) -> Result<Self, NetworkError> {
        layers.iter().try_fold(self, |flow, layer| {
            let tensor = if flow.own {
                layer.forward_owned(flow.tensor, mode)?
            } else {
                layer.forward(&flow.tensor, mode)?
            };
            let own = layer.output_may_be_overwritten();
            Ok(Self { tensor, own })
        })
    }

    /// The sum of both, in the storage of the first where that is its own.
    fn plus(self, term: &Tensor) -> Result<Self, NetworkError> {
        let Self { mut tensor, own } = self;
        Ok(Self::owned(match own {
            true => tensor.f_add_(term)?,
            false => tensor.f_add(term)?,
        }))
    }
}

/// Runs `layers` one after the other; the identity, sharing storage with `x`, for no layers.
pub(super) fn chain<L: Forward>(
    layers: &[L],
    x: &Tensor,
    mode: Mode,
) -> Result<Flow, NetworkError> {
    Flow::shared(x).through(layers, mode)
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

    /// The function at `index`.
    ///
    /// # Errors
    /// [`NetworkError::UnknownBlock`] or [`NetworkError::UnknownFunction`] beyond the last one.
    pub fn function(&self, index: FunctionIndex) -> Result<&Function<L>, NetworkError> {
        let functions = &self.block(index.block)?.functions;
        functions
            .get(index.function)
            .ok_or(NetworkError::UnknownFunction {
                block: index.block.position(),
                function: index.function,
                functions: functions.len(),
            })
    }

    /// The number of functions in each block.
    #[must_use]
    pub fn functions(&self) -> Vec<usize> {
        let functions = |block: &Block<L>| block.functions.len();
        self.blocks.iter().map(functions).collect()
    }

    /// The same structure over other layers: `convert` sees every run of layers that follow one
    /// another without anything joining or leaving, with the name of its block.
    ///
    /// # Errors
    /// The first one that `convert` gives.
    pub fn try_map<'n, M, E>(
        &'n self,
        mut convert: impl FnMut(&'n [L]) -> Result<Vec<M>, E>,
    ) -> Result<ResidualNetwork<M>, E> {
        let stem = convert(&self.stem)?;
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            blocks.push(Block {
                name: block.name.clone(),
                pre: convert(&block.pre)?,
                skip: block.skip.as_deref().map(&mut convert).transpose()?,
                functions: (block.functions.iter())
                    .map(|function| convert(&function.layers).map(|layers| Function { layers }))
                    .collect::<Result<_, E>>()?,
                gate: block.gate.as_deref().map(&mut convert).transpose()?,
                mean: block.mean,
                post: convert(&block.post)?,
            });
        }
        Ok(ResidualNetwork {
            stem,
            blocks,
            head: convert(&self.head)?,
        })
    }

    /// All layers, in the order stem, blocks (pre, skip, functions, gate, post), head.
    pub fn layers(&self) -> impl Iterator<Item = &L> {
        let blocks = self.blocks.iter().flat_map(Block::layers);
        self.stem.iter().chain(blocks).chain(&self.head)
    }
}

impl<L> Function<L> {
    /// The layers behind those of `other` where the function continues it: begins with all of its
    /// layers, as `same` compares them, and goes on.
    fn after(&self, other: &Self, same: impl Fn(&L, &L) -> bool) -> Option<&[L]> {
        let (first, behind) = self.layers.split_at_checked(other.layers.len())?;
        let continues = !first.is_empty() && !behind.is_empty();
        let mut pairs = first.iter().zip(&other.layers);
        (continues && pairs.all(|(one, other)| same(one, other))).then_some(behind)
    }
}

impl<L> Block<L> {
    /// A block of this skip and these functions, with nothing around them.
    pub fn new(
        name: impl Into<String>,
        skip: Option<Vec<L>>,
        functions: impl IntoIterator<Item = Vec<L>>,
    ) -> Self {
        let functions = functions.into_iter().map(|layers| Function { layers });
        Self {
            name: name.into(),
            pre: Vec::new(),
            skip,
            functions: functions.collect(),
            gate: None,
            mean: false,
            post: Vec::new(),
        }
    }

    /// All layers of the block: pre, skip, functions, gate, post.
    pub fn layers(&self) -> impl Iterator<Item = &L> {
        let functions = self.functions.iter().flat_map(|function| &function.layers);
        self.pre
            .iter()
            .chain(self.skip.iter().flatten())
            .chain(functions)
            .chain(self.gate.iter().flatten())
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
        Ok(chain(&self.stem, batch, pass.mode)?.tensor)
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
        Ok(chain(&self.head, x, pass.mode)?.tensor)
    }
}

impl<L: Forward> Block<L> {
    fn forward(&self, step: &Step, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor, NetworkError> {
        let sum = match self.resolve(step) {
            Resolved::Passed => return Ok(x.shallow_clone()),
            Resolved::Sum(sum) => sum,
        };
        let u = chain(sum.pre, x, pass.mode)?.tensor;
        let total = match pass.exchange {
            Some(exchange) => sum.shared_out(step.block, &u, pass, exchange)?,
            None => sum.here(step.block, &u, pass)?,
        };
        let total = match (total, &sum.skip) {
            (Some(total), _) => total,
            (None, Skip::Cut(skip)) => {
                Flow::owned(chain(skip, &u, pass.mode)?.tensor.f_zeros_like()?)
            }
            (None, Skip::Carried(_) | Skip::Absent) => {
                return Err(NetworkError::Internal(format!(
                    "block {} computes neither function nor skip",
                    step.block
                )));
            }
        };
        Ok(total.through(sum.post, pass.mode)?.tensor)
    }

    /// The input `u` of the functions, and the output of every function for it, where the block's
    /// input is `x`; all `[N, ...]`.
    ///
    /// # Errors
    /// An input that does not fit.
    pub fn function_outputs(
        &self,
        x: &Tensor,
        pass: &Pass<'_>,
    ) -> Result<(Tensor, Vec<Tensor>), NetworkError> {
        let u = chain(&self.pre, x, pass.mode)?.tensor;
        let output = |function: &Function<L>| Ok(chain(&function.layers, &u, pass.mode)?.tensor);
        let outputs = self.functions.iter().map(output);
        let outputs = outputs.collect::<Result<_, NetworkError>>()?;
        Ok((u, outputs))
    }
}

impl<L: Forward> Sum<'_, L> {
    /// The sum where this process computes all of it; `None` where nothing contributes.
    fn here(
        &self,
        block: BlockIndex,
        u: &Tensor,
        pass: &Pass<'_>,
    ) -> Result<Option<Flow>, NetworkError> {
        let gate = self.opened(u, pass.mode)?;
        let total = self.add_terms(block, u, pass, gate.as_ref(), |_| true)?;
        let total = total.map(|total| self.averaged(total)).transpose()?;
        let Some(skip) = self.carried() else {
            return Ok(total);
        };
        let skip = chain(skip, u, pass.mode)?;
        let skip = match &gate {
            Some(gate) => Flow::owned(skip.tensor.f_mul(&closed(gate)?)?),
            None => skip,
        };
        Ok(Some(match total {
            Some(total) => total.plus(&skip.tensor)?,
            None => skip,
        }))
    }

    /// The same where several processes share the functions out.
    fn shared_out(
        &self,
        block: BlockIndex,
        u: &Tensor,
        pass: &Pass<'_>,
        exchange: &dyn Exchange,
    ) -> Result<Option<Flow>, NetworkError> {
        if self.gate.is_some() {
            let reason =
                format!("processes cannot share the functions of block {block}: it has a gate");
            return Err(NetworkError::Architecture(reason));
        }
        let u = exchange.enter(u)?;
        let taken = exchange.part(&u)?;
        let computes = |function| exchange.computes(FunctionIndex { block, function });
        let total = self.add_terms(block, &taken, pass, None, computes)?;
        let skip = self.carried().map(|skip| chain(skip, &u, pass.mode));
        let skip = skip.transpose()?;
        if self.terms.is_empty() {
            return Ok(skip);
        }
        let partial = match (total, &skip) {
            (Some(total), _) => total.tensor,
            (None, Some(skip)) => skip.tensor.f_zeros_like()?,
            (None, None) => {
                return Err(NetworkError::Architecture(format!(
                    "processes cannot share the functions of block {block}, which has no skip"
                )));
            }
        };
        // Out of place: what others gave is where their gradients begin.
        let joined = self.averaged(Flow::shared(&exchange.join(&partial)?))?;
        Ok(Some(match skip {
            Some(skip) => joined.plus(&skip.tensor)?,
            None => joined,
        }))
    }

    /// The functions' mean from their sum, where that takes its place.
    fn averaged(&self, total: Flow) -> Result<Flow, NetworkError> {
        Ok(match self.weight() {
            Some(weight) => Flow::owned(total.tensor.f_mul_scalar(weight)?),
            None => total,
        })
    }

    /// What the gate gives for the functions' input `u`.
    fn opened(&self, u: &Tensor, mode: Mode) -> Result<Option<Tensor>, NetworkError> {
        let opened = |gate| Ok(chain(gate, u, mode)?.tensor);
        self.gate.map(opened).transpose()
    }

    /// The sum of those terms that `takes` wants, for the functions' input `u`, each times what the gate
    /// gives.
    fn add_terms(
        &self,
        block: BlockIndex,
        u: &Tensor,
        pass: &Pass<'_>,
        gate: Option<&Tensor>,
        takes: impl Fn(usize) -> bool,
    ) -> Result<Option<Flow>, NetworkError> {
        let survival = pass.gates.and_then(|gates| gates.get(block.position()));
        let gated = |output: Flow, source: Source| -> Result<Flow, NetworkError> {
            let kind = output.tensor.kind();
            let output = match survival {
                Some(survival) => Flow::owned(output.tensor.f_mul(&survival.f_to_kind(kind)?)?),
                None => output,
            };
            // Through a function that is held or given nothing flows back, not even by its gate.
            Ok(match gate {
                Some(gate) if source == Source::Live => Flow::owned(output.tensor.f_mul(gate)?),
                Some(gate) => Flow::owned(output.tensor.f_mul(&gate.f_detach()?)?),
                None => output,
            })
        };
        let taken = || self.terms.iter().filter(|term| takes(term.number));
        let live = taken().filter(|term| term.source == Source::Live);
        let live: Vec<&Function<L>> = live.map(|term| term.function).collect();
        let together = L::sum_of(&live, u, pass.mode)?;
        let alone = |term: &&Term<'_, L>| together.is_none() || term.source != Source::Live;
        let mut total = (together.as_ref())
            .map(|sum| gated(Flow::owned(sum.shallow_clone()), Source::Live))
            .transpose()?;
        // Outputs that another function continues are computed once.
        let mut continued: Vec<(&Function<L>, Tensor)> = Vec::new();
        for term in taken().filter(alone) {
            let output = match term.source {
                Source::Live => term.function.behind(&continued, u, pass.mode)?,
                _ => term.output(block, u, pass)?,
            };
            let goes_on = |other: &&Function<L>| other.after(term.function, L::is_same).is_some();
            let output = match live.iter().any(goes_on) {
                true => {
                    continued.push((term.function, output.tensor.shallow_clone()));
                    Flow::shared(&output.tensor)
                }
                false => output,
            };
            let output = gated(output, term.source)?;
            total = Some(match total {
                None => output,
                Some(total) => total.plus(&output.tensor)?,
            });
        }
        Ok(total)
    }
}

/// What a gate leaves to the skip.
pub(super) fn closed(gate: &Tensor) -> Result<Tensor, NetworkError> {
    Ok(gate.f_neg()?.f_add_scalar(1.0)?)
}

impl<L: Forward> Function<L> {
    /// The output for the input `u`, from the longest of the `known` outputs that it continues.
    fn behind(
        &self,
        known: &[(&Self, Tensor)],
        u: &Tensor,
        mode: Mode,
    ) -> Result<Flow, NetworkError> {
        let ways = known
            .iter()
            .filter_map(|(other, output)| Some((self.after(other, L::is_same)?, output)));
        match ways.min_by_key(|(layers, _)| layers.len()) {
            Some((layers, output)) => chain(layers, output, mode),
            None => chain(&self.layers, u, mode),
        }
    }
}

impl<L: Forward> Term<'_, L> {
    /// What the term adds to the sum, for the functions' input `u`.
    pub(super) fn output(
        &self,
        block: BlockIndex,
        u: &Tensor,
        pass: &Pass<'_>,
    ) -> Result<Flow, NetworkError> {
        let computed = || chain(&self.function.layers, u, pass.mode);
        match self.source {
            Source::Live => computed(),
            Source::Held => tch::no_grad(computed),
            Source::Given(kind) => {
                let given = || {
                    pass.stand_in(block, self.number, kind)?
                        .output(u, pass.first_example)
                };
                Ok(Flow::shared(&tch::no_grad(given)?))
            }
        }
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

    /// Whether a pass in training draws random choices within the network.
    #[must_use]
    pub fn draws(&self) -> bool {
        let random = |layer: &Layer| matches!(layer.operation, Operation::Bernoulli { .. });
        self.layers().any(random)
    }

    /// Classes of the head; `None` where it does not end in a linear layer.
    #[must_use]
    pub fn classes(&self) -> Option<usize> {
        let classes = match self.head.last()?.operation {
            Operation::Linear { outputs, .. } => outputs,
            Operation::Fragment(ref fragment) => *fragment.output.last()?,
            _ => return None,
        };
        usize::try_from(classes).ok()
    }

    /// How many different tokens the network knows; `None` where its input is no list of tokens.
    #[must_use]
    pub fn vocabulary(&self) -> Option<i64> {
        self.stem.first()?.fragment()?.vocabulary()
    }

    /// How many tokens a sequence has; `None` where the input is no list of tokens.
    #[must_use]
    pub fn sequence_length(&self) -> Option<i64> {
        let fragment = self.stem.first()?.fragment()?;
        fragment.vocabulary()?;
        Some(fragment.input.iter().product())
    }

    /// Predictions for each example: 1, or as many as the head of an exported graph gives rows of
    /// logits, such as one for each token.
    ///
    /// # Errors
    /// A head whose output has no countable size.
    pub fn positions(&self) -> Result<usize, NetworkError> {
        let fragment = self.head.last().and_then(Layer::fragment);
        match fragment.and_then(|fragment| fragment.output.split_last()) {
            Some((_, rows)) => super::error::count(rows.iter().product::<i64>()),
            None => Ok(1),
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
        let each = match self.stem.first().and_then(Layer::fragment) {
            Some(fragment) => fragment.input.clone(),
            None => vec![input.channels, input.height, input.width],
        };
        super::random_batch(&each, self.vocabulary(), examples, seed)
    }

    /// Channels of the images that the stem takes.
    #[must_use]
    pub fn input_channels(&self) -> Option<i64> {
        self.layers().find_map(|layer| match layer.operation {
            Operation::Convolution { inputs, .. } => Some(inputs),
            Operation::BatchNorm { channels, .. } => Some(channels),
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

    /// Convolutions in the longest function, and matrices in exported ones: a module's length in
    /// layers.
    #[must_use]
    pub fn convolutions(&self) -> usize {
        let counted = |layer: &Layer| match &layer.operation {
            Operation::Convolution { .. } => 1,
            Operation::Fragment(fragment) => fragment.counted(),
            _ => 0,
        };
        let length = |function: &Function<Layer>| function.layers.iter().map(counted).sum();
        self.functions.iter().map(length).fold(0, usize::max)
    }

    /// Whether a function continues another one.
    #[must_use]
    pub fn has_continuations(&self) -> bool {
        self.orders().iter().any(|&order| order > 1)
    }

    /// The order of each function: how many functions data pass in it, one after another. A function that
    /// begins with all layers of another one continues it and has an order of one more; any other
    /// takes the block's input and has order 1. So F and F after F are `1 + z + z^2` with the skip.
    #[must_use]
    pub fn orders(&self) -> Vec<usize> {
        let functions = &self.functions;
        let mut by_length: Vec<usize> = (0..functions.len()).collect();
        by_length.sort_by_key(|&number| functions.get(number).map_or(0, |f| f.layers.len()));
        let mut orders = vec![1; functions.len()];
        for (place, &number) in by_length.iter().enumerate() {
            let Some(function) = functions.get(number) else {
                continue;
            };
            // Shorter ones have their order already; the longest of them is continued.
            let mut shorter = by_length.iter().take(place).rev();
            let continued = shorter.find(|&&other| {
                functions
                    .get(other)
                    .is_some_and(|other| function.after(other, PartialEq::eq).is_some())
            });
            let order = continued.and_then(|&other| orders.get(other).copied());
            if let (Some(order), Some(found)) = (order, orders.get_mut(number)) {
                *found = order + 1;
            }
        }
        orders
    }

    pub(super) fn output_shape(&self, input: FeatureShape) -> Result<FeatureShape, NetworkError> {
        propagate(&self.post, self.sum_shape(input)?)
    }

    /// Shape of the sum, before `post`.
    pub(super) fn sum_shape(&self, input: FeatureShape) -> Result<FeatureShape, NetworkError> {
        let u = propagate(&self.pre, input)?;
        let functions = self.functions.iter().map(|function| &function.layers);
        let mut outputs = Vec::new();
        for layers in functions.chain(&self.skip).chain(&self.gate) {
            outputs.push((propagate(layers, u)?, layers));
        }
        let Some(&(first, _)) = outputs.first() else {
            return Ok(u);
        };
        match outputs.into_iter().find(|(shape, _)| *shape != first) {
            None => Ok(first),
            Some((shape, layers)) => Err(NetworkError::LayerShape {
                layer: layers.last().map_or(&self.name, |last| &last.name).clone(),
                found: input.to_string(),
                reason: format!("it gives {shape} where the block's first function gives {first}"),
            }),
        }
    }
}

/// Trained values of `layers`, those that several share once.
pub(super) fn count<'a>(layers: impl Iterator<Item = &'a Layer>) -> i64 {
    count_unseen(layers, &mut HashSet::new())
}

/// The same without those whose names were `seen`, which are so afterwards.
pub(super) fn count_unseen<'a>(
    layers: impl Iterator<Item = &'a Layer>,
    seen: &mut HashSet<String>,
) -> i64 {
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
