//! Several residual functions of one form computed as one.
//!
//! Functions that share their input and their form need no k passes: the input is normalised
//! once and spread to k scales and shifts; convolutions in between are one convolution over k
//! groups of channels; and the last convolution, from all kC channels at once, sums over its
//! inputs and thereby over the functions. The result is the sum of the separate outputs up to
//! rounding, with the same gradients and the same running statistics.

use tch::Tensor;

use super::trainable::{in_kind, standardized};
use super::{
    Function, Geometry, Mode, NetworkError, Operation, TrainableLayer, channels_last, convolution,
    images, normalization,
};

/// Channels up to which a convolution over groups is computed as an ordinary one with zeros
/// outside the groups on CUDA: tensor cores are idle anyway at such sizes, and cuDNN's
/// convolutions over groups are slow in channels-last order.
const DENSE_CHANNELS: i64 = 256;

/// What reaches a layer of the functions.
enum Features {
    /// The same `[N, C, H, W]` for every function.
    Shared(Tensor),
    /// `[N, kC, H, W]`: the channels of one function after those of another.
    Stacked(Tensor),
}

/// The sum of what `functions` give for `u`; `None` where they have no common form.
pub(super) fn sum(
    functions: &[&Function<TrainableLayer>],
    u: &Tensor,
    mode: Mode,
) -> Result<Option<Tensor>, NetworkError> {
    // One function gains only by the ways of its own that the CPU has.
    let gains =
        functions.len() > 1 || matches!(mode, Mode::Training { .. }) && images::is_float32_here(u);
    let Some(rows) = gains.then(|| rows(functions)).flatten() else {
        return Ok(None);
    };
    let count = functions.len() as i64;
    let last = rows.len() - 1;
    let mut features = Features::Shared(u.shallow_clone());
    let mut remaining = rows.iter().enumerate().peekable();
    while let Some((position, row)) = remaining.next() {
        features = match (&row[0].layer().operation, features) {
            (Operation::Relu, Features::Stacked(mut x)) => Features::Stacked(x.f_relu_()?),
            (Operation::Relu, Features::Shared(x)) => Features::Shared(x.f_relu()?),
            (&Operation::BatchNorm { epsilon, .. }, features) => {
                let is_relu = |row: &[&TrainableLayer]| row[0].layer().operation == Operation::Relu;
                let relu = remaining.next_if(|(_, next)| is_relu(next));
                Features::Stacked(normalize(row, &features, mode, epsilon, relu.is_some())?)
            }
            (Operation::Convolution { .. }, Features::Stacked(x)) if position == last => {
                return convolve(row, &x, Joint::Sum).map(Some);
            }
            (Operation::Convolution { .. }, Features::Stacked(x)) => {
                Features::Stacked(convolve(row, &x, Joint::Groups)?)
            }
            (_, Features::Shared(x)) => Features::Stacked(convolve(row, &x, Joint::Outputs)?),
            (_, features) => features,
        };
    }
    match features {
        Features::Shared(_) => Ok(None),
        Features::Stacked(x) => Ok(Some(x.f_unflatten(1, [count, -1])?.f_sum_dim_intlist(
            [1].as_slice(),
            false,
            None,
        )?)),
    }
}

/// The layers at each position of the functions, where all have one form that can be computed
/// together.
fn rows<'a>(functions: &[&'a Function<TrainableLayer>]) -> Option<Vec<Vec<&'a TrainableLayer>>> {
    let [first, others @ ..] = functions else {
        return None;
    };
    let stacks = |operation: &Operation| {
        matches!(
            operation,
            Operation::BatchNorm { .. } | Operation::Convolution { groups: 1, .. }
        )
    };
    let known = |layer: &TrainableLayer| {
        let operation = &layer.layer().operation;
        stacks(operation) || *operation == Operation::Relu
    };
    let (tail, body) = first.layers.split_last()?;
    let body = || body.iter().map(|layer| &layer.layer().operation);
    let fits =
        first.layers.iter().all(known) && stacks(&tail.layer().operation) && body().any(stacks);
    let alike = |other: &&Function<TrainableLayer>| {
        other.layers.len() == first.layers.len()
            && (other.layers.iter().zip(&first.layers))
                .all(|(other, first)| other.layer().operation == first.layer().operation)
    };
    if !(fits && others.iter().all(alike)) {
        return None;
    }
    Some(
        (0..first.layers.len())
            .map(|position| functions.iter().map(|f| &f.layers[position]).collect())
            .collect(),
    )
}

/// Parameter number `number` of every layer of a row, one after the other in dimension
/// `dimension`; `None` where the layers lack it.
fn joined(
    row: &[&TrainableLayer],
    number: usize,
    dimension: i64,
) -> Result<Option<Tensor>, NetworkError> {
    let tensors: Option<Vec<&Tensor>> = row
        .iter()
        .map(|layer| layer.parameters().get(number))
        .collect();
    Ok(tensors
        .map(|tensors| Tensor::f_cat(&tensors, dimension))
        .transpose()?)
}

/// How the convolutions of a row become one.
#[derive(Clone, Copy, PartialEq)]
enum Joint {
    /// All of one input: their outputs are stacked.
    Outputs,
    /// Each of its own channels: k groups.
    Groups,
    /// Each of its own channels, and the outputs are summed.
    Sum,
}

fn convolve(row: &[&TrainableLayer], x: &Tensor, joint: Joint) -> Result<Tensor, NetworkError> {
    let &Operation::Convolution {
        stride,
        padding,
        standardization,
        inputs,
        ..
    } = &row[0].layer().operation
    else {
        return Err(lost());
    };
    let count = row.len() as i64;
    let weights = row
        .iter()
        .map(|layer| match (layer.parameters(), standardization) {
            ([weight, ..], Some(epsilon)) => standardized(weight, epsilon),
            ([weight, ..], None) => Ok(weight.shallow_clone()),
            ([], _) => Err(lost()),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let dense = x.device().is_cuda() && count * inputs <= DENSE_CHANNELS;
    let (weight, groups) = match joint {
        Joint::Outputs => (Tensor::f_cat(&weights, 0)?, 1),
        Joint::Groups if dense => (block_diagonal(&weights)?, 1),
        Joint::Groups => (Tensor::f_cat(&weights, 0)?, count),
        Joint::Sum => (Tensor::f_cat(&weights, 1)?, 1),
    };
    let bias = match joined(row, 1, 0)? {
        Some(bias) if joint == Joint::Sum => Some(bias.f_view([count, -1])?.f_sum_dim_intlist(
            [0].as_slice(),
            false,
            None,
        )?),
        bias => bias,
    };
    let bias = bias.map(|bias| in_kind(&bias, x.kind())).transpose()?;
    let weight = in_kind(&weight, x.kind())?;
    let geometry = Geometry {
        stride,
        padding,
        groups,
    };
    convolution::convolve(x, &weight, bias.as_ref(), geometry)
}

/// `[kO, kI, K, K]` with the kernels `[O, I, K, K]` of the functions on its diagonal.
fn block_diagonal(weights: &[Tensor]) -> Result<Tensor, NetworkError> {
    let count = weights.len() as i64;
    let stacked = Tensor::f_stack(weights, 0)?.f_permute([0, 1, 3, 4, 2])?;
    let &[_, outputs, height, width, inputs] = stacked.size().as_slice() else {
        return Err(lost());
    };
    let diagonal = Tensor::f_eye(count, (stacked.kind(), stacked.device()))?
        .f_view([count, 1, 1, 1, count, 1])?;
    Ok(stacked
        .f_unsqueeze(4)?
        .f_mul(&diagonal)?
        .f_reshape([count * outputs, height, width, count * inputs])?
        .f_permute([0, 3, 1, 2])?)
}

/// The batch normalisations of a row, `[N, kC, H, W]`.
fn normalize(
    row: &[&TrainableLayer],
    features: &Features,
    mode: Mode,
    epsilon: f64,
    rectifies: bool,
) -> Result<Tensor, NetworkError> {
    let scale = joined(row, 0, 0)?.ok_or_else(lost)?;
    let shift = joined(row, 1, 0)?.ok_or_else(lost)?;
    if let Mode::Training { momentum, .. } = mode {
        let (Features::Stacked(x) | Features::Shared(x)) = features;
        if let Some(found) = normalization::normalize(x, &scale, &shift, epsilon, rectifies)? {
            let seen = ChannelMoments {
                mean: found.mean,
                variance: found.variance,
            };
            seen.enter(row, momentum)?;
            return Ok(found.output);
        }
    }
    let mut y = match (mode, features) {
        (Mode::Training { momentum, .. }, Features::Stacked(x)) => {
            let seen = ChannelMoments::room(&scale)?;
            let y = seen.normalize(x, Some((&scale, &shift)), epsilon)?;
            seen.enter(row, momentum)?;
            y
        }
        (Mode::Training { momentum, .. }, Features::Shared(x)) => {
            let first = row[0].parameters().first().ok_or_else(lost)?;
            let seen = ChannelMoments::room(first)?;
            let y = seen.normalize(x, None, epsilon)?;
            seen.enter(row, momentum)?;
            spread(&y, &scale, &shift, row.len() as i64)?
        }
        (Mode::Sampled { .. } | Mode::Evaluation, features) => {
            let mean = joined(row, 2, 0)?.ok_or_else(lost)?;
            let variance = joined(row, 3, 0)?.ok_or_else(lost)?;
            match features {
                Features::Stacked(x) => x.f_batch_norm(
                    Some(&scale),
                    Some(&shift),
                    Some(&mean),
                    Some(&variance),
                    false,
                    0.0,
                    epsilon,
                    true,
                )?,
                Features::Shared(x) => {
                    let scale = scale.f_mul(&variance.f_add_scalar(epsilon)?.f_rsqrt()?)?;
                    let shift = shift.f_sub(&mean.f_mul(&scale)?)?;
                    spread(x, &scale, &shift, row.len() as i64)?
                }
            }
        }
    };
    Ok(match (rectifies, features) {
        (false, _) => y,
        (true, Features::Stacked(_)) => y.f_relu_()?,
        // A view: autograd would copy what is overwritten.
        (true, Features::Shared(_)) => y.f_relu()?,
    })
}

/// `x` `[N, C, H, W]` under `count` scales and shifts `[kC]`: `[N, kC, H, W]`, channels last.
fn spread(x: &Tensor, scale: &Tensor, shift: &Tensor, count: i64) -> Result<Tensor, NetworkError> {
    let parameter = |tensor: &Tensor| -> Result<Tensor, NetworkError> {
        in_kind(&tensor.f_view([count, -1])?, x.kind())
    };
    let x = channels_last(x)?.f_permute([0, 2, 3, 1])?.f_unsqueeze(3)?;
    let spread = parameter(shift)?.f_addcmul(&x, &parameter(scale)?)?;
    Ok(spread.f_flatten(3, 4)?.f_permute([0, 3, 1, 2])?)
}

/// Mean and variance of the channels of a batch.
struct ChannelMoments {
    mean: Tensor,
    variance: Tensor,
}

impl ChannelMoments {
    /// Room for as many channels as `like` has.
    fn room(like: &Tensor) -> Result<Self, NetworkError> {
        let like = like.f_detach()?;
        Ok(Self {
            mean: like.f_zeros_like()?,
            variance: like.f_zeros_like()?,
        })
    }

    /// `x` normalised, and what it was normalised by kept: running statistics that move all the
    /// way are those of the batch.
    fn normalize(
        &self,
        x: &Tensor,
        affine: Option<(&Tensor, &Tensor)>,
        epsilon: f64,
    ) -> Result<Tensor, NetworkError> {
        let (mean, variance) = (Some(&self.mean), Some(&self.variance));
        let (scale, shift) = affine.unzip();
        Ok(x.f_batch_norm(scale, shift, mean, variance, true, 1.0, epsilon, true)?)
    }

    /// Moves the running statistics of every layer of a row towards those seen: its own part of
    /// the channels, or all of them where the input was shared.
    fn enter(&self, row: &[&TrainableLayer], momentum: f64) -> Result<(), NetworkError> {
        let mut start = 0;
        for layer in row {
            let [_, _, mean, variance] = layer.parameters() else {
                return Err(lost());
            };
            let channels = mean.size1()?;
            let part = |seen: &Tensor| match seen.size1()? == channels {
                true => Ok(seen.shallow_clone()),
                false => seen.f_narrow(0, start, channels),
            };
            let _ = mean.shallow_clone().f_lerp_(&part(&self.mean)?, momentum)?;
            let _ = variance
                .shallow_clone()
                .f_lerp_(&part(&self.variance)?, momentum)?;
            start += channels;
        }
        Ok(())
    }
}

fn lost() -> NetworkError {
    NetworkError::Torch("a layer lost its parameters".into())
}

#[cfg(test)]
mod tests {
    use super::super::residual::chain;
    use super::super::*;
    use tch::{Kind, Tensor};

    const TRAINING: Mode = Mode::Training {
        momentum: 0.1,
        seed: 0,
    };

    fn network(family: Family, unit: Unit, k: usize) -> TrainableNetwork {
        let depth = if unit == Unit::Basic { 8 } else { 11 };
        let mut architecture = Architecture::cifar(family, unit, depth, k, 3, 10).unwrap();
        (architecture.stem_width, architecture.width) = (4, 4);
        let specification = architecture.build().unwrap();
        let network = TrainableNetwork::initialized(&specification, 5).unwrap();
        // Normalisations that no two functions share.
        let varied = |role| role != Role::Weight && role != Role::Bias;
        tch::manual_seed(k as i64);
        tch::no_grad(|| {
            for (_, role, mut tensor) in network.named_parameters() {
                if varied(role) {
                    let _ = tensor.uniform_(0.5, 1.5);
                }
            }
        });
        network
    }

    /// Logits with each function computed alone.
    fn separate(network: &TrainableNetwork, batch: &Tensor, plan: &Plan, mode: Mode) -> Tensor {
        let structure = network.structure();
        let mut x = chain(&structure.stem, batch, mode).unwrap().tensor;
        for step in plan.steps() {
            let block = structure.block(step.block).unwrap();
            let u = chain(&block.pre, &x, mode).unwrap().tensor;
            let skip = block.skip.as_deref().unwrap();
            let mut sum = chain(skip, &u, mode).unwrap().tensor;
            for (function, &state) in block.functions.iter().zip(&step.functions) {
                if state == FunctionState::On {
                    sum = &sum + chain(&function.layers, &u, mode).unwrap().tensor;
                }
            }
            x = chain(&block.post, &sum, mode).unwrap().tensor;
        }
        chain(&structure.head, &x, mode).unwrap().tensor
    }

    /// Largest difference between two tensors, relative to the largest value.
    fn difference(a: &Tensor, b: &Tensor) -> f64 {
        let largest = a.abs().max().double_value(&[]);
        (a - b).abs().max().double_value(&[]) / largest.max(1e-30)
    }

    /// Logits, gradients and statistics of `network` and its copy, fused and separate.
    fn compare(network: &TrainableNetwork, plan: &Plan, mode: Mode, tolerance: f64, what: &str) {
        let kind = network.named_parameters()[0].2.kind();
        let other = network.to_kind(kind).unwrap();
        let batch = channels_last(&Tensor::randn([4, 3, 8, 8], (kind, tch::Device::Cpu))).unwrap();
        let pass = Pass {
            mode,
            ..Pass::EVALUATION
        };
        let fused = network.forward(&batch, plan, &pass).unwrap();
        let alone = separate(&other, &batch, plan, mode);
        assert!(difference(&alone, &fused) < tolerance, "logits, {what}");
        let labels = Tensor::from_slice(&[0_i64, 3, 7, 9]);
        let gradients = |network: &TrainableNetwork, logits: &Tensor| {
            let named = network.named_parameters().into_iter();
            let trained: Vec<Tensor> = named
                .filter(|(_, role, _)| role.is_trained())
                .map(|(_, _, tensor)| tensor)
                .collect();
            Tensor::run_backward(
                &[logits.cross_entropy_for_logits(&labels)],
                &trained,
                false,
                false,
            )
        };
        let pairs = gradients(network, &fused)
            .into_iter()
            .zip(gradients(&other, &alone));
        let largest = |gradient: &Tensor| gradient.abs().max().double_value(&[]);
        let pairs: Vec<_> = pairs.filter(|(a, b)| a.defined() || b.defined()).collect();
        let scale = pairs
            .iter()
            .map(|(_, alone)| largest(alone))
            .fold(0.0, f64::max);
        for (fused, alone) in &pairs {
            assert!(
                largest(&(fused - alone)) < tolerance * scale,
                "gradients, {what}"
            );
        }
        let statistics = network
            .named_parameters()
            .into_iter()
            .zip(other.named_parameters());
        for ((name, _, fused), (_, _, alone)) in statistics {
            assert!(difference(&alone, &fused) < tolerance, "{name}, {what}");
        }
    }

    /// In float64 to 1e-12 and in float32 to 1e-5, in training and in evaluation, with everything
    /// on and with subsets of the functions of two blocks off.
    #[test]
    fn functions_together_are_functions_alone() {
        for (family, unit) in [
            (Family::Preresnet, Unit::Basic),
            (Family::Preresnet, Unit::Bottleneck),
            (Family::Resnet, Unit::Basic),
        ] {
            for k in 1..=5 {
                let network = network(family, unit, k);
                let double = network.to_kind(Kind::Double).unwrap();
                let intact = Plan::intact(network.structure());
                for mode in [TRAINING, Mode::Evaluation] {
                    let what = format!("{family:?} {unit:?}, k = {k}, {mode:?}");
                    compare(&network, &intact, mode, 1e-5, &what);
                    compare(&double, &intact, mode, 1e-12, &what);
                }
                // Every subset, or every third one of many.
                for subset in (0..1 << k).step_by(if k > 3 { 3 } else { 1 }) {
                    // The first block, and the one that opens the second stage.
                    let off = |plan: Plan, function| {
                        [0, 1].into_iter().fold(plan, |plan, block| {
                            let block = BlockIndex::new(block);
                            plan.with_function(
                                FunctionIndex { block, function },
                                FunctionState::Off,
                            )
                        })
                    };
                    let plan = (0..k)
                        .filter(|function| subset >> function & 1 == 1)
                        .fold(intact.clone(), off);
                    let what = format!("{family:?} {unit:?}, k = {k}, off {subset:b}");
                    compare(&double, &plan, TRAINING, 1e-12, &what);
                }
            }
        }
    }
}
