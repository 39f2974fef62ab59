//! Many tests at once: p-values adjusted for the number of them.

/// Why p-values cannot be adjusted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ComparisonError {
    /// No p-values.
    #[error("multiple comparison: no p-values; give at least one")]
    NoTests,
    /// A number that is not a p-value.
    #[error("multiple comparison: p-value {index} is {value}; give numbers in [0, 1]")]
    NotAProbability {
        /// Which one, from 0.
        index: usize,
        /// Its value.
        value: f64,
    },
}

/// Holm's step-down adjustment (1979), in the order given: reject where the result is at most
/// alpha, and the chance of *any* false rejection in the sweep stays at most alpha.
///
/// # Errors
/// When there are no p-values, or one is not in `[0, 1]`.
///
/// ```
/// use pathscope_analysis::holm;
/// assert_eq!(holm(&[0.01, 0.04])?, [0.02, 0.04]);
/// # Ok::<(), pathscope_analysis::ComparisonError>(())
/// ```
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, ComparisonError> {
    let ranked = rank(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0f64;
    for (rank, (index, p)) in ranked.iter().enumerate() {
        largest = largest.max(p * (ranked.len() - rank) as f64).min(1.0);
        adjusted[*index] = largest;
    }
    Ok(adjusted)
}

/// Benjamini and Hochberg's step-up adjustment (1995), in the order given: reject where the result
/// is at most q, and the expected *share* of false rejections stays at most q.
///
/// # Errors
/// When there are no p-values, or one is not in `[0, 1]`.
pub fn benjamini_hochberg(p_values: &[f64]) -> Result<Vec<f64>, ComparisonError> {
    let ranked = rank(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut smallest = 1.0f64;
    for (rank, (index, p)) in ranked.iter().enumerate().rev() {
        smallest = smallest.min(p * ranked.len() as f64 / (rank + 1) as f64);
        adjusted[*index] = smallest;
    }
    Ok(adjusted)
}

/// The p-values with their places, smallest first.
fn rank(p_values: &[f64]) -> Result<Vec<(usize, f64)>, ComparisonError> {
    if p_values.is_empty() {
        return Err(ComparisonError::NoTests);
    }
    let mut ranked: Vec<_> = p_values.iter().copied().enumerate().collect();
    if let Some(&(index, value)) = ranked.iter().find(|(_, p)| !(0.0..=1.0).contains(p)) {
        return Err(ComparisonError::NotAProbability { index, value });
    }
    ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
    Ok(ranked)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// statsmodels 0.15: `multipletests(p, method='holm')[1]` and `method='fdr_bh'`.
    #[test]
    fn agree_with_statsmodels() {
        let p = [0.01, 0.04, 0.03, 0.005, 0.2, 0.9, 0.03];
        let family = [0.06, 0.15, 0.15, 0.035, 0.4, 0.9, 0.15];
        let fifth = 0.23333333333333336;
        let discovery = [0.035, 0.056, 0.0525, 0.035, fifth, 0.9, 0.0525];
        let (holm_all, discovery_all) = (holm(&p).unwrap(), benjamini_hochberg(&p).unwrap());
        for (found, wanted) in [(holm_all, family), (discovery_all, discovery)] {
            for (got, want) in found.iter().zip(wanted) {
                assert!((got - want).abs() < 1e-12);
            }
        }
        assert_eq!(holm(&[]), Err(ComparisonError::NoTests));
        assert!(holm(&[0.1, f64::NAN]).is_err());
        assert!(benjamini_hochberg(&[1.1]).is_err());
    }
}
