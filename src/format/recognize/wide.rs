//! Wide residual networks (Zagoruyko & Komodakis, arXiv 1605.07146) in their two usual PyTorch
//! forms: `block1.layer.0` with `convShortcut` (xternalz), and `layer1.0` with `shortcut.0` and
//! biases (meliketoy).

use super::layered::{FunctionNames, Place, joined, pre_activation, stages};
use super::run::Tensors;
use super::{Assumed, Candidate};
use pathscope_network::{Block, Family, Layer};

pub(super) fn candidate(tensors: Tensors<'_>) -> Option<Candidate> {
    if tensors.shape("conv1.weight")?.last() != Some(&3) {
        return None;
    }
    if tensors.has_weight("block1.layer.0.conv1") {
        network(
            tensors,
            |stage, position| format!("block{}.layer.{position}", stage + 1),
            |place| block_of_layer(tensors, place),
            "fc",
            Assumed::preset("cifar10"),
        )
    } else if tensors.has("layer1.0.conv1.bias") {
        network(
            tensors,
            |stage, position| format!("layer{}.{position}", stage + 1),
            |place| block_with_biases(tensors, place),
            "linear",
            Assumed::cifar10_within_images(),
        )
    } else {
        None
    }
}

fn network(
    tensors: Tensors<'_>,
    name: impl Fn(usize, usize) -> String,
    block: impl Fn(&Place) -> Option<Block<Layer>>,
    classifier: &str,
    normalization: Assumed,
) -> Option<Candidate> {
    let stem = tensors.images("conv1")?.convolution("conv1", 1)?;
    let (blocks, channels) = stages(tensors, 3, stem.channels, name, "conv2.weight", block)?;
    let head = tensors
        .run(channels)
        .normalization("bn1")?
        .relu()
        .classifier(classifier)?;
    Some(Candidate::new(
        joined(stem, blocks, head),
        Family::Preresnet,
        "a wide residual network, ReLU before the convolutions".into(),
        32,
        normalization,
    ))
}

/// Blocks that change the number of channels share their first BN-ReLU with the shortcut.
fn block_of_layer(tensors: Tensors<'_>, place: &Place) -> Option<Block<Layer>> {
    let function = FunctionNames::numbered(tensors, &place.name, "bn")?;
    let projection = format!("{}.convShortcut", place.name);
    let projects = tensors.has_weight(&projection);
    let input = tensors.run(place.channels);
    pre_activation(
        place,
        &function,
        input,
        projects,
        |input, _| match projects {
            true => input.convolution(&projection, place.stride),
            false => Some(input),
        },
    )
}

/// The stride is in the second convolution, and the shortcut projects the block's own input.
fn block_with_biases(tensors: Tensors<'_>, place: &Place) -> Option<Block<Layer>> {
    let mut function = FunctionNames::numbered(tensors, &place.name, "bn")?;
    function.strided = 1;
    let input = tensors.run(place.channels);
    let projection = format!("{}.shortcut.0", place.name);
    let mut skip = input.clone();
    if tensors.has_weight(&projection) {
        skip = skip.convolution(&projection, place.stride)?;
    }
    pre_activation(place, &function, input, false, |_, _| Some(skip))
}
