use memmap2::Mmap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;

/// Files up to this size are read into memory, larger ones mapped.
const READ_LIMIT: u64 = 1 << 30;

/// Opens a file for reading, and nothing else: a pipe or device could block for ever or never end.
///
/// # Errors
/// Whatever the system says, or a path that is not a regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    // Before opening, which blocks for a pipe; and after, because a path can be exchanged.
    require_regular(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    require_regular(&file.metadata()?)?;
    Ok(file)
}

fn require_regular(facts: &fs::Metadata) -> io::Result<()> {
    if facts.is_file() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "not a regular file",
    ))
}

/// All bytes of a regular file.
#[derive(Debug)]
pub struct Contents(Storage);

#[derive(Debug)]
enum Storage {
    Read(Vec<u8>),
    Mapped { map: Mmap, file: File },
}

impl Contents {
    /// Reads a file of at most 1 GiB and maps a larger one.
    ///
    /// # Errors
    /// A file that cannot be read, or a path that is not a regular file.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut file = open_regular(path)?;
        let length = file.metadata()?.len();
        if length > READ_LIMIT {
            // SAFETY: the map is read-only and lives only while the file is read. A program that
            // shortens or rewrites so large a file meanwhile breaks the promise that its bytes
            // stay the same, as for every reader that maps its input; `verify` reports it.
            let map = unsafe { Mmap::map(&file)? };
            return Ok(Self(Storage::Mapped { map, file }));
        }
        let mut bytes = Vec::new();
        file.by_ref().take(READ_LIMIT).read_to_end(&mut bytes)?;
        Ok(Self(Storage::Read(bytes)))
    }

    /// Whether the file still has the length with which it was opened. Call it before and after
    /// bytes of a large file are used.
    ///
    /// # Errors
    /// A mapped file that another program has shortened or extended.
    pub fn verify(&self) -> io::Result<()> {
        match &self.0 {
            Storage::Mapped { map, file } if file.metadata()?.len() != map.len() as u64 => Err(
                io::Error::other("another program changed the file while it was read"),
            ),
            _ => Ok(()),
        }
    }
}

impl Deref for Contents {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Storage::Read(bytes) => bytes,
            Storage::Mapped { map, .. } => map,
        }
    }
}
