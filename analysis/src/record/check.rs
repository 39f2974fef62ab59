//! What a record must fulfil beyond the types of its fields: checked whenever one is read.

use thiserror::Error;

/// Why a record that can be parsed is impossible.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub(super) struct Fault(pub(super) String);

pub(super) fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Fault> {
    if holds {
        Ok(())
    } else {
        Err(Fault(otherwise()))
    }
}

/// `errors` among `examples`, which lie together in sequences of `positions`.
pub(super) fn counts(errors: usize, examples: usize, positions: usize) -> Result<(), Fault> {
    require(examples > 0, || "`examples` must be at least 1".into())?;
    require(errors <= examples, || {
        format!("{errors} errors among {examples} examples")
    })?;
    require(positions > 0 && examples.is_multiple_of(positions), || {
        format!("{examples} predictions cannot lie in sequences of {positions}")
    })
}

/// A number of paths in decimal digits, of any size that arithmetic with it can bear.
pub(super) fn paths(count: &str) -> Result<(), Fault> {
    const MOST_DIGITS: usize = 100_000;
    let digits = count.bytes().all(|digit| digit.is_ascii_digit());
    require(digits && (1..=MOST_DIGITS).contains(&count.len()), || {
        "`paths` must be decimal numbers".into()
    })
}
