//! Writing a file so that a reader finds the old one or the new one, never half of one.

use std::{
    io::{self, BufWriter, Write},
    path::Path,
};

use tempfile::NamedTempFile;

use super::error::FormatError;

/// Runs `write` on a new file beside `file`, then renames it to `file`.
pub(super) fn replace(
    file: &Path,
    write: impl FnOnce(&mut BufWriter<&mut NamedTempFile>) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let failed = |fault| FormatError::Write {
        file: file.to_owned(),
        fault,
    };
    let mut partial = beside(file).map_err(failed)?;
    let mut writer = BufWriter::new(&mut partial);
    write(&mut writer)?;
    writer.flush().map_err(failed)?;
    drop(writer);
    partial.as_file().sync_all().map_err(failed)?;
    partial.persist(file).map_err(|fault| failed(fault.error))?;
    Ok(())
}

/// A new, empty file in the folder of `file`; gone when dropped.
pub(super) fn beside(file: &Path) -> io::Result<NamedTempFile> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".partial");
    // Temporary files are private by default; this one becomes the user's file.
    #[cfg(unix)]
    let builder = {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666))
    };
    builder.tempfile_in(folder)
}
