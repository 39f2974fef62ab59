use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::SCHEMA_VERSION;

/// Why results cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A file that cannot be opened, read or written.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder, a device or a pipe in place of a file.
    #[error("{}: not a regular file; give a file on a disk", .0.display())]
    NotAFile(PathBuf),
    /// A line that is no record.
    #[error(
        "{}, line {line}: {problem}; every line must be one record: remove that line to measure it again",
        path.display()
    )]
    NotARecord {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A file without a header.
    #[error(
        "{}: the first line is no header; give a results file that an experiment of pathscope wrote",
        .0.display()
    )]
    NoHeader(PathBuf),
    /// A second header.
    #[error(
        "{}, line {line}: a second header; results of two runs cannot share a file, split them",
        path.display()
    )]
    TwoHeaders {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Two records of one measurement that disagree.
    #[error(
        "{}, line {line}: another result of the measurement `{key}` stands above; keep one of the lines",
        path.display()
    )]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The measurement.
        key: String,
    },
    /// Records of a later version.
    #[error(
        "{}: written in version {found} of the records, this pathscope reads up to {}; update it",
        path.display(),
        SCHEMA_VERSION
    )]
    Later {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Results of another measurement, where a run would resume.
    #[error(
        "{} holds the results of another measurement ({what} differs); give another file or remove it",
        path.display()
    )]
    Another {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// A file or folder that another process writes to.
    #[error(
        "{}: {} is writing there; wait for it to end or give another place",
        path.display(),
        process.map_or("another process".to_owned(), |process| format!("process {process}"))
    )]
    Busy {
        /// The file or folder.
        path: PathBuf,
        /// The number of the process, where the system tells it.
        process: Option<u32>,
    },
    /// Nothing to read in a folder.
    #[error("{}: no results there; give a folder that holds .jsonl files of experiments", .0.display())]
    NoResults(PathBuf),
}
