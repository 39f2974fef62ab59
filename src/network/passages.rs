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
        let all = all(channels);
        let passage = Passage {
            takes: all,
            gives: all,
            mixes: false,
        };
        Self { passage, channels }
    }

    fn behind(self, layers: &[Layer]) -> Self {
        layers.iter().fold(self, Self::after)
    }

    fn after(mut self, layer: &Layer) -> Self {
        let Passage {
            takes,
            gives,
            mixes,
        } = &mut self.passage;
        match layer.operation {
            Operation::Narrow { first, count } => {
                let chosen = Channels {
                    first: number(first),
                    count: number(count),
                };
                let nothing = Channels { count: 0, ..chosen };
                let kept = gives.in_both(chosen).unwrap_or(nothing);
                if !*mixes {
                    takes.first += kept.first.saturating_sub(gives.first);
                    takes.count = kept.count;
                }
                gives.first = kept.first - chosen.first;
                gives.count = kept.count;
                self.channels = chosen.count;
            }
            Operation::PadShortcut { before, after, .. } => {
                gives.first = gives.first.saturating_add(number(before));
                let new = number(before) + number(after);
                self.channels = self.channels.saturating_add(new);
            }
            Operation::Convolution { outputs, .. } | Operation::Linear { outputs, .. } => {
                self.mix(number(outputs));
            }
            Operation::Mix {
                inputs, outputs, ..
            } => {
                let each = self.channels.checked_div(number(inputs)).unwrap_or(0);
                self.mix(each.saturating_mul(number(outputs)));
            }
            // Behind these every channel may depend on every other one.
            Operation::GroupNorm { .. } => self.mix(self.channels),
            Operation::Fragment(_) => self.mix(usize::MAX),
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
        self
    }

    /// What comes out has so many channels, each made of all that came in.
    fn mix(&mut self, channels: usize) {
        self.passage.gives = all(channels);
        self.passage.mixes = true;
        self.channels = channels;
    }
}

fn all(count: usize) -> Channels {
    Channels { first: 0, count }
}

fn number(channels: i64) -> usize {
    usize::try_from(channels).unwrap_or(usize::MAX)
}
