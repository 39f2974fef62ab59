//! Intervals, the confidence they claim, and the two intervals for an error rate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::binomial::Binomial;
use crate::length_law::LengthLaw;

/// Why an interval cannot be given.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IntervalError {
    /// A confidence level that is not strictly between 0 and 1.
    #[error("confidence level {0}: give a number strictly between 0 and 1, such as 0.95")]
    Level(f64),
    /// A proportion of nothing.
    #[error("interval of a proportion: no examples; give at least one")]
    NoExamples,
    /// More errors than examples.
    #[error("interval of a proportion: {errors} errors of {examples} examples; swap the two?")]
    MoreErrorsThanExamples {
        /// Errors given.
        errors: usize,
        /// Examples given.
        examples: usize,
    },
}

/// A closed interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The lower end.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
}

impl Interval {
    /// The interval with these ends.
    #[must_use]
    pub const fn new(lower: f64, upper: f64) -> Self {
        Self { lower, upper }
    }

    /// Whether the value lies in the interval, ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.lower <= value && value <= self.upper
    }

    /// Upper less lower end.
    pub fn width(&self) -> f64 {
        self.upper - self.lower
    }
}

/// A confidence level, strictly between 0 and 1: 0.95, not 0.05 and not 95.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64", into = "f64")]
pub struct Level(f64);

impl Level {
    /// The level that is used unless told otherwise.
    pub const P95: Level = Level(0.95);

    /// Any other level.
    ///
    /// # Errors
    /// When the number is not strictly between 0 and 1.
    pub fn new(level: f64) -> Result<Self, IntervalError> {
        if level > 0.0 && level < 1.0 {
            Ok(Self(level))
        } else {
            Err(IntervalError::Level(level))
        }
    }

    /// The level as a number, such as 0.95.
    pub fn value(self) -> f64 {
        self.0
    }

    /// What is left beyond the interval, such as 0.05.
    pub fn alpha(self) -> f64 {
        1.0 - self.0
    }

    /// The quantile of the standard normal that leaves half of alpha above it.
    pub(crate) fn normal_quantile(self) -> f64 {
        -Normal::standard().inverse_cdf(self.alpha() / 2.0)
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::P95
    }
}

impl TryFrom<f64> for Level {
    type Error = IntervalError;

    fn try_from(level: f64) -> Result<Self, IntervalError> {
        Self::new(level)
    }
}

impl From<Level> for f64 {
    fn from(level: Level) -> f64 {
        level.0
    }
}

/// Wilson's score interval for an error rate (Wilson 1927): the one to print beside a rate.
///
/// # Errors
/// When there are no examples, or more errors than examples.
///
/// ```
/// use pathscope_analysis::{Level, wilson};
/// let interval = wilson(74, 1_017, Level::P95)?;
/// assert!(interval.contains(0.0661)); // the published error of the same network
/// # Ok::<(), pathscope_analysis::IntervalError>(())
/// ```
pub fn wilson(errors: usize, examples: usize, level: Level) -> Result<Interval, IntervalError> {
    check_counts(errors, examples)?;
    Ok(score_interval(errors, examples, examples as f64, level))
}

/// Wilson's interval for a rate that is as certain as if `n` independent examples told it.
pub(crate) fn score_interval(errors: usize, examples: usize, n: f64, level: Level) -> Interval {
    let z = level.normal_quantile();
    let rate = errors as f64 / examples as f64;
    let spread = z * z / n;
    let centre = rate + spread / 2.0;
    let half = z * (rate * (1.0 - rate) / n + spread / (4.0 * n)).sqrt();
    // At 0 and at n the end is exact; the difference of equal numbers would leave rounding.
    let lower = if errors == 0 {
        0.0
    } else {
        (centre - half) / (1.0 + spread)
    };
    let upper = if errors == examples {
        1.0
    } else {
        (centre + half) / (1.0 + spread)
    };
    Interval { lower, upper }
}

/// The exact interval of Clopper and Pearson (1934): never less coverage than it claims.
///
/// # Errors
/// When there are no examples, or more errors than examples.
pub fn clopper_pearson(
    errors: usize,
    examples: usize,
    level: Level,
) -> Result<Interval, IntervalError> {
    check_counts(errors, examples)?;
    let beyond = level.alpha() / 2.0;
    let rate = errors as f64 / examples as f64;
    // P(X >= errors) rises in p, P(X <= errors) falls: each end is one root.
    let tail = |p: f64, above: bool| match Binomial::new(examples, p) {
        Ok(law) if above => errors.checked_sub(1).map_or(1.0, |below| law.sf(below)),
        Ok(law) => law.cdf(errors),
        Err(_) => f64::NAN,
    };
    let lower = if errors == 0 {
        0.0
    } else {
        boundary(0.0, rate, |p| tail(p, true) < beyond)
    };
    let upper = if errors == examples {
        1.0
    } else {
        boundary(rate, 1.0, |p| tail(p, false) > beyond)
    };
    Ok(Interval { lower, upper })
}

/// Where a condition that holds from `low` upward stops holding, to the last bit.
fn boundary(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return middle;
        }
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
}

fn check_counts(errors: usize, examples: usize) -> Result<(), IntervalError> {
    if examples == 0 {
        Err(IntervalError::NoExamples)
    } else if errors > examples {
        Err(IntervalError::MoreErrorsThanExamples { errors, examples })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::table;
    use proptest::prelude::*;

    /// statsmodels 0.15: `proportion_confint(errors, examples, alpha=1 - level, method=...)`.
    #[test]
    fn agree_with_statsmodels() {
        // errors, examples, level; lower and upper end of wilson, then of beta
        let golden = "
            0     10     0.95 0.0                    0.27753279986288926   0.0                   0.30849710781876083
            3     20     0.95 0.052368745896216595   0.36041886474075696   0.0320709371854637    0.37892682654531396
            74    1017   0.95 0.05835601996840682    0.09038544963854452   0.057563270061006325  0.09048846497658929
            10    10     0.99 0.6011459066950917     1.0                   0.5887040186524746    1.0
            5000  10000  0.90 0.4917768441952793     0.5082231558047208    0.4917265044037394    0.5082734955962607
            1     100000 0.95 1.7652477303783092e-06 5.664709659040968e-05 2.531780477933314e-07 5.571516034774276e-05
        ";
        for [errors, examples, level, score @ .., low, high] in table::<7>(golden) {
            let (errors, examples) = (errors as usize, examples as usize);
            let level = Level::new(level).unwrap();
            for (got, [lower, upper]) in [
                (wilson(errors, examples, level), score),
                (clopper_pearson(errors, examples, level), [low, high]),
            ] {
                let got = got.unwrap();
                let close = |got: f64, want: f64| (got - want).abs() <= 1e-10 * want;
                assert!(close(got.lower, lower), "{errors}: {got:?} {lower}");
                assert!(close(got.upper, upper), "{errors}: {got:?} {upper}");
            }
        }
    }

    #[test]
    fn refuse_what_has_no_answer() {
        assert_eq!(wilson(0, 0, Level::P95), Err(IntervalError::NoExamples));
        assert!(clopper_pearson(3, 2, Level::P95).is_err());
        for level in [0.0, 1.0, f64::NAN, -1.0, 95.0] {
            assert!(Level::new(level).is_err());
        }
        assert!(serde_json::from_str::<Level>("1.5").is_err());
    }

    proptest! {
        #[test]
        fn exact_interval_holds_the_rate_and_mirrors(n in 1usize..400, part in 0.0f64..=1.0) {
            let errors = (part * n as f64) as usize;
            let exact = clopper_pearson(errors, n, Level::P95).unwrap();
            let mirror = clopper_pearson(n - errors, n, Level::P95).unwrap();
            prop_assert!(exact.contains(errors as f64 / n as f64));
            prop_assert!((exact.lower - (1.0 - mirror.upper)).abs() < 1e-12);
        }
    }
}
