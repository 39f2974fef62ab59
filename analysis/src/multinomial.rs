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
    total: Binomial,
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
        Ok(Self {
            trials: blocks,
            odds: odds.to_vec(),
            // Also refuses no blocks and a sum that overflows.
            total: Binomial::from_odds(blocks, odds.iter().sum())?,
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
        let mut ln = self.total.ln_pmf(left);
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
        let types = self.types();
        let of_type = self.odds.get(index).copied();
        let odds = of_type.ok_or(LengthLawError::NoSuchType { index, types })?;
        let (before, behind) = self.odds.split_at(index);
        let others: f64 = before.iter().chain(behind.iter().skip(1)).sum();
        Binomial::from_odds(self.trials, odds / (1.0 + others))
    }

    /// The law of the length, all types together.
    pub fn total(&self) -> &Binomial {
        &self.total
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
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17: `multinomial.logpmf(lengths + [skips], 30, [.1, .2, .1, .6])`.
    #[test]
    fn agrees_with_scipy_and_with_its_own_marginals() {
        let law = Multinomial::from_odds(30, &[0.1 / 0.6, 0.2 / 0.6, 0.1 / 0.6]).unwrap();
        assert!((law.ln_pmf(&[3, 5, 2]).unwrap() + 4.726406006953923).abs() < 1e-10);
        assert!((law.ln_pmf(&[12, 0, 3]).unwrap() + 17.22116975130122).abs() < 1e-10);
        let small = Multinomial::from_odds(7, &[0.5, 2.0]).unwrap();
        let mut mean = [0.0; 2];
        let (mut total, mut product) = (0.0, 0.0);
        let mut marginal = [0.0; 8];
        for (a, marginal) in marginal.iter_mut().enumerate() {
            for b in 0..=7usize {
                let p = small.pmf(&[a, b]).unwrap();
                total += p;
                mean[0] += p * a as f64;
                mean[1] += p * b as f64;
                product += p * (a * b) as f64;
                *marginal += p;
            }
        }
        assert!((total - 1.0).abs() < 1e-13);
        let covariance = product - mean[0] * mean[1];
        assert!((small.covariance(0, 1).unwrap() - covariance).abs() < 1e-12);
        for (a, p) in marginal.into_iter().enumerate() {
            assert!((small.marginal(0).unwrap().pmf(a) - p).abs() < 1e-14);
        }
    }

    #[test]
    fn refuses_what_has_no_answer() {
        for bad in [f64::NAN, -0.1, f64::INFINITY] {
            assert!(Multinomial::from_odds(3, &[1.0, bad]).is_err());
        }
        assert!(Multinomial::from_odds(3, &[]).is_err());
        assert!(Multinomial::from_odds(3, &[f64::MAX, f64::MAX]).is_err());
        assert!(Multinomial::of_path_types(3, usize::MAX).is_err());
        let law = Multinomial::of_path_types(3, 2).unwrap();
        assert!(law.pmf(&[1]).is_err() && law.marginal(2).is_err());
        assert_eq!(law.pmf(&[usize::MAX, 3]), Ok(0.0));
    }
}
