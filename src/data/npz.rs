//! NumPy archives: an array of images, bytes `[N, H, W]`, `[N, H, W, C]` or `[N, C, H, W]`, and one
//! of integer labels; or [`tokens`].

use super::error::shown;
use super::npy::Array;
use super::{DataError, Dataset, ImageShape, ReadRequest, Split, tokens};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use zip::ZipArchive;

const IMAGE_NAMES: [&str; 4] = ["images", "x", "data", "image"];
const TOKEN_NAMES: [&str; 1] = ["tokens"];
const LABEL_NAMES: [&str; 4] = ["labels", "y", "targets", "label"];

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
            let sequences = Array::read(&mut archive, &file, &names[found])?;
            let labels = match find(&LABEL_NAMES, split) {
                Some(labels) => Some(Array::read(&mut archive, &file, &names[labels])?),
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
    let images = Array::read(&mut archive, &file, &names[images])?;
    let labels = Array::read(&mut archive, &file, &names[labels])?;
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
