use std::fs;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file that is being written beside its target, which keeps its old contents until
/// [`publish`](Self::publish). A draft that is dropped leaves no trace.
#[derive(Debug)]
pub struct Draft {
    partial: BufWriter<NamedTempFile>,
    target: PathBuf,
}

impl Draft {
    /// A new, empty file in the folder of `target`.
    ///
    /// # Errors
    /// A folder in which no file can be made.
    pub fn beside(target: &Path) -> io::Result<Self> {
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".").suffix(".partial");
        // Temporary files are private by default; this one becomes the user's file.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        Ok(Self {
            partial: BufWriter::new(builder.tempfile_in(folder)?),
            target: target.to_owned(),
        })
    }

    /// Where the draft lies; [`flush`](Write::flush) it before reading it there.
    pub fn path(&self) -> &Path {
        self.partial.get_ref().path()
    }

    /// Brings everything to the disk and puts it at the target in one step.
    ///
    /// # Errors
    /// A full disk, or a target that cannot be replaced; it then has its old contents.
    pub fn publish(self) -> io::Result<()> {
        let partial = self.partial.into_inner()?;
        partial.as_file().sync_all()?;
        partial.persist(&self.target)?;
        Ok(())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.partial.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.partial.flush()
    }
}

impl Seek for Draft {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.partial.seek(to)
    }
}

/// Writes a whole file in one step: readers find the old contents or the new ones. Pipes and
/// devices, which cannot be replaced, are written to directly.
///
/// # Errors
/// Whatever the system says; a regular file then has its old contents.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("answer.txt");
/// pathscope_file::write(&file, b"42")?;
/// assert_eq!(std::fs::read(&file)?, b"42");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::metadata(file).is_ok_and(|facts| !facts.is_file()) {
        return fs::write(file, bytes);
    }
    let mut draft = Draft::beside(file)?;
    draft.write_all(bytes)?;
    draft.publish()
}

#[cfg(test)]
mod tests {
    use super::{Draft, write};
    use std::fs;
    use std::io::Write as _;

    #[test]
    fn a_draft_that_is_dropped_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("old");
        write(&file, b"old").unwrap();
        let mut draft = Draft::beside(&file).unwrap();
        draft.write_all(b"new").unwrap();
        drop(draft);
        assert_eq!(fs::read(&file).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
