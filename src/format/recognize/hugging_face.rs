//! `ResNetForImageClassification` of Hugging Face's transformers: stages behind a stem that quarters
//! the resolution, under names of its own.

use super::layered::{FunctionNames, joined, post_activation, stages};
use super::run::Tensors;
use super::{Assumed, Candidate};
use pathscope_network::Family;

pub(super) fn candidate(tensors: Tensors<'_>) -> Option<Candidate> {
    const STEM: &str = "resnet.embedder.embedder";
    let stem = tensors
        .images(&format!("{STEM}.convolution"))?
        .convolution(&format!("{STEM}.convolution"), 2)?
        .normalization(&format!("{STEM}.normalization"))?
        .relu()
        .max_pool();
    let block =
        |stage: usize, position: usize| format!("resnet.encoder.stages.{stage}.layers.{position}");
    let marker = "layer.0.convolution.weight";
    let (blocks, channels) = stages(
        tensors,
        tensors.count(|stage| format!("{}.{marker}", block(stage, 0))),
        stem.channels,
        block,
        marker,
        |place| {
            let layer = |number: usize, part: &str| format!("{}.layer.{number}.{part}", place.name);
            let count = tensors.count(|number| format!("{}.weight", layer(number, "convolution")));
            let names = FunctionNames {
                convolutions: (0..count).map(|n| layer(n, "convolution")).collect(),
                normalizations: (0..count)
                    .map(|n| Some(layer(n, "normalization")))
                    .collect(),
                // The first of two, the middle one of three.
                strided: count.checked_sub(2)?,
            };
            let input = tensors.run(place.channels);
            let function = names.post_activation(input.clone(), place.stride)?;
            let shortcut = format!("{}.shortcut", place.name);
            let skip = if tensors.has(&format!("{shortcut}.convolution.weight")) {
                input
                    .convolution(&format!("{shortcut}.convolution"), place.stride)?
                    .normalization(&format!("{shortcut}.normalization"))?
            } else {
                input
            };
            Some(post_activation(place, skip.layers, function))
        },
    )?;
    let head = tensors.run(channels).classifier("classifier.1")?;
    let specification = joined(stem, blocks, head);
    Some(Candidate::new(
        specification,
        Family::Resnet,
        "names of Hugging Face's transformers, ReLU after the addition".into(),
        224,
        Assumed::preset("imagenet"),
    ))
}
