//! Error rates where answers come in clusters, as the positions of a sequence do: what one
//! sequence says at one position is no independent witness to what it says at the next.
//!
//! Answers lie cluster by cluster. Clusters of one give what [`wilson`](crate::wilson()) and
//! [`mcnemar`](crate::mcnemar()) give, to the last bit.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::interval::{Interval, IntervalError, Level, score_interval, wilson};
use crate::paired::{McNemar, PairedError, exchange_p_value, mcnemar};

/// Wilson's interval for the error rate of answers in clusters of `size`, given whether each is
/// *wrong*: with as many examples as independent ones would have to be to vary as the clusters do.
///
/// That number is `n / design effect` with Student's correction for few clusters (Korn and
/// Graubard 1998), never more than `n`. Where all answers are right, or all wrong, nothing tells how
/// much clusters vary, and each counts as one example.
///
/// # Errors
/// When there are no answers.
///
/// ```
/// use pathscope_analysis::{Level, clustered_wilson, wilson};
/// // Four sequences of five positions: two of them all wrong.
/// let wrong = [[true; 5], [false; 5], [true; 5], [false; 5]].concat();
/// let honest = clustered_wilson(&wrong, 5, Level::P95)?;
/// assert!(honest.width() > 1.5 * wilson(10, 20, Level::P95)?.width());
/// # Ok::<(), pathscope_analysis::IntervalError>(())
/// ```
pub fn clustered_wilson(
    wrong: &[bool],
    size: usize,
    level: Level,
) -> Result<Interval, IntervalError> {
    let errors = count(wrong);
    if size <= 1 || wrong.is_empty() {
        return wilson(errors, wrong.len(), level);
    }
    let independent = independent_examples(wrong, size, level);
    Ok(score_interval(errors, wrong.len(), independent, level))
}

/// How many independent examples would tell the error rate as well.
fn independent_examples(wrong: &[bool], size: usize, level: Level) -> f64 {
    let (n, clusters) = (wrong.len() as f64, wrong.len().div_ceil(size) as f64);
    if clusters < 2.0 {
        return 1.0;
    }
    let rate = count(wrong) as f64 / n;
    let residual = |cluster: &[bool]| count(cluster) as f64 - rate * cluster.len() as f64;
    let squares = wrong.chunks(size).map(|cluster| residual(cluster).powi(2));
    let squares: f64 = squares.sum();
    let variance = clusters / (clusters - 1.0) * squares / (n * n);
    let independent = rate * (1.0 - rate) / (n - 1.0);
    let effect = if independent > 0.0 {
        (variance / independent).max(1.0)
    } else {
        n / clusters
    };
    let quantile = |freedom: f64| match StudentsT::new(0.0, 1.0, freedom) {
        Ok(law) => law.inverse_cdf(1.0 - level.alpha() / 2.0),
        Err(_) => level.normal_quantile(),
    };
    n / effect * (quantile(n - 1.0) / quantile(clusters - 1.0)).powi(2)
}

/// [`mcnemar`](crate::mcnemar()) for answers in clusters of `size`. Counts and difference are over
/// answers; the p-value asks whether the two networks may be exchanged within whole clusters.
///
/// It is [`exchange_p_value`] of the clusters' differences, and McNemar's test for clusters of one.
///
/// # Errors
/// When there are no answers, or the two slices differ in length.
///
/// ```
/// use pathscope_analysis::clustered_mcnemar;
/// // In three sequences of four positions the second network is wrong everywhere.
/// let table = clustered_mcnemar(&[false; 12], &[true; 12], 4)?;
/// assert_eq!(table.only_second_wrong, 12);
/// assert_eq!(table.p_value, 0.25); // three coins, not twelve
/// # Ok::<(), pathscope_analysis::PairedError>(())
/// ```
pub fn clustered_mcnemar(
    first_wrong: &[bool],
    second_wrong: &[bool],
    size: usize,
) -> Result<McNemar, PairedError> {
    let table = mcnemar(first_wrong, second_wrong)?;
    if size <= 1 {
        return Ok(table);
    }
    let pairs = first_wrong.chunks(size).zip(second_wrong.chunks(size));
    let differences: Vec<i64> = pairs
        .map(|(first, second)| count(second) as i64 - count(first) as i64)
        .collect();
    let p_value = exchange_p_value(&differences);
    Ok(McNemar { p_value, ..table })
}

/// How many flags are set.
pub(crate) fn count(flags: &[bool]) -> usize {
    flags.iter().filter(|&&flag| flag).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use proptest::prelude::*;
    use rand::RngExt;

    proptest! {
        #[test]
        fn clusters_of_one_change_nothing(flags in prop::collection::vec(any::<(bool, bool)>(), 1..60)) {
            let (first, second): (Vec<bool>, Vec<bool>) = flags.into_iter().unzip();
            let plain = mcnemar(&first, &second).unwrap();
            prop_assert_eq!(clustered_mcnemar(&first, &second, 1).unwrap(), plain.clone());
            let pairs = first.iter().zip(&second);
            let differences: Vec<i64> = pairs.map(|(&a, &b)| i64::from(b) - i64::from(a)).collect();
            // The exchange test itself is McNemar's there.
            prop_assert!((exchange_p_value(&differences) - plain.p_value).abs() < 1e-12);
            let interval = wilson(count(&first), first.len(), Level::P95).unwrap();
            prop_assert_eq!(clustered_wilson(&first, 1, Level::P95).unwrap(), interval);
            if first.contains(&true) && first.contains(&false) {
                let independent = independent_examples(&first, 1, Level::P95);
                prop_assert!((independent / first.len() as f64 - 1.0).abs() < 1e-9);
            }
        }
    }

    /// The rates of equally long sequences are themselves a sample: their mean has the variance
    /// s^2 / m, that of mT independent positions would have p (1 - p) / (mT - 1).
    #[test]
    fn the_design_effect_is_the_ratio_of_variances() {
        let wrong: Vec<bool> = [3, 1, 0, 2]
            .iter()
            .flat_map(|&errors| (0..4).map(move |place| place < errors))
            .collect();
        let rates = [0.75, 0.25, 0.0, 0.5_f64];
        let squares: f64 = rates.iter().map(|rate| (rate - 0.375).powi(2)).sum();
        let effect = (squares / 12.0) / (0.375 * 0.625 / 15.0);
        // scipy 1.16: `t.ppf(0.975, 15)`, `t.ppf(0.975, 3)`.
        let student = (2.131_449_545_559_323_f64 / 3.182_446_305_284_263).powi(2);
        let found = independent_examples(&wrong, 4, Level::P95);
        assert!((found - 16.0 / effect * student).abs() < 1e-6, "{found}");
    }

    /// Sequences that differ in how hard they are: the plain interval covers the truth far too
    /// seldom, the clustered one about as often as it claims.
    #[test]
    fn covers_the_rate_of_clustered_errors() {
        let (sequences, positions, rounds) = (40, 16, 1_000);
        let (mut plain, mut clustered) = (0, 0);
        for round in 0..rounds {
            let mut random = Seed(5).stream("coverage", round);
            let wrong: Vec<bool> = (0..sequences)
                .flat_map(|_| {
                    let rate: f64 = if random.random_bool(0.5) { 0.1 } else { 0.7 };
                    (0..positions)
                        .map(|_| random.random_bool(rate))
                        .collect::<Vec<_>>()
                })
                .collect();
            let covers = |interval: Interval| usize::from(interval.contains(0.4));
            plain += covers(wilson(count(&wrong), wrong.len(), Level::P95).unwrap());
            clustered += covers(clustered_wilson(&wrong, positions, Level::P95).unwrap());
        }
        assert!(plain < 750, "{plain}");
        assert!((935..=975).contains(&clustered), "{clustered}");
    }

    #[test]
    fn what_tells_nothing_of_clusters_is_wide() {
        let all_right = clustered_wilson(&[false; 64], 16, Level::P95).unwrap();
        assert!(all_right.upper > 0.5 && all_right.lower == 0.0);
        let one = clustered_wilson(&[true, false, false, false], 4, Level::P95).unwrap();
        assert_eq!(one, score_interval(1, 4, 1.0, Level::P95));
        assert!(clustered_wilson(&[], 4, Level::P95).is_err());
        assert!(clustered_mcnemar(&[], &[], 4).is_err());
        assert!(clustered_mcnemar(&[true], &[], 4).is_err());
        let equal = clustered_mcnemar(&[true; 8], &[true; 8], 4).unwrap();
        assert_eq!(equal.p_value, 1.0);
    }
}
