//! The law of path length by type of function.

use crate::binomial::Binomial;
use crate::length_law::{LengthLaw, LengthLawError, check_count};

/// How many functions of each type a random path takes: multinomial over the types and the skip.
///
/// ```
/// use pathscope_analysis::{LengthLaw, Multinomial};
/// let law = Multinomial::of_path_types(30, 4)?;
/// assert!((law.marginal(0)?.mean() - 30.0 / 5.0).abs() < 1e-12);
/// assert!((law.total().mean() - 30.0 * 4.0 / 5.0).abs() < 1e-12);
/// # Ok::<(), pathscope_analysis::LengthLawError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Multinomial {
    trials: usize,
    odds: Vec<f64>,
}

impl Multinomial {
    /// The law for the weight of each type against a skip of weight 1: `p_i = w_i / (1 + sum w)`.
    ///
    /// # Errors
    /// When there are no blocks or types, or a weight is negative, infinite or not a number.
    pub fn from_odds(blocks: usize, odds: &[f64]) -> Result<Self, LengthLawError> {
        if odds.is_empty() {
            return Err(LengthLawError::Empty("functions"));
        }
        if let Some(&value) = odds
            .iter()
            .find(|&&odds| !(odds.is_finite() && odds >= 0.0))
        {
            return Err(LengthLawError::NotAWeight {
                what: "the odds of a type",
                value,
            });
        }
        // Also refuses no blocks and a sum that overflows.
        Binomial::from_odds(blocks, odds.iter().sum())?;
        Ok(Self {
            trials: blocks,
            odds: odds.to_vec(),
        })
    }

    /// The law over all paths of `blocks` blocks with `functions` functions: `p_i = 1 / (k + 1)`.
    ///
    /// # Errors
    /// When there are no blocks or no functions.
    pub fn of_path_types(blocks: usize, functions: usize) -> Result<Self, LengthLawError> {
        check_count("functions", functions, 1 << 20)?;
        Self::from_odds(blocks, &vec![1.0; functions])
    }

    /// Number of types.
    pub fn types(&self) -> usize {
        self.odds.len()
    }

    /// Natural logarithm of the probability of these lengths by type; the other blocks skip.
    ///
    /// # Errors
    /// When there is not one length per type.
    pub fn ln_pmf(&self, lengths: &[usize]) -> Result<f64, LengthLawError> {
        if lengths.len() != self.types() {
            let (given, types) = (lengths.len(), self.types());
            return Err(LengthLawError::TypesDiffer { given, types });
        }
        let mut left = lengths.iter().copied().fold(0, usize::saturating_add);
        if left > self.trials {
            return Ok(f64::NEG_INFINITY);
        }
        // The length first, then each type among what is left: a chain of binomials, so that every
        // factor keeps its digits.
        let mut ln = self.total().ln_pmf(left);
        for (index, (&length, &odds)) in lengths.iter().zip(&self.odds).enumerate() {
            let later: f64 = self.odds.iter().skip(index + 1).sum();
            if left == 0 {
                break;
            }
            ln += match (odds > 0.0, later > 0.0) {
                (true, true) => Binomial::from_odds(left, odds / later)?.ln_pmf(length),
                (true, false) if length == left => 0.0,
                (false, _) if length == 0 => 0.0,
                _ => f64::NEG_INFINITY,
            };
            left -= length;
        }
        Ok(ln)
    }

    /// Probability of these lengths by type; the other blocks skip.
    ///
    /// # Errors
    /// When there is not one length per type.
    pub fn pmf(&self, lengths: &[usize]) -> Result<f64, LengthLawError> {
        self.ln_pmf(lengths).map(f64::exp)
    }

    /// The law of the number of functions of one type, from 0.
    ///
    /// # Errors
    /// When there is no such type.
    pub fn marginal(&self, index: usize) -> Result<Binomial, LengthLawError> {
        let odds = self.odds_of(index)?;
        let others = 1.0 + self.sum_without(index);
        Binomial::from_odds(self.trials, odds / others)
    }

    /// The law of the length, all types together.
    pub fn total(&self) -> Binomial {
        Binomial::of_valid_odds(self.trials, self.odds.iter().sum())
    }

    /// Covariance of the numbers of functions of two types, or the variance of one.
    ///
    /// # Errors
    /// When there is no such type.
    pub fn covariance(&self, first: usize, second: usize) -> Result<f64, LengthLawError> {
        let (a, b) = (self.marginal(first)?, self.marginal(second)?);
        if first == second {
            return Ok(a.variance());
        }
        Ok(-(self.trials as f64) * a.probability() * b.probability())
    }

    fn odds_of(&self, index: usize) -> Result<f64, LengthLawError> {
        let types = self.types();
        self.odds
            .get(index)
            .copied()
            .ok_or(LengthLawError::NoSuchType { index, types })
    }

    fn sum_without(&self, left_out: usize) -> f64 {
        let kept = self
            .odds
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != left_out);
        kept.map(|(_, odds)| odds).sum()
    }
}
