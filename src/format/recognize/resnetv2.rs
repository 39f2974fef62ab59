//! `resnetv2` of timm: pre-activation networks, among them Big Transfer (Kolesnikov et al., arXiv
//! 1912.11370), whose convolutions standardise their weights.

use super::layered::{FunctionNames, joined, pre_activation, stages};
use super::run::{Run, Tensors};
use super::{Assumed, Candidate};
use crate::assumption::Groups;
use pathscope_network::{Family, Operation};

/// The groups of timm's normalisations.
const GROUPS: Groups = Groups::Number(32);

pub(super) fn candidate(tensors: Tensors<'_>) -> Option<Candidate> {
    let deep = tensors.has_weight("stem.conv1");
    let groups = tensors.has_weight("norm") && !tensors.has("norm.running_mean");
    // Only Big Transfer has groups behind a stem of one convolution.
    let transfer = groups && !deep;
    let run = |channels| {
        let mut run = tensors.run(channels);
        run.standardization = transfer.then_some(1e-8);
        run.groups.get_or_insert(GROUPS);
        run
    };
    let stem = stem(tensors, deep, transfer)?;
    let (blocks, channels) = stages(
        tensors,
        4,
        stem.channels,
        |stage, position| format!("stages.{stage}.blocks.{position}"),
        "conv2.weight",
        |place| {
            let function = FunctionNames::numbered(tensors, &place.name, "norm")?;
            let projection = format!("{}.downsample.conv", place.name);
            let input = run(place.channels);
            let projects = tensors.has_weight(&projection);
            pre_activation(place, &function, input, projects, |input, _| {
                match (projects, deep) {
                    (false, _) => Some(input),
                    // A deep stem comes with pooling before the projections.
                    (_, true) => input.average_pool(place.stride).convolution(&projection, 1),
                    (_, false) => input.convolution(&projection, place.stride),
                }
            })
        },
    )?;
    let mut head = run(channels);
    head.standardization = None;
    let head = head.normalization("norm")?.relu().classifier("head.fc")?;
    let kind = match (transfer, groups) {
        (true, _) => "standardised weights and group normalisation",
        (_, true) => "group normalisation",
        _ => "batch normalisation",
    };
    Some(Candidate::new(
        joined(stem, blocks, head),
        Family::Preresnet,
        format!("names of timm's resnetv2, {kind}, ReLU before the convolutions"),
        224,
        Assumed::preset(if deep { "imagenet" } else { "half" }),
    ))
}

fn stem(tensors: Tensors<'_>, deep: bool, transfer: bool) -> Option<Run<'_>> {
    if deep {
        let mut stem = tensors.images("stem.conv1")?;
        stem.groups.get_or_insert(GROUPS);
        return Some(
            stem.convolution("stem.conv1", 2)?
                .normalization("stem.norm1")?
                .relu()
                .convolution("stem.conv2", 1)?
                .normalization("stem.norm2")?
                .relu()
                .convolution("stem.conv3", 1)?
                .max_pool(),
        );
    }
    let mut stem = tensors.images("stem.conv")?;
    stem.standardization = transfer.then_some(1e-8);
    let stem = stem.convolution("stem.conv", 2)?;
    if !transfer {
        return Some(stem.max_pool());
    }
    // Zeros count in the maximum here, and no ReLU came before.
    let pool = Operation::MaxPool {
        kernel: 3,
        stride: 2,
        padding: 0,
    };
    Some(stem.then(Operation::ZeroPad { padding: 1 }).then(pool))
}
