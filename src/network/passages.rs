//! Which channels the ways through a block take and give, read off their layers.

use pathscope_analysis::{Channels, Passage};

use super::{Block, Layer, Operation, Specification};

impl Specification {
    /// What each way through each block takes and gives: first the skip where there is one, then the
    /// functions. Empty for every block where all ways take all that there is.
    #[must_use]
    pub fn passages(&self) -> Vec<Vec<Passage>> {
        let narrows = |layer: &Layer| matches!(layer.operation, Operation::Narrow { .. });
        if !self.blocks.iter().flat_map(Block::layers).any(narrows) {
            return vec![Vec::new(); self.blocks.len()];
        }
        let input = self.input_channels().map_or(usize::MAX, number);
        let mut channels = Way::start(input).behind(&self.stem).channels;
        let of_block = |block: &Block<Layer>| {
            let start = Way::start(channels).behind(&block.pre);
            let functions = block.functions.iter().map(|function| &function.layers);
            let ways = block.skip.iter().chain(functions);
            let ways = ways.map(|layers| start.behind(layers).behind(&block.post));
            let ways: Vec<Way> = ways.collect();
            channels = ways.first().map_or(channels, |way| way.channels);
            ways.into_iter().map(|way| way.passage).collect()
        };
        self.blocks.iter().map(of_block).collect()
    }
}

/// A way through layers, as far as they have been followed.
#[derive(Clone, Copy)]
struct Way {
    passage: Passage,
    /// All channels behind them, those that are zero included.
    channels: usize,
}

impl Way {
    fn start(channels: usize) -> Self {
        let all = Channels {
            first: 0,
            count: channels,
        };
        let passage = Passage {
            takes: all,
            gives: all,
            mixes: false,
        };
        Self { passage, channels }
    }

    fn behind(self, layers: &[Layer]) -> Self {
        layers.iter().fold(self, |way, layer| way.after(layer))
    }

    fn after(self, layer: &Layer) -> Self {
        let Self {
            passage:
                Passage {
                    mut takes,
                    mut gives,
                    mixes,
                },
            mut channels,
        } = self;
        let mixed = |channels| Self {
            passage: Passage {
                takes,
                gives: Channels {
                    first: 0,
                    count: channels,
                },
                mixes: true,
            },
            channels,
        };
        match layer.operation {
            Operation::Narrow { first, count } => {
                let chosen = Channels {
                    first: number(first),
                    count: number(count),
                };
                let nothing = Channels { count: 0, ..chosen };
                let kept = gives.in_both(chosen).unwrap_or(nothing);
                if !mixes {
                    takes.first += kept.first.saturating_sub(gives.first);
                    takes.count = kept.count;
                }
                gives = Channels {
                    first: kept.first - chosen.first,
                    ..kept
                };
                channels = chosen.count;
            }
            Operation::PadShortcut { before, after, .. } => {
                gives.first = gives.first.saturating_add(number(before));
                channels = channels.saturating_add(number(before) + number(after));
            }
            Operation::Convolution { outputs, .. } | Operation::Linear { outputs, .. } => {
                return mixed(number(outputs));
            }
            Operation::Mix {
                inputs, outputs, ..
            } => {
                let each = channels.checked_div(number(inputs)).unwrap_or(0);
                return mixed(each.saturating_mul(number(outputs)));
            }
            // Behind these every channel may depend on every other one.
            Operation::GroupNorm { .. } => return mixed(channels),
            Operation::Fragment(_) => return mixed(usize::MAX),
            Operation::BatchNorm { .. }
            | Operation::Relu
            | Operation::Sigmoid { .. }
            | Operation::Factor { .. }
            | Operation::Bernoulli { .. }
            | Operation::MaxPool { .. }
            | Operation::ZeroPad { .. }
            | Operation::AveragePool { .. }
            | Operation::GlobalAveragePool => {}
        }
        Self {
            passage: Passage {
                takes,
                gives,
                mixes,
            },
            channels,
        }
    }
}

fn number(channels: i64) -> usize {
    usize::try_from(channels).unwrap_or(usize::MAX)
}
