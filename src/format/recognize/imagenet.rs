//! `resnet` of torchvision and timm: four stages behind a stem that quarters the resolution.
//! timm's `d` and `t` variants have three 3x3 convolutions in the stem and pool before the
//! projection of a shortcut (He et al., arXiv 1812.01187).

use super::layered::{FunctionNames, joined, post_activation, stages};
use super::run::{Run, Tensors};
use super::{Assumed, Candidate};
use pathscope_network::Family;

pub(super) fn candidate(tensors: Tensors<'_>) -> Option<Candidate> {
    let deep = tensors.has_weight("conv1.0");
    let stem = if deep {
        tensors
            .images("conv1.0")?
            .convolution("conv1.0", 2)?
            .normalization("conv1.1")?
            .relu()
            .convolution("conv1.3", 1)?
            .normalization("conv1.4")?
            .relu()
            .convolution("conv1.6", 1)?
    } else if tensors.shape("conv1.weight")?.last() == Some(&7) {
        tensors.images("conv1")?.convolution("conv1", 2)?
    } else {
        return None;
    };
    let stem = stem.normalization("bn1")?.relu().max_pool();
    let (blocks, channels) = stages(
        tensors,
        4,
        stem.channels,
        |stage, position| format!("layer{}.{position}", stage + 1),
        "conv2.weight",
        |place| {
            let names = FunctionNames::numbered(tensors, &place.name, "bn")?;
            let input = tensors.run(place.channels);
            post_activation(place, &names, input, |input, _| {
                shortcut(tensors, input, &place.name, place.stride)
            })
        },
    )?;
    let head = tensors.run(channels).classifier("fc")?;
    let origin = if deep {
        "names of timm, a stem of three convolutions"
    } else {
        "names of torchvision and timm"
    };
    Some(Candidate::new(
        joined(stem, blocks, head),
        Family::Resnet,
        format!("{origin}, ReLU after the addition"),
        224,
        Assumed::preset("imagenet"),
    ))
}

/// `downsample.0/1`, or behind a pooling layer `downsample.1/2`.
fn shortcut<'a>(tensors: Tensors<'_>, input: Run<'a>, block: &str, stride: i64) -> Option<Run<'a>> {
    let name = |number: usize| format!("{block}.downsample.{number}");
    if tensors.has_weight(&name(0)) {
        input.convolution(&name(0), stride)?.normalization(&name(1))
    } else if tensors.has_weight(&name(1)) {
        input
            .average_pool(stride)
            .convolution(&name(1), 1)?
            .normalization(&name(2))
    } else {
        Some(input)
    }
}
