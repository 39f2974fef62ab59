//! Answers as JSON.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::Problem;

/// Writes `answer` to `file`.
///
/// # Errors
/// A file that cannot be written.
pub(super) fn write(answer: &impl Serialize, file: &Path) -> Result<(), Problem> {
    let failed =
        |fault: &dyn std::fmt::Display| Problem::Failed(format!("{}: {fault}", file.display()));
    let mut text = serde_json::to_string_pretty(answer).map_err(|fault| failed(&fault))?;
    text.push('\n');
    fs::write(file, text).map_err(|fault| failed(&fault))
}
