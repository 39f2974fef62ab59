//! The derivative of a frozen network at a batch, applied backwards to stacks of cotangents.
//!
//! With its ReLU masks held fixed a function is a chain of linear maps, so the vector-Jacobian
//! products of J cotangents for each of B examples are one batched convolution over `J B` rows.

use std::fmt;

use tch::{Kind, Tensor};

use super::error::{count, length};
use super::gate::Gate;
use super::residual::chain;
use super::resolve::{Resolved, Skip, Source};
use super::streams::{matrix, mix};
use super::{
    Forward, FrozenLayer, FrozenNetwork, Kernel, Mode, NetworkError, Operation, Pass, Plan, Step,
};

/// Cotangents at a layer's input from those at its output.
type Map = Box<dyn Fn(&Tensor) -> Result<Tensor, NetworkError> + Send>;

/// The derivative of one layer at the inputs that a batch gave it.
enum Derivative {
    /// Product with `[1, C, 1, 1]` or `[1]`, the same for all examples.
    Scale(Tensor),
    /// Product with `[B, C, H, W]`, the slope of each value: of a ReLU 1 where it was open and 0
    /// elsewhere. Times the scale of the normalisation before it, where there is one.
    Mask(Tensor),
    /// Any other map, of cotangents `[J B, ...]`.
    Map(Map),
}

impl fmt::Debug for Derivative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scale(scale) => write!(f, "Scale({scale:?})"),
            Self::Mask(mask) => write!(f, "Mask({mask:?})"),
            Self::Map(_) => f.write_str("Map"),
        }
    }
}

impl Derivative {
    fn map(back: impl Fn(&Tensor) -> Result<Tensor, NetworkError> + Send + 'static) -> Self {
        Self::Map(Box::new(back))
    }

    /// Cotangents at the layer's input from those at its output, `[J B, ...]`.
    fn pull_back(&self, stack: Tensor) -> Result<Tensor, NetworkError> {
        match self {
            Self::Scale(scale) => Ok(stack.f_mul(scale)?),
            Self::Mask(mask) => {
                let mut shape = mask.size();
                shape.insert(0, -1);
                // In place on the stack, seen as [J, B, C, H, W].
                let _ = stack.f_view(shape.as_slice())?.f_mul_(mask)?;
                Ok(stack)
            }
            Self::Map(back) => back(&stack),
        }
    }
}

/// This shape with as many rows as `stack` has.
fn with_rows(stack: &Tensor, shape: &[i64]) -> Result<Vec<i64>, NetworkError> {
    let rows = length(stack, 0)?;
    Ok(std::iter::once(rows)
        .chain(shape.iter().skip(1).copied())
        .collect())
}

/// A tensor like `stack`, of this shape with its rows; the values are open.
fn like(stack: &Tensor, shape: &[i64]) -> Result<Tensor, NetworkError> {
    Ok(stack.f_new_empty(with_rows(stack, shape)?, (stack.kind(), stack.device()))?)
}

/// The same of zeros.
fn zeros(stack: &Tensor, shape: &[i64]) -> Result<Tensor, NetworkError> {
    super::channels_last(&like(stack, shape)?.f_zero_()?)
}

/// Output of `layer` at `x`, and its derivative there.
fn linearize(layer: &FrozenLayer, x: &Tensor) -> Result<(Tensor, Derivative), NetworkError> {
    let derivative = match layer {
        FrozenLayer::Convolution {
            kernel,
            bias,
            adjoint,
        } => {
            let sides = [length(x, 2)?, length(x, 3)?];
            // The masks are those of the ordinary gradient, which the sum over lengths is compared
            // with: in a deep network few roundings open other ReLUs.
            let y = kernel.convolve_by_libtorch(x, bias.as_ref())?;
            let (kernel, adjoint) = (kernel.shallow_clone(), adjoint.as_ref());
            let adjoint = adjoint.map(Kernel::shallow_clone);
            let back = move |stack: &Tensor| match &adjoint {
                Some(adjoint) => adjoint.convolve(stack, None),
                None => kernel.transposed(stack, sides),
            };
            return Ok((y, Derivative::map(back)));
        }
        FrozenLayer::Affine { scale, .. } => Derivative::Scale(scale.shallow_clone()),
        FrozenLayer::Linear { weight, .. } => {
            let weight = weight.shallow_clone();
            Derivative::map(move |stack| Ok(stack.f_matmul(&weight)?))
        }
        FrozenLayer::Plain {
            layer: plain,
            parameters,
        } => match plain.operation {
            Operation::Relu => Derivative::Mask(x.f_gt(0.0)?.f_to_kind(x.kind())?),
            Operation::Sigmoid { .. } => {
                let y = layer.forward(x, Mode::Evaluation)?;
                let slope = y.f_mul(&super::residual::closed(&y)?)?;
                return Ok((y, Derivative::Mask(slope)));
            }
            Operation::Factor { .. } | Operation::Bernoulli { .. } => {
                // The product with 1 is what everything is multiplied by.
                let one = Tensor::f_ones([1, 1, 1, 1], (x.kind(), x.device()))?;
                Derivative::Scale(layer.forward(&one, Mode::Evaluation)?)
            }
            Operation::Mix {
                outputs, ref base, ..
            } => {
                let matrix = matrix(base, outputs, parameters.first(), x)?.f_transpose(0, 1)?;
                Derivative::map(move |stack| mix(stack, &matrix))
            }
            Operation::MaxPool {
                kernel,
                stride,
                padding,
            } => return max_pool(x, [kernel; 2], [stride; 2], [padding; 2]),
            ref operation => match moving(operation, x)? {
                Some(derivative) => derivative,
                None => return recorded(layer, x),
            },
        },
    };
    Ok((layer.forward(x, Mode::Evaluation)?, derivative))
}

/// The derivative of an operation that averages or moves values, whatever they are, at inputs of the
/// size of `x`; `None` for other operations.
fn moving(operation: &Operation, x: &Tensor) -> Result<Option<Derivative>, NetworkError> {
    let input = x.size();
    Ok(Some(match *operation {
        Operation::AveragePool {
            kernel,
            stride,
            ceiling,
        } => Derivative::map(move |stack| {
            let (kernel, stride) = ([kernel; 2], [stride; 2]);
            Ok(like(stack, &input)?.f_avg_pool2d_backward(
                stack,
                kernel,
                stride,
                [0, 0],
                ceiling,
                false,
                None,
            )?)
        }),
        Operation::GlobalAveragePool => Derivative::map(move |stack| {
            let area = input.iter().skip(2).product::<i64>();
            let spread = stack.f_div_scalar(area)?.f_unsqueeze(2)?.f_unsqueeze(3)?;
            super::channels_last(&spread.f_expand(with_rows(stack, &input)?, false)?)
        }),
        Operation::PadShortcut { stride, before, .. } => {
            let channels = length(x, 1)?;
            Derivative::map(move |stack| {
                let kept = stack.f_narrow(1, before, channels)?;
                if stride == 1 {
                    return Ok(kept);
                }
                let full = zeros(stack, &input)?;
                full.f_slice(2, None, None, stride)?
                    .f_slice(3, None, None, stride)?
                    .f_copy_(&kept)?;
                Ok(full)
            })
        }
        Operation::Narrow { first, count } => Derivative::map(move |stack| {
            let full = zeros(stack, &input)?;
            full.f_narrow(1, first, count)?.f_copy_(stack)?;
            Ok(full)
        }),
        _ => return Ok(None),
    }))
}

/// Maxima over windows of `x`, and the derivative there.
fn max_pool(
    x: &Tensor,
    kernel: [i64; 2],
    stride: [i64; 2],
    padding: [i64; 2],
) -> Result<(Tensor, Derivative), NetworkError> {
    let input = x.size();
    let (y, indices) = x.f_max_pool2d_with_indices(kernel, stride, padding, [1, 1], false)?;
    let back = move |stack: &Tensor| {
        let copies = length(stack, 0)? / length(&indices, 0)?.max(1);
        let indices = indices.f_repeat([copies, 1, 1, 1])?;
        Ok(like(stack, &input)?.f_max_pool2d_with_indices_backward(
            stack,
            kernel,
            stride,
            padding,
            [1, 1],
            false,
            &indices,
        )?)
    };
    Ok((y, Derivative::map(back)))
}

/// Output of `layer` at `x`, and its derivative by reverse-mode differentiation: one backward pass for
/// each of the J cotangents.
fn recorded(layer: &FrozenLayer, x: &Tensor) -> Result<(Tensor, Derivative), NetworkError> {
    if !x.is_floating_point() {
        // Numbers of tokens have no neighbourhood to differentiate in.
        let refused = |_: &Tensor| {
            Err(NetworkError::Architecture(
                "no gradient reaches the tokens themselves; ask for it at the stem's output".into(),
            ))
        };
        let y = layer.forward(x, Mode::Evaluation)?;
        return Ok((y, Derivative::map(refused)));
    }
    tch::with_grad(|| {
        let input = x.f_detach()?.f_set_requires_grad(true)?;
        let output = layer.forward(&input, Mode::Evaluation)?;
        let y = output.f_detach()?;
        let back = move |stack: &Tensor| {
            let examples = length(&output, 0)?.max(1);
            let mut pulled = Vec::new();
            for first in (0..length(stack, 0)?).step_by(count(examples)?) {
                let cotangent = stack.f_narrow(0, first, examples)?;
                let product = tch::with_grad(|| {
                    let pairing = output.f_mul(&cotangent)?.f_sum(None)?;
                    Tensor::f_run_backward(&[pairing], &[&input], true, false)
                })?;
                pulled.extend(product);
            }
            Ok(Tensor::f_cat(&pulled, 0)?)
        };
        Ok((y, Derivative::map(back)))
    })
}

/// The derivative of a run of layers.
#[derive(Debug)]
pub(super) struct Chain(Vec<Derivative>);

impl Chain {
    pub fn of(layers: &[FrozenLayer], x: &Tensor) -> Result<(Tensor, Self), NetworkError> {
        let mut x = x.shallow_clone();
        let mut derivatives = Vec::with_capacity(layers.len());
        for layer in layers {
            let (y, derivative) = linearize(layer, &x)?;
            let derivative = match (derivatives.last(), derivative) {
                // One product over a stack instead of two.
                (Some(Derivative::Scale(scale)), Derivative::Mask(mask)) => {
                    let product = Derivative::Mask(mask.f_mul(scale)?);
                    derivatives.pop();
                    product
                }
                (_, derivative) => derivative,
            };
            derivatives.push(derivative);
            x = y;
        }
        Ok((x, Self(derivatives)))
    }

    /// `stack` may be overwritten.
    pub fn pull_back(&self, stack: Tensor) -> Result<Tensor, NetworkError> {
        self.0
            .iter()
            .rev()
            .try_fold(stack, |stack, derivative| derivative.pull_back(stack))
    }

    /// The same where `stack` stays as it is.
    fn pull_back_copy(&self, stack: &Tensor) -> Result<Tensor, NetworkError> {
        self.pull_back(match self.0.last() {
            // The first map that it meets writes in place.
            Some(Derivative::Mask(_)) => super::duplicate(stack)?,
            _ => stack.shallow_clone(),
        })
    }

    fn is_identity(&self) -> bool {
        self.0.is_empty()
    }
}

/// The derivative of one block at a batch.
#[derive(Debug)]
pub struct LinearizedBlock {
    pre: Chain,
    skip: Option<Chain>,
    /// `None` for a function that is off or through which nothing flows back.
    functions: Vec<Option<Chain>>,
    /// How many functions a path takes one after another in each of them.
    orders: Vec<usize>,
    gate: Option<Gate>,
    post: Chain,
    /// Size of `u`, `[B, C, H, W]`.
    inner: Vec<i64>,
}

impl LinearizedBlock {
    /// A block that hands on its input `x`.
    fn passed(block: &super::Block<FrozenLayer>, x: &Tensor) -> Self {
        let identity = || Chain(Vec::new());
        Self {
            pre: identity(),
            skip: Some(identity()),
            functions: block.functions.iter().map(|_| None).collect(),
            orders: Vec::new(),
            gate: None,
            post: identity(),
            inner: x.size(),
        }
    }

    /// Number of functions, those that are off included.
    #[must_use]
    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    /// Whether gradient flows through function `function`.
    #[must_use]
    pub fn carries(&self, function: usize) -> bool {
        matches!(self.functions.get(function), Some(Some(_)))
    }

    /// What a path through function `function` adds to its length.
    #[must_use]
    pub fn order(&self, function: usize) -> usize {
        self.orders.get(function).copied().unwrap_or(1)
    }

    /// Whether the skip carries cotangents.
    #[must_use]
    pub fn has_skip(&self) -> bool {
        self.skip.is_some()
    }

    /// Whether skip and pre are both the identity, so that a cotangent passes unchanged.
    #[must_use]
    pub fn passes_unchanged(&self) -> bool {
        let skip = self.skip.as_ref().is_some_and(Chain::is_identity);
        self.pre.is_identity() && skip && self.gate.is_none()
    }

    /// From the block's output to its sum. Rows `[J B, C, H, W]`; overwritten.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn through_post(&self, stack: Tensor) -> Result<Tensor, NetworkError> {
        self.post.pull_back(stack)
    }

    /// From the sum through one function to `u`; `None` where nothing flows. `stack` stays.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn through_function(
        &self,
        function: usize,
        stack: &Tensor,
    ) -> Result<Option<Tensor>, NetworkError> {
        let Some(Some(chain)) = self.functions.get(function) else {
            return Ok(None);
        };
        let Some(gate) = &self.gate else {
            return chain.pull_back_copy(stack).map(Some);
        };
        gate.through_function(function, chain, stack).map(Some)
    }

    /// From the sum through the skip to `u`; `None` where there is no skip. `stack` stays.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn through_skip(&self, stack: &Tensor) -> Result<Option<Tensor>, NetworkError> {
        let Some(skip) = &self.skip else {
            return Ok(None);
        };
        let Some(gate) = &self.gate else {
            return skip.pull_back_copy(stack).map(Some);
        };
        gate.through_skip(skip, stack).map(Some)
    }

    /// Cotangents at `u` where neither skip nor function carries any: zeros, one row for each of
    /// `stack`.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn through_nothing(&self, stack: &Tensor) -> Result<Tensor, NetworkError> {
        zeros(stack, &self.inner)
    }

    /// From `u` to the block's input. Overwrites.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn through_pre(&self, stack: Tensor) -> Result<Tensor, NetworkError> {
        self.pre.pull_back(stack)
    }
}

/// The derivative of a frozen network under a plan, at a batch.
#[derive(Debug)]
pub struct Linearization {
    stem: Chain,
    blocks: Vec<(Step, LinearizedBlock)>,
    head: Chain,
    logits: Tensor,
}

impl Linearization {
    /// Runs `network` forward over `batch` `[B, C, H, W]` and keeps what its derivative needs.
    ///
    /// # Errors
    /// A plan or batch that does not fit the network.
    pub fn at(network: &FrozenNetwork, plan: &Plan, batch: &Tensor) -> Result<Self, NetworkError> {
        Self::under(network, plan, batch, &Pass::EVALUATION)
    }

    /// The same where `pass` gives what stands in for functions. Nothing flows back through that.
    ///
    /// # Errors
    /// As [`Linearization::at`].
    pub fn under(
        network: &FrozenNetwork,
        plan: &Plan,
        batch: &Tensor,
        pass: &Pass<'_>,
    ) -> Result<Self, NetworkError> {
        tch::no_grad(|| {
            let structure = network.structure();
            let (mut x, stem) = Chain::of(&structure.stem, batch)?;
            let mut blocks = Vec::with_capacity(plan.steps().len());
            for step in plan.steps() {
                let (y, mut linearized) = block(structure.block(step.block)?, step, &x, pass)?;
                linearized.orders = network.specification().block(step.block)?.orders();
                blocks.push((step.clone(), linearized));
                x = y;
            }
            let (logits, head) = Chain::of(&structure.head, &x)?;
            Ok(Self {
                stem,
                blocks,
                head,
                logits,
            })
        })
    }

    /// Logits `[B, classes]`.
    pub fn logits(&self) -> &Tensor {
        &self.logits
    }

    /// The blocks in the order in which data met them, with the step that ran them.
    #[must_use]
    pub fn blocks(&self) -> &[(Step, LinearizedBlock)] {
        &self.blocks
    }

    /// From cotangents of the logits, `[J B, classes]`, to those of the last block's output.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn through_head(&self, stack: Tensor) -> Result<Tensor, NetworkError> {
        self.head.pull_back(stack)
    }

    /// From cotangents of the stem's output to those of the input, `[J B, C, H, W]`.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn through_stem(&self, stack: Tensor) -> Result<Tensor, NetworkError> {
        self.stem.pull_back(stack)
    }
}

fn block(
    block: &super::Block<FrozenLayer>,
    step: &Step,
    x: &Tensor,
    pass: &Pass<'_>,
) -> Result<(Tensor, LinearizedBlock), NetworkError> {
    let sum = match block.resolve(step) {
        Resolved::Passed => return Ok((x.shallow_clone(), LinearizedBlock::passed(block, x))),
        Resolved::Sum(sum) => sum,
    };
    let (u, pre) = Chain::of(sum.pre, x)?;
    let mut outputs = Vec::with_capacity(sum.terms.len() + 1);
    let mut functions: Vec<Option<Chain>> = block.functions.iter().map(|_| None).collect();
    let gate = sum.gate;
    let gate = gate.map(|layers| Gate::at(layers, &u, block.functions.len()));
    let mut gate = gate.transpose()?;
    for term in &sum.terms {
        let output = match functions.get_mut(term.number) {
            Some(carrying) if term.source == Source::Live => {
                let (output, mut chain) = Chain::of(&term.function.layers, &u)?;
                if let Some(weight) = sum.weight() {
                    let weight = u.f_new_full([1], weight, (u.kind(), u.device()))?;
                    chain.0.push(Derivative::Scale(weight));
                }
                *carrying = Some(chain);
                output
            }
            _ => term.output(step.block, &u, pass)?.tensor,
        };
        let output = match sum.weight() {
            Some(weight) => output.f_mul_scalar(weight)?,
            None => output,
        };
        outputs.push(match &mut gate {
            Some(gate) => gate.of_function(term.number, output)?,
            None => output,
        });
    }
    let skip = match &sum.skip {
        Skip::Carried(layers) => {
            let (output, chain) = Chain::of(layers, &u)?;
            outputs.push(match &mut gate {
                Some(gate) => gate.of_skip(output)?,
                None => output,
            });
            Some(chain)
        }
        Skip::Cut(layers) if outputs.is_empty() => {
            outputs.push(chain(layers, &u, pass.mode)?.tensor.f_zeros_like()?);
            None
        }
        Skip::Cut(_) | Skip::Absent => None,
    };
    let total = outputs
        .into_iter()
        .map(Ok)
        .reduce(|total, output| Ok(total?.f_add(&output?)?))
        .unwrap_or_else(|| {
            Err(NetworkError::Internal(format!(
                "block {} computes neither function nor skip",
                step.block
            )))
        })?;
    let (y, post) = Chain::of(sum.post, &total)?;
    let linearized = LinearizedBlock {
        pre,
        skip,
        functions,
        orders: Vec::new(),
        gate,
        post,
        inner: u.size(),
    };
    Ok((y, linearized))
}

/// Cotangent of the logits `[B, classes]` for the cross-entropy of each example:
/// softmax minus the one-hot label.
///
/// # Errors
/// Where labels and logits do not fit each other.
pub fn cross_entropy_cotangent(logits: &Tensor, labels: &Tensor) -> Result<Tensor, NetworkError> {
    let classes = length(logits, logits.dim().saturating_sub(1))?;
    let one_hot = labels.f_one_hot(classes)?.f_to_kind(logits.kind())?;
    Ok(logits.f_softmax(-1, None::<Kind>)?.f_sub(&one_hot)?)
}
