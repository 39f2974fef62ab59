//! The files of a divided sweep as one.

use std::collections::VecDeque;
use std::path::PathBuf;

use pathscope_analysis::record::{Header, Record, Shard};
use thiserror::Error;

use super::journal::Journal;

/// Why files cannot be joined.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A file that holds everything already, or nothing was given.
    #[error("{}: not a part of a sweep; give the files that --shard wrote", path.display())]
    NotAPart {
        /// The file.
        path: PathBuf,
    },
    /// Parts of different sweeps.
    #[error("{} and {} are parts of different measurements", first.display(), other.display())]
    Different {
        /// One file.
        first: PathBuf,
        /// The other file.
        other: PathBuf,
    },
    /// A part that was not given, or given twice.
    #[error("part {shard} is given {times} times; give each of the {} parts once", shard.of)]
    Parts {
        /// The part.
        shard: Shard,
        /// How often it was given.
        times: usize,
    },
    /// A part whose sweep has not ended.
    #[error(
        "{}: {found} measurements where the other parts make {expected} likely; let its command finish first",
        path.display()
    )]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// Measurements in it.
        found: usize,
        /// Measurements that it should hold.
        expected: usize,
    },
}

/// The header and records that one process would have written instead of these `parts`.
///
/// # Errors
/// Parts of different sweeps, a missing one, or one that is not finished.
pub fn merge(parts: &[Journal]) -> Result<(Header, Vec<Record>), MergeError> {
    let mut placed: Vec<(Shard, &Journal)> = Vec::with_capacity(parts.len());
    for part in parts {
        let not_a_part = || MergeError::NotAPart {
            path: part.path.clone(),
        };
        placed.push((part.header.shard.ok_or_else(not_a_part)?, part));
    }
    placed.sort_by_key(|(shard, _)| shard.number);
    let Some(&(Shard { of, .. }, first)) = placed.first() else {
        return Err(MergeError::NotAPart {
            path: PathBuf::new(),
        });
    };
    let whole = Header {
        shard: None,
        ..first.header.clone()
    };
    for (shard, part) in &placed {
        let header = Header {
            shard: None,
            command: whole.command.clone(),
            ..part.header.clone()
        };
        if header != whole || shard.of != of {
            return Err(MergeError::Different {
                first: first.path.clone(),
                other: part.path.clone(),
            });
        }
    }
    for number in 1..=of {
        let shard = Shard { number, of };
        let times = placed.iter().filter(|(found, _)| *found == shard).count();
        if times != 1 {
            return Err(MergeError::Parts { shard, times });
        }
    }
    let measurements: Vec<Vec<&[Record]>> = placed
        .iter()
        .map(|(_, part)| measurements(&part.records))
        .collect();
    let mut records = Vec::new();
    // What every part holds, the intact network, comes first and once.
    let intact = measurements
        .iter()
        .find_map(|part| part.iter().find(|measurement| is_intact(measurement)));
    // Its place in the sweep is the first one of the first part.
    let mut rows: Vec<VecDeque<&[Record]>> = measurements
        .iter()
        .map(|part| {
            let own = part.iter().filter(|measurement| !is_intact(measurement));
            own.copied().collect()
        })
        .collect();
    if let (Some(intact), Some(row)) = (intact, rows.first_mut()) {
        row.push_front(intact);
    }
    let total: usize = rows.iter().map(VecDeque::len).sum();
    for ((_, part), (number, row)) in placed.iter().zip(rows.iter().enumerate()) {
        let expected = total / of + usize::from(number < total % of);
        if row.len() != expected {
            return Err(MergeError::Unfinished {
                path: part.path.clone(),
                found: row.len(),
                expected,
            });
        }
    }
    for position in 0..total {
        let next = rows.get_mut(position % of).and_then(|row| row.pop_front());
        records.extend(next.into_iter().flatten().cloned());
    }
    Ok((whole, records))
}

/// The records of each measurement: paths drawn come before the spectrum that they belong to.
fn measurements(records: &[Record]) -> Vec<&[Record]> {
    records
        .split_inclusive(|record| !matches!(record, Record::SampledPath(_)))
        .collect()
}

fn is_intact(measurement: &[Record]) -> bool {
    matches!(measurement, [Record::Outcome(outcome)] if outcome.key == "intact")
}
