//! What the families share: two orders of operations in a block, and stages of blocks.

use super::run::{Run, Tensors};
use pathscope_network::{Block, Layer, Operation, ResidualNetwork, Specification};

/// The names of one residual function: its convolutions and the normalisations that belong to
/// them, in order.
pub(super) struct FunctionNames {
    pub convolutions: Vec<String>,
    /// `None` where a convolution has none of its own.
    pub normalizations: Vec<Option<String>>,
    /// Which convolution carries the block's stride.
    pub strided: usize,
}

impl FunctionNames {
    /// The names that `convolution` and `normalization` give to the numbers from 0, as far as there
    /// are such convolutions; the stride is in the last but one.
    pub fn counted(
        tensors: Tensors<'_>,
        convolution: impl Fn(usize) -> String,
        normalization: impl Fn(usize) -> String,
    ) -> Option<Self> {
        let count = tensors.count(|number| format!("{}.weight", convolution(number)));
        let normalization = |number| Some(normalization(number));
        Some(Self {
            convolutions: (0..count).map(convolution).collect(),
            normalizations: (0..count).map(normalization).collect(),
            strided: count.checked_sub(2)?,
        })
    }

    /// `PREFIX.conv1`, `PREFIX.bn1`, ...: two or three of each.
    pub fn numbered(tensors: Tensors<'_>, prefix: &str, normalization: &str) -> Option<Self> {
        let name = |part: &str, number: usize| format!("{prefix}.{part}{}", number + 1);
        let names = Self::counted(tensors, |n| name("conv", n), |n| name(normalization, n))?;
        (names.strided < 2).then_some(names)
    }

    fn stride(&self, convolution: usize, stride: i64) -> i64 {
        if convolution == self.strided {
            stride
        } else {
            1
        }
    }

    /// Convolution, normalisation, ReLU, ...; the last normalisation ends it.
    fn post_activation<'a>(&self, mut run: Run<'a>, stride: i64) -> Option<Run<'a>> {
        let names = self.convolutions.iter().zip(&self.normalizations);
        let mut normalized = false;
        for (number, (convolution, normalization)) in names.enumerate() {
            if normalized {
                run = run.relu();
            }
            run = run.convolution(convolution, self.stride(number, stride))?;
            normalized = normalization.is_some();
            if let Some(normalization) = normalization {
                run = run.normalization(normalization)?;
            }
        }
        Some(run)
    }

    /// Normalisation, ReLU, convolution, ...; without the first two where the block shares them.
    fn pre_activation<'a>(&self, mut run: Run<'a>, stride: i64, shares: bool) -> Option<Run<'a>> {
        let names = self.convolutions.iter().zip(&self.normalizations);
        for (number, (convolution, normalization)) in names.enumerate() {
            if let Some(normalization) = normalization
                && (number > 0 || !shares)
            {
                run = run.normalization(normalization)?.relu();
            }
            run = run.convolution(convolution, self.stride(number, stride))?;
        }
        Some(run)
    }
}

/// Where a block stands.
pub(super) struct Place {
    /// Its name in the checkpoint.
    pub name: String,
    /// Channels at its input.
    pub channels: i64,
    /// 2 in the first block of every stage but the first.
    pub stride: i64,
}

/// The blocks of all stages, each made by `block`, and the channels that leave the last one.
/// `name` says what a block of a stage is called, `marker` a tensor that each has.
pub(super) fn stages(
    tensors: Tensors<'_>,
    stages: usize,
    mut channels: i64,
    name: impl Fn(usize, usize) -> String,
    marker: &str,
    block: impl Fn(&Place) -> Option<Block<Layer>>,
) -> Option<(Vec<Block<Layer>>, i64)> {
    let mut blocks = Vec::new();
    for stage in 0..stages {
        let count = tensors.count(|position| format!("{}.{marker}", name(stage, position)));
        if count == 0 {
            return None;
        }
        for position in 0..count {
            let name = name(stage, position);
            let usual = if stage > 0 && position == 0 { 2 } else { 1 };
            let place = Place {
                stride: tensors.stated_stride(&name).unwrap_or(usual),
                name,
                channels,
            };
            let made = block(&place)?;
            channels = outputs(&made).unwrap_or(channels);
            blocks.push(made);
        }
    }
    Some((blocks, channels))
}

fn outputs(block: &Block<Layer>) -> Option<i64> {
    let mut layers = block.functions.first()?.layers.iter().rev();
    layers.find_map(|layer| match layer.operation {
        Operation::Convolution { outputs, .. } => Some(outputs),
        _ => None,
    })
}

/// The network of a stem, blocks and a head.
pub(super) fn joined(stem: Run<'_>, blocks: Vec<Block<Layer>>, head: Run<'_>) -> Specification {
    ResidualNetwork {
        stem: stem.layers,
        blocks,
        head: head.layers,
    }
}

/// `ReLU(skip(x) + f(x))`; `skip` is given the input and the channels that leave the function.
pub(super) fn post_activation<'a>(
    place: &Place,
    names: &FunctionNames,
    input: Run<'a>,
    skip: impl FnOnce(Run<'a>, i64) -> Option<Run<'a>>,
) -> Option<Block<Layer>> {
    let function = names.post_activation(input.clone(), place.stride)?;
    let skip = skip(input, function.channels)?;
    Some(Block {
        post: vec![Layer::new("", Operation::Relu)],
        ..Block::new(&place.name, Some(skip.layers), [function.layers])
    })
}

/// `skip(u) + f(u)` with `u = pre(x)`: the first normalisation and its ReLU, where the skip `shares` them
/// with the function.
pub(super) fn pre_activation<'a>(
    place: &Place,
    names: &FunctionNames,
    input: Run<'a>,
    shares: bool,
    skip: impl FnOnce(Run<'a>, i64) -> Option<Run<'a>>,
) -> Option<Block<Layer>> {
    let mut shared = input.clone();
    if shares {
        let first = names.normalizations.first()?.as_deref()?;
        shared = shared.normalization(first)?.relu();
    }
    let function = names.pre_activation(input.clone(), place.stride, shares)?;
    let skip = skip(input, function.channels)?;
    Some(Block {
        pre: shared.layers,
        ..Block::new(&place.name, Some(skip.layers), [function.layers])
    })
}

/// Subsampling and as many zero channels before as behind, where the shape changes.
pub(super) fn padded(input: Run<'_>, outputs: i64, stride: i64) -> Option<Run<'_>> {
    let missing = outputs - input.channels;
    if missing < 0 {
        return None;
    }
    if missing == 0 && stride == 1 {
        return Some(input);
    }
    let before = missing / 2;
    Some(input.then(Operation::pad(stride, before, missing - before)))
}
