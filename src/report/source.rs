//! Whatever file there is to draw.

use std::path::Path;

use pathscope_analysis::record::{FamilyMember, Journal, JournalError, TrainingLog};
use thiserror::Error;

use super::family::{FamilyError, read_members};
use super::path_counts::PathCountsFile;

/// Why a file cannot be drawn.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A results file that cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A table of networks that cannot be read.
    #[error(transparent)]
    Family(#[from] FamilyError),
}

/// A file by what it holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The records of an experiment.
    Results(Box<Journal>),
    /// The log of a training.
    Training(TrainingLog),
    /// Counts of paths.
    PathCounts(PathCountsFile),
    /// Networks of a family with their errors.
    Family(Vec<FamilyMember>),
}

impl Source {
    /// Reads `path`, whichever of these it is.
    ///
    /// # Errors
    /// An unreadable file, or one that is none of them.
    pub fn read(path: &Path) -> Result<Self, SourceError> {
        if path.extension().is_some_and(|end| end == "csv") {
            return Ok(Self::Family(read_members(path)?));
        }
        let refusal = match Journal::read(path) {
            Ok(journal) => return Ok(Self::Results(Box::new(journal))),
            Err(refusal @ JournalError::NoHeader(_)) => refusal,
            Err(other) => return Err(other.into()),
        };
        if let Some(log) = TrainingLog::read(path)? {
            return Ok(Self::Training(log));
        }
        if let Some(file) = PathCountsFile::read(path)? {
            return Ok(Self::PathCounts(file));
        }
        match read_members(path) {
            Ok(members) if !members.is_empty() => Ok(Self::Family(members)),
            _ => Err(refusal.into()),
        }
    }
}
