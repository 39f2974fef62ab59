//! Image folders: one folder per class, JPEG or PNG, with or without a folder per split above.

use super::container::{Container, Entry};
use super::dataset::limited;
use super::{DataError, Dataset, ImageShape, ReadRequest, Split};
use image::imageops::FilterType;
use image::{DynamicImage, ImageReader, Limits};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::io::{Cursor, ErrorKind};

const FILE_LIMIT: u64 = 64 << 20;
const LONGEST_SIDE: u32 = 1 << 15;
const DECODER_BYTES: u64 = 512 << 20;
/// Bytes of pixels of a whole data set.
const PIXEL_LIMIT: u64 = 64 << 30;

/// One image file, before it is read.
struct Labelled<'a> {
    entry: &'a Entry,
    /// What the first folder of its path is, where it is the name of a split.
    split: Option<Split>,
    /// Name of the folder of the split, as it is written.
    split_folder: &'a str,
    class: &'a str,
}

/// A folder or archive of images; `None` where it has none in a class folder.
///
/// The classes are those of all splits together, sorted by name, so that a class without test
/// images does not renumber the others.
pub(super) fn open(
    container: &Container,
    request: &ReadRequest,
) -> Result<Option<Dataset>, DataError> {
    let images: Vec<&Entry> = container
        .entries()
        .iter()
        .filter(|entry| is_image(entry.file_name()))
        .collect();
    let mut all = classified(&images);
    if all.is_empty() {
        return Ok(None);
    }
    let split = all
        .iter()
        .any(|image| image.split.is_some())
        .then_some(request.split);
    // Beside folders of splits, other images (of a documentation, say) are no examples.
    all.retain(|image| image.split.is_some() == split.is_some());
    let chosen = choose(container, &all, split)?;
    let classes: Vec<&str> = all
        .iter()
        .map(|image| image.class)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    if let (Some(Split::Test), Some(stray)) = (split, untrained(&all, &chosen)) {
        let reason = format!(
            "the class `{}` has no folder among the training images",
            stray.class
        );
        return Err(DataError::malformed(
            &container.shown_entry(stray.entry),
            0,
            reason,
        ));
    }
    if classes.len() > usize::from(u16::MAX) {
        return Err(DataError::TooLarge {
            file: container.shown(),
            what: "the list of classes",
            bytes: classes.len() as u64,
            limit: u16::MAX.into(),
        });
    }
    let mut labelled: Vec<(u16, &Entry)> = chosen
        .iter()
        .map(|image| {
            (
                classes.partition_point(|&class| class < image.class) as u16,
                image.entry,
            )
        })
        .collect();
    labelled.sort_by(|a, b| (a.0, &a.1.name).cmp(&(b.0, &b.1.name)));
    let labels: Vec<u16> = labelled.iter().map(|(label, _)| *label).collect();
    let kept = limited(&labels, request.limit.unwrap_or(usize::MAX));
    let labels = kept.iter().map(|&i| labels[i]).collect();
    let entries: Vec<&Entry> = kept.iter().map(|&i| labelled[i].1).collect();
    let (shape, pixels) = decode_all(container, &entries, request)?;
    let description = format!("image folder {}", container.shown());
    let names = classes.iter().map(|&class| class.to_owned()).collect();
    let dataset = Dataset::new(shape, pixels, labels, classes.len(), description)?;
    Ok(Some(dataset.with_class_names(names).with_split(split)))
}

fn is_image(file_name: &str) -> bool {
    file_name
        .rsplit_once('.')
        .is_some_and(|(_, ending)| ["jpg", "jpeg", "png"].contains(&&*ending.to_lowercase()))
}

fn split_named(folder: &str) -> Option<Split> {
    match &*folder.to_lowercase() {
        "train" | "training" => Some(Split::Train),
        "test" | "testing" | "val" | "valid" | "validation" => Some(Split::Test),
        _ => None,
    }
}

/// Split and class of each image that lies in a class folder.
fn classified<'a>(images: &[&'a Entry]) -> Vec<Labelled<'a>> {
    // Folders above those of splits or classes, such as the one an archive was packed from.
    let shared = images
        .iter()
        .map(|entry| entry.folder())
        .reduce(|shared, folder| common_folder(shared, folder))
        .unwrap_or_default();
    // Where all images have one folder in common, the last one is the class.
    let only_class = images.iter().all(|entry| entry.folder() == shared);
    let mut above = shared.split('/').filter(|part| !part.is_empty()).count();
    if only_class {
        above = above.saturating_sub(1);
    }
    let named = shared
        .split('/')
        .take(above)
        .position(|part| split_named(part).is_some());
    above = named.unwrap_or(above);
    images
        .iter()
        .filter_map(|&entry| {
            let mut folders = entry
                .folder()
                .split('/')
                .filter(|part| !part.is_empty())
                .skip(above);
            let first = folders.next()?;
            let Some(split) = split_named(first) else {
                return Some(Labelled {
                    entry,
                    split: None,
                    split_folder: "",
                    class: first,
                });
            };
            let class = folders.next()?;
            Some(Labelled {
                entry,
                split: Some(split),
                split_folder: first,
                class,
            })
        })
        .collect()
}

fn common_folder<'a>(a: &'a str, b: &str) -> &'a str {
    let mut end = 0;
    for (left, right) in a.split('/').zip(b.split('/')) {
        if left != right {
            break;
        }
        end += left.len() + 1;
    }
    a.get(..end.saturating_sub(1).min(a.len()))
        .unwrap_or_default()
}

/// The images of a split; those of `test` where there are `test` and `val`.
fn choose<'a, 'b>(
    container: &Container,
    all: &'b [Labelled<'a>],
    split: Option<Split>,
) -> Result<Vec<&'b Labelled<'a>>, DataError> {
    let of_split: Vec<&Labelled> = all.iter().filter(|image| image.split == split).collect();
    if let (Some(split), true) = (split, of_split.is_empty()) {
        let present: BTreeSet<&str> = all.iter().map(|image| image.split_folder).collect();
        let present = present.into_iter().filter(|name| !name.is_empty());
        let present = present.collect::<Vec<_>>().join(", ");
        return Err(DataError::MissingSplit {
            file: container.shown(),
            split,
            present,
        });
    }
    let folders: BTreeSet<&str> = of_split.iter().map(|image| image.split_folder).collect();
    let preferred = folders
        .iter()
        .copied()
        .find(|folder| folder.to_lowercase().starts_with("test"));
    let Some(folder) = preferred.or(folders.first().copied()) else {
        return Ok(of_split);
    };
    Ok(of_split
        .into_iter()
        .filter(|image| image.split_folder == folder)
        .collect())
}

/// A test image of a class that no training image has, where there are training images.
fn untrained<'a, 'b>(
    all: &[Labelled<'a>],
    chosen: &[&'b Labelled<'a>],
) -> Option<&'b Labelled<'a>> {
    let trained: BTreeSet<&str> = all
        .iter()
        .filter(|image| image.split == Some(Split::Train))
        .map(|image| image.class)
        .collect();
    let stray = chosen
        .iter()
        .find(|image| !trained.contains(image.class))
        .copied();
    stray.filter(|_| !trained.is_empty())
}

/// Decodes on all cores into pixels `[N, C, H, W]`, with one channel where all images are grey.
fn decode_all(
    container: &Container,
    entries: &[&Entry],
    request: &ReadRequest,
) -> Result<(ImageShape, Vec<u8>), DataError> {
    let Some(first) = entries.first() else {
        return Err(DataError::Empty {
            file: container.shown(),
            wanted: "images",
        });
    };
    let first_image = decode(
        container,
        first,
        &container.read(&[first], FILE_LIMIT)?.concat(),
    )?;
    let first_image = resized(first_image, request);
    let (width, height) = (first_image.width(), first_image.height());
    let plane = width as usize * height as usize;
    let total = (entries.len() as u64).saturating_mul(3 * plane as u64);
    if total > PIXEL_LIMIT {
        return Err(DataError::TooLarge {
            file: container.shown(),
            what: "all decoded images together",
            bytes: total,
            limit: PIXEL_LIMIT,
        });
    }
    let mut pixels = Vec::new();
    pixels
        .try_reserve_exact(total as usize)
        .map_err(|_| DataError::io(container.shown(), ErrorKind::OutOfMemory.into()))?;
    pixels.resize(total as usize, 0);
    let mut places: Vec<Option<&mut [u8]>> = pixels.chunks_mut(3 * plane).map(Some).collect();
    let mut grey = true;
    container.read_batches(entries, FILE_LIMIT, |batch| {
        let mut work: Vec<(usize, Vec<u8>, &mut [u8])> = batch
            .into_iter()
            .filter_map(|(position, bytes)| Some((position, bytes, places[position].take()?)))
            .collect();
        // The first in the order of names is reported, whichever thread finds one.
        work.sort_unstable_by_key(|(position, ..)| *position);
        let all_grey = work
            .into_par_iter()
            .map(|(position, bytes, place)| {
                let entry = entries[position];
                let image = decode(container, entry, &bytes)?;
                let image = resized(image, request);
                if (image.width(), image.height()) != (width, height) {
                    return Err(DataError::ImageSize {
                        file: container.shown_entry(entry),
                        expected_width: width,
                        expected_height: height,
                        found_width: image.width(),
                        found_height: image.height(),
                    });
                }
                let is_grey = !image.color().has_color();
                write_planes(image, place);
                Ok(is_grey)
            })
            .collect::<Vec<_>>()
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        grey &= all_grey.into_iter().all(|grey| grey);
        Ok(())
    })?;
    drop(places);
    if grey {
        for image in 0..entries.len() {
            pixels.copy_within(3 * image * plane..(3 * image + 1) * plane, image * plane);
        }
        pixels.truncate(entries.len() * plane);
        pixels.shrink_to_fit();
    }
    let channels = if grey { 1 } else { 3 };
    Ok((
        ImageShape {
            channels,
            height: height as usize,
            width: width as usize,
        },
        pixels,
    ))
}

fn decode(container: &Container, entry: &Entry, bytes: &[u8]) -> Result<DynamicImage, DataError> {
    let failed = |source| DataError::UndecodableImage {
        file: container.shown_entry(entry),
        source,
    };
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|source| DataError::io(container.shown_entry(entry), source))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(DECODER_BYTES);
    reader.limits(limits);
    reader.decode().map_err(failed)
}

/// Scales until the shorter side suits the request, then cuts around the centre.
fn resized(image: DynamicImage, request: &ReadRequest) -> DynamicImage {
    let Some((height, width)) = request.size else {
        return image;
    };
    let side = |size: usize| {
        u32::try_from(size)
            .unwrap_or(LONGEST_SIDE)
            .clamp(1, LONGEST_SIDE)
    };
    let (height, width) = (side(height), side(width));
    let cover = (f64::from(width) / f64::from(image.width()))
        .max(f64::from(height) / f64::from(image.height()));
    let shorter = f64::from(image.width().min(image.height()));
    let scale = request
        .shorter_side
        .map_or(cover, |wanted| cover.max(wanted as f64 / shorter));
    let scaled = |length: u32, least: u32| {
        ((f64::from(length) * scale).round() as u32).clamp(least, LONGEST_SIDE.max(least))
    };
    let (wide, high) = (scaled(image.width(), width), scaled(image.height(), height));
    let image = if (wide, high) == (image.width(), image.height()) {
        image
    } else {
        image.resize_exact(wide, high, FilterType::Triangle)
    };
    image.crop_imm((wide - width) / 2, (high - height) / 2, width, height)
}

fn write_planes(image: DynamicImage, place: &mut [u8]) {
    let image = image.into_rgb8();
    let plane = place.len() / 3;
    let (red, rest) = place.split_at_mut(plane);
    let (green, blue) = rest.split_at_mut(plane);
    for (i, pixel) in image.as_raw().chunks_exact(3).enumerate() {
        red[i] = pixel[0];
        green[i] = pixel[1];
        blue[i] = pixel[2];
    }
}
