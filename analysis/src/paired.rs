//! Two networks on the same examples: what they disagree on, and the exact test of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::*;

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
