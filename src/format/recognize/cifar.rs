//! CIFAR networks called `conv1`, `layer1`, `layer2`, ...: akamaster (three stages, shortcuts
//! without parameters or projections), bearpaw (three stages, `downsample`), kuangliu (four
//! stages, `shortcut`), each with ReLU after the addition or before the convolutions.

use super::layered::{
    FunctionNames, Place, joined, padded, post_activation, pre_activation, stages,
};
use super::run::Tensors;
use super::{Assumed, Candidate};
use pathscope_network::{Block, Family, Layer};

pub(super) fn candidate(tensors: Tensors<'_>) -> Option<Candidate> {
    if tensors.shape("conv1.weight")?.last() != Some(&3) {
        return None;
    }
    let names = CifarNames::read(tensors)?;
    let mut stem = tensors.images("conv1")?.convolution("conv1", 1)?;
    if names.order == Family::Resnet {
        stem = stem.normalization("bn1")?.relu();
    }
    stem = stem.max_pool_if_stated();
    let (blocks, channels) = stages(
        tensors,
        names.stages,
        stem.channels,
        |stage, position| format!("layer{}.{position}", stage + 1),
        "conv2.weight",
        |place| names.block(tensors, place),
    )?;
    let mut head = tensors.run(channels);
    if let Some(last) = names.last {
        head = head.normalization(last)?.relu();
    }
    let projects = blocks.iter().any(|block| {
        block
            .skip
            .iter()
            .flatten()
            .any(|layer| !layer.name.is_empty())
    });
    let head = head.classifier(names.classifier)?;
    let specification = joined(stem, blocks, head);
    Some(Candidate::new(
        specification,
        names.order,
        names.origin(projects),
        32,
        names.normalization(),
    ))
}

/// How the code bases differ.
struct CifarNames {
    order: Family,
    stages: usize,
    shortcut: &'static str,
    classifier: &'static str,
    /// The normalisation behind the last block.
    last: Option<&'static str>,
}

impl CifarNames {
    fn read(tensors: Tensors<'_>) -> Option<Self> {
        let classifier = ["linear", "fc"]
            .into_iter()
            .find(|name| tensors.has(&format!("{name}.weight")))
            .unwrap_or("fc");
        let stages = (1..=4)
            .take_while(|stage| tensors.has(&format!("layer{stage}.0.conv1.weight")))
            .count();
        let shortcut = ["shortcut", "downsample"].into_iter().find(|name| {
            (1..=stages).any(|stage| tensors.has(&format!("layer{stage}.0.{name}.0.weight")))
        });
        // A normalisation before the convolution has the width of its input.
        let normalized = tensors.outputs("layer2.0.bn1.weight")?;
        let weight = tensors.shape("layer2.0.conv1.weight")?;
        let before = weight.first() != Some(&normalized) && weight.get(1) == Some(&normalized);
        // A wide residual network: its last normalisation has the name of a stem's.
        if before && tensors.has("bn1.weight") {
            return None;
        }
        let last = ["bn", "bn_final"]
            .into_iter()
            .find(|name| tensors.has(&format!("{name}.weight")));
        Some(Self {
            order: if before {
                Family::Preresnet
            } else {
                Family::Resnet
            },
            stages,
            shortcut: shortcut.unwrap_or("shortcut"),
            classifier,
            last,
        })
    }

    fn block(&self, tensors: Tensors<'_>, place: &Place) -> Option<Block<Layer>> {
        let function = FunctionNames::numbered(tensors, &place.name, "bn")?;
        let input = tensors.run(place.channels);
        let projection = format!("{}.{}.0", place.name, self.shortcut);
        let projects = tensors.has(&format!("{projection}.weight"));
        if self.order == Family::Resnet {
            let function = function.post_activation(input.clone(), place.stride)?;
            let skip = if projects {
                let normalization = format!("{}.{}.1", place.name, self.shortcut);
                input
                    .convolution(&projection, place.stride)?
                    .normalization(&normalization)?
            } else {
                padded(input, function.channels, place.stride)?
            };
            return Some(post_activation(place, skip.layers, function));
        }
        // kuangliu projects what the first ReLU gives, bearpaw the block's input; and pathscope
        // shares that ReLU in the first block of every stage.
        let opens_stage = place.name.ends_with(".0");
        let shares = match self.last {
            Some("bn_final") => opens_stage,
            _ => projects && self.shortcut == "shortcut",
        };
        let mut shared = input.clone();
        if shares {
            shared = shared
                .normalization(function.normalizations.first()?.as_deref()?)?
                .relu();
        }
        let function = function.pre_activation(input.clone(), place.stride, shares)?;
        let skip = if projects {
            input.convolution(&projection, place.stride)?
        } else {
            padded(input, function.channels, place.stride)?
        };
        Some(pre_activation(place, shared.layers, skip.layers, function))
    }

    fn origin(&self, projects: bool) -> String {
        let activation = match self.order {
            Family::Resnet => "after the addition",
            _ => "before the convolutions",
        };
        let shortcut = if projects {
            "projections"
        } else {
            "zero channels"
        };
        format!(
            "a CIFAR network of {} stages, ReLU {activation}, shortcuts by {shortcut}",
            self.stages
        )
    }

    fn normalization(&self) -> Assumed {
        match (self.stages, self.classifier, self.order) {
            (_, _, Family::Preresnet) if self.last == Some("bn_final") => {
                Assumed::preset("cifar10")
            }
            // akamaster normalises CIFAR as ImageNet.
            (3, "linear", Family::Resnet) => Assumed::preset("imagenet"),
            _ => Assumed::cifar10_within_images(),
        }
    }
}
