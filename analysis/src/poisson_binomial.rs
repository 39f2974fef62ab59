//! The law of path length through blocks that differ.

use crate::binomial::ln_of_complement;
use crate::length_law::{LengthLaw, LengthLawError, check_count, check_probability};
use crate::multiplicity::LONGEST;

/// The number of blocks taken when block `l` is taken with its own probability `p_l`:
/// Poisson-binomial; for paths through unequal blocks `p_l = k_l / (k_l + 1)`.
///
/// The whole law is worked out once, in `O(n^2)` steps that only add positive numbers, with an
/// exponent beside each so that none underflows.
///
/// ```
/// use pathscope_analysis::{LengthLaw, PoissonBinomial};
/// let law = PoissonBinomial::of_path_lengths(&[1, 3])?;
/// assert!((law.pmf(2) - 1.0 / 2.0 * 3.0 / 4.0).abs() < 1e-15);
/// # Ok::<(), pathscope_analysis::LengthLawError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PoissonBinomial {
    mean: f64,
    variance: f64,
    law: Vec<Scaled>,
    at_most: Vec<Scaled>,
    more_than: Vec<Scaled>,
}

impl PoissonBinomial {
    /// The law for one probability per block.
    ///
    /// # Errors
    /// When there are no blocks or over 65,536, or a number is not a probability.
    pub fn new(probabilities: &[f64]) -> Result<Self, LengthLawError> {
        for &probability in probabilities {
            check_probability("the probability of a block", probability)?;
        }
        Self::from_pairs(probabilities.iter().map(|&p| (p, 1.0 - p)).collect())
    }

    /// The law of path length for the number of functions of each block.
    ///
    /// # Errors
    /// When there are no blocks or over 65,536.
    pub fn of_path_lengths(functions: &[usize]) -> Result<Self, LengthLawError> {
        let pair = |k: f64| (k / (k + 1.0), 1.0 / (k + 1.0));
        Self::from_pairs(functions.iter().map(|&k| pair(k as f64)).collect())
    }

    /// From pairs of `p` and `1 - p`.
    fn from_pairs(pairs: Vec<(f64, f64)>) -> Result<Self, LengthLawError> {
        if pairs.is_empty() {
            return Err(LengthLawError::Empty { what: "blocks" });
        }
        check_count("blocks", pairs.len(), LONGEST)?;
        let mut law = vec![Scaled::new(1.0)];
        for &(taken, skipped) in &pairs {
            let (taken, skipped) = (Scaled::new(taken), Scaled::new(skipped));
            // In place from the longest length down, so that each entry still finds its shorter one.
            let mut longer = Scaled::new(0.0);
            for entry in &mut law {
                let here = *entry;
                *entry = here.times(skipped).plus(longer.times(taken));
                longer = here;
            }
            law.push(longer.times(taken));
        }
        let at_most = running_sum(law.iter());
        let mut more_than = running_sum(law.iter().rev());
        more_than.reverse();
        Ok(Self {
            mean: pairs.iter().map(|pair| pair.0).sum(),
            variance: pairs.iter().map(|pair| pair.0 * pair.1).sum(),
            law,
            at_most,
            more_than,
        })
    }
}

impl LengthLaw for PoissonBinomial {
    fn max_length(&self) -> usize {
        self.law.len().saturating_sub(1)
    }

    fn mean(&self) -> f64 {
        self.mean
    }

    fn variance(&self) -> f64 {
        self.variance
    }

    fn ln_pmf(&self, length: usize) -> f64 {
        self.law
            .get(length)
            .map_or(f64::NEG_INFINITY, |entry| entry.ln())
    }

    fn ln_cdf(&self, length: usize) -> f64 {
        let tail = self.at_most.get(length).map_or(0.0, |entry| entry.ln());
        let beyond = |length: usize| self.more_than.get(length).map(|entry| entry.ln());
        if length >= self.max_length() {
            0.0
        } else if (length as f64) < self.mean {
            tail.min(0.0)
        } else {
            ln_of_complement(beyond(length + 1).unwrap_or(f64::NEG_INFINITY).min(0.0))
        }
    }

    fn ln_sf(&self, length: usize) -> f64 {
        let beyond = self
            .more_than
            .get(length + 1)
            .map_or(f64::NEG_INFINITY, |entry| entry.ln());
        if length >= self.max_length() {
            f64::NEG_INFINITY
        } else if (length as f64) < self.mean {
            ln_of_complement(
                self.at_most
                    .get(length)
                    .map_or(0.0, |entry| entry.ln())
                    .min(0.0),
            )
        } else {
            beyond.min(0.0)
        }
    }
}

fn running_sum<'a>(entries: impl Iterator<Item = &'a Scaled>) -> Vec<Scaled> {
    let mut sum = Scaled::new(0.0);
    entries
        .map(|&entry| {
            sum = sum.plus(entry);
            sum
        })
        .collect()
}

/// A number that is not negative: `mantissa * 2^(512 steps)`, with the mantissa within
/// `2^-256 .. 2^256`, so that a product of two mantissas neither overflows nor underflows.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scaled {
    mantissa: f64,
    steps: i64,
}

const STEP: i32 = 512;

impl Scaled {
    fn new(value: f64) -> Self {
        Self {
            mantissa: value,
            steps: 0,
        }
        .normal()
    }

    fn normal(mut self) -> Self {
        let half = 2f64.powi(STEP / 2);
        while self.mantissa != 0.0 && self.mantissa < half.recip() {
            self.mantissa *= 2f64.powi(STEP);
            self.steps -= 1;
        }
        if self.mantissa >= half {
            self.mantissa *= 2f64.powi(-STEP);
            self.steps += 1;
        }
        self
    }

    fn times(self, other: Self) -> Self {
        let mantissa = self.mantissa * other.mantissa;
        Self {
            mantissa,
            steps: self.steps + other.steps,
        }
        .normal()
    }

    fn plus(self, other: Self) -> Self {
        let (large, small) =
            if other.mantissa == 0.0 || (self.mantissa != 0.0 && self.steps >= other.steps) {
                (self, other)
            } else {
                (other, self)
            };
        let mantissa = match large.steps - small.steps {
            0 => large.mantissa + small.mantissa,
            1 => large.mantissa + small.mantissa * 2f64.powi(-STEP),
            // Two steps apart, the small one is below the last bit of the large one.
            _ => large.mantissa,
        };
        Self {
            mantissa,
            steps: large.steps,
        }
        .normal()
    }

    fn ln(self) -> f64 {
        self.mantissa.ln() + self.steps as f64 * (f64::from(STEP) * std::f64::consts::LN_2)
    }
}
