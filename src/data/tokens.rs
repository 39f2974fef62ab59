//! Sequences of tokens from arrays: integers `[N, T]` with targets `[N, T]`, labels `[N]`, or the
//! next tokens as targets.

use super::npy::Array;
use super::{DataError, Dataset};

/// Joins sequences with their labels. Without labels, the target of each token is the one after
/// it: rows of T + 1 tokens give T inputs and T targets.
pub(super) fn join(sequences: &Array, labels: Option<&Array>) -> Result<Dataset, DataError> {
    let malformed = |array: &Array, what: &str, remedy: String| {
        let reason = format!("{what} of {}; {remedy}", array.described());
        Err(DataError::malformed(&array.file, 0, reason))
    };
    let wanted = || "save them as integers of the size [N, T]".to_owned();
    let &[count, length] = sequences.sizes.as_slice() else {
        return malformed(sequences, "tokens", wanted());
    };
    let Some(tokens) = numbers(sequences, length)? else {
        return malformed(sequences, "tokens", wanted());
    };
    let description = format!("tokens from {}", sequences.file);
    let Some(labels) = labels else {
        if length < 2 {
            let remedy = "without targets, a row needs a token after the last input".to_owned();
            return malformed(sequences, "tokens", remedy);
        }
        let rows = || tokens.chunks_exact(length);
        let inputs = rows().flat_map(|row| &row[..length - 1]).copied();
        let next = rows().flat_map(|row| &row[1..]).copied();
        let (inputs, next) = (inputs.collect(), next.collect());
        return Dataset::of_tokens(length - 1, inputs, next, description);
    };
    let remedy = || format!("save them as integers of the size [{count}, {length}] or [{count}]");
    let each = match *labels.sizes.as_slice() {
        [n] if n == count => 1,
        [n, each] if n == count && (each == 1 || each == length) => each,
        _ => return malformed(labels, "targets", remedy()),
    };
    match numbers(labels, each)? {
        Some(labels) => Dataset::of_tokens(length, tokens, labels, description),
        None => malformed(labels, "targets", remedy()),
    }
}

/// Every element, in rows of `length`; `None` where they are no integers.
fn numbers(array: &Array, length: usize) -> Result<Option<Vec<u32>>, DataError> {
    let Some(elements) = array.integers() else {
        return Ok(None);
    };
    let numbers = elements.enumerate().map(|(number, (offset, value))| {
        // Room for the count of classes, which is the largest plus one.
        let token = u32::try_from(value).ok().filter(|&token| token < u32::MAX);
        token.ok_or_else(|| DataError::NotAToken {
            file: array.file.clone(),
            record: number / length.max(1),
            place: number % length.max(1),
            offset,
            value,
        })
    });
    numbers.collect::<Result<_, _>>().map(Some)
}
