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
            let names = FunctionNames::counted(
                tensors,
                |number| layer(number, "convolution"),
                |number| layer(number, "normalization"),
            )?;
            let input = tensors.run(place.channels);
            let shortcut = |part: &str| format!("{}.shortcut.{part}", place.name);
            let (projection, normalization) = (shortcut("convolution"), shortcut("normalization"));
            post_activation(place, &names, input, |input, _| {
                input.projected(&projection, &normalization, place.stride)
            })
        },
    )?;
    let head = tensors.run(channels).classifier("classifier.1")?;
    Some(Candidate::new(
        joined(stem, blocks, head),
        Family::Resnet,
        "names of Hugging Face's transformers, ReLU after the addition".into(),
        224,
        Assumed::preset("imagenet"),
    ))
}
