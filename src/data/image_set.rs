//! Many image files: decoded on all cores, brought to one size, laid out as planes.

use super::container::{Container, Entry};
use super::image_file::{Decoded, decode, has_colour};
use super::resample::Picture;
use super::{DataError, ImageShape, ReadRequest};
use pathscope_file::shortened;
use rayon::prelude::*;
use std::io::ErrorKind;

const FILE_LIMIT: u64 = 64 << 20;
/// Bytes of pixels of a whole data set.
const PIXEL_LIMIT: u64 = 64 << 30;

/// The images of a data set.
pub(super) struct ImageSet {
    pub shape: ImageShape,
    /// Pixels `[N, C, H, W]` of the images that were read.
    pub pixels: Vec<u8>,
    /// Positions of these among the entries.
    pub kept: Vec<usize>,
    /// The first file that was skipped as broken, if any.
    pub broken: Option<String>,
    /// Number of files that note an orientation that was not applied, and the first of them.
    pub turned: Option<(usize, String)>,
}

/// Whether any of the images has colours.
pub(super) fn any_colour(container: &Container, entries: &[&Entry]) -> Result<bool, DataError> {
    let mut colour = false;
    container.read_batches(entries, FILE_LIMIT, |batch| {
        colour |= batch.par_iter().any(|(_, bytes)| has_colour(bytes));
        Ok(())
    })?;
    Ok(colour)
}

/// Reads all entries as images of `channels`.
///
/// # Errors
/// Files that are no whole images, all of them counted, unless the request skips them; images that
/// do not suit the request; no image at all.
pub(super) fn read(
    container: &Container,
    entries: &[&Entry],
    channels: usize,
    request: &ReadRequest,
) -> Result<ImageSet, DataError> {
    let decoded = |entry: &Entry, bytes: &[u8]| -> Result<Decoded, DataError> {
        let file = container.shown_entry(entry);
        let mut decoded = decode(&file, bytes, request.max_pixels, channels)?;
        if let Some(size) = request.size {
            decoded.picture = request.framing.apply(decoded.picture, size);
        }
        Ok(decoded)
    };
    let (height, width) = match request.size {
        Some(size) => size,
        None => first_size(container, entries, decoded)?,
    };
    let shape = ImageShape::new(channels, height, width);
    let mut pixels = room(container, entries.len(), shape)?;
    let mut places: Vec<Option<&mut [u8]>> =
        pixels.chunks_mut(shape.pixels().max(1)).map(Some).collect();
    let mut broken: Vec<(usize, DataError)> = Vec::new();
    let mut turned: Vec<usize> = Vec::new();
    container.read_batches(entries, FILE_LIMIT, |batch| {
        let mut work: Vec<(usize, Vec<u8>, &mut [u8])> = batch
            .into_iter()
            .filter_map(|(position, bytes)| Some((position, bytes, places[position].take()?)))
            .collect();
        // The first in the order of names is reported, whichever thread finds one.
        work.sort_unstable_by_key(|(position, ..)| *position);
        let done: Vec<(usize, Result<bool, DataError>)> = work
            .into_par_iter()
            .map(|(position, bytes, place)| {
                let entry = entries[position];
                let place = |Decoded { picture, is_turned }: Decoded| {
                    if (picture.width, picture.height) != (width, height) {
                        return Err(DataError::ImageSize {
                            file: container.shown_entry(entry),
                            expected_width: width,
                            expected_height: height,
                            found_width: picture.width,
                            found_height: picture.height,
                        });
                    }
                    write_planes(&picture, place);
                    Ok(is_turned)
                };
                (position, decoded(entry, &bytes).and_then(place))
            })
            .collect();
        for (position, result) in done {
            match result {
                Err(error) if error.is_broken_image() => broken.push((position, error)),
                Err(error) => return Err(error),
                Ok(true) => turned.push(position),
                Ok(false) => {}
            }
        }
        Ok(())
    })?;
    drop(places);
    broken.sort_unstable_by_key(|(position, _)| *position);
    let bad: Vec<usize> = broken.iter().map(|(position, _)| *position).collect();
    if let (Some((_, first)), false) = (broken.into_iter().next(), request.skip_broken) {
        let others = bad.iter().skip(1).map(|&position| &*entries[position].name);
        return Err(DataError::broken_images(first, others));
    }
    let kept: Vec<usize> = (0..entries.len())
        .filter(|position| bad.binary_search(position).is_err())
        .collect();
    if kept.is_empty() {
        return Err(DataError::empty(
            container.shown(),
            "images that can be read",
        ));
    }
    for (to, &from) in kept.iter().enumerate() {
        let each = shape.pixels();
        pixels.copy_within(from * each..(from + 1) * each, to * each);
    }
    pixels.truncate(kept.len() * shape.pixels());
    let name = |&position: &usize| shortened(&entries[position].name);
    Ok(ImageSet {
        shape,
        pixels,
        kept,
        broken: bad.first().map(name),
        turned: turned.iter().min().map(|first| (turned.len(), name(first))),
    })
}

/// Height and width of the first image that can be read.
fn first_size(
    container: &Container,
    entries: &[&Entry],
    decoded: impl Fn(&Entry, &[u8]) -> Result<Decoded, DataError>,
) -> Result<(usize, usize), DataError> {
    for &entry in entries {
        let bytes = container.read(&[entry], FILE_LIMIT)?.concat();
        match decoded(entry, &bytes) {
            Ok(Decoded { picture, .. }) => return Ok((picture.height, picture.width)),
            // It is reported with all others.
            Err(error) if error.is_broken_image() => {}
            Err(error) => return Err(error),
        }
    }
    // None can be read: any size will do to report them.
    Ok((1, 1))
}

fn room(container: &Container, images: usize, shape: ImageShape) -> Result<Vec<u8>, DataError> {
    let total = (images as u64).saturating_mul(shape.pixels() as u64);
    if total > PIXEL_LIMIT {
        let what = "all decoded images together";
        return Err(DataError::too_large(
            container.shown(),
            what,
            total,
            PIXEL_LIMIT,
        ));
    }
    let mut pixels = Vec::new();
    pixels
        .try_reserve_exact(total as usize)
        .map_err(|_| DataError::io(container.shown(), ErrorKind::OutOfMemory.into()))?;
    pixels.resize(total as usize, 0);
    Ok(pixels)
}

fn write_planes(picture: &Picture, place: &mut [u8]) {
    let planes = place.chunks_exact_mut((picture.width * picture.height).max(1));
    for (channel, plane) in planes.enumerate() {
        let values = picture.bytes.iter().skip(channel);
        for (to, from) in plane.iter_mut().zip(values.step_by(picture.channels)) {
            *to = *from;
        }
    }
}
