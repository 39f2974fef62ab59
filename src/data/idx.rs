//! IDX files, plain and gzip: the format of MNIST, Fashion-MNIST and their kin.
//!
//! A header of two zero bytes, an element type (8: unsigned byte), a number of dimensions and the
//! sizes as big-endian 32-bit numbers; then the elements. Images are `[N, H, W]`, or `[N, C, H, W]`
//! for colour.

use super::container::{Container, Entry, GZIP};
use super::error::shown;
use super::reader::{FileReader, Match, Reader};
use super::{DataError, Dataset, ImageShape, ReadRequest, Split};
use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

pub(super) const READER: Reader = Reader {
    what: "IDX files (MNIST), plain or .gz",
    open,
    file: Some(FileReader {
        recognises: |start| {
            let named = start.name.contains("idx") && start.name.contains("ubyte");
            let begins = matches!(start.head.as_slice(), [0, 0, UNSIGNED_BYTE, 1 | 3 | 4, ..]);
            Match::certain(named || begins)
        },
        open: open_file,
    }),
};

const FILE_LIMIT: u64 = 16 << 30;
const UNSIGNED_BYTE: u8 = 8;
/// Deflate cannot shrink data further than this (RFC 1951: 258 bytes from two bits).
const DEFLATE_RATIO: u64 = 1032;

struct Idx {
    sizes: Vec<usize>,
    elements: Vec<u8>,
}

/// A folder or archive with an images and a labels file; `None` where it has no images file.
fn open(container: &Container, request: &ReadRequest) -> Result<Option<Dataset>, DataError> {
    let mut all: Vec<&Entry> = container.entries().iter().collect();
    all.retain(|entry| is_images(entry.file_name()));
    if all.is_empty() {
        return Ok(None);
    }
    let mut files = all.clone();
    files.retain(|entry| split_of(entry.file_name()) == Some(request.split));
    // A file and its compressed twin are the same data; the plain one is read.
    files.dedup_by(|later, earlier| later.name.trim_end_matches(".gz") == earlier.name);
    let names = |entries: &[&Entry]| {
        let names: Vec<&str> = entries.iter().map(|entry| &*entry.name).collect();
        names.join(", ")
    };
    match files.as_slice() {
        [] => Err(DataError::MissingSplit {
            file: container.shown(),
            split: request.split,
            present: names(&all),
        }),
        [images] => Ok(Some(
            read(container, images)?.with_split(Some(request.split)),
        )),
        several => Err(DataError::Ambiguous {
            file: container.shown(),
            candidates: names(several),
        }),
    }
}

/// One images file, with its labels file beside it.
fn open_file(location: &Path, _: &ReadRequest) -> Result<Dataset, DataError> {
    let name = location.file_name().map(|name| name.to_string_lossy());
    let name = name.unwrap_or_default();
    let folder = location.parent().unwrap_or(Path::new(""));
    let mut labels = label_names(&name).into_iter();
    let Some(labels) = labels.find(|labels| folder.join(labels).is_file()) else {
        return Err(no_labels(&shown(location), &name));
    };
    let container = Container::files(folder, &[&name, &labels])?;
    match container.entries().iter().find(|entry| entry.name == name) {
        Some(images) => Ok(read(&container, images)?.with_split(split_of(&name))),
        None => Err(DataError::empty(shown(location), "images")),
    }
}

fn is_images(file_name: &str) -> bool {
    file_name.contains("images") && file_name.contains("idx")
}

fn split_of(file_name: &str) -> Option<Split> {
    if file_name.contains("train") {
        Some(Split::Train)
    } else if file_name.contains("t10k") || file_name.contains("test") {
        Some(Split::Test)
    } else {
        None
    }
}

/// What the labels file of an images file may be called, the likeliest first.
fn label_names(images: &str) -> Vec<String> {
    if !images.contains("images") {
        return Vec::new();
    }
    let plain = images
        .trim_end_matches(".gz")
        .replace("images", "labels")
        .replace("idx3", "idx1")
        .replace("idx4", "idx1");
    let compressed = format!("{plain}.gz");
    if images.ends_with(".gz") {
        vec![compressed, plain]
    } else {
        vec![plain, compressed]
    }
}

fn no_labels(file: &str, name: &str) -> DataError {
    let wanted = label_names(name);
    let reason = if wanted.is_empty() {
        "an images file is needed (a name with `images` in it), with its labels file beside it"
            .into()
    } else {
        format!(
            "its labels file is missing; expected {} beside it",
            wanted.join(" or ")
        )
    };
    DataError::malformed(file, 0, reason)
}

fn read(container: &Container, images: &Entry) -> Result<Dataset, DataError> {
    let image_file = container.shown_entry(images);
    let labels = label_names(images.file_name())
        .into_iter()
        .find_map(|name| {
            let mut entries = container.entries().iter();
            entries.find(|entry| entry.folder() == images.folder() && entry.file_name() == name)
        });
    let Some(labels) = labels else {
        return Err(no_labels(&image_file, images.file_name()));
    };
    let label_file = container.shown_entry(labels);
    let mut contents = container.read(&[images, labels], FILE_LIMIT)?.into_iter();
    let pixels = decode(&image_file, &contents.next().unwrap_or_default())?;
    let labels = decode(&label_file, &contents.next().unwrap_or_default())?;
    let (count, shape) = match *pixels.sizes.as_slice() {
        [count, height, width] => (count, ImageShape::new(1, height, width)),
        [count, channels, height, width] => (count, ImageShape::new(channels, height, width)),
        _ => {
            let expected = "3 or 4 dimensions (images)";
            return Err(wrong_sizes(&image_file, &pixels, expected));
        }
    };
    let &[label_count] = labels.sizes.as_slice() else {
        return Err(wrong_sizes(&label_file, &labels, "1 dimension (labels)"));
    };
    if count != label_count {
        return Err(DataError::CountMismatch {
            images: image_file,
            image_count: count,
            labels: label_file,
            label_count,
        });
    }
    let largest = labels.elements.iter().max();
    let classes = largest.map_or(0, |&label| usize::from(label) + 1);
    let labels = labels.elements.into_iter().map(u16::from).collect();
    let description = format!("IDX images from {image_file}");
    Dataset::new(shape, pixels.elements, labels, classes, description)
}

fn wrong_sizes(file: &str, idx: &Idx, expected: &'static str) -> DataError {
    DataError::WrongMagic {
        file: file.into(),
        offset: 3,
        expected,
        found: format!("{} dimensions", idx.sizes.len()),
    }
}

fn decode(file: &str, bytes: &[u8]) -> Result<Idx, DataError> {
    let length = bytes.len() as u64;
    if bytes.starts_with(&GZIP) {
        let capacity = length.saturating_mul(DEFLATE_RATIO);
        decode_stream(file, MultiGzDecoder::new(bytes), capacity)
    } else {
        decode_stream(file, bytes, length)
    }
}

/// Reads a stream that can hold `capacity` bytes at most.
fn decode_stream(file: &str, mut stream: impl Read, capacity: u64) -> Result<Idx, DataError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::UnexpectedEof => {
            DataError::malformed(file, 0, "the file is cut off; copy it again")
        }
        _ => DataError::io(file, source),
    };
    let mut magic = [0; 4];
    stream.read_exact(&mut magic).map_err(failed)?;
    let [0, 0, kind, dimensions] = magic else {
        return Err(DataError::WrongMagic {
            file: file.into(),
            offset: 0,
            expected: "two zero bytes, the element type 8 and the number of dimensions",
            found: format!("{magic:02x?}"),
        });
    };
    if kind != UNSIGNED_BYTE {
        return Err(DataError::WrongMagic {
            file: file.into(),
            offset: 2,
            expected: "8 (unsigned bytes)",
            found: format!("element type {kind}"),
        });
    }
    let mut sizes = Vec::new();
    for _ in 0..dimensions {
        let mut size = [0; 4];
        stream.read_exact(&mut size).map_err(failed)?;
        sizes.push(u32::from_be_bytes(size) as usize);
    }
    let offset = 4 + 4 * u64::from(dimensions);
    let claimed = sizes
        .iter()
        .try_fold(1u64, |product, &size| product.checked_mul(size as u64))
        .unwrap_or(u64::MAX);
    if claimed == 0 {
        return Err(DataError::empty(file, "elements"));
    }
    let mismatch = |found| DataError::SizeMismatch {
        file: file.into(),
        offset,
        what: "elements",
        claimed,
        found,
    };
    if claimed > capacity {
        return Err(mismatch(capacity.saturating_sub(offset)));
    }
    let mut elements = Vec::new();
    stream
        .take(claimed + 1)
        .read_to_end(&mut elements)
        .map_err(failed)?;
    let found = elements.len() as u64;
    if found > claimed {
        return Err(mismatch(found));
    }
    if found < claimed {
        let record_bytes: u64 = sizes.iter().skip(1).map(|&size| size as u64).product();
        let record = found / record_bytes;
        return Err(DataError::ShortRecord {
            file: file.into(),
            record: record as usize,
            offset: offset + record * record_bytes,
            expected: record_bytes,
            found: found % record_bytes,
        });
    }
    Ok(Idx { sizes, elements })
}

/// Writes a data set as a pair of compressed IDX files named as MNIST's test set
/// (`t10k-images-idx3-ubyte.gz`, `t10k-labels-idx1-ubyte.gz`), which [`open`](super::open) reads
/// back as [`Split::Test`]. The same examples give the same bytes. Colour images `[N, C, H, W]` go
/// to `t10k-images-idx4-ubyte.gz`.
///
/// # Errors
///
/// More than 256 classes, or a folder that cannot be written.
pub fn write_idx_gz(dataset: &Dataset, folder: &Path) -> Result<(), DataError> {
    dataset.require_pixels()?;
    if dataset.classes() > 256 {
        return Err(DataError::TooManyClasses {
            file: shown(folder),
            classes: dataset.classes(),
        });
    }
    std::fs::create_dir_all(folder).map_err(|source| DataError::io(shown(folder), source))?;
    let shape = dataset.shape();
    let mut sizes = vec![dataset.len(), shape.channels, shape.height, shape.width];
    if shape.channels == 1 {
        sizes.remove(1);
    }
    let images = format!("t10k-images-idx{}-ubyte.gz", sizes.len());
    let pixels = dataset.pixels(0..dataset.len());
    write_file(&folder.join(images), &sizes, pixels)?;
    let labels: Vec<u8> = dataset.labels().iter().map(|&label| label as u8).collect();
    let file = folder.join("t10k-labels-idx1-ubyte.gz");
    write_file(&file, &[dataset.len()], &labels)
}

fn write_file(path: &Path, sizes: &[usize], elements: &[u8]) -> Result<(), DataError> {
    let failed = |source| DataError::io(shown(path), source);
    let mut header = vec![0, 0, UNSIGNED_BYTE, sizes.len() as u8];
    for &size in sizes {
        let size = u32::try_from(size).map_err(|_| {
            DataError::too_large(shown(path), "one dimension", size as u64, u32::MAX.into())
        })?;
        header.extend(size.to_be_bytes());
    }
    let file = BufWriter::new(File::create(path).map_err(failed)?);
    // No time and no system in the header, so that equal data gives equal files.
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(file, Compression::best());
    encoder.write_all(&header).map_err(failed)?;
    encoder.write_all(elements).map_err(failed)?;
    encoder.finish().map_err(failed)?.flush().map_err(failed)
}
