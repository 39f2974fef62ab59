//! The files of a divided sweep as one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use pathscope_analysis::record::{Header, Journal, Record, Shard};
use thiserror::Error;

/// Why files cannot be joined.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A file that holds everything already, or nothing was given.
    #[error("{}: not a part of a sweep", .0.display())]
    NotAPart(PathBuf),
    /// Parts of different sweeps.
    #[error("{} and {} are parts of different measurements", .0.display(), .1.display())]
    Different(PathBuf, PathBuf),
    /// A part that was not given, or given twice.
    #[error("part {shard} is given {times} times; give each of the {} parts once", shard.of)]
    Parts {
        /// The part.
        shard: Shard,
        /// How often it was given.
        times: usize,
    },
    /// A measurement that two parts hold with different results.
    #[error(
        "{} and {} hold different results of the measurement `{key}`; measure one of them again",
        first.display(),
        other.display()
    )]
    Contradiction {
        /// One file.
        first: PathBuf,
        /// The other file.
        other: PathBuf,
        /// The measurement.
        key: String,
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

/// The header and records that one process would have written instead of these `parts`. What
/// several parts hold, such as the intact network, comes first and once.
///
/// # Errors
/// Parts of different sweeps, a missing one, one that is not finished, or parts that disagree
/// about a measurement.
pub fn merge(parts: &[Journal]) -> Result<(Header, Vec<Record>), MergeError> {
    let (whole, parts) = in_order(parts)?;
    let parts: Vec<Part<'_>> = parts.into_iter().map(Part::new).collect();
    let shared = shared(&parts)?;
    let mut rows: Vec<VecDeque<Measurement<'_>>> = parts
        .iter()
        .map(|part| {
            let own = part.measurements.iter();
            let own = own.filter(|(key, _)| !shared.contains_key(key));
            own.map(|&(_, records)| records).collect()
        })
        .collect();
    // In the order of the first part.
    let mut together: VecDeque<Measurement<'_>> = parts
        .iter()
        .flat_map(|part| &part.measurements)
        .filter_map(|(key, _)| shared.get(key).copied())
        .collect();
    let mut seen = BTreeSet::new();
    together.retain(|records| seen.insert(key(records)));
    // The intact network's place in the sweep is the first one of the first part.
    let intact = together.iter().position(|records| is_intact(records));
    let intact = intact.and_then(|place| together.remove(place));
    let mut records: Vec<Record> = Vec::new();
    if let (Some(intact), Some(row)) = (intact, rows.first_mut()) {
        row.push_front(intact);
    }
    let total: usize = rows.iter().map(VecDeque::len).sum();
    let of = rows.len();
    for (number, (part, row)) in parts.iter().zip(&rows).enumerate() {
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
        if position == 0 {
            records.extend(together.drain(..).flatten().cloned());
        }
    }
    Ok((whole, records))
}

/// The header of the whole sweep, and its parts by number: each of them once.
fn in_order(parts: &[Journal]) -> Result<(Header, Vec<&Journal>), MergeError> {
    let not_a_part = |path: &Path| MergeError::NotAPart(path.to_owned());
    if let Some(whole) = parts.iter().find(|part| part.header.shard.is_none()) {
        return Err(not_a_part(&whole.path));
    }
    let first = parts.iter().min_by_key(|part| part.header.shard);
    let first = first.and_then(|first| Some((first, first.header.shard?.of)));
    let (first, of) = first.ok_or_else(|| not_a_part(Path::new("")))?;
    let whole = Header {
        shard: None,
        ..first.header.clone()
    };
    for part in parts {
        let same = part.header.shard.is_some_and(|shard| shard.of == of);
        let header = Header {
            shard: None,
            command: whole.command.clone(),
            ..part.header.clone()
        };
        if !same || header != whole {
            return Err(MergeError::Different(first.path.clone(), part.path.clone()));
        }
    }
    // The first number that is not given once ends this, however many parts there should be.
    let ordered = (1..=of).map(|number| {
        let shard = Shard { number, of };
        let given = parts.iter().filter(|part| part.header.shard == Some(shard));
        match given.collect::<Vec<_>>().as_slice() {
            &[part] => Ok(part),
            given => Err(MergeError::Parts {
                shard,
                times: given.len(),
            }),
        }
    });
    Ok((whole, ordered.collect::<Result<_, _>>()?))
}

/// The records of one measurement: paths drawn come before the spectrum that they belong to.
type Measurement<'a> = &'a [Record];

/// A part with its measurements by key, in the order of the file.
struct Part<'a> {
    path: &'a PathBuf,
    measurements: Vec<(&'a str, Measurement<'a>)>,
}

impl<'a> Part<'a> {
    fn new(journal: &'a Journal) -> Self {
        let measurements = journal
            .records
            .split_inclusive(|record| !matches!(record, Record::SampledPath(_)));
        Self {
            path: &journal.path,
            measurements: measurements
                .map(|records| (key(records), records))
                .collect(),
        }
    }
}

fn key(measurement: Measurement<'_>) -> &str {
    measurement.last().and_then(Record::key).unwrap_or_default()
}

fn is_intact(measurement: Measurement<'_>) -> bool {
    matches!(measurement, [Record::Outcome(outcome)] if outcome.is_intact())
}

/// The measurements that several parts hold, which must agree.
fn shared<'a>(parts: &[Part<'a>]) -> Result<BTreeMap<&'a str, Measurement<'a>>, MergeError> {
    let mut known: BTreeMap<&str, (&PathBuf, Measurement<'a>)> = BTreeMap::new();
    let mut shared = BTreeMap::new();
    for part in parts {
        for &(key, records) in &part.measurements {
            let Some((first, other)) = known.insert(key, (part.path, records)) else {
                continue;
            };
            let mut pairs = other.iter().zip(records);
            if other.len() != records.len() || !pairs.all(|(a, b)| a.is_same(b)) {
                return Err(MergeError::Contradiction {
                    first: first.clone(),
                    other: part.path.clone(),
                    key: key.to_owned(),
                });
            }
            shared.insert(key, other);
        }
    }
    Ok(shared)
}
