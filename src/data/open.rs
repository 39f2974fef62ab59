use super::container::{Container, GZIP};
use super::error::shown;
use super::reader::{Match, READERS, Start};
use super::{DataError, Dataset, Framing, parquet};
use flate2::read::MultiGzDecoder;
use pathscope_file::open_regular;
use std::fmt;
use std::fs;
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

/// The order of classes whose folders are named by numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum ClassOrder {
    /// 0, 1, 2, ..., 10
    #[default]
    Number,
    /// 0, 1, 10, ..., 2, as torchvision's `ImageFolder`
    Name,
}

/// What to read from a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// The split to read, where the location states its splits.
    pub split: Split,
    /// Height and width to which images of an image folder are brought, as `framing` says.
    pub size: Option<(usize, usize)>,
    /// How they are brought to that size.
    pub framing: Framing,
    /// Channels that the network takes: grey images are repeated for 3, images in colour refused
    /// for 1. Where nothing is stated, an image folder has 3 if any of its images has colours.
    pub channels: Option<usize>,
    /// Classes that the network tells apart: where it is 1000 and the class folders are named by
    /// WordNet, labels are those of ImageNet.
    pub classes: Option<usize>,
    /// The order of classes whose folders are named by numbers.
    pub class_order: ClassOrder,
    /// At most so many examples, chosen as [`Dataset::limit`] does.
    pub limit: Option<usize>,
    /// Images with more pixels than this are refused before they are decoded.
    pub max_pixels: u64,
    /// Whether image files that cannot be read are left out.
    pub skip_broken: bool,
}

impl ReadRequest {
    /// All images of a split in their own size.
    pub fn new(split: Split) -> Self {
        Self {
            split,
            size: None,
            framing: Framing::default(),
            channels: None,
            classes: None,
            class_order: ClassOrder::default(),
            limit: None,
            max_pixels: 64 << 20,
            skip_broken: false,
        }
    }
}

/// Reads the data set at a location, recognised by names and content:
///
/// - CIFAR-10 and CIFAR-100, binary and Python batches: a folder, or one batch file;
/// - IDX files, plain or gzip (MNIST, Fashion-MNIST): a folder, or an images file with its labels
///   file beside it;
/// - image folders: `train/CLASS/*`, `test/CLASS/*` or `val/CLASS/*`, or `CLASS/*`, of JPEG, PNG,
///   WebP, BMP or TIFF; classes are sorted by name, or by number where all names are numbers.
///   Validation images may lie in one folder beside Tiny-ImageNet's `val_annotations.txt` or
///   ILSVRC's `LOC_val_solution.csv`;
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
        open_file(location, request)?
    };
    let dataset = match request.limit {
        Some(limit) => dataset.limit(limit),
        None => dataset,
    };
    Ok(match request.channels {
        Some(3) => dataset.in_colour(),
        _ => dataset,
    })
}

fn open_container(container: &Container, request: &ReadRequest) -> Result<Dataset, DataError> {
    if container.entries().is_empty() {
        return Err(DataError::empty(container.shown(), "files"));
    }
    for reader in READERS {
        if let Some(dataset) = (reader.open)(container, request)? {
            return Ok(dataset);
        }
    }
    let mut entries = container.entries().iter();
    let table = entries.find(|entry| parquet::is_parquet(&entry.name));
    Err(table.map_or_else(
        || unknown(container.shown()),
        |table| parquet::refused(container.shown_entry(table)),
    ))
}

fn open_file(location: &Path, request: &ReadRequest) -> Result<Dataset, DataError> {
    let start = start(location)?;
    if start.head.get(257..262) == Some(b"ustar") {
        return open_container(&Container::archive(location)?, request);
    }
    if start.head.starts_with(parquet::START) {
        return Err(parquet::refused(shown(location)));
    }
    let files = READERS.iter().filter_map(|reader| reader.file.as_ref());
    // The first of the best.
    let best = files.rev().max_by_key(|file| (file.recognises)(&start));
    match best {
        Some(file) if (file.recognises)(&start) > Match::No => (file.open)(location, request),
        _ => Err(unknown(shown(location))),
    }
}

fn unknown(file: String) -> DataError {
    let known: Vec<&str> = READERS.iter().map(|reader| reader.what).collect();
    DataError::UnknownLayout {
        file,
        known: known.join("; "),
    }
}

fn start(location: &Path) -> Result<Start, DataError> {
    let file = shown(location);
    let failed = |source| DataError::io(&file, source);
    let opened = open_regular(location).map_err(failed)?;
    let length = opened.metadata().map_err(failed)?.len();
    let mut head = Vec::new();
    let read = opened.take(1 << 16).read_to_end(&mut head);
    read.map_err(failed)?;
    if head.is_empty() {
        return Err(DataError::empty(file, "bytes"));
    }
    let compressed = head.starts_with(&GZIP);
    if compressed {
        let packed = std::mem::take(&mut head);
        // A header that is cut off is recognised as far as it goes; reading it tells where it ends.
        let _ = MultiGzDecoder::new(&packed[..])
            .take(512)
            .read_to_end(&mut head);
    }
    let name = location
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    Ok(Start {
        name: name.unwrap_or_default(),
        head,
        compressed,
        length,
    })
}
