//! What multiplies skips and functions, and so the two factors of each block's polynomial `t + c z`.

use serde::{Deserialize, Serialize};

use super::architecture::function_prefix;
use super::{Block, Layer, Operation};

/// What multiplies the skip and the functions of every block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Factors {
    /// Nothing
    #[default]
    One,
    /// Learned numbers that start at 1, one for the skip and one for each function
    Learned,
    /// A learned number that starts at 0 for each function (SkipInit)
    SkipInit,
    /// Random zeros and ones for every value, apart for the skip and each function, kept with a
    /// probability that falls from 1 to 0.5 with depth (Swapout)
    Swapout,
}

impl Factors {
    /// `block`, the one at `position` (from 0) of `blocks`, with these factors.
    pub(super) fn on(
        self,
        mut block: Block<Layer>,
        position: usize,
        blocks: usize,
    ) -> Block<Layer> {
        let swapped = || Operation::Bernoulli {
            // Singh et al., arXiv 1605.06465, section 5: Linear(1, 0.5).
            keep: 1.0 - 0.5 * (position + 1) as f64 / blocks as f64,
        };
        let learned = |from_zero| Operation::Factor { from_zero };
        let (skip, function) = match self {
            Self::One => return block,
            Self::Learned => (Some(learned(false)), learned(false)),
            Self::SkipInit => (None, learned(true)),
            Self::Swapout => (Some(swapped()), swapped()),
        };
        let name = &block.name;
        if let (Some(layers), Some(operation)) = (&mut block.skip, skip) {
            layers.push(Layer::new(format!("{name}.skip_factor"), operation));
        }
        let functions = block.functions.len();
        for (number, layers) in block.functions.iter_mut().enumerate() {
            let prefix = function_prefix(name, functions, number);
            let factor = Layer::new(format!("{prefix}.factor"), function.clone());
            layers.layers.push(factor);
        }
        block
    }
}
