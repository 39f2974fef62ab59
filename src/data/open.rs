use super::container::{Container, GZIP};
use super::error::shown;
use super::{DataError, Dataset, cifar_binary, cifar_python, idx, image_folder, npz};
use flate2::read::MultiGzDecoder;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// The part of a data set that is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What networks learn from.
    Train,
    /// What they are measured on; image folders may call it `val`.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

/// What to read from a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// The split to read, where the location tells splits apart.
    pub split: Split,
    /// Height and width to which images of an image folder are brought: scaled (bilinear, with
    /// antialiasing) until they cover it, then cut to it around the centre.
    pub size: Option<(usize, usize)>,
    /// Length in pixels of the shorter side before the cut to `size`, where it is to be more than
    /// needed; 256 with a `size` of 224 x 224 is the usual ImageNet evaluation.
    pub shorter_side: Option<usize>,
    /// At most so many examples, chosen as [`Dataset::limit`] does.
    pub limit: Option<usize>,
}

impl ReadRequest {
    /// All images of a split in their own size.
    pub fn new(split: Split) -> Self {
        Self {
            split,
            size: None,
            shorter_side: None,
            limit: None,
        }
    }
}

/// Reads the data set at a location, recognised by names and content:
///
/// - CIFAR-10 and CIFAR-100, binary and Python batches: a folder, or one batch file;
/// - IDX files, plain or gzip (MNIST, Fashion-MNIST): a folder, or an images file with its labels
///   file beside it;
/// - image folders: `train/CLASS/*`, `test/CLASS/*` or `val/CLASS/*`, or `CLASS/*`, JPEG or PNG;
///   classes are sorted by name;
/// - `.tar`, `.tar.gz` or `.tgz` of any of these, such as the official CIFAR archives;
/// - `.npz` with `images` (or `x`, `x_test`, `test_images`, ...) and `labels` (or `y`, ...);
/// - `.npz` with `tokens` (or `tokens_test`, ...), integers `[N, T]`, and `targets` or `labels`,
///   `[N, T]` or `[N]`. Without these the target of each token is the next one, and sequences are
///   one token shorter than their rows.
///
/// A single batch file, and a folder or `.npz` without splits, is read whatever the split asked
/// for; [`Dataset::split`] tells.
///
/// # Errors
///
/// Whatever is wrong with the files, with the file's name and the place in it; a layout that is
/// not known; a split that is not there.
pub fn open(location: &Path, request: &ReadRequest) -> Result<Dataset, DataError> {
    let metadata =
        fs::metadata(location).map_err(|source| DataError::io(shown(location), source))?;
    let dataset = if metadata.is_dir() {
        open_container(&Container::folder(location)?, request)?
    } else {
        match recognise(location)? {
            FileKind::Tar => open_container(&Container::archive(location)?, request)?,
            FileKind::NumpyArchive => npz::open_file(location, request)?,
            FileKind::Idx => idx::open_file(location)?,
            FileKind::Pickle => cifar_python::open_file(&alone(location)?)?,
            FileKind::CifarBinary => cifar_binary::open_file(&alone(location)?)?,
        }
    };
    Ok(match request.limit {
        Some(limit) => dataset.limit(limit),
        None => dataset,
    })
}

fn open_container(container: &Container, request: &ReadRequest) -> Result<Dataset, DataError> {
    if container.entries().is_empty() {
        return Err(DataError::Empty {
            file: container.shown(),
            wanted: "files",
        });
    }
    for format in [
        cifar_binary::open,
        cifar_python::open,
        idx::open,
        image_folder::open,
    ] {
        if let Some(dataset) = format(container, request)? {
            return Ok(dataset);
        }
    }
    Err(DataError::UnknownLayout {
        file: container.shown(),
    })
}

fn alone(location: &Path) -> Result<Container, DataError> {
    let name = location
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    Container::files(location.parent().unwrap_or(Path::new("")), &[&name])
}

enum FileKind {
    Tar,
    NumpyArchive,
    Idx,
    Pickle,
    CifarBinary,
}

fn recognise(location: &Path) -> Result<FileKind, DataError> {
    let file = shown(location);
    let failed = |source| DataError::io(&file, source);
    let mut start = Vec::new();
    File::open(location)
        .map_err(failed)?
        .take(1 << 16)
        .read_to_end(&mut start)
        .map_err(failed)?;
    if start.is_empty() {
        return Err(DataError::Empty {
            file,
            wanted: "bytes",
        });
    }
    let named_bin = location
        .extension()
        .is_some_and(|extension| extension == "bin");
    let mut head = start.clone();
    if start.starts_with(&GZIP) {
        head.clear();
        // A header that is cut off is recognised as far as it goes; reading it tells where it ends.
        let _ = MultiGzDecoder::new(&start[..])
            .take(512)
            .read_to_end(&mut head);
    }
    let is_tar = head.get(257..262) == Some(b"ustar");
    let name = location
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let named_idx = name.contains("idx") && name.contains("ubyte");
    Ok(match *head.as_slice() {
        _ if is_tar => FileKind::Tar,
        _ if named_idx => FileKind::Idx,
        _ if named_bin => FileKind::CifarBinary,
        [b'P', b'K', 3, 4, ..] => FileKind::NumpyArchive,
        [0x80, 2..=5, ..] => FileKind::Pickle,
        [0, 0, 8, 1 | 3 | 4, ..] => FileKind::Idx,
        _ if is_whole_records(location)? && !start.starts_with(&GZIP) => FileKind::CifarBinary,
        _ => return Err(DataError::UnknownLayout { file }),
    })
}

/// Whether a file of another name has the length of a CIFAR batch.
fn is_whole_records(location: &Path) -> Result<bool, DataError> {
    let metadata =
        fs::metadata(location).map_err(|source| DataError::io(shown(location), source))?;
    Ok(cifar_binary::fits(metadata.len()))
}
