//! What multiplies skips and functions, and so the two factors of each block's polynomial `t + c z`.

use serde::{Deserialize, Serialize};

use super::architecture::function_prefix;
use super::{
    Block, Forward, Layer, Mode, NetworkError, Operation, TrainableLayer, TrainableNetwork,
};

/// The numbers that multiply the ways through a block: with `t` on the skip and `c` on a function its
/// polynomial is `t + c z`.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockFactors {
    /// That on the skip; `None` where there is none.
    pub skip: Option<f64>,
    /// Those on the functions.
    pub functions: Vec<f64>,
}

impl TrainableNetwork {
    /// The factors on the ways through each block: learned numbers, and the means of random ones. `None` in
    /// a network without any, or with gates, whose factors depend on the input.
    ///
    /// # Errors
    /// Where libtorch cannot read a number back.
    pub fn factors(&self) -> Result<Option<Vec<BlockFactors>>, NetworkError> {
        let described = &self.specification().blocks;
        let gated = described.iter().any(|block| block.gate.is_some());
        let mut layers = described.iter().flat_map(Block::layers);
        if gated || !layers.any(Layer::is_factor) {
            return Ok(None);
        }
        let product = |layers: &[TrainableLayer]| {
            let factors = layers.iter().filter(|layer| layer.layer().is_factor());
            let one = tch::Tensor::from(1.0_f64);
            let through = |x: tch::Tensor, layer| Forward::forward(layer, &x, Mode::Evaluation);
            let product = factors.into_iter().try_fold(one, through)?;
            Ok::<f64, NetworkError>(f64::try_from(product.f_reshape([-1])?.f_get(0)?)?)
        };
        let of_block = |block: &Block<TrainableLayer>| {
            let functions = block.functions.iter();
            Ok(BlockFactors {
                skip: block.skip.as_deref().map(product).transpose()?,
                functions: functions
                    .map(|function| product(&function.layers))
                    .collect::<Result<_, NetworkError>>()?,
            })
        };
        let blocks = self.structure().blocks.iter();
        tch::no_grad(|| blocks.map(of_block).collect::<Result<_, _>>().map(Some))
    }
}

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
    /// Learned numbers between four streams that take the place of one (hyper-connections)
    HyperConnections,
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
            Self::HyperConnections => return super::streams::on(block, position),
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
