//! Two networks on the same examples: what they disagree on, and the exact test of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::binomial::Binomial;
use crate::length_law::LengthLaw;

/// Why two sets of answers cannot be compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PairedError {
    /// Nothing to compare.
    #[error("paired comparison: no examples; give the answers on at least one")]
    NoExamples,
    /// Answers on different numbers of examples.
    #[error("paired comparison: {0} answers against {1}; both must answer the same examples")]
    LengthsDiffer(usize, usize),
}

/// How two networks agree on the same examples, with the exact test of McNemar (1947).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct McNemar {
    /// Examples that both get wrong.
    pub both_wrong: usize,
    /// Examples that only the first gets wrong.
    pub only_first_wrong: usize,
    /// Examples that only the second gets wrong.
    pub only_second_wrong: usize,
    /// Examples that both get right.
    pub both_right: usize,
    /// Error rate of the second less that of the first.
    pub difference: f64,
    /// Two-sided p-value of "both err equally often", exact for independent examples; 1 where they
    /// never disagree.
    pub p_value: f64,
}

/// Compares two networks, given for each example whether each was *wrong*.
///
/// # Errors
/// When there are no examples, or the two slices differ in length.
pub fn mcnemar(first_wrong: &[bool], second_wrong: &[bool]) -> Result<McNemar, PairedError> {
    if first_wrong.len() != second_wrong.len() {
        let (first, second) = (first_wrong.len(), second_wrong.len());
        return Err(PairedError::LengthsDiffer(first, second));
    }
    if first_wrong.is_empty() {
        return Err(PairedError::NoExamples);
    }
    let count = |a, b| {
        let pairs = first_wrong.iter().zip(second_wrong);
        pairs.filter(|&(&x, &y)| x == a && y == b).count()
    };
    let (only_first_wrong, only_second_wrong) = (count(true, false), count(false, true));
    Ok(McNemar {
        both_wrong: count(true, true),
        only_first_wrong,
        only_second_wrong,
        both_right: count(false, false),
        difference: (only_second_wrong as f64 - only_first_wrong as f64) / first_wrong.len() as f64,
        p_value: mcnemar_p_value(only_first_wrong, only_second_wrong),
    })
}

/// The exact two-sided p-value of McNemar's test from the two discordant counts.
pub fn mcnemar_p_value(only_first_wrong: usize, only_second_wrong: usize) -> f64 {
    let discordant = only_first_wrong.saturating_add(only_second_wrong);
    match Binomial::new(discordant, 0.5) {
        Ok(law) => (2.0 * law.cdf(only_first_wrong.min(only_second_wrong))).min(1.0),
        Err(_) => 1.0,
    }
}

/// The two-sided p-value of "each difference could as well have the other sign", for what pairs of
/// observations differ by, in whole numbers; 1 where none differ.
///
/// It is the share of the 2^m ways to exchange the two of some of the m pairs after which the
/// differences add up to at least as much, of either sign: exact, and
/// [McNemar's test](mcnemar_p_value) for differences of one. For sets beyond hundreds of millions
/// of additions it is the large-sample test of the same hypothesis (Durkalski et al. 2003),
/// chi-square = (sum d)^2 / sum d^2.
///
/// ```
/// use pathscope_analysis::exchange_p_value;
/// assert_eq!(exchange_p_value(&[4, 4, 0, 4]), 0.25); // three coins fall alike
/// ```
pub fn exchange_p_value(differences: &[i64]) -> f64 {
    let sizes = differences
        .iter()
        .map(|difference| difference.unsigned_abs());
    let sizes: Vec<u64> = sizes.filter(|&size| size > 0).collect();
    let total = sizes
        .iter()
        .fold(0, |total: u64, &size| total.saturating_add(size));
    let sum = differences
        .iter()
        .map(|&difference| i128::from(difference))
        .sum::<i128>();
    if total.saturating_mul(sizes.len() as u64) <= EXACT_WORK {
        exact_p_value(&sizes, sum.unsigned_abs() as usize)
    } else {
        large_sample_p_value(&sizes, sum as f64)
    }
}

/// Additions that the exact test may take.
const EXACT_WORK: u64 = 200_000_000;

/// The chance that |sum| is at least `sum` when each of `sizes` gets a random sign.
fn exact_p_value(sizes: &[u64], sum: usize) -> f64 {
    let total: u64 = sizes.iter().sum();
    let total = total as usize;
    // chances[x]: that the differences with a plus add up to x; the sum is then 2 x - total.
    let mut chances = vec![0.0; total + 1];
    chances[0] = 1.0;
    let mut reached = 0;
    for &size in sizes {
        let size = size as usize;
        reached += size;
        for x in (0..=reached).rev() {
            let with = x.checked_sub(size).map_or(0.0, |before| chances[before]);
            chances[x] = 0.5 * (chances[x] + with);
        }
    }
    let least = (total - sum) / 2;
    let tail: f64 = chances[..=least].iter().sum();
    (2.0 * tail).min(1.0)
}

fn large_sample_p_value(sizes: &[u64], sum: f64) -> f64 {
    let squares: f64 = sizes.iter().map(|&size| (size as f64).powi(2)).sum();
    (2.0 * Normal::standard().cdf(-sum.abs() / squares.sqrt())).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All 2^m sign patterns, counted one by one.
    fn counted(differences: &[i64]) -> f64 {
        let sum: i64 = differences.iter().sum();
        let patterns = 1_u32 << differences.len();
        let extreme = (0..patterns).filter(|pattern| {
            let signed = differences.iter().enumerate();
            let other: i64 = signed
                .map(|(place, d)| if pattern >> place & 1 == 1 { -d } else { *d })
                .sum();
            other.abs() >= sum.abs()
        });
        extreme.count() as f64 / f64::from(patterns)
    }

    proptest! {
        #[test]
        fn the_exact_test_is_all_exchanges(differences in prop::collection::vec(-6_i64..=6, 1..11)) {
            prop_assert!((exchange_p_value(&differences) - counted(&differences)).abs() < 1e-12);
        }
    }

    /// By hand: d = 2, -1, 1, 3: (sum d)^2 / sum d^2 = 25 / 15, and scipy 1.16
    /// `chi2.sf(25 / 15, 1)` = 0.19670560245894686.
    #[test]
    fn large_samples_agree_with_chi_square() {
        let p = large_sample_p_value(&[2, 1, 1, 3], 5.0);
        assert!((p - 0.196_705_602_458_946_86).abs() < 1e-9, "{p}");
        let many = (0..400).map(|i| i % 7 - 3 + i64::from(i % 8 == 0));
        let many: Vec<i64> = many.collect();
        let sizes: Vec<u64> = many.iter().map(|d| d.unsigned_abs()).collect();
        let sum: i64 = many.iter().sum();
        let (exact, approximate) = (
            exchange_p_value(&many),
            large_sample_p_value(&sizes, sum as f64),
        );
        let close = exact < 0.5 && (exact - approximate).abs() < 0.02;
        assert!(close, "{exact} {approximate}");
    }

    /// statsmodels 0.15: `mcnemar([[0, b], [c, 0]], exact=True).pvalue`.
    #[test]
    fn p_values_agree_with_statsmodels() {
        let golden = [
            (0, 5, 0.0625),
            (10, 3, 0.09228515625),
            (25, 25, 1.0),
            (40, 61, 0.046044066929342785),
            (1, 0, 1.0),
            (300, 200, 8.940066542253288e-06),
        ];
        for (b, c, want) in golden {
            let found = mcnemar_p_value(b, c);
            assert!((found - want).abs() <= 1e-10 * want, "{b} {c}");
        }
        assert_eq!(mcnemar_p_value(0, 0), 1.0);
    }

    #[test]
    fn counts_add_up() {
        let first = [true, true, false, false, true];
        let second = [true, false, true, false, false];
        let table = mcnemar(&first, &second).unwrap();
        assert_eq!((table.both_wrong, table.only_first_wrong), (1, 2));
        assert_eq!((table.only_second_wrong, table.both_right), (1, 1));
        assert!((table.difference + 0.2).abs() < 1e-15);
        assert_eq!(mcnemar(&[], &[]), Err(PairedError::NoExamples));
        assert!(mcnemar(&first, &second[1..]).is_err());
    }
}
