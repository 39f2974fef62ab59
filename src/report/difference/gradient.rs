use pathscope_analysis::record::{Journal, Measure, Spectrum};
use pathscope_analysis::{
    BootstrapOptions, Interval, LengthRange, Level, Seed, effective_range, exchange_test,
    percentile_interval, resample,
};
use serde::Serialize;

use crate::gradient::{fall, ln_decimal, summarize};
use crate::run::Run;

/// The effective ranges of two networks.
#[derive(Clone, Debug, Serialize)]
pub struct RangeDifference {
    /// What the range is of.
    pub measure: &'static str,
    /// The share that it holds.
    pub share: f64,
    /// Of the first network.
    pub first: LengthRange,
    /// Of the second.
    pub second: LengthRange,
    /// By how many blocks that end moved that moved most.
    pub shift: i64,
    /// By how many blocks the first length moved.
    pub first_change: i64,
    /// The 95 % bootstrap interval of that over mini-batches.
    pub first_interval: Option<Interval>,
    /// By how many blocks the last length moved.
    pub last_change: i64,
    /// The 95 % bootstrap interval of that over mini-batches.
    pub last_interval: Option<Interval>,
    /// Paired randomization test of the shift, after Holm's correction.
    pub p_value: Option<f64>,
}

/// How the gradient of one path falls with its length in two networks.
#[derive(Clone, Debug, Serialize)]
pub struct DecayDifference {
    /// Measure that the norms of paths come from.
    pub measure: &'static str,
    /// Rho of the first network.
    pub first: f64,
    /// Rho of the second.
    pub second: f64,
    /// Difference.
    pub change: f64,
    /// The 95 % bootstrap interval of that over mini-batches.
    pub interval: Option<Interval>,
    /// Paired randomization test of the logarithms' difference, after Holm's correction.
    pub p_value: Option<f64>,
}

/// Exchanges of a randomization test.
const EXCHANGES: u64 = 1_999;

/// A measure of one network: `[mini-batch][example][length]`.
type Values = Vec<Batch>;

/// `[example][length]`.
type Batch = Vec<Vec<f64>>;

pub(super) fn compare(
    first: &Run,
    second: &Run,
    share: f64,
    notes: &mut Vec<String>,
) -> (Vec<RangeDifference>, Option<DecayDifference>) {
    let Some((a, b)) = alike(first, second) else {
        return (Vec::new(), None);
    };
    let (spectra_a, spectra_b) = (a.spectra(), b.spectra());
    let summaries = [
        summarize(&a.header, &spectra_a, share),
        summarize(&b.header, &spectra_b, share),
    ];
    let [Some(summary_a), Some(summary_b)] = summaries else {
        return (Vec::new(), None);
    };
    let paired = a.header.data.hash == b.header.data.hash && same_batches(&spectra_a, &spectra_b);
    if !paired {
        notes.push(
            "the gradients were measured on different examples, so they are not paired: their \
             differences have no interval and no test"
                .to_owned(),
        );
    }
    let pairs = |measure| {
        let values = (values(measure, &spectra_a)?, values(measure, &spectra_b)?);
        paired.then_some(values)
    };
    let ln_paths = |spectra: &[&Spectrum]| -> Option<Vec<f64>> {
        let first = spectra.first()?;
        first.paths.iter().map(|paths| ln_decimal(paths)).collect()
    };
    let (Some(paths_a), Some(paths_b)) = (ln_paths(&spectra_a), ln_paths(&spectra_b)) else {
        return (Vec::new(), None);
    };
    let mut ranges = Vec::new();
    for measured in &summary_a.measures {
        let measure = measured.measure;
        let mut others = summary_b.measures.iter();
        let Some(other) = others.find(|other| other.measure == measure) else {
            continue;
        };
        let (first_change, last_change) = moved(measured.range, other.range);
        let tested = pairs(measure).and_then(|(x, y)| {
            // The number of paths enters the magnitudes, and differs between architectures.
            let x = magnitudes(measure, x, &paths_a);
            let y = magnitudes(measure, y, &paths_b);
            Some((range_intervals(&x, &y, share), shift_test(&x, &y, share)?))
        });
        let (intervals, p_value) = tested.unzip();
        let intervals = intervals.flatten();
        ranges.push(RangeDifference {
            measure: measure.name(),
            share,
            first: measured.range,
            second: other.range,
            shift: first_change.abs().max(last_change.abs()),
            first_change,
            first_interval: intervals.map(|(first, _)| first),
            last_change,
            last_interval: intervals.map(|(_, last)| last),
            p_value,
        });
    }
    let falls = summary_a.decay.as_ref().zip(summary_b.decay.as_ref());
    let rho = falls
        .filter(|(x, y)| x.0 == y.0)
        .map(|((source, x, _), (_, y, _))| {
            let fitted = |values: &[Batch], paths: &[f64]| ln_rho(*source, values, paths);
            let tested = pairs(*source).map(|(x, y)| {
                let (x, y) = (relative(x), relative(y));
                let change =
                    |x: &[Batch], y: &[Batch]| Some((fitted(x, &paths_a)?, fitted(y, &paths_b)?));
                let interval = rho_interval(&x, &y, &change);
                // Exchanged examples are counted by the paths of either network only where these agree.
                let test = (paths_a == paths_b)
                    .then(|| {
                        let statistic =
                            |x: &[Batch], y: &[Batch]| change(x, y).map(|(a, b)| (b - a).abs());
                        exchange_test(&x, &y, EXCHANGES, Seed(0), &statistic)
                    })
                    .flatten();
                (interval, test)
            });
            let (interval, p_value) = tested.unzip();
            DecayDifference {
                measure: source.name(),
                first: x.rho,
                second: y.rho,
                change: y.rho - x.rho,
                interval: interval.flatten(),
                p_value: p_value.flatten(),
            }
        });
    (ranges, rho)
}

/// Gradients of both runs that were measured in the same way, or else the first of each.
fn alike<'a>(first: &'a Run, second: &'a Run) -> Option<(&'a Journal, &'a Journal)> {
    let of = |run: &'a Run| -> Vec<&'a Journal> {
        let journals = run.journals.iter();
        journals
            .filter(|journal| !journal.spectra().is_empty())
            .collect()
    };
    let (first, second) = (of(first), of(second));
    let same = first.iter().find_map(|a| {
        let same =
            |b: &&&Journal| a.header.options == b.header.options && a.header.seed == b.header.seed;
        second.iter().find(same).map(|b| (*a, *b))
    });
    same.or_else(|| Some((*first.first()?, *second.first()?)))
}

fn same_batches(first: &[&Spectrum], second: &[&Spectrum]) -> bool {
    let shape = |spectrum: &&Spectrum| (spectrum.batch, spectrum.examples);
    first.iter().map(shape).eq(second.iter().map(shape))
}

fn values(measure: Measure, spectra: &[&Spectrum]) -> Option<Values> {
    let of = |spectrum: &&Spectrum| Some(spectrum.measures.get(&measure)?.by_example.clone());
    spectra.iter().map(of).collect()
}

/// From what is recorded to what ranges are of.
fn magnitudes(measure: Measure, mut values: Values, ln_paths: &[f64]) -> Values {
    let greatest = ln_paths.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for example in values.iter_mut().flatten() {
        for (value, paths) in example.iter_mut().zip(ln_paths) {
            let paths = (paths - greatest).exp();
            *value = measure.meaning().magnitude(*value, paths);
        }
    }
    relative(values)
}

/// Relative to the sum, so that networks whose gradients differ in size alone are alike.
fn relative(mut values: Values) -> Values {
    let total: f64 = values.iter().flatten().flatten().sum();
    for value in values.iter_mut().flatten().flatten() {
        *value /= total;
    }
    values
}

fn range<'a>(batches: impl Iterator<Item = &'a Batch>, share: f64) -> Option<LengthRange> {
    let mut sums: Vec<f64> = Vec::new();
    for example in batches.flatten() {
        sums.resize(sums.len().max(example.len()), 0.0);
        for (sum, value) in sums.iter_mut().zip(example) {
            *sum += value;
        }
    }
    effective_range(&sums, share).ok().map(|found| found.range)
}

/// How far the first and the last length moved.
fn moved(from: LengthRange, to: LengthRange) -> (i64, i64) {
    let change = |a: usize, b: usize| b as i64 - a as i64;
    (change(from.first, to.first), change(from.last, to.last))
}

/// The mini-batches that a resample picks, of one network.
fn picked<'a>(values: &'a [Batch], sample: &'a [usize]) -> impl Iterator<Item = &'a Batch> {
    sample.iter().filter_map(move |&batch| values.get(batch))
}

/// Intervals of how far both ends moved, over mini-batches resampled together.
fn range_intervals(first: &[Batch], second: &[Batch], share: f64) -> Option<(Interval, Interval)> {
    let replicates = resampled(first.len(), |sample| {
        let a = range(picked(first, sample), share)?;
        let b = range(picked(second, sample), share)?;
        Some(moved(a, b))
    })?;
    let interval = |end: fn(&(i64, i64)) -> i64| {
        let values: Vec<f64> = replicates.iter().map(|moved| end(moved) as f64).collect();
        percentile_interval(&values, Level::P95).ok()
    };
    Some((interval(|moved| moved.0)?, interval(|moved| moved.1)?))
}

fn resampled<T: Send>(
    batches: usize,
    statistic: impl Fn(&[usize]) -> Option<T> + Sync,
) -> Option<Vec<T>> {
    let several = (batches > 1).then_some(batches)?;
    let found = resample(
        several,
        &BootstrapOptions::with_replicates(2_000),
        statistic,
    )
    .ok()?;
    found.into_iter().collect()
}

fn shift_test(first: &[Batch], second: &[Batch], share: f64) -> Option<f64> {
    exchange_test(first, second, EXCHANGES, Seed(0), &|x, y| {
        let (from, to) = moved(range(x.iter(), share)?, range(y.iter(), share)?);
        Some(from.abs().max(to.abs()) as f64)
    })
}

/// Logarithm of rho from the values of single examples.
fn ln_rho(source: Measure, values: &[Batch], ln_paths: &[f64]) -> Option<f64> {
    let mean_of = |batch: &Vec<Vec<f64>>| -> (f64, Vec<f64>) {
        let lengths = batch.iter().map(Vec::len).fold(ln_paths.len(), usize::min);
        let mean = |length: usize| {
            let values = batch.iter().filter_map(|example| example.get(length));
            values.sum::<f64>() / batch.len() as f64
        };
        (batch.len() as f64, (0..lengths).map(mean).collect())
    };
    let means: Vec<(f64, Vec<f64>)> = values.iter().map(mean_of).collect();
    let means: Vec<(f64, &[f64])> = means
        .iter()
        .map(|(weight, means)| (*weight, means.as_slice()))
        .collect();
    fall(source, &means, ln_paths).1.map(|decay| decay.ln_rho)
}

/// Interval of the difference of rho, over mini-batches resampled together.
fn rho_interval(
    first: &[Batch],
    second: &[Batch],
    change: &(impl Fn(&[Batch], &[Batch]) -> Option<(f64, f64)> + Sync),
) -> Option<Interval> {
    let chosen = |values: &[Batch], sample: &[usize]| -> Values {
        picked(values, sample).cloned().collect()
    };
    let replicates = resampled(first.len(), |sample| {
        let (a, b) = change(&chosen(first, sample), &chosen(second, sample))?;
        Some(b.exp() - a.exp())
    })?;
    percentile_interval(&replicates, Level::P95).ok()
}
