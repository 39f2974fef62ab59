//! The lengths that carry a measure: the shortest interval that holds a share of it.

use ndarray::ArrayView2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bootstrap::{BootstrapError, BootstrapOptions, percentile_interval, resample};
use crate::interval::Interval;

/// Why there is no effective range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EffectiveRangeError {
    /// A measure over no lengths, or no mini-batches.
    #[error("effective range: there are no {0}; measure at least one")]
    Empty(&'static str),
    /// A measure that is negative, infinite or not a number.
    #[error("effective range: the measure at length {length} is {value}; it must be 0 or more")]
    NotAMeasure {
        /// The length.
        length: usize,
        /// Its measure.
        value: f64,
    },
    /// A measure that is zero everywhere, or whose sum overflows.
    #[error("effective range: the measure sums to {0}, so no interval holds a share of it")]
    NoMass(f64),
    /// A share that is not in `(0, 1]`.
    #[error("effective range: the share is {0}; give a number above 0 and at most 1, as 0.95")]
    NotAShare(f64),
    /// The bootstrap failed.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
}

/// An interval of path lengths, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LengthRange {
    /// The shortest length.
    pub first: usize,
    /// The longest length.
    pub last: usize,
}

impl LengthRange {
    /// Number of lengths in the range.
    pub fn width(&self) -> usize {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// The shortest interval of lengths that holds a share of a measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EffectiveRange {
    /// The interval.
    pub range: LengthRange,
    /// The share asked for.
    pub share: f64,
    /// The share that the interval holds, at least the one asked for.
    pub held: f64,
}

/// The shortest interval of lengths that holds at least `share` of `measure[l]`; of several, the
/// one that holds most, then the one of shorter paths.
///
/// # Errors
/// When the measure is empty, zero, negative or not finite, or `share` is not in `(0, 1]`.
///
/// ```
/// use pathscope_analysis::{LengthRange, effective_range};
/// let result = effective_range(&[1.0, 60.0, 37.0, 2.0], 0.95)?;
/// assert_eq!(result.range, LengthRange { first: 1, last: 2 });
/// # Ok::<(), pathscope_analysis::EffectiveRangeError>(())
/// ```
pub fn effective_range(measure: &[f64], share: f64) -> Result<EffectiveRange, EffectiveRangeError> {
    if measure.is_empty() {
        return Err(EffectiveRangeError::Empty("lengths"));
    }
    if !(share > 0.0 && share <= 1.0) {
        return Err(EffectiveRangeError::NotAShare(share));
    }
    check_measure(measure)?;
    let total: f64 = measure.iter().sum();
    if !(total.is_finite() && total > 0.0) {
        return Err(EffectiveRangeError::NoMass(total));
    }
    let sums: Vec<f64> = std::iter::once(0.0)
        .chain(measure.iter().scan(0.0, |sum, value| {
            *sum += value;
            Some(*sum)
        }))
        .collect();
    // Sums of floats round; an interval short by rounding only still holds the share.
    let wanted = share * total * (1.0 - 1e-12);
    let mut best: Option<(LengthRange, f64)> = None;
    let mut first = 0;
    for (last, upto) in sums.iter().skip(1).enumerate() {
        let held = |first: usize| sums.get(first).map_or(0.0, |before| upto - before);
        while first < last && held(first + 1) >= wanted {
            first += 1;
        }
        let (range, held) = (LengthRange { first, last }, held(first));
        let better = best.is_none_or(|(other, most)| {
            range.width() < other.width() || (range.width() == other.width() && held > most)
        });
        if held >= wanted && better {
            best = Some((range, held));
        }
    }
    match best {
        Some((range, held)) => Ok(EffectiveRange {
            range,
            share,
            held: (held / total).min(1.0),
        }),
        None => Err(EffectiveRangeError::NoMass(total)),
    }
}

fn check_measure<'m>(values: impl IntoIterator<Item = &'m f64>) -> Result<(), EffectiveRangeError> {
    let mut values = values.into_iter().copied().enumerate();
    match values.find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
        Some((length, value)) => Err(EffectiveRangeError::NotAMeasure { length, value }),
        None => Ok(()),
    }
}

/// An effective range with what resampling the mini-batches says of its ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BootstrappedRange {
    /// The range of all mini-batches together.
    pub estimate: EffectiveRange,
    /// Interval of the first length.
    pub first: Interval,
    /// Interval of the last length.
    pub last: Interval,
    /// Interval of the number of lengths.
    pub width: Interval,
    /// Number of mini-batches.
    pub batches: usize,
    /// How it was resampled; ends are whole numbers, so the method is always the percentile.
    pub options: BootstrapOptions,
}

/// The effective range of the sum of `measures`, an array `[batch, length]`, with percentile
/// intervals over resampled mini-batches.
///
/// # Errors
/// As [`effective_range`], for the sum of each resample too.
pub fn bootstrap_effective_range(
    measures: ArrayView2<'_, f64>,
    share: f64,
    options: &BootstrapOptions,
) -> Result<BootstrappedRange, EffectiveRangeError> {
    let (batches, lengths) = measures.dim();
    if batches == 0 {
        return Err(EffectiveRangeError::Empty("mini-batches"));
    }
    // Each entry, so that no two wrong ones cancel in a sum.
    for row in measures.rows() {
        check_measure(row)?;
    }
    let range_of = |sample: &[usize]| {
        let mut sum = vec![0.0; lengths];
        for &batch in sample {
            for (slot, value) in sum.iter_mut().zip(measures.row(batch)) {
                *slot += value;
            }
        }
        effective_range(&sum, share)
    };
    let all: Vec<usize> = (0..batches).collect();
    let estimate = range_of(&all)?;
    let replicates: Result<Vec<_>, _> = resample(batches, options, range_of)?.into_iter().collect();
    let replicates = replicates?;
    let interval = |end: fn(&LengthRange) -> usize| {
        let ends: Vec<f64> = replicates
            .iter()
            .map(|found| end(&found.range) as f64)
            .collect();
        percentile_interval(&ends, options.level)
    };
    Ok(BootstrappedRange {
        first: interval(|range| range.first)?,
        last: interval(|range| range.last)?,
        width: interval(LengthRange::width)?,
        estimate,
        batches,
        options: BootstrapOptions {
            method: crate::BootstrapMethod::Percentile,
            ..*options
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;

    #[test]
    fn resampled_ends_surround_the_estimate() {
        let measures = Array2::from_shape_fn((40, 12), |(batch, length)| {
            let centre = 4.0 + (batch % 5) as f64 * 0.4;
            (-(length as f64 - centre).powi(2) / 3.0).exp()
        });
        let options = BootstrapOptions::with_replicates(400);
        let found = bootstrap_effective_range(measures.view(), 0.9, &options).unwrap();
        assert!(found.first.contains(found.estimate.range.first as f64));
        assert!(found.last.contains(found.estimate.range.last as f64));
        assert!(found.width.lower >= 1.0 && found.width.upper <= 12.0);
    }

    #[test]
    fn refuse_what_has_no_answer() {
        assert!(effective_range(&[], 0.9).is_err());
        assert!(effective_range(&[0.0, 0.0], 0.9).is_err());
        assert!(effective_range(&[1.0, f64::NAN], 0.9).is_err());
        assert!(effective_range(&[1.0, -1.0], 0.9).is_err());
        assert!(effective_range(&[f64::MAX, f64::MAX], 0.9).is_err());
        for share in [0.0, 1.1, f64::NAN] {
            assert!(effective_range(&[1.0], share).is_err());
        }
        let options = BootstrapOptions::default();
        for shape in [(0, 3), (3, 0)] {
            assert!(bootstrap_effective_range(Array2::zeros(shape).view(), 0.9, &options).is_err());
        }
        assert!(bootstrap_effective_range(Array2::zeros((2, 2)).view(), 0.9, &options).is_err());
    }

    proptest! {
        #[test]
        fn no_shorter_interval_holds_the_share(measure in prop::collection::vec(0u16..50, 1..30), percent in 1u16..=100) {
            prop_assume!(measure.iter().any(|&m| m > 0));
            let total: u32 = measure.iter().map(|&m| u32::from(m)).sum();
            let values: Vec<f64> = measure.iter().map(|&m| f64::from(m)).collect();
            let found = effective_range(&values, f64::from(percent) / 100.0).unwrap();
            let held = |first: usize, width: usize| measure[first..first + width].iter().map(|&m| u32::from(m)).sum::<u32>();
            let enough = |first, width| held(first, width) * 100 >= total * u32::from(percent);
            let best = (1..=measure.len()).find(|&w| (0..=measure.len() - w).any(|f| enough(f, w)));
            prop_assert_eq!(Some(found.range.width()), best);
            prop_assert!(enough(found.range.first, found.range.width()));
        }
    }
}
