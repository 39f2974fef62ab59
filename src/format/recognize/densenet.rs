//! `densenet` of torchvision and timm, and of CIFAR code with the same names: `features.denseblock1.denselayer1`.

use super::layered::joined;
use super::run::{Run, Tensors};
use super::{Assumed, Candidate};
use pathscope_network::{Family, Operation, dense_block};

pub(super) fn candidate(tensors: Tensors<'_>) -> Option<Candidate> {
    let kernel = *tensors.shape("features.conv0.weight")?.last()?;
    let large = kernel > 3;
    let mut stem = tensors
        .images("features.conv0")?
        .convolution("features.conv0", if large { 2 } else { 1 })?;
    if tensors.has_weight("features.norm0") {
        stem = stem.normalization("features.norm0")?.relu();
    }
    stem = match large {
        true => stem.max_pool(),
        false => stem.max_pool_if_stated(),
    };
    let mut channels = stem.channels;
    let mut blocks = Vec::new();
    let dense =
        |stage: usize, position: usize| format!("features.denseblock{stage}.denselayer{position}");
    let exists = |name: &str| tensors.has_weight(&format!("{name}.norm1"));
    let stages = (1..).take_while(|&stage| exists(&dense(stage, 1))).count();
    for stage in 1..=stages {
        let names = (1..).map(|position| dense(stage, position));
        for (position, name) in names.take_while(|name| exists(name)).enumerate() {
            let mut pre = tensors.run(channels);
            if position == 0 && stage > 1 {
                pre = normalized(pre, &format!("features.transition{}.norm", stage - 1))?
                    .convolution(&format!("features.transition{}.conv", stage - 1), 1)?
                    .then(Operation::mean_of_four(2, false));
            }
            channels = pre.channels;
            let mut function = normalized(tensors.run(channels), &format!("{name}.norm1"))?
                .convolution(&format!("{name}.conv1"), 1)?;
            if tensors.has_weight(&format!("{name}.conv2")) {
                function = normalized(function, &format!("{name}.norm2"))?
                    .convolution(&format!("{name}.conv2"), 1)?;
            }
            let growth = function.channels;
            let layers = function.layers;
            blocks.push(dense_block(name, pre.layers, channels, layers, growth));
            channels += growth;
        }
    }
    let last = [
        format!("features.norm{}", stages + 1),
        "features.norm_final".into(),
    ];
    let last = last.iter().find(|name| tensors.has_weight(name))?;
    let head = normalized(tensors.run(channels), last)?.classifier("classifier")?;
    let (side, normalization) = match large {
        true => (224, Assumed::preset("imagenet")),
        false => (32, Assumed::cifar10_within_images()),
    };
    Some(Candidate::new(
        joined(stem, blocks, head),
        Family::Densenet,
        "names of torchvision and timm, each layer adds channels".into(),
        side,
        normalization,
    ))
}

fn normalized<'a>(run: Run<'a>, name: &str) -> Option<Run<'a>> {
    Some(run.normalization(name)?.relu())
}
