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
    let mut skips = blocks.iter().flat_map(|block| block.skip.iter().flatten());
    let projects = skips.any(|layer| !layer.name.is_empty());
    let head = head.classifier(names.classifier)?;
    Some(Candidate::new(
        joined(stem, blocks, head),
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
            .find(|name| tensors.has_weight(name))
            .unwrap_or("fc");
        let stages = (1..=4)
            .take_while(|stage| tensors.has_weight(&format!("layer{stage}.0.conv1")))
            .count();
        let shortcut = ["shortcut", "downsample"].into_iter().find(|name| {
            (1..=stages).any(|stage| tensors.has_weight(&format!("layer{stage}.0.{name}.0")))
        });
        // A normalisation before the convolution has the width of its input.
        let normalized = tensors.outputs("layer2.0.bn1.weight")?;
        let weight = tensors.shape("layer2.0.conv1.weight")?;
        let before = weight.first() != Some(&normalized) && weight.get(1) == Some(&normalized);
        // A wide residual network: its last normalisation has the name of a stem's.
        if before && tensors.has_weight("bn1") {
            return None;
        }
        let last = ["bn", "bn_final"]
            .into_iter()
            .find(|name| tensors.has_weight(name));
        Some(Self {
            order: match before {
                true => Family::Preresnet,
                false => Family::Resnet,
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
        let shortcut = |number: u8| format!("{}.{}.{number}", place.name, self.shortcut);
        let projects = tensors.has_weight(&shortcut(0));
        if self.order == Family::Resnet {
            return post_activation(place, &function, input, |input, channels| match projects {
                true => input.projected(&shortcut(0), &shortcut(1), place.stride),
                false => padded(input, channels, place.stride),
            });
        }
        // kuangliu projects what the first ReLU gives, bearpaw the block's input; and pathscope
        // shares that ReLU in the first block of every stage.
        let opens_stage = place.name.ends_with(".0");
        let shares = match self.last {
            Some("bn_final") => opens_stage,
            _ => projects && self.shortcut == "shortcut",
        };
        pre_activation(
            place,
            &function,
            input,
            shares,
            |input, channels| match projects {
                true => input.convolution(&shortcut(0), place.stride),
                false => padded(input, channels, place.stride),
            },
        )
    }

    fn origin(&self, projects: bool) -> String {
        let activation = match self.order {
            Family::Resnet => "after the addition",
            _ => "before the convolutions",
        };
        let shortcut = match projects {
            true => "projections",
            false => "zero channels",
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
