//! Random draws of one kind, taken together.

use pathscope_analysis::record::Outcome;
use pathscope_analysis::{BootstrapOptions, Interval, Level, percentile_interval, resample};

/// Mean error rate over draws, with the 95 % bootstrap interval of that mean where there are three
/// or more.
#[must_use]
pub fn mean_error(draws: &[&Outcome]) -> (f64, Option<Interval>) {
    let errors: Vec<f64> = draws.iter().map(|outcome| outcome.error()).collect();
    let of = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / errors.len() as f64;
    let mean = of(&mut errors.iter().copied());
    let options = BootstrapOptions {
        replicates: 1_000,
        ..BootstrapOptions::default()
    };
    let interval = (errors.len() > 2)
        .then(|| {
            let replicates = resample(errors.len(), &options, |sample| {
                of(&mut sample.iter().filter_map(|&i| errors.get(i).copied()))
            });
            percentile_interval(&replicates.ok()?, Level::P95).ok()
        })
        .flatten();
    (mean, interval)
}
