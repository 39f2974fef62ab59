//! Error rates: their words, differences and means.

use pathscope_analysis::record::{Header, Outcome};
use pathscope_analysis::{
    BootstrapOptions, Interval, Level, percentile_interval, percentile_intervals_of_means, resample,
};

use crate::picture::Axis;
use crate::quantity::{percent_interval, rate};

/// An axis of errors.
pub(super) fn error_axis(header: &Header, detail: &str) -> Axis {
    let label = match header.data.positions {
        1 => "top-1 error (%)".into(),
        _ => format!("top-1 error (% of {})", header.data.unit()),
    };
    Axis::new(label).detail(detail)
}

/// `7.28 % (74 of 1,017), 95 % interval 5.8 % to 9.0 %`.
pub(super) fn error(outcome: &Outcome) -> String {
    let rate = rate(outcome.errors, outcome.examples);
    match outcome.error_interval(Level::P95) {
        Some(interval) => format!("{rate}, 95 % interval {}", percent_interval(interval)),
        None => rate,
    }
}

/// The error in per cent of every example, or of every sequence of which each position is
/// predicted: what a bootstrap may draw from.
pub(super) fn error_of_each(outcome: &Outcome) -> Vec<f64> {
    let wrong = outcome.wrong.to_vec(outcome.examples);
    let share = |together: &[bool]| {
        let errors = together.iter().filter(|&&wrong| wrong).count();
        100.0 * errors as f64 / together.len().max(1) as f64
    };
    wrong.chunks(outcome.positions.max(1)).map(share).collect()
}

/// Difference between two error rates on the same examples, in percentage points, with its
/// paired bootstrap interval; none where the two measured different examples.
pub(super) fn difference(from: &Outcome, to: &Outcome) -> Option<(f64, Interval)> {
    let row = changes(from, to)?;
    let mean = row.iter().sum::<f64>() / row.len() as f64;
    Some((mean, intervals_of_means([Some(row)]).pop()??))
}

/// The intervals of [`difference`] between one outcome and each of others, from the same resamples;
/// none where the two measured different examples.
pub(super) fn intervals(from: &Outcome, others: &[&Outcome]) -> Vec<Option<Interval>> {
    intervals_of_means(others.iter().map(|outcome| changes(from, outcome)))
}

/// The bootstrap intervals of the means of rows of values of the same examples, from the same
/// resamples; none where there is no row.
pub(super) fn intervals_of_means(
    rows: impl IntoIterator<Item = Option<Vec<f64>>>,
) -> Vec<Option<Interval>> {
    let mut known = Vec::new();
    let rows = rows.into_iter().filter_map(|row| {
        known.push(row.is_some());
        row
    });
    let found = percentile_intervals_of_means(rows, &BootstrapOptions::with_replicates(2_000));
    let mut found = found.unwrap_or_default().into_iter();
    let known = known.into_iter();
    known.map(|known| known.then(|| found.next())?).collect()
}

/// What the error of each example gains, in per cent; none where there are not as many of both.
fn changes(from: &Outcome, to: &Outcome) -> Option<Vec<f64>> {
    let (from, to) = (error_of_each(from), error_of_each(to));
    let differences = || to.iter().zip(&from).map(|(to, from)| to - from).collect();
    (from.len() == to.len()).then(differences)
}

/// Mean error rate over draws, with the 95 % bootstrap interval of that mean where there are three
/// or more.
pub fn mean_error(draws: &[&Outcome]) -> (f64, Option<Interval>) {
    let errors: Vec<f64> = draws.iter().map(|outcome| outcome.error()).collect();
    let of = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / errors.len() as f64;
    let mean = of(&mut errors.iter().copied());
    let interval = (errors.len() > 2)
        .then(|| {
            let replicates = resample(
                errors.len(),
                &BootstrapOptions::with_replicates(1_000),
                |sample| of(&mut sample.iter().filter_map(|&i| errors.get(i).copied())),
            );
            percentile_interval(&replicates.ok()?, Level::P95).ok()
        })
        .flatten();
    (mean, interval)
}
