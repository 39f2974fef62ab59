//! Hyper-connections (Zhu et al., arXiv 2409.19606) in the one structure: several streams instead of one,
//! with learned weights. A block's function takes a weighted sum of the streams and adds what it gives to
//! each of them by a weight; its skip mixes the streams. All weights are those of the static form.
//!
//! Streams lie innermost in the channels (channel c of stream s has the number `c n + s`), so that what
//! changes channels at the end changes those of every stream alike.

use tch::Tensor;

use super::architecture::function_prefix;
use super::{Block, Layer, NetworkError, Operation, Specification, channels_last};

/// How many there are: the paper's usual expansion rate.
const STREAMS: i64 = 4;

/// A matrix from `inputs` streams to `outputs`, rows for outputs: what `base` gives, and learned numbers on
/// top of it that start at 0.
fn mixing(name: String, inputs: i64, outputs: i64, base: Vec<f64>) -> Layer {
    let operation = Operation::Mix {
        inputs,
        outputs,
        base,
        learned: true,
    };
    Layer::new(name, operation)
}

/// The same without anything learned.
fn fixed(inputs: i64, outputs: i64) -> Layer {
    let operation = Operation::Mix {
        inputs,
        outputs,
        base: vec![1.0; STREAMS as usize],
        learned: false,
    };
    Layer::new("", operation)
}

/// `block`, the one at `position`, between streams. At first it takes one of them, another one in each
/// block, adds to all, and its skip is the identity (equation 14).
pub(super) fn on(mut block: Block<Layer>, position: usize) -> Block<Layer> {
    let row =
        |one: usize| (0..STREAMS as usize).map(move |stream| f64::from(u8::from(stream == one)));
    for layer in &mut block.pre {
        if let Operation::BatchNorm { channels, .. } = &mut layer.operation {
            *channels *= STREAMS;
        }
    }
    if let Some(skip) = &mut block.skip {
        for layer in skip.iter_mut() {
            if let Operation::PadShortcut { before, after, .. } = &mut layer.operation {
                *before *= STREAMS;
                *after *= STREAMS;
            }
        }
        let identity = (0..STREAMS as usize).flat_map(row).collect();
        let name = format!("{}.skip_mix", block.name);
        skip.insert(0, mixing(name, STREAMS, STREAMS, identity));
    }
    let functions = block.functions.len();
    for (number, function) in block.functions.iter_mut().enumerate() {
        let prefix = function_prefix(&block.name, functions, number);
        let taken = row(position % STREAMS as usize).collect();
        let read = mixing(format!("{prefix}.read"), STREAMS, 1, taken);
        let write = mixing(
            format!("{prefix}.write"),
            1,
            STREAMS,
            vec![1.0; STREAMS as usize],
        );
        function.layers.insert(0, read);
        function.layers.push(write);
    }
    block
}

/// `network` with its stem's output in every stream, and their sum in front of its head.
pub(super) fn around(mut network: Specification) -> Specification {
    network.stem.push(fixed(1, STREAMS));
    network.head.insert(0, fixed(STREAMS, 1));
    network
}

/// The matrix `[outputs, inputs]` of a mixing layer.
pub(super) fn matrix(
    base: &[f64],
    outputs: i64,
    learned: Option<&Tensor>,
    like: &Tensor,
) -> Result<Tensor, NetworkError> {
    let base = Tensor::f_from_slice(base)?
        .f_view([outputs, -1])?
        .f_to_device(like.device())?
        .f_to_kind(like.kind())?;
    Ok(match learned {
        Some(learned) => learned.f_to_kind(like.kind())?.f_add(&base)?,
        None => base,
    })
}

/// Streams `[N, C outputs, H, W]` from `x` `[N, C inputs, H, W]`, by a `matrix` `[outputs, inputs]`.
pub(super) fn mix(x: &Tensor, matrix: &Tensor) -> Result<Tensor, NetworkError> {
    let (batch, channels, height, width) = x.size4()?;
    let (outputs, inputs) = matrix.size2()?;
    // Channels innermost in memory: one product of matrices.
    let streams = x.f_permute([0, 2, 3, 1])?.f_reshape([
        batch,
        height,
        width,
        channels / inputs.max(1),
        inputs,
    ])?;
    let mixed = streams.f_matmul(&matrix.f_transpose(0, 1)?)?;
    let mixed = mixed.f_reshape([batch, height, width, channels / inputs.max(1) * outputs])?;
    channels_last(&mixed.f_permute([0, 3, 1, 2])?)
}
