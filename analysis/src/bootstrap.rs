//! Intervals by resampling: the same on any number of threads.

use rand::RngExt;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::interval::{Interval, Level};
use crate::seed::Seed;

/// Why a bootstrap has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// Nothing to resample.
    #[error("bootstrap: no observations; give at least one")]
    NoObservations,
    /// BCa leaves one observation out, which needs two.
    #[error("bootstrap: BCa needs two observations; use the percentile method for one")]
    TooFewForBca,
    /// No replicates.
    #[error("bootstrap: zero replicates; ask for some thousand")]
    NoReplicates,
    /// More than fits in memory.
    #[error("bootstrap: {given} {what} are too many; the limit is {limit}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there are.
        given: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Paired observations in different numbers.
    #[error("bootstrap: {0} observations paired with {1}; give as many of both")]
    LengthsDiffer(usize, usize),
    /// A statistic that is not a finite number.
    #[error("bootstrap: the statistic is {value} on {what}; check the measurements for NaN")]
    NotFinite {
        /// The sample on which it happened.
        what: &'static str,
        /// Its value.
        value: f64,
    },
}

/// How replicates become an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BootstrapMethod {
    /// The quantiles of the replicates.
    Percentile,
    /// Bias-corrected and accelerated (Efron 1987): second-order accurate.
    #[default]
    BiasCorrectedAccelerated,
}

/// What to ask of a bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BootstrapOptions {
    /// Number of resamples.
    pub replicates: usize,
    /// Confidence of the interval.
    pub level: Level,
    /// From replicates to interval.
    pub method: BootstrapMethod,
    /// Fixes the resamples.
    pub seed: Seed,
}

impl Default for BootstrapOptions {
    /// 10,000 replicates, 95 %, BCa, seed 0.
    fn default() -> Self {
        Self {
            replicates: 10_000,
            level: Level::P95,
            method: BootstrapMethod::default(),
            seed: Seed(0),
        }
    }
}

impl BootstrapOptions {
    /// The usual options, but for the number of resamples.
    #[must_use]
    pub fn with_replicates(replicates: usize) -> Self {
        Self {
            replicates,
            ..Self::default()
        }
    }
}

/// A statistic with its bootstrap interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BootstrapInterval {
    /// The statistic on the observations themselves.
    pub estimate: f64,
    /// Standard deviation of the replicates.
    pub standard_error: f64,
    /// The interval.
    pub interval: Interval,
    /// What was asked.
    pub options: BootstrapOptions,
}

/// Bootstraps any statistic of `observations` observations.
///
/// `statistic` receives the indices of the sample to use: give it whatever belongs together
/// (rows, pairs) under one index, and the bootstrap is paired.
///
/// # Errors
/// When there are no observations or replicates, or the statistic is not finite somewhere.
///
/// ```
/// use pathscope_analysis::{BootstrapOptions, bootstrap};
/// let data = [2.1, 3.4, 1.2, 8.9, 4.4];
/// let mean = |sample: &[usize]| sample.iter().map(|&i| data[i]).sum::<f64>() / 5.0;
/// let result = bootstrap(5, mean, &BootstrapOptions::default())?;
/// assert!(result.interval.contains(result.estimate));
/// # Ok::<(), pathscope_analysis::BootstrapError>(())
/// ```
pub fn bootstrap(
    observations: usize,
    statistic: impl Fn(&[usize]) -> f64 + Sync,
    options: &BootstrapOptions,
) -> Result<BootstrapInterval, BootstrapError> {
    let replicates = resample(observations, options, &statistic)?;
    let all: Vec<usize> = (0..observations).collect();
    let estimate = finite("the observations", statistic(&all))?;
    let interval = match options.method {
        BootstrapMethod::Percentile => percentile_interval(&replicates, options.level)?,
        BootstrapMethod::BiasCorrectedAccelerated => {
            if observations < 2 {
                return Err(BootstrapError::TooFewForBca);
            }
            let without = |left_out: usize| {
                let rest: Vec<usize> = all.iter().copied().filter(|&i| i != left_out).collect();
                statistic(&rest)
            };
            let jackknife: Vec<f64> = all.par_iter().map(|&i| without(i)).collect();
            bca_interval(&replicates, estimate, &jackknife, options.level)?
        }
    };
    Ok(BootstrapInterval {
        estimate,
        standard_error: standard_deviation(&replicates),
        interval,
        options: *options,
    })
}

/// Bootstraps the mean of `second - first` over paired observations.
///
/// # Errors
/// As [`bootstrap`], and when the slices differ in length.
pub fn paired_bootstrap(
    first: &[f64],
    second: &[f64],
    options: &BootstrapOptions,
) -> Result<BootstrapInterval, BootstrapError> {
    if first.len() != second.len() {
        return Err(BootstrapError::LengthsDiffer(first.len(), second.len()));
    }
    let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| b - a).collect();
    let mean = |sample: &[usize]| {
        let chosen = sample.iter().filter_map(|&i| differences.get(i));
        chosen.sum::<f64>() / sample.len() as f64
    };
    bootstrap(differences.len(), mean, options)
}

/// Percentile intervals of the means of several `rows` of values, each of the same observations. They
/// share their resamples: many rows cost little more than one.
///
/// # Errors
/// When there are no observations or replicates, rows differ in length, or a value is not finite.
///
/// ```
/// use pathscope_analysis::{BootstrapOptions, percentile_intervals_of_means};
/// let rows = [vec![0.0, 1.0, 0.0, 1.0], vec![1.0, 1.0, 1.0, 1.0]];
/// let found = percentile_intervals_of_means(rows, &BootstrapOptions::default())?;
/// assert!(found[0].contains(0.5) && found[1].lower == 1.0);
/// # Ok::<(), pathscope_analysis::BootstrapError>(())
/// ```
pub fn percentile_intervals_of_means(
    rows: impl IntoIterator<Item = Vec<f64>>,
    options: &BootstrapOptions,
) -> Result<Vec<Interval>, BootstrapError> {
    let mut observations = None;
    let mut held: Vec<Vec<(usize, f64)>> = Vec::new();
    for row in rows {
        let first = *observations.get_or_insert(row.len());
        if row.len() != first {
            return Err(BootstrapError::LengthsDiffer(first, row.len()));
        }
        // Zeros add nothing, and two networks that are wrong about the same images leave little else.
        let values = row.into_iter().enumerate();
        held.push(values.filter(|&(_, value)| value != 0.0).collect());
    }
    let observations = observations.unwrap_or(0);
    let means = |sample: &[usize]| -> Vec<f64> {
        let mut times = vec![0.0; observations];
        for &index in sample {
            times[index] += 1.0;
        }
        let sum = |row: &Vec<(usize, f64)>| -> f64 {
            // From 0: the sum of nothing would be -0.
            row.iter()
                .fold(0.0, |sum, &(index, value)| sum + times[index] * value)
        };
        held.iter()
            .map(|row| sum(row) / observations as f64)
            .collect()
    };
    let replicates = resample(observations, options, means)?;
    let column = |row: usize| -> Vec<f64> { replicates.iter().map(|means| means[row]).collect() };
    (0..held.len())
        .map(|row| percentile_interval(&column(row), options.level))
        .collect()
}

/// The replicates themselves, in order of their index: any value type, one stream per replicate.
///
/// # Errors
/// When there are no observations or replicates.
pub fn resample<T: Send>(
    observations: usize,
    options: &BootstrapOptions,
    statistic: impl Fn(&[usize]) -> T + Sync,
) -> Result<Vec<T>, BootstrapError> {
    if observations == 0 {
        return Err(BootstrapError::NoObservations);
    }
    if options.replicates == 0 {
        return Err(BootstrapError::NoReplicates);
    }
    for (what, given, limit) in [
        ("observations", observations, 1 << 28),
        ("replicates", options.replicates, 1 << 24),
    ] {
        if given > limit {
            return Err(BootstrapError::TooMany { what, given, limit });
        }
    }
    let replicate = |sample: &mut Vec<usize>, index: usize| {
        let mut stream = options.seed.stream("bootstrap", index as u64);
        sample.clear();
        sample.extend((0..observations).map(|_| stream.random_range(0..observations)));
        statistic(sample)
    };
    Ok((0..options.replicates)
        .into_par_iter()
        .map_init(Vec::new, replicate)
        .collect())
}

/// The percentile interval of given replicates, with linear interpolation between them.
///
/// # Errors
/// When there are no replicates, or one is not finite.
pub fn percentile_interval(replicates: &[f64], level: Level) -> Result<Interval, BootstrapError> {
    let sorted = sort(replicates)?;
    let beyond = level.alpha() / 2.0;
    Ok(Interval::new(
        quantile(&sorted, beyond),
        quantile(&sorted, 1.0 - beyond),
    ))
}

/// The BCa interval of given replicates (Efron 1987), with the statistic on all observations and
/// on all but each one (`jackknife`).
///
/// # Errors
/// When there are no replicates, or a number is not finite.
pub fn bca_interval(
    replicates: &[f64],
    estimate: f64,
    jackknife: &[f64],
    level: Level,
) -> Result<Interval, BootstrapError> {
    let sorted = sort(replicates)?;
    for &value in jackknife {
        finite("a sample with one observation left out", value)?;
    }
    let below = sorted.iter().filter(|&&value| value < estimate).count() as f64;
    let ties = sorted.iter().filter(|&&value| value == estimate).count() as f64;
    let share = (below + ties / 2.0) / sorted.len() as f64;
    // With every replicate on one side the correction is infinite; the percentiles still exist.
    if share <= 0.0 || share >= 1.0 {
        return percentile_interval(replicates, level);
    }
    let normal = Normal::standard();
    let bias = normal.inverse_cdf(share);
    let mean = jackknife.iter().sum::<f64>() / jackknife.len().max(1) as f64;
    let power = |p| -> f64 { jackknife.iter().map(|value| (mean - value).powi(p)).sum() };
    let spread = power(2).powf(1.5);
    // No spread, or numbers whose cubes overflow: the plain bias correction.
    let acceleration = Some(power(3) / (6.0 * spread)).filter(|a| a.is_finite());
    let acceleration = acceleration.unwrap_or(0.0);
    let corrected = |z: f64| {
        let shifted = bias + z;
        let share = normal.cdf(bias + shifted / (1.0 - acceleration * shifted));
        quantile(&sorted, share)
    };
    let z = level.normal_quantile();
    let (lower, upper) = (corrected(-z), corrected(z));
    Ok(Interval::new(lower.min(upper), upper.max(lower)))
}

fn finite(what: &'static str, value: f64) -> Result<f64, BootstrapError> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(BootstrapError::NotFinite { what, value })
    }
}

fn sort(replicates: &[f64]) -> Result<Vec<f64>, BootstrapError> {
    if replicates.is_empty() {
        return Err(BootstrapError::NoReplicates);
    }
    for &value in replicates {
        finite("a resample", value)?;
    }
    let mut sorted = replicates.to_vec();
    sorted.sort_by(f64::total_cmp);
    Ok(sorted)
}

/// The quantile of sorted numbers, linear between neighbours (type 7 of Hyndman and Fan 1996);
/// zero for none.
pub(crate) fn quantile(sorted: &[f64], probability: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = probability.clamp(0.0, 1.0) * last as f64;
    let below = (place.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let part = place - below as f64;
    match (sorted.get(below), sorted.get(above)) {
        // Equal ends may both be infinite, whose difference is not a number.
        (Some(a), Some(b)) if part == 0.0 || a == b => *a,
        (Some(a), Some(b)) => a + part * (b - a),
        _ => 0.0,
    }
}

/// Of a sample, over one less than its size; 0 for a single value.
pub(crate) fn standard_deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / values.len().saturating_sub(1).max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: [f64; 10] = [2.1, 3.4, 1.2, 8.9, 4.4, 2.2, 0.3, 5.5, 3.1, 12.7];

    fn mean(sample: &[usize]) -> f64 {
        sample.iter().map(|&i| DATA[i]).sum::<f64>() / sample.len() as f64
    }

    /// scipy 1.17: `r = bootstrap((d,), np.mean, n_resamples=99, method='BCa',
    /// confidence_level=.9, random_state=np.random.default_rng(1))`; replicates are
    /// `r.bootstrap_distribution`; 'percentile' again with `n_resamples=0, bootstrap_result=r`.
    #[test]
    fn intervals_agree_with_scipy() {
        let replicates = [
            5.62, 2.41, 4.81, 5.45, 5.4, 5.54, 3.5, 5.09, 3.3, 3.59, 3.75, 3.37, 3.39, 5.17, 3.93,
            5.03, 2.11, 5.41, 2.82, 4.15, 3.09, 5.3, 4.18, 3.9, 3.34, 3.91, 6.29, 6.44, 3.37, 5.3,
            4.02, 6.26, 4.48, 6.51, 4.82, 4.13, 5.0, 4.74, 5.26, 5.72, 3.05, 3.48, 4.32, 3.96,
            3.83, 4.47, 6.4, 4.61, 3.84, 2.17, 2.8, 4.45, 4.23, 5.12, 5.8, 4.35, 4.05, 3.4, 3.92,
            6.48, 4.79, 5.05, 4.52, 3.49, 4.9, 2.96, 3.21, 4.9, 3.97, 5.48, 6.17, 4.33, 4.42, 3.41,
            6.74, 4.42, 6.92, 3.82, 5.66, 2.78, 5.92, 5.81, 4.69, 4.23, 4.46, 3.8, 3.49, 3.75,
            4.08, 4.36, 5.3, 4.82, 5.79, 5.75, 4.4, 6.02, 3.82, 2.92, 3.43,
        ];
        let all: Vec<usize> = (0..10).collect();
        let without = |i| all.iter().copied().filter(|&j| j != i).collect::<Vec<_>>();
        let jackknife: Vec<f64> = (0..10).map(|i| mean(&without(i))).collect();
        let level = Level::new(0.9).unwrap();
        let bca = bca_interval(&replicates, mean(&all), &jackknife, level).unwrap();
        assert!((bca.lower - 2.9329447367585484).abs() < 1e-10, "{bca:?}");
        assert!((bca.upper - 6.459213994020954).abs() < 1e-10, "{bca:?}");
        let percentile = percentile_interval(&replicates, level).unwrap();
        assert!((percentile.lower - 2.8180000000000005).abs() < 1e-10);
        assert!((percentile.upper - 6.404000000000001).abs() < 1e-10);
    }

    #[test]
    fn same_answer_on_any_number_of_threads() {
        let options = BootstrapOptions::with_replicates(500);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            pool.install(|| bootstrap(10, mean, &options).unwrap())
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn standard_error_of_a_mean_is_the_textbook_one() {
        let options = BootstrapOptions::with_replicates(20_000);
        let result = bootstrap(10, mean, &options).unwrap();
        let average = mean(&(0..10).collect::<Vec<_>>());
        let variance = DATA.iter().map(|x| (x - average).powi(2)).sum::<f64>() / 10.0;
        assert!((result.standard_error / (variance / 10.0).sqrt() - 1.0).abs() < 0.03);
    }

    #[test]
    fn rows_together_have_the_intervals_of_each_alone() {
        let options = BootstrapOptions {
            method: BootstrapMethod::Percentile,
            ..BootstrapOptions::with_replicates(500)
        };
        let some = vec![0.0, 1.0, -1.0, 1.0, 0.0];
        let other = vec![-1.0, 0.0, 0.0, 0.0, 3.0];
        let rows = [some, other, vec![0.0; 5]];
        let together = percentile_intervals_of_means(rows.clone(), &options).unwrap();
        assert!(together[2].lower.is_sign_positive() && together[2].upper.is_sign_positive());
        for (row, interval) in rows.iter().zip(together) {
            let alone = paired_bootstrap(&[0.0; 5], row, &options).unwrap();
            assert_eq!(interval, alone.interval);
        }
        let uneven = [vec![0.0], vec![1.0, 2.0]];
        assert!(percentile_intervals_of_means(uneven, &options).is_err());
        assert!(percentile_intervals_of_means([], &options).is_err());
    }

    #[test]
    fn refuse_what_has_no_answer() {
        let options = BootstrapOptions::default();
        let ask = |first: &[f64], second: &[f64]| paired_bootstrap(first, second, &options);
        assert_eq!(ask(&[], &[]), Err(BootstrapError::NoObservations));
        assert_eq!(ask(&[1.0], &[2.0]), Err(BootstrapError::TooFewForBca));
        assert!(ask(&[1.0], &[]).is_err());
        assert!(ask(&[1.0, f64::NAN], &[2.0, 1.0]).is_err());
        let none = BootstrapOptions::with_replicates(0);
        let endless = BootstrapOptions::with_replicates(usize::MAX);
        assert!(bootstrap(3, mean, &endless).is_err());
        assert!(bootstrap(usize::MAX, |_| 0.0, &options).is_err());
        assert_eq!(bootstrap(3, mean, &none), Err(BootstrapError::NoReplicates));
        let equal = ask(&[1.0; 4], &[3.0; 4]).unwrap();
        assert_eq!(equal.interval, Interval::new(2.0, 2.0));
    }
}
