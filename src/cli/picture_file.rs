//! Pictures as files.

use std::fs;
use std::path::Path;

use super::Problem;
use crate::report::{Picture, Theme, png};

/// Refuses, before anything is measured, a name that [`write`] would refuse after it.
///
/// # Errors
/// An ending other than .svg and .png.
pub(super) fn check(file: &Path) -> Result<(), Problem> {
    match file.extension().and_then(|end| end.to_str()) {
        Some("svg" | "png") => Ok(()),
        _ => Err(unknown_ending(file)),
    }
}

/// Writes `picture` to `file`, as SVG or PNG by its ending.
///
/// # Errors
/// Another ending, or a file that cannot be written.
pub(super) fn write(picture: &Picture, theme: Theme, file: &Path) -> Result<(), Problem> {
    let failed = |fault: &dyn std::fmt::Display| Problem::Failed(fault.to_string());
    let svg = picture.svg(theme).map_err(|fault| failed(&fault))?;
    let bytes = match file.extension().and_then(|end| end.to_str()) {
        Some("svg") => svg.into_bytes(),
        Some("png") => png(&svg).map_err(|fault| failed(&fault))?,
        _ => return Err(unknown_ending(file)),
    };
    fs::write(file, bytes).map_err(|fault| failed(&format!("{}: {fault}", file.display())))
}

fn unknown_ending(file: &Path) -> Problem {
    Problem::BadInput(format!(
        "{}: pictures are written as .svg or .png",
        file.display()
    ))
}
