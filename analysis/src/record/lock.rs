//! Locks that keep two processes from writing the same file or folder. They end with the process
//! that holds them, however it ends.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::JournalError;
use super::lines::at;

/// A folder that no other process writes to.
#[derive(Debug)]
pub struct FolderLock {
    _folder: File,
}

impl FolderLock {
    /// Takes the folder at `path`, which exists.
    ///
    /// # Errors
    /// A folder that another process holds, or that cannot be opened.
    pub fn take(path: &Path) -> Result<Self, JournalError> {
        let folder = File::open(path).map_err(at(path))?;
        lock(&folder, path)?;
        Ok(Self { _folder: folder })
    }
}

/// Locks `file`, which lies at `path`.
pub(super) fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    match file.try_lock() {
        // Some file systems have no locks; a run there is not refused for it.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(JournalError::Busy {
            path: path.to_owned(),
            process: holder(file),
        }),
    }
}

/// The process that holds the lock of `file`.
#[cfg(target_os = "linux")]
fn holder(file: &File) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let inode = file.metadata().ok()?.ino().to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    // 1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", process, place, ..] = words.as_slice() else {
            return None;
        };
        let same = place.rsplit(':').next() == Some(&inode);
        same.then(|| process.parse().ok()).flatten()
    })
}

#[cfg(not(target_os = "linux"))]
fn holder(_: &File) -> Option<u32> {
    None
}
