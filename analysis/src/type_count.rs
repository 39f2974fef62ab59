//! Paths by the type of function that they use: multinomial counts, one composition at a time.

use num_bigint::BigUint;
use num_traits::{One, ToPrimitive};

use crate::multiplicity::{LONGEST, MultiplicityError, check_length};

/// The number of paths of one composition by type: `n! / (l_0! l_1! ... l_k!)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeCount {
    /// How many blocks use each type of function, `k` numbers; the rest of the blocks skip.
    pub lengths: Vec<usize>,
    /// Number of such paths.
    pub count: BigUint,
}

/// All compositions of a path of `blocks` blocks by the type of function used, with their
/// multinomial counts; in lexicographic order, one at a time.
///
/// ```
/// use pathscope_analysis::type_counts;
/// let total: num_bigint::BigUint = type_counts(5, 2)?.map(|entry| entry.count).sum();
/// assert_eq!(total, 3u32.pow(5).into());
/// # Ok::<(), pathscope_analysis::MultiplicityError>(())
/// ```
///
/// # Errors
/// When there are no blocks or no functions.
pub fn type_counts(
    blocks: usize,
    functions: usize,
) -> Result<impl Iterator<Item = TypeCount> + Clone, MultiplicityError> {
    if blocks == 0 {
        return Err(MultiplicityError::NoBlocks);
    }
    if functions == 0 {
        return Err(MultiplicityError::NoFunctions);
    }
    let longest = blocks.max(functions);
    check_length(longest, LONGEST)?;
    let first = TypeCount {
        lengths: vec![0; functions],
        count: BigUint::one(),
    };
    Ok(std::iter::successors(Some(first), move |entry| {
        next_type(blocks, entry)
    }))
}

/// The next composition: raise the last type that still can be, clear those after it.
fn next_type(blocks: usize, entry: &TypeCount) -> Option<TypeCount> {
    let TypeCount {
        mut lengths,
        mut count,
    } = entry.clone();
    let mut skips = blocks - lengths.iter().sum::<usize>();
    for length in lengths.iter_mut().rev() {
        if skips > 0 {
            // One block fewer skips, one more uses this type: skips / (length + 1) times as many.
            count = count * skips / (*length + 1);
            *length += 1;
            return Some(TypeCount { lengths, count });
        }
        // Back to the skips: divided by C(skips + length, length), and skips is zero here.
        skips = std::mem::take(length);
    }
    None
}

impl TypeCount {
    /// The count as an `f64`; infinite beyond about 1.8e308.
    pub fn approximate(&self) -> f64 {
        self.count.to_f64().unwrap_or(f64::INFINITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_multinomial() {
        let all: Vec<TypeCount> = type_counts(6, 3).unwrap().collect();
        assert_eq!(all.len(), 84); // C(6 + 3, 3)
        let factorial = |n: usize| (1..=n as u64).product::<u64>();
        for entry in &all {
            let skips = 6 - entry.lengths.iter().sum::<usize>();
            let below: u64 = entry.lengths.iter().map(|&l| factorial(l)).product();
            assert_eq!(
                entry.count,
                (factorial(6) / below / factorial(skips)).into(),
                "{entry:?}"
            );
        }
        assert!(all.windows(2).all(|pair| pair[0].lengths < pair[1].lengths));
        // Lazy: the first of some 10^30 compositions come at once.
        assert_eq!(type_counts(10_000, 8).unwrap().take(5).count(), 5);
    }

    #[test]
    fn refuse_what_has_no_answer() {
        assert!(type_counts(0, 1).is_err() && type_counts(1, 0).is_err());
        assert!(type_counts(1, usize::MAX).is_err());
    }
}
