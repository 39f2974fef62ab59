//! The law of path length through blocks of any polynomials.

use crate::binomial::ln_of_complement;
use crate::length_law::{LengthLaw, LengthLawError, check_count};
use crate::multiplicity::LONGEST;

/// One term `weight z^length` of a block's polynomial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightedTerm {
    /// Functions on this way through the block.
    pub length: usize,
    /// Its weight, not negative: 1 for each function, or the factor on a gradient that takes this way.
    pub weight: f64,
}

/// The law of the length of a path that takes each way through a block with a probability
/// proportional to its weight: the coefficients of the product of the blocks' polynomials.
///
/// `1 + k z` for k functions, `1 + z + z^2` for a function and itself again, `t + c z` for a gate that
/// carries t and transforms c. The whole law is worked out once, by sums of positive numbers with
/// an exponent beside each, so that none underflows.
///
/// ```
/// use pathscope_analysis::{BlockwiseLaw, LengthLaw, WeightedTerm};
/// let term = |length, weight| WeightedTerm { length, weight };
/// let second_order = vec![term(0, 1.0), term(1, 1.0), term(2, 1.0)];
/// let law = BlockwiseLaw::new(&[second_order, vec![term(0, 0.75), term(1, 0.25)]])?;
/// assert!((law.pmf(3) - 1.0 / 3.0 * 0.25).abs() < 1e-15);
/// # Ok::<(), pathscope_analysis::LengthLawError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BlockwiseLaw {
    mean: f64,
    variance: f64,
    law: Vec<Scaled>,
    at_most: Vec<Scaled>,
    more_than: Vec<Scaled>,
}

impl BlockwiseLaw {
    /// The law for the terms of each block.
    ///
    /// # Errors
    /// When there are no blocks, a block has no term, a weight is negative or not finite, all weights of
    /// a block are zero, or paths would be longer than 65,536.
    pub fn new(blocks: &[Vec<WeightedTerm>]) -> Result<Self, LengthLawError> {
        if blocks.is_empty() {
            return Err(LengthLawError::Empty("blocks"));
        }
        check_count("blocks", blocks.len(), LONGEST)?;
        let longest = |terms: &Vec<WeightedTerm>| terms.iter().map(|term| term.length).max();
        let longest = blocks.iter().filter_map(longest);
        check_count("lengths", longest.fold(0, usize::saturating_add), LONGEST)?;
        let (mut mean, mut variance) = (0.0, 0.0);
        let mut law = vec![Scaled::new(1.0)];
        for terms in blocks {
            let shares = shares(terms)?;
            let moment = |centre: f64, power| -> f64 {
                let term =
                    |&(length, share): &(usize, f64)| share * (length as f64 - centre).powi(power);
                shares.iter().map(term).sum()
            };
            let centre = moment(0.0, 1);
            mean += centre;
            variance += moment(centre, 2);
            law = longer(&law, &shares);
        }
        let at_most = running_sum(law.iter());
        let mut more_than = running_sum(law.iter().rev());
        more_than.reverse();
        Ok(Self {
            mean,
            variance,
            law,
            at_most,
            more_than,
        })
    }
}

/// Length and probability of each term.
fn shares(terms: &[WeightedTerm]) -> Result<Vec<(usize, f64)>, LengthLawError> {
    let what = "the weight of a way through a block";
    let refuse = |value| Err(LengthLawError::NotAWeight { what, value });
    if terms.is_empty() {
        return Err(LengthLawError::Empty("ways through a block"));
    }
    let finite = |term: &&WeightedTerm| term.weight.is_finite() && term.weight >= 0.0;
    if let Some(term) = terms.iter().find(|term| !finite(term)) {
        return refuse(term.weight);
    }
    // By the greatest first, so that the sum cannot overflow.
    let greatest = terms
        .iter()
        .fold(0.0_f64, |most, term| most.max(term.weight));
    if greatest == 0.0 {
        return refuse(0.0);
    }
    let relative = terms.iter().map(|term| term.weight / greatest);
    let sum: f64 = relative.clone().sum();
    let lengths = terms.iter().map(|term| term.length);
    Ok(lengths.zip(relative.map(|weight| weight / sum)).collect())
}

/// The law after one more block.
fn longer(law: &[Scaled], shares: &[(usize, f64)]) -> Vec<Scaled> {
    let most = shares.iter().map(|&(length, _)| length).max().unwrap_or(0);
    let mut after = vec![Scaled::new(0.0); law.len() + most];
    for &(length, share) in shares {
        let share = Scaled::new(share);
        for (entry, before) in after.iter_mut().skip(length).zip(law) {
            *entry = entry.plus(before.times(share));
        }
    }
    after
}

impl LengthLaw for BlockwiseLaw {
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
        ln_at(&self.law, length)
    }

    fn ln_cdf(&self, length: usize) -> f64 {
        if length >= self.max_length() {
            0.0
        } else if (length as f64) < self.mean {
            ln_at(&self.at_most, length).min(0.0)
        } else {
            ln_of_complement(ln_at(&self.more_than, length + 1).min(0.0))
        }
    }

    fn ln_sf(&self, length: usize) -> f64 {
        if length >= self.max_length() {
            f64::NEG_INFINITY
        } else if (length as f64) < self.mean {
            ln_of_complement(ln_at(&self.at_most, length).min(0.0))
        } else {
            ln_at(&self.more_than, length + 1).min(0.0)
        }
    }
}

fn ln_at(entries: &[Scaled], length: usize) -> f64 {
    let entry = entries.get(length);
    entry.map_or(f64::NEG_INFINITY, |entry| entry.ln())
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
