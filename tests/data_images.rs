//! Images of every kind against Pillow and torchvision (`tests/fixtures/make_images.py`).

#[allow(dead_code, reason = "each test uses a part")]
mod data;

use data::write;
use pathscope::data::{
    DataError, Dataset, Framing, Interpolation, ReadRequest, Scale, Split, open,
};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images");
    folder.join(name)
}

fn expected() -> Value {
    let text = std::fs::read(fixture("images.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Bytes written as hexadecimal digits, `[H, W, 3]`, as planes `[3, H, W]`.
fn planes(digits: &Value) -> Vec<u8> {
    let digits = digits.as_str().unwrap();
    let byte = |i: usize| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap();
    let pixels: Vec<u8> = (0..digits.len() / 2).map(byte).collect();
    let plane = |channel: usize| pixels.iter().skip(channel).step_by(3).copied();
    (0..3).flat_map(plane).collect()
}

/// Reads one file as the only image of a data set.
fn read(name: &str, request: &ReadRequest) -> Result<Dataset, DataError> {
    let folder = tempdir().unwrap();
    let bytes = std::fs::read(fixture(name)).unwrap();
    write(folder.path(), &format!("a/{name}"), &bytes);
    open(folder.path(), request)
}

fn in_colour() -> ReadRequest {
    ReadRequest {
        channels: Some(3),
        ..ReadRequest::new(Split::Test)
    }
}

/// What has no plain reading as bytes, or none that is Pillow's.
const REFUSED: [&str; 4] = ["cmyk.tif", "grey-16.png", "grey-16.tif", "palette.tif"];

#[test]
fn images_of_every_kind_are_what_pillow_makes_of_them() {
    let mut refused = Vec::new();
    for (name, image) in expected()["images"].as_object().unwrap() {
        let found = match read(name, &in_colour()) {
            Ok(found) => found,
            Err(error) => {
                assert!(error.to_string().contains(name), "{error}");
                refused.push(name.clone());
                continue;
            }
        };
        let shape = found.shape();
        let size = [shape.width, shape.height].map(|side| side as u64);
        let expected: Vec<u64> = serde_json::from_value(image["size"].clone()).unwrap();
        assert_eq!(size.to_vec(), expected, "{name}");
        // Decoders of lossy formats round in their own ways.
        let lossy = name.ends_with("jpg") || ["lossy.webp", "jpeg.tif"].contains(&&**name);
        let apart = found.pixels(0..1).iter().zip(planes(&image["pixels"]));
        let apart = apart.map(|(a, b)| a.abs_diff(b)).max().unwrap();
        assert!(apart <= if lossy { 4 } else { 0 }, "{name}: {apart}");
    }
    assert_eq!(refused, REFUSED);
}

#[test]
fn scaling_and_cutting_is_torchvision_s_to_the_last_bit() {
    for case in expected()["scaled"].as_array().unwrap() {
        let number = |value: &Value| value.as_u64().unwrap() as usize;
        let shorter = number(&case["shorter"]);
        let size = (number(&case["size"][0]), number(&case["size"][1]));
        let interpolation = match case["interpolation"].as_str() {
            Some("bicubic") => Interpolation::Bicubic,
            _ => Interpolation::Bilinear,
        };
        let request = ReadRequest {
            size: Some(size),
            framing: Framing {
                scale: Scale::ShorterSide(shorter),
                interpolation,
            },
            ..in_colour()
        };
        let found = read("noise.png", &request).unwrap();
        assert_eq!(
            found.pixels(0..1),
            planes(&case["pixels"]),
            "{shorter} {interpolation:?}"
        );
    }
}

#[test]
fn every_image_decides_whether_a_set_has_colours_whatever_the_limit() {
    let folder = tempdir().unwrap();
    let bytes = |name: &str| std::fs::read(fixture(name)).unwrap();
    for class in ["a", "b"] {
        write(
            folder.path(),
            &format!("{class}/1.png"),
            &bytes("bilevel.png"),
        );
        write(folder.path(), &format!("{class}/2.tif"), &bytes("grey.tif"));
    }
    let channels = |channels, limit| {
        let request = ReadRequest {
            channels,
            limit,
            ..ReadRequest::new(Split::Test)
        };
        open(folder.path(), &request).map(|data| data.shape().channels)
    };
    assert_eq!(channels(None, None).unwrap(), 1);
    assert_eq!(channels(Some(3), None).unwrap(), 3);
    write(folder.path(), "b/3.bmp", &bytes("rgb.bmp"));
    for limit in [None, Some(1), Some(2)] {
        assert_eq!(channels(None, limit).unwrap(), 3, "{limit:?}");
        assert_eq!(channels(Some(3), limit).unwrap(), 3, "{limit:?}");
    }
    let error = channels(Some(1), None).unwrap_err().to_string();
    assert!(error.contains("3.bmp: a colour image"), "{error}");
}

#[test]
fn an_image_cut_anywhere_is_refused_or_whole() {
    for name in [
        "rgb.bmp",
        "palette.bmp",
        "lossless.webp",
        "lossy.webp",
        "plain.tif",
        "lzw.tiff",
        "rgba.png",
        "plain.jpg",
        "progressive.jpg",
    ] {
        let whole = read(name, &in_colour()).unwrap();
        let bytes = std::fs::read(fixture(name)).unwrap();
        let folder = tempdir().unwrap();
        for kept in (0..bytes.len()).step_by(3) {
            write(folder.path(), &format!("a/{name}"), &bytes[..kept]);
            // What lies behind the pixels (a checksum, a directory) may be missing.
            if let Ok(found) = open(folder.path(), &in_colour()) {
                assert_eq!(
                    found.pixels(0..1),
                    whole.pixels(0..1),
                    "{name}, {kept} bytes"
                );
            }
        }
    }
}
