//! Exact randomization over pairs: what if the two of each pair were exchanged?

use rand::RngExt;

use crate::seed::Seed;

/// How far two groups of observations, by batch, are apart; `None` where that is undefined.
type Statistic<'a, T> = dyn Fn(&[Vec<T>], &[Vec<T>]) -> Option<f64> + 'a;

/// Randomization test of two groups of paired observations. If the groups did not differ, each
/// observation could as well be the other of its pair: the p-value is the share of random exchanges
/// (and of no exchange) whose `statistic` is at least as large as the one found. An exchange that
/// leaves the statistic undefined counts as large; none where it is undefined without an exchange.
///
/// Observations lie in batches, `[batch][observation]`, which exchanges leave whole.
pub fn exchange_test<T: Clone>(
    first: &[Vec<T>],
    second: &[Vec<T>],
    exchanges: u64,
    seed: Seed,
    statistic: &Statistic<'_, T>,
) -> Option<f64> {
    let found = statistic(first, second)?;
    // Rounding must not make an exchange of nothing smaller than what was found.
    let large = |value| value >= found * (1.0 - 1e-9);
    let mut as_large = 1;
    for exchange in 0..exchanges {
        let mut random = seed.stream("exchange two networks", exchange);
        let (mut x, mut y) = (first.to_vec(), second.to_vec());
        for (a, b) in x.iter_mut().flatten().zip(y.iter_mut().flatten()) {
            if random.random::<bool>() {
                std::mem::swap(a, b);
            }
        }
        as_large += u64::from(statistic(&x, &y).is_none_or(large));
    }
    Some(as_large as f64 / (exchanges + 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(first: &[Vec<f64>], second: &[Vec<f64>]) -> Option<f64> {
        let sum = |values: &[Vec<f64>]| values.iter().flatten().sum::<f64>();
        Some((sum(second) - sum(first)).abs())
    }

    #[test]
    fn a_constant_shift_is_found_and_none_is_not() {
        let first: Vec<Vec<f64>> = (0..4)
            .map(|b| (0..5).map(|i| f64::from(b * i)).collect())
            .collect();
        let shifted: Vec<Vec<f64>> = first
            .iter()
            .map(|batch| batch.iter().map(|value| value + 1.0).collect())
            .collect();
        let p = |second: &[Vec<f64>]| exchange_test(&first, second, 999, Seed(0), &difference);
        assert!(p(&shifted).unwrap() < 0.01);
        assert_eq!(p(&first), Some(1.0));
    }
}
