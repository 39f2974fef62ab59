//! From the names and shapes of a bare state dict to the architecture that they belong to.
//!
//! One file is one family of code bases: it says in which order names come and what stands
//! between them; sizes, groups, biases and kinds of normalisation are read from the shapes. A
//! family fits only where it explains every tensor, so that nothing is left out in silence.

mod cifar;
mod imagenet;
mod layered;
mod resnetv2;
mod run;
mod weiaicunzai;
mod wide;

use std::collections::HashSet;
use std::path::Path;

use self::run::Tensors;
use super::{FormatError, ModelCard, StateDict};
use crate::data::Normalization;
use crate::network::{Branch, Family, FeatureShape, Layer, Operation, Specification};

/// An architecture that fits a state dict.
pub(super) struct Recognition {
    pub card: ModelCard,
    /// What was assumed.
    pub remarks: Vec<String>,
}

/// What a family makes of a state dict.
struct Candidate {
    specification: Specification,
    family: Family,
    /// Whose names these are, and what they do not say.
    origin: String,
    /// Side of the images that the family is trained on.
    side: i64,
    normalization: Assumed,
}

/// The normalisation that a family's code applies to its inputs.
struct Assumed {
    name: &'static str,
    values: Option<Normalization>,
}

impl Assumed {
    fn preset(name: &'static str) -> Self {
        let values = Normalization::preset(name).ok();
        Self { name, values }
    }

    /// The form of the CIFAR-10 statistics that is common in PyTorch code (the deviations are
    /// means over images of the deviation within each).
    fn cifar10_within_images() -> Self {
        let values = Normalization::new(vec![0.4914, 0.4822, 0.4465], vec![0.2023, 0.1994, 0.2010]);
        Self {
            name: ".4914 .4822 .4465 / .2023 .1994 .2010",
            values: values.ok(),
        }
    }
}

const FAMILIES: [fn(Tensors<'_>) -> Option<Candidate>; 5] = [
    imagenet::candidate,
    cifar::candidate,
    wide::candidate,
    weiaicunzai::candidate,
    resnetv2::candidate,
];

/// Finds the architecture of a state dict that does not state it.
///
/// # Errors
/// [`FormatError::UnknownArchitecture`] with the names that were seen.
pub(super) fn recognize(file: &Path, state: &StateDict) -> Result<Recognition, FormatError> {
    FAMILIES
        .iter()
        .filter_map(|family| family(Tensors::of(state)))
        .filter(|candidate| explains(&candidate.specification, state))
        .find_map(describe)
        .ok_or_else(|| {
            let names: Vec<&str> = state.names().take(4).collect();
            FormatError::UnknownArchitecture {
                file: file.to_owned(),
                names: names.join(", "),
            }
        })
}

/// Whether every tensor beside those of `specification` lies outside of its modules: an
/// attention gate that a family does not know stands inside one.
fn explains(specification: &Specification, state: &StateDict) -> bool {
    let known: HashSet<String> = specification
        .parameters()
        .into_iter()
        .map(|parameter| parameter.name)
        .collect();
    let module = |name: &str| name.split('.').next().map(str::to_owned);
    let modules: HashSet<_> = known.iter().map(|name| module(name)).collect();
    state
        .names()
        .filter(|name| !name.ends_with("num_batches_tracked"))
        .all(|name| known.contains(name) || !modules.contains(&module(name)))
}

fn describe(candidate: Candidate) -> Option<Recognition> {
    let Candidate {
        specification,
        family,
        origin,
        side,
        normalization,
    } = candidate;
    let channels = specification.input_channels()?;
    let input = FeatureShape {
        channels,
        height: side,
        width: side,
    };
    specification.shapes(input).ok()?;
    let normalization = if channels == 3 {
        normalization
    } else {
        Assumed::preset("half")
    };
    let title = title(&specification, family);
    let remarks = vec![
        format!("recognised as {title}: {origin}"),
        format!(
            "the file states no normalisation; assuming the family's `{}` (choose with \
             --normalize)",
            normalization.name
        ),
    ];
    Some(Recognition {
        card: ModelCard {
            title,
            specification,
            input,
            normalization: normalization.values?,
            class_names: Vec::new(),
            evaluation: None,
            training: None,
        },
        remarks,
    })
}

/// `resnet-50`, `preresnet-110`, `resnext-50 32x4d`: the depth counts convolutions on one way and
/// the linear layer.
fn title(specification: &Specification, family: Family) -> String {
    let convolutions: usize = specification
        .blocks
        .iter()
        .map(|block| block.convolutions())
        .sum();
    let depth = convolutions + 2;
    let first = specification.blocks.first();
    let inner =
        first
            .and_then(|block| block.branches.first())
            .and_then(|branch: &Branch<Layer>| {
                branch
                    .layers
                    .iter()
                    .rev()
                    .find_map(|layer| match layer.operation {
                        Operation::Convolution {
                            outputs,
                            groups,
                            kernel: 3,
                            ..
                        } => Some((outputs, groups)),
                        _ => None,
                    })
            });
    match (family, inner) {
        (_, Some((channels, groups))) if groups > 1 => {
            format!("resnext-{depth} {groups}x{}d", channels / groups)
        }
        (Family::Preresnet, _) => format!("preresnet-{depth}"),
        _ => format!("resnet-{depth}"),
    }
}
