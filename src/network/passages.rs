//! Which channels the ways through a block take and give, read off their layers.

use pathscope_analysis::{Channels, Passage};

use super::{Block, Layer, Operation, Specification};

impl Specification {
    /// Whether a way through a block takes some of its channels only, so that not every choice of ways
    /// is a path.
    #[must_use]
    pub fn carries_several(&self) -> bool {
        let narrows = |layer: &Layer| matches!(layer.operation, Operation::Narrow { .. });
        self.blocks.iter().flat_map(Block::layers).any(narrows)
    }
}

impl Block<Layer> {
    /// What each way through the block takes and gives: first the skip where there is one, then the
    /// functions.
    #[must_use]
    pub fn passages(&self) -> Vec<Passage> {
        let before = passage(&self.pre).mixes;
        let after = passage(&self.post).mixes;
        let functions = self.functions.iter().map(|function| &function.layers);
        let ways = self.skip.iter().chain(functions);
        ways.map(|layers| {
            let passage = passage(layers);
            Passage {
                takes: if before { Channels::ALL } else { passage.takes },
                gives: if after { Channels::ALL } else { passage.gives },
                mixes: before || after || passage.mixes,
            }
        })
        .collect()
    }
}

/// What a run of layers takes and gives.
fn passage(layers: &[Layer]) -> Passage {
    let start = Passage {
        takes: Channels::ALL,
        gives: Channels::ALL,
        mixes: false,
    };
    let number = |channels: i64| usize::try_from(channels).unwrap_or(usize::MAX);
    layers
        .iter()
        .fold(start, |so_far, layer| match layer.operation {
            Operation::Narrow { first, count } if !so_far.mixes => {
                let (first, count) = (number(first), number(count));
                Passage {
                    takes: Channels {
                        first: so_far.takes.first.saturating_add(first),
                        count,
                    },
                    gives: Channels { first: 0, count },
                    ..so_far
                }
            }
            Operation::PadShortcut { before, .. } => Passage {
                gives: Channels {
                    first: so_far.gives.first.saturating_add(number(before)),
                    ..so_far.gives
                },
                ..so_far
            },
            Operation::Convolution { outputs, .. } | Operation::Linear { outputs, .. } => Passage {
                gives: Channels {
                    first: 0,
                    count: number(outputs),
                },
                mixes: true,
                ..so_far
            },
            // Behind these every channel may depend on every other one.
            Operation::Narrow { .. } | Operation::GroupNorm { .. } | Operation::Fragment(_) => {
                Passage {
                    gives: Channels::ALL,
                    mixes: true,
                    ..so_far
                }
            }
            Operation::BatchNorm { .. }
            | Operation::Relu
            | Operation::Sigmoid { .. }
            | Operation::Factor { .. }
            | Operation::Bernoulli { .. }
            | Operation::MaxPool { .. }
            | Operation::ZeroPad { .. }
            | Operation::AveragePool { .. }
            | Operation::GlobalAveragePool => so_far,
        })
}
