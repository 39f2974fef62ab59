//! Families of networks: how the effective range grows, and where width begins to beat depth.

mod answer;
mod members;
mod ranges;

use std::path::PathBuf;

use pathscope_analysis::WidthAgainstDepthError;
use pathscope_analysis::record::JournalError;
use thiserror::Error;

pub use answer::answer;
pub use members::{read_members, trained_member};
pub use ranges::{Growth, Quantity, RangeMember, Size, groups, growth};

/// Why a family has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FamilyError {
    /// A file that cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Results without the measure asked for.
    #[error("{}: no spectrum with the measure `{measure}`", path.display())]
    NoSpectrum {
        /// The file.
        path: PathBuf,
        /// The measure.
        measure: &'static str,
    },
    /// A network whose blocks have different numbers of functions.
    #[error("{}: its blocks have different numbers of functions, so it has no k; leave it out", .0.display())]
    Unequal(PathBuf),
    /// Errors that are no independent examples.
    #[error("{}: its errors are counted over positions of sequences, which err together; the threshold needs independent examples", .0.display())]
    Positions(PathBuf),
    /// A line that is no network of a family.
    #[error("{}, line {line}: {problem}; give depth, k, parameters, errors, examples and seed as CSV with these names or as JSON Lines", path.display())]
    NotAMember {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Results of an experiment without the intact network.
    #[error("{}: the intact network was not measured; give results with it", .0.display())]
    NoIntact(PathBuf),
    /// The log of a training that has not come to its end.
    #[error("{}: the log has no test of the finished network; let the training end, on data with a test split", .0.display())]
    Unfinished(PathBuf),
    /// Networks that do not allow a comparison of width and depth.
    #[error(transparent)]
    Comparison(#[from] WidthAgainstDepthError),
}
