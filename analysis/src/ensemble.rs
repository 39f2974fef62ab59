//! What several classifiers are together: how alike they err, and what their vote says.

use crate::clustered::count;

/// Mean over all pairs of members of the correlation between being wrong, given for each member
/// whether it is wrong on each example. None where no pair has a correlation: fewer than two
/// members, or members that are never or always wrong.
///
/// ```
/// use pathscope_analysis::error_correlation;
/// let alike = [vec![true, false, true, false], vec![true, false, true, false]];
/// assert_eq!(error_correlation(&alike), Some(1.0));
/// ```
#[must_use]
pub fn error_correlation(wrong: &[Vec<bool>]) -> Option<f64> {
    mean_over_pairs(wrong, |a, b| correlation(a, b))
}

/// Mean over all pairs of members of the share of examples on which their classes differ. None for
/// fewer than two members or no examples.
#[must_use]
pub fn disagreement(classes: &[Vec<u32>]) -> Option<f64> {
    mean_over_pairs(classes, |a, b| {
        let examples = a.len().min(b.len());
        let differ = a.iter().zip(b).filter(|(a, b)| a != b).count();
        (examples > 0).then(|| differ as f64 / examples as f64)
    })
}

/// The class that most members give each example; of several, the lowest.
#[must_use]
pub fn majority_vote(classes: &[Vec<u32>]) -> Vec<u32> {
    let examples = classes.iter().map(Vec::len).min().unwrap_or(0);
    let vote = |example: usize| {
        let mut votes = std::collections::BTreeMap::<u32, usize>::new();
        for class in classes.iter().filter_map(|member| member.get(example)) {
            *votes.entry(*class).or_default() += 1;
        }
        let most = votes
            .into_iter()
            .max_by_key(|&(class, count)| (count, std::cmp::Reverse(class)));
        most.map_or(0, |(class, _)| class)
    };
    (0..examples).map(vote).collect()
}

fn mean_over_pairs<T>(members: &[T], of: impl Fn(&T, &T) -> Option<f64>) -> Option<f64> {
    let pairs = members.iter().enumerate().flat_map(|(index, first)| {
        let later = members.iter().skip(index + 1);
        later.map(move |second| (first, second))
    });
    let values: Vec<f64> = pairs.filter_map(|(a, b)| of(a, b)).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Pearson's correlation of two lists of yes and no.
fn correlation(a: &[bool], b: &[bool]) -> Option<f64> {
    let n = a.len().min(b.len()) as f64;
    let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count() as f64;
    let (in_a, in_b) = (count(a) as f64, count(b) as f64);
    let spread = (in_a * (n - in_a) * in_b * (n - in_b)).sqrt();
    (spread > 0.0).then(|| (n * both - in_a * in_b) / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// numpy 2.3: `numpy.corrcoef([1, 1, 0, 0, 1, 0], [1, 0, 0, 0, 1, 1])[0, 1]`, and so on.
    #[test]
    fn correlation_agrees_with_numpy() {
        let flags = |digits: [u8; 6]| digits.map(|digit| digit == 1).to_vec();
        let members = [
            flags([1, 1, 0, 0, 1, 0]),
            flags([1, 0, 0, 0, 1, 1]),
            flags([0, 0, 0, 1, 0, 0]),
        ];
        let third = 1.0 / 3.0;
        let wanted = (third - 2.0 * 0.447_213_595_499_957_9) / 3.0;
        assert!((error_correlation(&members).unwrap() - wanted).abs() < 1e-12);
        let never = [flags([0; 6]), flags([1, 0, 0, 0, 0, 0])];
        assert_eq!(error_correlation(&never), None);
        assert_eq!(error_correlation(&members[..1]), None);
    }

    #[test]
    fn votes_and_disagreement() {
        let members = [vec![0, 1, 2, 3], vec![0, 2, 2, 1], vec![1, 0, 2, 1]];
        // The second example is a tie of three.
        assert_eq!(majority_vote(&members), [0, 0, 2, 1]);
        let share = disagreement(&members).unwrap();
        assert!((share - (2.0 + 3.0 + 2.0) / 12.0).abs() < 1e-12, "{share}");
        assert!(majority_vote(&[]).is_empty());
        assert_eq!(disagreement(&[]), None);
    }
}
