//! NumPy archives: an array of images, bytes or normalised numbers `[N, H, W]`, `[N, H, W, C]` or
//! `[N, C, H, W]`, and one of labels; or [`tokens`].

use super::error::shown;
use super::npy::Array;
use super::reader::{FileReader, Match, Reader};
use super::{DataError, DataNote, Dataset, ImageShape, ReadRequest, Split, tokens};
use pathscope_file::{open_regular, shortened};
use std::io::BufReader;
use std::path::Path;
use zip::ZipArchive;

pub(super) const READER: Reader = Reader {
    what: ".npz with arrays `images` and `labels`, or `tokens` and, unless the next token is the \
           target, `targets` or `labels`",
    open: |_, _| Ok(None),
    file: Some(FileReader {
        recognises: |start| Match::certain(start.head.starts_with(b"PK\x03\x04")),
        open: open_file,
    }),
};

const IMAGE_NAMES: [&str; 4] = ["images", "x", "data", "image"];
const TOKEN_NAMES: [&str; 1] = ["tokens"];
const LABEL_NAMES: [&str; 4] = ["labels", "y", "targets", "label"];

/// Reads the arrays of the requested split (`x_test`, `test_images`, ...), or else those whose names
/// tell no split (`images`, `x`).
fn open_file(location: &Path, request: &ReadRequest) -> Result<Dataset, DataError> {
    let file = shown(location);
    let failed = |source| DataError::io(&file, source);
    let reader = BufReader::new(open_regular(location).map_err(failed)?);
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
            let labels = find(&LABEL_NAMES, split)
                .map(|labels| Array::read(&mut archive, &file, &names[labels]))
                .transpose()?;
            return Ok(tokens::join(&sequences, labels.as_ref())?.with_split(split));
        }
    }
    let pair = |split| Some((find(&IMAGE_NAMES, split)?, find(&LABEL_NAMES, split)?));
    let (images, labels, split) = match (pair(Some(request.split)), pair(None)) {
        (Some((images, labels)), _) => (images, labels, Some(request.split)),
        (None, Some((images, labels))) => (images, labels, None),
        (None, None) => {
            let names: Vec<String> = names.iter().take(8).map(|name| shortened(name)).collect();
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
    let (count, shape, channels_last) = sizes(&images)?;
    let (labels, classes) = one_for_each(labels, &images.file, count)?;
    let description = format!("NumPy arrays from {}", images.file);
    // One channel is the same in either place.
    let channels_last = channels_last && shape.channels > 1;
    if images.kind == "|u1" {
        let pixels = match channels_last {
            true => planes(&images.elements, shape),
            false => images.elements,
        };
        return Dataset::new(shape, pixels, labels, classes, description);
    }
    let Some(values) = images.floats() else {
        let reason = format!(
            "images of type `{}`; save them as uint8 from 0 to 255, or normalised as float32",
            shortened(&images.kind)
        );
        return Err(DataError::malformed(&images.file, 0, reason));
    };
    check_normalized(&values).map_err(|reason| DataError::malformed(&images.file, 0, reason))?;
    let values = match channels_last {
        true => planes(&values, shape),
        false => values,
    };
    Ok(
        Dataset::of_normalized(shape, values, labels, classes, description)?
            .with_notes(vec![DataNote::Normalized]),
    )
}

/// Refuses numbers that are pixels: where the mean was subtracted, some are negative.
fn check_normalized(values: &[f32]) -> Result<(), String> {
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(format!(
            "the images hold {value}; only finite numbers can be used"
        ));
    }
    let largest = values.iter().copied().fold(0.0_f32, f32::max);
    if values.iter().all(|&value| value >= 0.0) {
        let remedy = match largest <= 1.0 {
            true => "save `(255 * images).round().astype(numpy.uint8)`",
            false => "save `images.astype(numpy.uint8)`",
        };
        return Err(format!(
            "the images are floating-point numbers from 0 to {largest}: pixels that were not \
             normalised; {remedy}, or normalise them as the network needs"
        ));
    }
    Ok(())
}

/// How many images there are, their shape, and whether channels are the last axis.
fn sizes(images: &Array) -> Result<(usize, ImageShape, bool), DataError> {
    let colours = |size: usize| size == 1 || size == 3;
    // Channels last, NumPy's custom, wins where both readings are possible.
    match *images.sizes.as_slice() {
        [count, height, width] => Ok((count, ImageShape::new(1, height, width), false)),
        [count, height, width, channels] if colours(channels) => {
            Ok((count, ImageShape::new(channels, height, width), true))
        }
        [count, channels, height, width] if colours(channels) => {
            Ok((count, ImageShape::new(channels, height, width), false))
        }
        _ => {
            let reason = format!(
                "images of the sizes {:?}; known are [N, H, W], [N, H, W, C] and [N, C, H, W] with \
                 C = 1 or 3",
                images.sizes
            );
            Err(DataError::malformed(&images.file, 0, reason))
        }
    }
}

fn planes<T: Copy>(values: &[T], shape: ImageShape) -> Vec<T> {
    let mut planes = Vec::with_capacity(values.len());
    for image in values.chunks_exact(shape.pixels().max(1)) {
        for channel in 0..shape.channels {
            planes.extend(image.iter().skip(channel).step_by(shape.channels));
        }
    }
    planes
}

/// One label for each of `count` images, and how many classes there are: integers `[N]` or `[N, 1]`, or
/// rows `[N, classes]` of zeros with a one at the label.
fn one_for_each(array: &Array, images: &str, count: usize) -> Result<(Vec<u16>, usize), DataError> {
    let malformed = || {
        let reason = format!(
            "labels of {}; save them as integers of the size [N], or as rows [N, classes] with a \
             single one in each",
            array.described()
        );
        DataError::malformed(&array.file, 0, reason)
    };
    let (labels, classes) = match *array.sizes.as_slice() {
        [_] | [_, 1] => {
            let labels = integer_labels(array)?.ok_or_else(malformed)?;
            let largest = labels.iter().max();
            let classes = largest.map_or(0, |&label| usize::from(label) + 1);
            (labels, classes)
        }
        [_, classes] if classes < usize::from(u16::MAX) => {
            (one_hot(array, classes).ok_or_else(malformed)?, classes)
        }
        _ => return Err(malformed()),
    };
    if labels.len() != count {
        return Err(DataError::CountMismatch {
            images: images.into(),
            image_count: count,
            labels: array.file.clone(),
            label_count: labels.len(),
        });
    }
    Ok((labels, classes))
}

/// Places of the single one in each row of zeros; `None` where rows are anything else.
fn one_hot(array: &Array, classes: usize) -> Option<Vec<u16>> {
    let values: Vec<f32> = match array.integers() {
        Some(numbers) => numbers.map(|(_, number)| number as f32).collect(),
        None => array.floats()?,
    };
    let place = |row: &[f32]| {
        let one = row.iter().position(|&value| value == 1.0)?;
        let ones = row.iter().filter(|&&value| value != 0.0).count();
        (ones == 1).then_some(u16::try_from(one).ok()).flatten()
    };
    values.chunks_exact(classes.max(1)).map(place).collect()
}

/// Labels that are integers; `None` where the elements are something else.
fn integer_labels(array: &Array) -> Result<Option<Vec<u16>>, DataError> {
    let Some(numbers) = array.integers() else {
        return Ok(None);
    };
    let labels = numbers.enumerate().map(|(record, (offset, label))| {
        // The largest label plus one must fit the count of classes.
        let known = u16::try_from(label).ok().filter(|&label| label < u16::MAX);
        known.ok_or_else(|| DataError::LabelOutOfRange {
            file: array.file.clone(),
            record,
            offset,
            label,
            classes: u16::MAX.into(),
        })
    });
    labels.collect::<Result<_, _>>().map(Some)
}
