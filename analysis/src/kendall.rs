//! Kendall's tau: how far two orders agree.

/// Why two rankings have no tau.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KendallError {
    /// Rankings of different numbers of items.
    #[error("Kendall tau: {0} values against {1}; rank the same items in both")]
    LengthsDiffer(usize, usize),
    /// Fewer than two items have no pairs.
    #[error("Kendall tau: {0} items have no pairs; give at least two")]
    TooFewItems(usize),
    /// An item, from 0, with a value that cannot be ranked.
    #[error("Kendall tau: value {0} is not a number; remove the item from both rankings")]
    NotANumber(usize),
    /// All values of one ranking are equal.
    #[error("Kendall tau: all values of one ranking are equal, so it orders nothing")]
    AllTied,
}

/// Kendall's tau-b of two rankings with ties, in `O(n log n)` (Knight 1966).
///
/// # Errors
/// When the slices differ in length, hold fewer than two items or NaN, or one is constant.
///
/// ```
/// use pathscope_analysis::kendall_tau;
/// assert_eq!(kendall_tau(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0])?, -1.0);
/// # Ok::<(), pathscope_analysis::KendallError>(())
/// ```
pub fn kendall_tau(first: &[f64], second: &[f64]) -> Result<f64, KendallError> {
    if first.len() != second.len() {
        return Err(KendallError::LengthsDiffer(first.len(), second.len()));
    }
    if first.len() < 2 {
        return Err(KendallError::TooFewItems(first.len()));
    }
    // Adding zero makes -0.0 and 0.0 equal for `total_cmp`.
    let pairs = first.iter().zip(second);
    let mut pairs: Vec<(f64, f64)> = pairs.map(|(&a, &b)| (a + 0.0, b + 0.0)).collect();
    if let Some(index) = pairs.iter().position(|(a, b)| a.is_nan() || b.is_nan()) {
        return Err(KendallError::NotANumber(index));
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let tied_both = tied_pairs(&pairs, |a, b| a == b);
    let tied_first = tied_pairs(&pairs, |a, b| a.0 == b.0);
    let mut values: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    let discordant = sort_counting_inversions(&mut values, |a, b| a <= b);
    let tied_second = tied_pairs(&values, |a, b| a == b);
    let all = first.len() as i128 * (first.len() as i128 - 1) / 2;
    let (free_first, free_second) = (all - tied_first, all - tied_second);
    if free_first == 0 || free_second == 0 {
        return Err(KendallError::AllTied);
    }
    let score = all - tied_first - tied_second + tied_both - 2 * discordant as i128;
    Ok((score as f64 / (free_first as f64).sqrt() / (free_second as f64).sqrt()).clamp(-1.0, 1.0))
}

/// Number of pairs `i < j` with `items[i] > items[j]`, in `O(n log n)`.
pub fn inversions<T: PartialOrd + Copy>(items: &[T]) -> u64 {
    sort_counting_inversions(&mut items.to_vec(), |a, b| a <= b)
}

/// Merge sort; every element of the right half that overtakes the left half is an inversion.
fn sort_counting_inversions<T: Copy>(
    items: &mut [T],
    in_order: impl Fn(&T, &T) -> bool + Copy,
) -> u64 {
    if items.len() < 2 {
        return 0;
    }
    let (left, right) = items.split_at_mut(items.len() / 2);
    let mut count =
        sort_counting_inversions(left, in_order) + sort_counting_inversions(right, in_order);
    let (left, right) = (left.to_vec(), right.to_vec());
    let (mut a, mut b) = (left.iter().peekable(), right.iter().peekable());
    for slot in items {
        let take_left = match (a.peek(), b.peek()) {
            (Some(x), Some(y)) => in_order(x, y),
            (x, _) => x.is_some(),
        };
        let next = if take_left {
            a.next()
        } else {
            count += a.len() as u64;
            b.next()
        };
        if let Some(value) = next {
            *slot = *value;
        }
    }
    count
}

/// Pairs within runs of neighbours that are equal.
fn tied_pairs<T>(sorted: &[T], equal: impl Fn(&T, &T) -> bool) -> i128 {
    let pairs = |run: &[T]| run.len() as i128 * (run.len() as i128 - 1) / 2;
    sorted.chunk_by(equal).map(pairs).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// scipy 1.17: `kendalltau(x, y).statistic`.
    #[test]
    fn agrees_with_scipy() {
        let x = [1.0, 2.0, 2.0, 3.0, 5.0, 4.0, 4.0, 4.0, 9.0, 0.0];
        let y = [3.0, 1.0, 2.0, 2.0, 6.0, 7.0, 7.0, 5.0, 8.0, -1.0];
        assert!((kendall_tau(&x, &y).unwrap() - 0.7144882623443114).abs() < 1e-12);
        let order = [2.0, 0.0, 1.0, 5.0, 4.0, 3.0];
        let tau = kendall_tau(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &order).unwrap();
        assert!((tau - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn refuse_what_has_no_answer() {
        assert!(kendall_tau(&[], &[]).is_err());
        assert!(kendall_tau(&[1.0], &[1.0]).is_err());
        assert!(kendall_tau(&[1.0, 2.0], &[1.0]).is_err());
        let tied = kendall_tau(&[1.0, 1.0], &[1.0, 2.0]);
        assert_eq!(tied, Err(KendallError::AllTied));
        assert!(kendall_tau(&[1.0, f64::NAN], &[1.0, 2.0]).is_err());
    }

    proptest! {
        #[test]
        fn agrees_with_counting_all_pairs(pairs in prop::collection::vec((0i8..6, 0i8..6), 2..40)) {
            let x: Vec<f64> = pairs.iter().map(|p| f64::from(p.0)).collect();
            let y: Vec<f64> = pairs.iter().map(|p| f64::from(p.1)).collect();
            let (mut score, mut free_x, mut free_y) = (0.0, 0.0f64, 0.0);
            for i in 0..x.len() {
                for j in 0..i {
                    let (a, b) = (x[i] - x[j], y[i] - y[j]);
                    free_x += f64::from(u8::from(a != 0.0));
                    free_y += f64::from(u8::from(b != 0.0));
                    score += if a * b == 0.0 { 0.0 } else { (a * b).signum() };
                }
            }
            match kendall_tau(&x, &y) {
                Ok(tau) => {
                    let want: f64 = score / (free_x * free_y).sqrt();
                    prop_assert!((tau - want).abs() < 1e-12);
                    prop_assert!((tau - kendall_tau(&y, &x).unwrap()).abs() < 1e-12);
                }
                Err(error) => prop_assert!(error == KendallError::AllTied && free_x * free_y == 0.0),
            }
        }
    }
}
