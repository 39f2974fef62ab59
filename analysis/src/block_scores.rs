//! Cheap scores of blocks, and how well they rank what deletions cost.

use crate::bootstrap::{BootstrapOptions, percentile_interval, resample};
use crate::interval::{Interval, Level};

/// What one forward and one backward pass tell of a block: its output beside what its deletion would
/// leave of it, which for an identity skip is its input.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BlockScores {
    /// One less the cosine of the angle between both, mean over examples ("block influence").
    pub cosine_distance: f64,
    /// That angle as a share of half a turn, mean over examples.
    pub angular_distance: f64,
    /// Norm of their difference over the norm of the output, mean over examples.
    pub norm_ratio: f64,
    /// One less their linear CKA over examples (Kornblith et al. 2019), with the unbiased estimate of its
    /// terms in each micro-batch (Nguyen et al. 2021); not a number for fewer than four examples.
    pub cka_distance: f64,
    /// First-order estimate of how much the loss grows: the gradient times the difference, mean over
    /// predictions, in nats.
    pub first_order: f64,
    /// Norm of the gradient that flows back through the functions over the sum of that and the norm of
    /// what flows through the skip, mean over examples.
    pub gradient_share: f64,
}

/// A score's name, and where it stands.
pub type Score = (&'static str, fn(&BlockScores) -> f64);

/// Which score, in the order in which they are shown.
pub const SCORES: [Score; 6] = [
    ("cosine_distance", |scores| scores.cosine_distance),
    ("angular_distance", |scores| scores.angular_distance),
    ("norm_ratio", |scores| scores.norm_ratio),
    ("cka_distance", |scores| scores.cka_distance),
    ("first_order", |scores| scores.first_order),
    ("gradient_share", |scores| scores.gradient_share),
];

/// Spearman's rank correlation of paired values, equal values sharing their mean rank; none for fewer
/// than two pairs, where all values of one side are equal, or where one is no number.
///
/// ```
/// use pathscope_analysis::spearman;
/// assert_eq!(spearman(&[1.0, 2.0, 3.0], &[10.0, 40.0, 20.0]), Some(0.5));
/// ```
#[must_use]
pub fn spearman(first: &[f64], second: &[f64]) -> Option<f64> {
    if first.len() != second.len() || first.iter().chain(second).any(|value| value.is_nan()) {
        return None;
    }
    let (first, second) = (ranks(first), ranks(second));
    let mean = (first.len() as f64 + 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| (a - mean) * (b - mean)).sum()
    };
    let spread = (product(&first, &first) * product(&second, &second)).sqrt();
    (spread > 0.0).then(|| product(&first, &second) / spread)
}

/// The 95 % bootstrap interval of [`spearman`] over pairs; none for fewer than five of them, whose resamples
/// tell too little.
#[must_use]
pub fn spearman_interval(first: &[f64], second: &[f64]) -> Option<Interval> {
    if first.len() < 5 {
        return None;
    }
    let options = BootstrapOptions::default();
    let of = |values: &[f64], sample: &[usize]| -> Vec<f64> {
        let values = sample.iter().filter_map(|&index| values.get(index));
        values.copied().collect()
    };
    let statistic = |sample: &[usize]| spearman(&of(first, sample), &of(second, sample));
    let replicates = resample(first.len(), &options, statistic).ok()?;
    let replicates: Vec<f64> = replicates.into_iter().flatten().collect();
    percentile_interval(&replicates, Level::P95).ok()
}

/// Ranks from 1; equal values share their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|&index| ranks[index] = rank);
        before += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17: `scipy.stats.spearmanr(a, b).statistic`.
    #[test]
    fn agrees_with_scipy() {
        let a = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let b = [2.0, 7.0, 1.0, 8.0, 2.0, 8.0, 1.0, 8.0];
        let found = spearman(&a, &b).unwrap();
        assert!((found - 0.198_853_681_209_924_67).abs() < 1e-12, "{found}");
        let interval = spearman_interval(&a, &b).unwrap();
        assert!(interval.contains(found));
        assert_eq!(spearman(&a, &[1.0; 8]), None);
        assert_eq!(spearman(&a, &b[1..]), None);
        assert_eq!(spearman_interval(&a[..4], &b[..4]), None);
    }
}
