//! Errors of two networks on the same examples, compared while they are measured.

use crate::clustered::count;
use crate::interval::Level;
use crate::record::Outcome;
use crate::sequential::{ConfidenceSequence, SequentialError};

/// The confidence sequence of the error difference of `outcome` from `intact`, over the examples
/// that both measured.
///
/// # Errors
/// None for outcomes that were measured.
pub fn paired_sequence(
    intact: &Outcome,
    outcome: &Outcome,
) -> Result<ConfidenceSequence, SequentialError> {
    let examples = outcome.examples.min(intact.examples);
    let mut sequence = ConfidenceSequence::paired_errors(Level::P95);
    observe_pairs(
        &mut sequence,
        &intact.wrong.to_vec(examples),
        &outcome.wrong.to_vec(examples),
        outcome.positions,
    )?;
    Ok(sequence)
}

/// One observation for each example: its difference, the mean over the positions of a sequence.
///
/// # Errors
/// None for rates of errors.
pub fn observe_pairs(
    sequence: &mut ConfidenceSequence,
    intact: &[bool],
    changed: &[bool],
    positions: usize,
) -> Result<(), SequentialError> {
    let rate = |wrong: &[bool]| count(wrong) as f64 / wrong.len().max(1) as f64;
    let positions = positions.max(1);
    for (intact, changed) in intact.chunks(positions).zip(changed.chunks(positions)) {
        sequence.observe(rate(changed) - rate(intact))?;
    }
    Ok(())
}
