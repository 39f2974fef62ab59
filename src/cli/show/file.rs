//! Files that appear whole or not at all.

use std::path::Path;

use serde::Serialize;

use crate::cli::Problem;

/// Writes `bytes` to `file` in one step. Errors: a file that cannot be written.
pub(crate) fn write(file: &Path, bytes: &[u8]) -> Result<(), Problem> {
    pathscope_file::write(file, bytes).map_err(|fault| Problem::writing(file, fault))
}

/// Writes `value` to `file` as JSON. Errors: a file that cannot be written.
pub(crate) fn write_json(file: &Path, value: &impl Serialize) -> Result<(), Problem> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    write(file, text.as_bytes())
}
