//! The law of path length through blocks that differ.

use crate::blockwise::{BlockwiseLaw, WeightedTerm};
use crate::length_law::{LengthLaw, LengthLawError, check_probability};

/// The number of blocks taken when block `l` is taken with its own probability `p_l`:
/// Poisson-binomial, the [`BlockwiseLaw`] of blocks with two ways; for paths through unequal blocks
/// `p_l = k_l / (k_l + 1)`.
///
/// ```
/// use pathscope_analysis::{LengthLaw, PoissonBinomial};
/// let law = PoissonBinomial::of_path_lengths(&[1, 3])?;
/// assert!((law.pmf(2) - 1.0 / 2.0 * 3.0 / 4.0).abs() < 1e-15);
/// # Ok::<(), pathscope_analysis::LengthLawError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PoissonBinomial(BlockwiseLaw);

impl PoissonBinomial {
    /// The law for one probability per block.
    ///
    /// # Errors
    /// When there are no blocks or over 65,536, or a number is not a probability.
    pub fn new(probabilities: &[f64]) -> Result<Self, LengthLawError> {
        for &probability in probabilities {
            check_probability("the probability of a block", probability)?;
        }
        let pairs = probabilities.iter().map(|&p| (p, 1.0 - p));
        Self::from_pairs(&pairs.collect::<Vec<_>>())
    }

    /// The law of path length for the number of functions of each block.
    ///
    /// # Errors
    /// When there are no blocks or over 65,536.
    pub fn of_path_lengths(functions: &[usize]) -> Result<Self, LengthLawError> {
        let pair = |k: f64| (k / (k + 1.0), 1.0 / (k + 1.0));
        let pairs = functions.iter().map(|&k| pair(k as f64));
        Self::from_pairs(&pairs.collect::<Vec<_>>())
    }

    /// From pairs of `p` and `1 - p`.
    fn from_pairs(pairs: &[(f64, f64)]) -> Result<Self, LengthLawError> {
        let blocks: Vec<Vec<WeightedTerm>> = pairs
            .iter()
            .map(|&(taken, skipped)| {
                [skipped, taken]
                    .into_iter()
                    .enumerate()
                    .map(|(length, weight)| WeightedTerm { length, weight })
                    .collect()
            })
            .collect();
        BlockwiseLaw::new(&blocks).map(Self)
    }
}

impl LengthLaw for PoissonBinomial {
    fn max_length(&self) -> usize {
        self.0.max_length()
    }

    fn mean(&self) -> f64 {
        self.0.mean()
    }

    fn variance(&self) -> f64 {
        self.0.variance()
    }

    fn ln_pmf(&self, length: usize) -> f64 {
        self.0.ln_pmf(length)
    }

    fn ln_cdf(&self, length: usize) -> f64 {
        self.0.ln_cdf(length)
    }

    fn ln_sf(&self, length: usize) -> f64 {
        self.0.ln_sf(length)
    }
}
