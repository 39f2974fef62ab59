//! Dense networks in the one structure: a layer that adds channels is a block whose skip puts zero
//! channels behind those that it carries, and whose function puts as many in front of its own.

use super::architecture::{batch_norm, classifier, convolution, relu};
use super::{Architecture, Block, Layer, Operation, ResidualNetwork, Specification, Stem, Unit};

/// A block that appends the `growth` channels of `function` to the `channels` that it takes, after
/// `pre`, the transition from the stage before.
#[must_use]
pub fn dense_block(
    name: String,
    pre: Vec<Layer>,
    channels: i64,
    mut function: Vec<Layer>,
    growth: i64,
) -> Block<Layer> {
    let pad = |before, after| Layer::new("", Operation::pad(1, before, after));
    function.push(pad(channels, 0));
    Block {
        pre,
        ..Block::new(name, Some(vec![pad(0, growth)]), [function])
    }
}

/// The layers under the names that torchvision gives them.
pub(super) fn build(architecture: &Architecture) -> Specification {
    let growth = architecture.width;
    let bottleneck = architecture.unit != Unit::Basic;
    let mut channels = architecture.stem_width;
    let mut blocks = Vec::new();
    for (stage, &count) in (1..).zip(&architecture.stages) {
        for position in 1..=count {
            let mut pre = Vec::new();
            if position == 1 && stage > 1 {
                let name = format!("features.transition{}", stage - 1);
                // The form BC halves the channels.
                let kept = if bottleneck { channels / 2 } else { channels };
                pre = vec![
                    batch_norm(format!("{name}.norm"), channels),
                    relu(),
                    convolution(format!("{name}.conv"), channels, kept, 1, 1),
                    Layer::new("", Operation::mean_of_four(2, false)),
                ];
                channels = kept;
            }
            let name = format!("features.denseblock{stage}.denselayer{position}");
            let mut function = Vec::new();
            let mut taken = channels;
            let mut convolve = |number: usize, outputs, kernel| {
                function.push(batch_norm(format!("{name}.norm{number}"), taken));
                function.push(relu());
                let name = format!("{name}.conv{number}");
                function.push(convolution(name, taken, outputs, kernel, 1));
                taken = outputs;
            };
            if bottleneck {
                convolve(1, 4 * growth, 1);
                convolve(2, growth, 3);
            } else {
                convolve(1, growth, 3);
            }
            blocks.push(dense_block(name, pre, channels, function, growth));
            channels += growth;
        }
    }
    let last = format!("features.norm{}", architecture.stages.len() + 1);
    let mut head = vec![batch_norm(last, channels), relu()];
    head.extend(classifier("classifier", channels, architecture.classes));
    ResidualNetwork {
        stem: stem(architecture),
        blocks,
        head,
    }
}

fn stem(architecture: &Architecture) -> Vec<Layer> {
    let (channels, width) = (architecture.channels, architecture.stem_width);
    match architecture.stem {
        Stem::Cifar => vec![convolution("features.conv0", channels, width, 3, 1)],
        Stem::Imagenet => vec![
            convolution("features.conv0", channels, width, 7, 2),
            batch_norm("features.norm0", width),
            relu(),
            Layer::new("", Operation::STEM_POOL),
        ],
    }
}
