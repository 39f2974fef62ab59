//! Is one as good as the other? Two one-sided tests (Schuirmann 1987).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interval::{Interval, Level};
use crate::least_squares::{student_quantile, upper_tail};

/// Why equivalence cannot be tested.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EquivalenceError {
    /// Margins that enclose nothing.
    #[error(
        "equivalence: the margin from {} to {} is not an interval of finite numbers",
        .0.lower, .0.upper
    )]
    Margin(Interval),
    /// Too few measurements for a standard error.
    #[error("equivalence: {0} measurements in one group; give at least two")]
    TooFew(usize),
    /// Paired measurements in different numbers.
    #[error("equivalence: {0} measurements paired with {1}; give as many of both")]
    LengthsDiffer(usize, usize),
    /// A measurement that is not a finite number.
    #[error("equivalence: measurement {index} is {value}; remove it or its pair")]
    NotFinite {
        /// Which one, from 0.
        index: usize,
        /// Its value.
        value: f64,
    },
}

/// The outcome of two one-sided tests of `second - first` against a margin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Equivalence {
    /// Mean of the second less mean of the first.
    pub difference: f64,
    /// Standard error of the difference.
    pub standard_error: f64,
    /// Degrees of freedom of the t law.
    pub freedom: f64,
    /// The margin within which a difference does not matter.
    pub margin: Interval,
    /// p-value of a difference at or below the margin.
    pub p_value_below: f64,
    /// p-value of a difference at or above the margin.
    pub p_value_above: f64,
    /// The greater of both: the p-value of not being equivalent.
    pub p_value: f64,
    /// The interval of confidence `1 - 2 alpha`, which lies in the margin exactly when equivalent.
    pub interval: Interval,
    /// The level of the tests.
    pub level: Level,
    /// Whether the p-value is below alpha.
    pub equivalent: bool,
}

/// Paired test: measurement `i` of both belongs together (the same seed, the same fold).
///
/// # Errors
/// When the slices differ in length, hold fewer than two measurements or one that is not finite,
/// or the margin is not an interval.
///
/// ```
/// use pathscope_analysis::{Interval, Level, equivalent_paired};
/// let margin = Interval::new(-0.5, 0.5);
/// let (full, restricted) = ([6.9, 7.0, 7.2, 6.8], [7.0, 7.0, 7.1, 6.9]);
/// assert!(equivalent_paired(&full, &restricted, margin, Level::P95)?.equivalent);
/// # Ok::<(), pathscope_analysis::EquivalenceError>(())
/// ```
pub fn equivalent_paired(
    first: &[f64],
    second: &[f64],
    margin: Interval,
    level: Level,
) -> Result<Equivalence, EquivalenceError> {
    if first.len() != second.len() {
        return Err(EquivalenceError::LengthsDiffer(first.len(), second.len()));
    }
    let values: Vec<f64> = first.iter().zip(second).map(|(a, b)| b - a).collect();
    if values.len() < 2 {
        return Err(EquivalenceError::TooFew(values.len()));
    }
    let mut numbers = values.iter().copied().enumerate();
    if let Some((index, value)) = numbers.find(|(_, value)| !value.is_finite()) {
        return Err(EquivalenceError::NotFinite { index, value });
    }
    let Interval { lower, upper } = margin;
    if !(lower.is_finite() && upper.is_finite() && lower < upper) {
        return Err(EquivalenceError::Margin(margin));
    }
    let count = values.len() as f64;
    let difference = values.iter().sum::<f64>() / count;
    let deviations = values.iter().map(|value| (value - difference).powi(2));
    let freedom = count - 1.0;
    let standard_error = (deviations.sum::<f64>() / freedom / count).sqrt();
    // On the margin itself without any variance, nothing is shown: 0/0 counts as no distance.
    let tail = |distance: f64| {
        let t = if distance == 0.0 {
            0.0
        } else {
            distance / standard_error
        };
        upper_tail(t, freedom)
    };
    let (p_value_below, p_value_above) = (tail(difference - lower), tail(upper - difference));
    let p_value = p_value_below.max(p_value_above);
    // The level that leaves alpha on each side; at alpha of one half and more it is empty.
    let half = match Level::new(1.0 - 2.0 * level.alpha()) {
        Ok(both_sides) => standard_error * student_quantile(freedom, both_sides),
        Err(_) => 0.0,
    };
    Ok(Equivalence {
        difference,
        standard_error,
        freedom,
        margin,
        p_value_below,
        p_value_above,
        p_value,
        interval: Interval::new(difference - half, difference + half),
        level,
        equivalent: p_value < level.alpha(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: [f64; 6] = [8.1, 7.9, 8.4, 8.0, 8.3, 7.7];
    const SECOND: [f64; 6] = [8.2, 8.0, 8.3, 8.3, 8.4, 7.6];

    /// statsmodels 0.15: `ttost_paired(b, a, -.3, .3)`; the interval is
    /// `d.mean() -+ t.ppf(.95, 5) * d.std(ddof=1) / sqrt(6)`.
    #[test]
    fn agrees_with_statsmodels() {
        let margin = Interval::new(-0.3, 0.3);
        let paired = equivalent_paired(&FIRST, &SECOND, margin, Level::P95).unwrap();
        let golden = [
            (paired.p_value_below, 0.0009471235573002034),
            (paired.p_value_above, 0.006338301239007268),
            (paired.interval.lower, -0.05718552041026377),
            (paired.interval.upper, 0.19051885374359695),
        ];
        for (got, want) in golden {
            assert!((got - want).abs() < 1e-10, "{got} {want}");
        }
        assert!(paired.equivalent);
    }

    #[test]
    fn refuse_what_has_no_answer() {
        let margin = Interval::new(-1.0, 1.0);
        assert!(equivalent_paired(&[], &[], margin, Level::P95).is_err());
        assert!(equivalent_paired(&[1.0, 2.0], &[1.0], margin, Level::P95).is_err());
        assert!(equivalent_paired(&[1.0, f64::NAN], &[1.0, 1.0], margin, Level::P95).is_err());
        assert!(equivalent_paired(&[1.0], &[1.0], margin, Level::P95).is_err());
        let swapped = Interval::new(1.0, -1.0);
        assert!(equivalent_paired(&[1.0, 2.0], &[1.0, 2.0], swapped, Level::P95).is_err());
        let same = equivalent_paired(&[1.0, 2.0], &[1.0, 2.0], margin, Level::P95).unwrap();
        assert!(same.equivalent && same.p_value == 0.0);
        let apart = equivalent_paired(&[1.0, 2.0], &[3.0, 4.0], margin, Level::P95).unwrap();
        assert!(!apart.equivalent);
    }
}
