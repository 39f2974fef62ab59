//! The report as a file.

use std::path::{Path, PathBuf};

use super::file;
use crate::cli::Problem;
use crate::report::{Run, page};

/// Reads the results of one run or several. Errors: no results, or damaged ones.
pub(crate) fn read<'a>(places: impl IntoIterator<Item = &'a PathBuf>) -> Result<Run, Problem> {
    let runs = places.into_iter().map(|place| Run::read(place));
    let runs: Result<Vec<Run>, _> = runs.collect();
    Ok(Run::joined(runs.map_err(Problem::bad_input)?))
}

/// Writes the page about `run` to a file. Errors: a file that cannot be written.
pub(crate) fn write(run: &Run, share: f64, file: &Path) -> Result<(), Problem> {
    let mut text = page(run, share).map_err(Problem::failed)?;
    // As on the standard output.
    text.push('\n');
    file::write(file, text.as_bytes())
}
