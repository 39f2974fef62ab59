//! What the laws of path length have in common.

use crate::effective_range::LengthRange;

/// Why a length law or a question to it has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LengthLawError {
    /// A law over zero blocks or zero functions.
    #[error("length law: there are no {0}; give at least one")]
    Empty(&'static str),
    /// A probability outside `[0, 1]`, or not a number.
    #[error("length law: {what} is {value}, which is not a probability; give a number in [0, 1]")]
    NotAProbability {
        /// Which argument.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// Odds or a weight that are negative, infinite, not a number, or all zero.
    #[error("length law: {what} is {value}; give a finite number, not negative, not all zero")]
    NotAWeight {
        /// Which argument.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// A type of function that the law does not have.
    #[error("length law: there is no type {index}; the law has {types} types, numbered from 0")]
    NoSuchType {
        /// The type asked for.
        index: usize,
        /// How many there are.
        types: usize,
    },
    /// A composition with another number of types than the law.
    #[error("length law: {given} lengths were given for {types} types; give one length per type")]
    TypesDiffer {
        /// How many lengths were given.
        given: usize,
        /// How many types the law has.
        types: usize,
    },
    /// More than a law is written out for.
    #[error("length law: {given} {what} are too many; the limit is {limit}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there are.
        given: usize,
        /// How many there may be.
        limit: usize,
    },
}

/// A law of the number of functions on a path through `max_length` blocks.
///
/// Implementors answer in log space, so that no question underflows; the rest follows.
pub trait LengthLaw {
    /// The greatest length that is possible.
    fn max_length(&self) -> usize;

    /// Mean length.
    fn mean(&self) -> f64;

    /// Variance of the length.
    fn variance(&self) -> f64;

    /// Natural logarithm of `P(L = length)`; minus infinity where the length is impossible.
    fn ln_pmf(&self, length: usize) -> f64;

    /// Natural logarithm of `P(L <= length)`.
    fn ln_cdf(&self, length: usize) -> f64;

    /// Natural logarithm of `P(L > length)`.
    fn ln_sf(&self, length: usize) -> f64;

    /// `P(L = length)`; zero beyond the greatest length.
    fn pmf(&self, length: usize) -> f64 {
        self.ln_pmf(length).exp()
    }

    /// `P(L <= length)`.
    fn cdf(&self, length: usize) -> f64 {
        self.ln_cdf(length).exp()
    }

    /// `P(L > length)`, accurate where it is tiny.
    fn sf(&self, length: usize) -> f64 {
        self.ln_sf(length).exp()
    }

    /// The whole law: `P(L = l)` for `l = 0..=max_length`.
    ///
    /// # Errors
    /// When there are more lengths than anyone can look at: 16,777,216.
    fn probabilities(&self) -> Result<Vec<f64>, LengthLawError> {
        check_count("lengths", self.max_length(), 1 << 24)?;
        let lengths = 0..=self.max_length();
        Ok(lengths.map(|length| self.pmf(length)).collect())
    }

    /// The smallest length `l` with `P(L <= l) >= probability`.
    ///
    /// # Errors
    /// When `probability` is outside `[0, 1]` or not a number.
    fn quantile(&self, probability: f64) -> Result<usize, LengthLawError> {
        check_probability("the quantile's probability", probability)?;
        let reached = |length| self.cdf(length) >= probability;
        Ok(first_length(self.max_length(), reached))
    }

    /// The interval that leaves at most `(1 - share) / 2` beyond each end.
    ///
    /// # Errors
    /// When `share` is outside `[0, 1]` or not a number.
    fn central_interval(&self, share: f64) -> Result<LengthRange, LengthLawError> {
        check_probability("the interval's share", share)?;
        let beyond = (1.0 - share) / 2.0;
        let n = self.max_length();
        // Lengths below `first` hold at most `beyond`: the first length whose cdf exceeds it.
        let first = first_length(n, |length| self.cdf(length) > beyond);
        let last = first_length(n, |length| self.sf(length) <= beyond);
        Ok(LengthRange { first, last })
    }
}

/// The first length for which a monotone condition holds, or `n` where rounding hides it.
pub(crate) fn first_length(n: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

pub(crate) fn check_probability(what: &'static str, value: f64) -> Result<(), LengthLawError> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(LengthLawError::NotAProbability { what, value })
    }
}

pub(crate) fn check_count(
    what: &'static str,
    given: usize,
    limit: usize,
) -> Result<(), LengthLawError> {
    if given > limit {
        Err(LengthLawError::TooMany { what, given, limit })
    } else {
        Ok(())
    }
}

#[cfg(test)]
#[path = "length_law_tests.rs"]
mod tests;
