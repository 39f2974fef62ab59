//! One image file: the pixels that Pillow's `convert("RGB")` gives, or a refusal.

use super::DataError;
use super::resample::Picture;
use image::metadata::Orientation;
use image::{
    ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageReader, ImageResult, Limits,
};
use std::io::Cursor;

const LONGEST_SIDE: u32 = 1 << 15;
const DECODER_BYTES: u64 = 512 << 20;

/// Whether a file is an image that is read, by its name.
pub(super) fn is_image(file_name: &str) -> bool {
    const ENDINGS: [&str; 7] = ["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff"];
    file_name
        .rsplit_once('.')
        .is_some_and(|(_, ending)| ENDINGS.contains(&&*ending.to_lowercase()))
}

/// Whether an image has colours, by its header; one that cannot be read has none.
pub(super) fn has_colour(bytes: &[u8]) -> bool {
    decoder(bytes).is_ok_and(|decoder| decoder.color_type().has_color())
}

/// An image as it was decoded.
pub(super) struct Decoded {
    pub picture: Picture,
    /// Whether the file notes an orientation that was not applied.
    pub is_turned: bool,
}

/// Decodes an image into as many channels as are asked for; `file` is what errors call it.
///
/// Transparency is dropped, the orientation that a camera notes is not applied except in TIFF, and
/// colours of 16 bits lose the lower 8, as torchvision's `ImageFolder` has it.
///
/// # Errors
/// A file that holds no whole image, one of other numbers than bytes, too many pixels, or colours
/// where one channel is asked for.
pub(super) fn decode(
    file: &str,
    bytes: &[u8],
    max_pixels: u64,
    channels: usize,
) -> Result<Decoded, DataError> {
    let failed = |source| DataError::UndecodableImage {
        file: file.into(),
        source,
    };
    let unsuitable = |what: &str| DataError::UnsuitableImage {
        file: file.into(),
        what: what.into(),
    };
    let mut decoder = decoder(bytes).map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(DataError::TooManyPixels {
            file: file.into(),
            width,
            height,
            limit: max_pixels,
        });
    }
    let stored = decoder.original_color_type();
    let is_jpeg = bytes.starts_with(&JPEG);
    if matches!(stored, ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16) && !is_jpeg {
        return Err(unsuitable("CMYK colours outside of JPEG"));
    }
    if decoder.color_type().has_color() && channels == 1 {
        return Err(DataError::NotGrey(file.into()));
    }
    let kind = decoder.color_type();
    // A note that cannot be read turns no image in Pillow either.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    if (is_jpeg && is_cut_jpeg(bytes)) || is_cut_webp(bytes) {
        return Err(DataError::CutOff(file.into()));
    }
    let is_tiff = TIFF.iter().any(|start| bytes.starts_with(start));
    if is_tiff {
        image.apply_orientation(orientation);
    }
    let (width, height) = (image.width(), image.height());
    let upper = |values: Vec<u16>| values.into_iter().map(|value| (value >> 8) as u8).collect();
    let (samples, bytes): (usize, Vec<u8>) = match image {
        DynamicImage::ImageLuma8(image) => (1, image.into_raw()),
        DynamicImage::ImageLumaA8(image) => (2, image.into_raw()),
        DynamicImage::ImageRgb8(image) => (3, image.into_raw()),
        DynamicImage::ImageRgba8(image) => (4, image.into_raw()),
        DynamicImage::ImageLumaA16(image) => (2, upper(image.into_raw())),
        DynamicImage::ImageRgb16(image) => (3, upper(image.into_raw())),
        DynamicImage::ImageRgba16(image) => (4, upper(image.into_raw())),
        _ if kind == ColorType::L16 => {
            return Err(unsuitable(
                "grey of 16 bits, which Pillow and torchvision clip to white above 255",
            ));
        }
        _ => return Err(unsuitable("numbers that are not bytes")),
    };
    Ok(Decoded {
        picture: Picture {
            width: width as usize,
            height: height as usize,
            channels,
            bytes: with_channels(bytes, samples, channels),
        },
        is_turned: !is_tiff && orientation != Orientation::NoTransforms,
    })
}

fn decoder(bytes: &[u8]) -> ImageResult<impl ImageDecoder + '_> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(DECODER_BYTES);
    reader.limits(limits);
    reader.into_decoder()
}

/// Interleaved samples (grey, grey and alpha, RGB, RGBA) as `channels` of each pixel.
fn with_channels(bytes: Vec<u8>, samples: usize, channels: usize) -> Vec<u8> {
    if samples == channels {
        return bytes;
    }
    let pixels = bytes.chunks_exact(samples);
    match (samples, channels) {
        (1 | 2, 3) => pixels.flat_map(|pixel| [pixel[0]; 3]).collect(),
        _ => pixels
            .flat_map(|pixel| &pixel[..channels])
            .copied()
            .collect(),
    }
}

/// Whether a WebP file is shorter than its header states: the decoder fills what is missing.
fn is_cut_webp(bytes: &[u8]) -> bool {
    match *bytes {
        [b'R', b'I', b'F', b'F', a, b, c, d, ..] => {
            (bytes.len() as u64) < 8 + u64::from(u32::from_le_bytes([a, b, c, d]))
        }
        _ => false,
    }
}

const JPEG: [u8; 2] = [0xff, 0xd8];
const TIFF: [&[u8]; 2] = [b"II", b"MM"];

/// Whether a JPEG file has no end marker behind its last scan: the decoder fills what is missing
/// with grey. Within a scan, 0xff is always followed by 0 or a restart marker.
fn is_cut_jpeg(bytes: &[u8]) -> bool {
    const START_OF_SCAN: [u8; 2] = [0xff, 0xda];
    const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
    let last_scan = bytes.windows(2).rposition(|pair| pair == START_OF_SCAN);
    let scan = last_scan.and_then(|start| bytes.get(start..));
    !scan.is_some_and(|scan| scan.windows(2).any(|pair| pair == END_OF_IMAGE))
}
