//! NumPy archives: an array of images, bytes `[N, H, W]`, `[N, H, W, C]` or `[N, C, H, W]`, and one
//! of integer labels; or [`tokens`].

use super::error::shown;
use super::{DataError, Dataset, ImageShape, ReadRequest, Split, tokens};
use ndarray_npy::npy::header::Header;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zip::ZipArchive;

const ARRAY_LIMIT: u64 = 16 << 30;
/// NumPy's own headers take 128 bytes; longer ones would only exhaust the header's parser.
const HEADER_LIMIT: usize = 1024;

const IMAGE_NAMES: [&str; 4] = ["images", "x", "data", "image"];
const TOKEN_NAMES: [&str; 1] = ["tokens"];
const LABEL_NAMES: [&str; 4] = ["labels", "y", "targets", "label"];

type Archive = ZipArchive<BufReader<File>>;

pub(super) struct Array {
    /// How errors call it: `archive.npz: x_test.npy`.
    pub file: String,
    pub sizes: Vec<usize>,
    /// Element type as NumPy writes it, such as `|u1` or `<i8`.
    kind: String,
    elements: Vec<u8>,
    /// Bytes of the header, before the elements.
    offset: usize,
}

impl Array {
    /// The elements, with the place of each in the file: `None` where they are no little-endian
    /// integers.
    pub fn integers(&self) -> Option<impl Iterator<Item = (u64, i64)>> {
        let width = match self.kind.as_str() {
            "|u1" | "|i1" => 1,
            "<u2" | "<i2" => 2,
            "<u4" | "<i4" => 4,
            "<u8" | "<i8" => 8,
            _ => return None,
        };
        let signed = self.kind.contains('i');
        let number = move |bytes: &[u8]| {
            let negative = signed && bytes.last().is_some_and(|byte| byte & 0x80 != 0);
            let mut number = [if negative { 0xff } else { 0 }; 8];
            number[..width].copy_from_slice(bytes);
            i64::from_le_bytes(number)
        };
        let places = (self.offset as u64..).step_by(width);
        Some(places.zip(self.elements.chunks_exact(width).map(number)))
    }

    /// Type and sizes, as errors state them.
    pub fn described(&self) -> String {
        format!("type `{}` and sizes {:?}", self.kind, self.sizes)
    }
}

/// Reads the arrays of the requested split (`x_test`, `test_images`, ...), or else those whose names
/// tell no split (`images`, `x`).
pub(super) fn open_file(location: &Path, request: &ReadRequest) -> Result<Dataset, DataError> {
    let file = shown(location);
    let failed = |source| DataError::io(&file, source);
    let reader = BufReader::new(File::open(location).map_err(failed)?);
    let mut archive = ZipArchive::new(reader).map_err(|error| failed(error.into()))?;
    let mut names = Vec::new();
    for name in archive.file_names() {
        let name = name.map_err(|error| failed(error.into()))?;
        names.extend(name.strip_suffix(".npy").map(str::to_owned));
    }
    let find = |words: &[&str], split| names.iter().position(|name| is_named(name, words, split));
    for split in [Some(request.split), None] {
        if let Some(found) = find(&TOKEN_NAMES, split) {
            let sequences = read_array(&mut archive, &file, &names[found])?;
            let labels = match find(&LABEL_NAMES, split) {
                Some(labels) => Some(read_array(&mut archive, &file, &names[labels])?),
                None => None,
            };
            return Ok(tokens::join(&sequences, labels.as_ref())?.with_split(split));
        }
    }
    let pair = |split| Some((find(&IMAGE_NAMES, split)?, find(&LABEL_NAMES, split)?));
    let (images, labels, split) = match (pair(Some(request.split)), pair(None)) {
        (Some((images, labels)), _) => (images, labels, Some(request.split)),
        (None, Some((images, labels))) => (images, labels, None),
        (None, None) => {
            let present = format!("the arrays {}", names.join(", "));
            return Err(DataError::MissingSplit {
                file,
                split: request.split,
                present,
            });
        }
    };
    let images = read_array(&mut archive, &file, &names[images])?;
    let labels = read_array(&mut archive, &file, &names[labels])?;
    Ok(join(images, &labels)?.with_split(split))
}

fn is_named(name: &str, words: &[&str], split: Option<Split>) -> bool {
    let name = name.to_lowercase();
    let splits: &[&str] = match split {
        None => return words.contains(&&*name),
        Some(Split::Train) => &["train"],
        Some(Split::Test) => &["test", "val"],
    };
    name.split_once('_').is_some_and(|(a, b)| {
        words.contains(&a) && splits.contains(&b) || splits.contains(&a) && words.contains(&b)
    })
}

fn read_array(archive: &mut Archive, location: &str, name: &str) -> Result<Array, DataError> {
    let file = format!("{location}: {name}.npy");
    let failed = |source| DataError::io(&file, source);
    let mut bytes = Vec::new();
    archive
        .by_name(&format!("{name}.npy"))
        .map_err(|error| failed(error.into()))?
        .take(ARRAY_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > ARRAY_LIMIT {
        let (bytes, limit) = (bytes.len() as u64, ARRAY_LIMIT);
        return Err(DataError::TooLarge {
            file,
            what: "the array",
            bytes,
            limit,
        });
    }
    // Format version 1 has two length bytes, later ones four (numpy.lib.format).
    let claimed = match *bytes.as_slice() {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => u16::from_le_bytes([a, b]).into(),
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d, ..] => {
            u32::from_le_bytes([a, b, c, d]) as usize
        }
        _ => {
            return Err(DataError::WrongMagic {
                file,
                offset: 0,
                expected: "the start of a NumPy array (0x93 NUMPY)",
                found: format!("{:02x?}", &bytes[..bytes.len().min(8)]),
            });
        }
    };
    if claimed > HEADER_LIMIT {
        let (bytes, limit) = (claimed as u64, HEADER_LIMIT as u64);
        return Err(DataError::TooLarge {
            file,
            what: "the array's header",
            bytes,
            limit,
        });
    }
    let mut rest = bytes.as_slice();
    let header = Header::from_reader(&mut rest)
        .map_err(|error| DataError::malformed(&file, 0, error.to_string()))?;
    let offset = bytes.len() - rest.len();
    if header.layout.is_fortran() && header.shape.len() > 1 {
        let reason = "the array is in Fortran order; save `numpy.ascontiguousarray` of it";
        return Err(DataError::malformed(&file, 0, reason));
    }
    let kind = header
        .type_descriptor
        .to_string()
        .trim_matches('\'')
        .to_owned();
    let sizes = header.shape;
    let width = kind
        .get(2..)
        .and_then(|digits| digits.parse::<usize>().ok());
    let claimed = sizes
        .iter()
        .try_fold(width.unwrap_or(1), |product, &size| {
            product.checked_mul(size)
        })
        .unwrap_or(usize::MAX);
    if claimed != rest.len() {
        return Err(DataError::SizeMismatch {
            file,
            offset: offset as u64,
            what: "elements",
            claimed: claimed as u64,
            found: rest.len() as u64,
        });
    }
    bytes.drain(..offset);
    Ok(Array {
        file,
        sizes,
        kind,
        elements: bytes,
        offset,
    })
}

fn join(images: Array, labels: &Array) -> Result<Dataset, DataError> {
    if images.kind != "|u1" {
        let reason = format!(
            "images of type `{}`; save them as uint8 from 0 to 255",
            images.kind
        );
        return Err(DataError::malformed(&images.file, 0, reason));
    }
    let colours = |size: usize| size == 1 || size == 3;
    // Channels last, NumPy's custom, wins where both readings are possible.
    let (count, shape, channels_last) = match *images.sizes.as_slice() {
        [count, height, width] => (
            count,
            ImageShape {
                channels: 1,
                height,
                width,
            },
            false,
        ),
        [count, height, width, channels] if colours(channels) => (
            count,
            ImageShape {
                channels,
                height,
                width,
            },
            true,
        ),
        [count, channels, height, width] if colours(channels) => (
            count,
            ImageShape {
                channels,
                height,
                width,
            },
            false,
        ),
        _ => {
            let reason = format!(
                "images of the sizes {:?}; known are [N, H, W], [N, H, W, C] and [N, C, H, W] with \
                 C = 1 or 3",
                images.sizes
            );
            return Err(DataError::malformed(&images.file, 0, reason));
        }
    };
    let labels_read = read_labels(labels)?;
    if labels_read.len() != count {
        return Err(DataError::CountMismatch {
            images: images.file,
            image_count: count,
            labels: labels.file.clone(),
            label_count: labels_read.len(),
        });
    }
    let classes = labels_read
        .iter()
        .max()
        .map_or(0, |&label| usize::from(label) + 1);
    let pixels = if channels_last && shape.channels > 1 {
        planes(&images.elements, shape)
    } else {
        images.elements
    };
    Dataset::new(
        shape,
        pixels,
        labels_read,
        classes,
        format!("NumPy arrays from {}", images.file),
    )
}

fn planes(pixels: &[u8], shape: ImageShape) -> Vec<u8> {
    let mut planes = Vec::with_capacity(pixels.len());
    for image in pixels.chunks_exact(shape.pixels().max(1)) {
        for channel in 0..shape.channels {
            planes.extend(image.iter().skip(channel).step_by(shape.channels));
        }
    }
    planes
}

fn read_labels(labels: &Array) -> Result<Vec<u16>, DataError> {
    let column = matches!(*labels.sizes.as_slice(), [_] | [_, 1]);
    let Some(numbers) = labels.integers().filter(|_| column) else {
        let reason = format!(
            "labels of {}; save them as little-endian integers of the size [N]",
            labels.described()
        );
        return Err(DataError::malformed(&labels.file, 0, reason));
    };
    numbers
        .enumerate()
        .map(|(record, (offset, label))| {
            // The largest label plus one must fit the count of classes.
            let known = u16::try_from(label).ok().filter(|&label| label < u16::MAX);
            known.ok_or_else(|| DataError::LabelOutOfRange {
                file: labels.file.clone(),
                record,
                offset,
                label,
                classes: u16::MAX.into(),
            })
        })
        .collect()
}
