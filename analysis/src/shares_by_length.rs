//! A measure of the gradient by path length, over mini-batches and their examples.

use ndarray::Array2;

use crate::bootstrap::{BootstrapOptions, percentile_interval, resample};
use crate::effective_range::{
    EffectiveRangeError, LengthRange, bootstrap_effective_range, effective_range,
};
use crate::interval::{Interval, Level};

/// The magnitude of each length in one mini-batch.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchMagnitudes {
    /// Its examples: what it counts for among the others.
    pub examples: usize,
    /// Mean over its examples, by length.
    pub mean: Vec<f64>,
    /// The magnitudes of each example by length, where they were recorded.
    pub by_example: Vec<Vec<f64>>,
}

impl BatchMagnitudes {
    /// The batch whose examples have these magnitudes; `mean` where no example was recorded.
    #[must_use]
    pub fn new(examples: usize, by_example: Vec<Vec<f64>>, mean: Vec<f64>) -> Self {
        let count = by_example.len();
        let mean = match count {
            0 => mean,
            _ => (0..mean.len())
                .map(|length| {
                    let of_length = by_example.iter().filter_map(|row| row.get(length));
                    of_length.sum::<f64>() / count as f64
                })
                .collect(),
        };
        Self {
            examples,
            mean,
            by_example,
        }
    }
}

/// What each length holds of the whole, and the effective range.
#[derive(Clone, Debug, PartialEq)]
pub struct SharesByLength {
    /// Share of the whole at each length.
    pub shares: Vec<f64>,
    /// Its interval over resampled mini-batches; none for a single one.
    pub intervals: Option<Vec<Interval>>,
    /// The shortest range of lengths that holds the share asked.
    pub range: LengthRange,
    /// Intervals of its first and its last length; none for a single mini-batch.
    pub ends: Option<(Interval, Interval)>,
    /// The effective range of every mini-batch by itself.
    pub of_batches: Vec<LengthRange>,
    /// The effective range of every example by itself.
    pub of_examples: Vec<LengthRange>,
}

/// The shares of the lengths over all examples of `batches`, and the shortest range that holds
/// `share` of the whole.
///
/// # Errors
/// Nothing to take a share of: no batch, no length, or magnitudes that are not finite.
pub fn shares_by_length(
    batches: &[BatchMagnitudes],
    share: f64,
    options: &BootstrapOptions,
) -> Result<SharesByLength, EffectiveRangeError> {
    let known = batches.iter().map(|batch| batch.mean.len());
    let none = EffectiveRangeError::Empty("mini-batches");
    let lengths = known.min().ok_or(none)?;
    let rows = Array2::from_shape_fn((batches.len(), lengths), |(batch, length)| {
        // Within the shape, there is a value for each pair.
        let of = batches.get(batch).and_then(|batch| {
            let mean = batch.mean.get(length)?;
            Some(batch.examples as f64 * mean)
        });
        of.unwrap_or(f64::NAN)
    });
    let sums = column_sums(&rows);
    let range = effective_range(&sums, share)?.range;
    let total: f64 = sums.iter().sum();
    let resampled = match batches.len() {
        1 => None,
        _ => bootstrap_effective_range(rows.view(), share, options).ok(),
    };
    let of_one = |magnitudes: &[f64]| Some(effective_range(magnitudes, share).ok()?.range);
    let examples = batches.iter().flat_map(|batch| &batch.by_example);
    Ok(SharesByLength {
        shares: sums.iter().map(|sum| sum / total).collect(),
        intervals: (resampled.as_ref()).and_then(|_| share_intervals(&rows, options)),
        range,
        ends: resampled.map(|found| (found.first, found.last)),
        of_batches: rows
            .rows()
            .into_iter()
            .filter_map(|row| of_one(&row.to_vec()))
            .collect(),
        of_examples: examples
            .filter_map(|row| of_one(row.get(..lengths.min(row.len()))?))
            .collect(),
    })
}

fn column_sums(rows: &Array2<f64>) -> Vec<f64> {
    let columns = rows.columns().into_iter();
    columns.map(|column| column.sum()).collect()
}

/// Percentile interval of the share of each length, over resampled rows.
fn share_intervals(rows: &Array2<f64>, options: &BootstrapOptions) -> Option<Vec<Interval>> {
    let replicates = resample(rows.nrows(), options, |sample| {
        let mut sums = vec![0.0; rows.ncols()];
        for &batch in sample {
            for (sum, value) in sums.iter_mut().zip(rows.row(batch)) {
                *sum += value;
            }
        }
        let total: f64 = sums.iter().sum();
        let shares = sums.into_iter().map(|sum| sum / total);
        shares.collect::<Vec<f64>>()
    })
    .ok()?;
    let interval = |length: usize| {
        let column = replicates.iter().map(|shares| shares.get(length).copied());
        percentile_interval(&column.collect::<Option<Vec<f64>>>()?, Level::P95).ok()
    };
    (0..rows.ncols()).map(interval).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_count_by_their_examples() {
        let batch =
            |examples, mean: [f64; 3]| BatchMagnitudes::new(examples, Vec::new(), mean.into());
        let options = BootstrapOptions::default();
        let batches = [batch(3, [1.0, 0.0, 1.0]), batch(1, [0.0, 6.0, 0.0])];
        let found = shares_by_length(&batches, 0.9, &options).unwrap();
        assert_eq!(found.shares, [0.25, 0.5, 0.25]);
        assert_eq!(found.of_batches.len(), 2);
        assert!(found.intervals.unwrap()[1].contains(0.5));
        assert!(shares_by_length(&[], 0.9, &options).is_err());
    }

    #[test]
    fn the_mean_is_over_the_examples() {
        let examples = vec![vec![1.0, 3.0], vec![3.0, 5.0]];
        let batch = BatchMagnitudes::new(2, examples, vec![0.0, 0.0]);
        assert_eq!(batch.mean, [2.0, 4.0]);
    }
}
