//! The kinds of data sets: each is one file of this folder and one row of [`READERS`].

use super::container::Container;
use super::{DataError, Dataset, ReadRequest, cifar_binary, cifar_python, idx, image_folder, npz};
use std::path::Path;

/// All kinds, in the order in which they are tried.
pub(super) const READERS: [Reader; 5] = [
    cifar_binary::READER,
    cifar_python::READER,
    idx::READER,
    npz::READER,
    image_folder::READER,
];

/// How a kind of data set is read.
pub(super) struct Reader {
    /// What it is, as the error on unknown ones lists it.
    pub what: &'static str,
    /// Reads a folder or archive; `None` where it has no files of this kind.
    pub open: fn(&Container, &ReadRequest) -> Result<Option<Dataset>, DataError>,
    /// Reads a single file, where there are such.
    pub file: Option<FileReader>,
}

/// How a data set in a single file is read.
pub(super) struct FileReader {
    pub recognises: fn(&Start) -> Match,
    pub open: fn(&Path, &ReadRequest) -> Result<Dataset, DataError>,
}

/// How well a file fits a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    No,
    /// Its length fits, its content could be anything.
    Possible,
    Certain,
}

impl Match {
    pub fn certain(fits: bool) -> Self {
        if fits { Self::Certain } else { Self::No }
    }
}

/// What a single file is recognised by.
pub(super) struct Start {
    /// Its name, without folders.
    pub name: String,
    /// Its first bytes, decompressed.
    pub head: Vec<u8>,
    /// Whether it is a gzip file.
    pub compressed: bool,
    /// Its length in bytes, as it lies on the disk.
    pub length: u64,
}
