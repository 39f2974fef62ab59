//! The report as a file.

use std::path::Path;

use super::file;
use crate::cli::Problem;
use crate::report::{Run, page};

/// Reads the results of a run.
///
/// # Errors
/// No results, or damaged ones.
pub(crate) fn read(place: &Path) -> Result<Run, Problem> {
    Run::read(place).map_err(Problem::bad_input)
}

/// Writes the page about `run` to a file.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn write(run: &Run, share: f64, file: &Path) -> Result<(), Problem> {
    let mut text = page(run, share).map_err(Problem::failed)?;
    // As on the standard output.
    text.push('\n');
    file::write(file, text.as_bytes())
}
