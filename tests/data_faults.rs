//! Data sets that are hostile, damaged or odd: refused at once and by name, or read with a note.

#[allow(dead_code, reason = "each test file uses some of these")]
mod data;

use data::{png, write, zip_of};
use pathscope::data::{DataError, DataNote, Dataset, ReadRequest, Split, open};
use std::io::Cursor;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::tempdir;

fn read(location: &Path) -> Result<Dataset, DataError> {
    open(location, &ReadRequest::new(Split::Test))
}

/// The error, which comes at once, is one short line and names `part`.
#[track_caller]
fn refused(location: &Path, part: &str) -> String {
    let start = Instant::now();
    let error = read(location).map(|data| data.len()).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "{error}");
    let message = error.to_string();
    assert!(message.contains(part), "`{part}` is not in: {message}");
    assert!(!message.chars().any(char::is_control), "{message:?}");
    assert!(message.len() <= 700, "{message}");
    message
}

#[test]
fn deep_brackets_in_the_header_of_an_array_are_refused_at_once() {
    let folder = tempdir().unwrap();
    for nested in [
        format!("{{'descr': {}", "[".repeat(400)),
        "{'a':".repeat(150),
        format!("{{'descr': '|u1', 'shape': {}", "(".repeat(100)),
        format!("{{'descr': {}'|u1'{}, }}", "[(".repeat(20), ")]".repeat(20)),
    ] {
        let length = (nested.len() as u16).to_le_bytes();
        let array = [b"\x93NUMPY\x01\x00", &length[..], nested.as_bytes()].concat();
        let archive = zip_of(&[("images.npy", &array), ("labels.npy", &array)]);
        let file = write(folder.path(), "deep.npz", &archive);
        refused(&file, "deep.npz: images.npy");
    }
}

#[cfg(unix)]
#[test]
fn only_regular_files_are_opened() {
    let folder = tempdir().unwrap();
    let pipe = folder.path().join("pipe.npz");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    refused(&pipe, "not a regular file");
    refused(Path::new("/dev/zero"), "not a regular file");
    std::fs::create_dir(folder.path().join("cat")).unwrap();
    std::fs::rename(&pipe, folder.path().join("cat/pipe.png")).unwrap();
    write(folder.path(), "cat/a.png", &png(2, 2, [1, 2, 3]));
    assert_eq!(read(folder.path()).unwrap().len(), 1);
}

#[test]
fn images_of_too_many_pixels_are_refused_before_they_are_decoded() {
    let folder = tempdir().unwrap();
    let mut large = Cursor::new(Vec::new());
    image::GrayImage::new(12_000, 12_000)
        .write_to(&mut large, image::ImageFormat::Png)
        .unwrap();
    write(folder.path(), "a/large.png", &large.into_inner());
    refused(folder.path(), "large.png: 12000x12000 pixels");
    for (width, height) in [(101, 100), (1, 10_001), (300, 300)] {
        write(folder.path(), "a/large.png", &png(width, height, [0; 3]));
        let request = ReadRequest {
            max_pixels: 10_000,
            ..ReadRequest::new(Split::Test)
        };
        let error = open(folder.path(), &request).unwrap_err();
        assert!(matches!(error, DataError::TooManyPixels { .. }), "{error}");
    }
}

#[test]
fn an_image_that_is_cut_off_is_refused_by_name() {
    let folder = tempdir().unwrap();
    let image = image::RgbImage::from_fn(64, 64, |x, y| {
        image::Rgb([(x * 4) as u8, (y * 4) as u8, (x * y) as u8])
    });
    for format in [image::ImageFormat::Jpeg, image::ImageFormat::Png] {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        let bytes = bytes.into_inner();
        write(folder.path(), "a/whole.png", &bytes);
        assert_eq!(read(folder.path()).unwrap().len(), 1);
        for kept in [bytes.len() / 2, bytes.len() * 9 / 10, 30, 1] {
            write(folder.path(), "a/whole.png", &bytes[..kept]);
            refused(folder.path(), "whole.png");
        }
    }
    write(folder.path(), "a/whole.png", b"<html>not found</html>");
    refused(folder.path(), "whole.png");
    write(folder.path(), "a/whole.png", b"");
    refused(folder.path(), "whole.png");
}

#[cfg(unix)]
#[test]
fn links_to_folders_count_each_real_file_once() {
    use std::os::unix::fs::symlink;
    let folder = tempdir().unwrap();
    let outside = tempdir().unwrap();
    for name in ["a/1.png", "a/2.png", "b/1.png"] {
        write(folder.path(), name, &png(2, 2, [9; 3]));
    }
    symlink("..", folder.path().join("a/up")).unwrap();
    symlink(folder.path(), folder.path().join("b/root")).unwrap();
    symlink("../a", folder.path().join("b/sibling")).unwrap();
    symlink(".", folder.path().join("a/self")).unwrap();
    let data = read(folder.path()).unwrap();
    assert_eq!((data.len(), data.labels()), (3, &[0, 0, 1][..]));
    // A class that lies elsewhere, linked twice, is still read, once.
    write(outside.path(), "3.png", &png(2, 2, [7; 3]));
    symlink(outside.path(), folder.path().join("c")).unwrap();
    symlink(outside.path(), folder.path().join("d")).unwrap();
    assert_eq!(read(folder.path()).unwrap().len(), 4);
}

#[test]
fn what_is_left_out_of_class_folders_is_counted_and_named() {
    let folder = tempdir().unwrap();
    write(folder.path(), "a/1.png", &png(2, 2, [9; 3]));
    assert!(read(folder.path()).unwrap().notes().is_empty());
    write(folder.path(), "a/2.avif", b"ftyp");
    write(folder.path(), "a/3.gif", b"GIF89a");
    write(folder.path(), "readme.txt", b"not in a class folder");
    let data = read(folder.path()).unwrap();
    let note = DataNote::LeftOut {
        files: 2,
        first: "a/2.avif".into(),
    };
    assert_eq!((data.len(), data.notes()), (1, &[note][..]));
}

#[test]
fn classes_named_by_numbers_are_in_the_order_of_the_numbers() {
    let folder = tempdir().unwrap();
    for class in 0..12 {
        let name = format!("{class}/x.png");
        write(folder.path(), &name, &png(2, 2, [class; 3]));
    }
    let data = read(folder.path()).unwrap();
    let firsts: Vec<u8> = (0..12).map(|i| data.pixels(i..i + 1)[0]).collect();
    assert_eq!(firsts, (0..12).collect::<Vec<u8>>());
    assert_eq!(data.labels(), (0..12).collect::<Vec<u32>>());
    assert_eq!(data.notes(), [DataNote::NumericClasses]);
    // Where both orders agree, there is nothing to say.
    for class in ["10", "11"] {
        std::fs::remove_dir_all(folder.path().join(class)).unwrap();
    }
    assert!(read(folder.path()).unwrap().notes().is_empty());
    // One name that is not a number makes all of them names.
    for class in ["10", "b"] {
        write(folder.path(), &format!("{class}/x.png"), &png(2, 2, [0; 3]));
    }
    let data = read(folder.path()).unwrap();
    assert_eq!(&data.class_names()[..3], ["0", "1", "10"]);
}

#[cfg(unix)]
#[test]
fn names_of_files_cannot_write_to_the_terminal() {
    let folder = tempdir().unwrap();
    for name in ["a\u{1b}[31m", "b\nerror: fake", "c\u{202e}gnp"] {
        write(folder.path(), &format!("{name}/x.png"), &png(2, 2, [0; 3]));
    }
    let data = read(folder.path()).unwrap();
    assert_eq!(
        data.class_names(),
        [r"a\u{1b}[31m", r"b\nerror: fake", r"c\u{202e}gnp"]
    );
    for name in ["x\u{7}\r.png", "x\nerror: fake.png"] {
        let file = write(folder.path(), &format!("a\u{1b}[31m/{name}"), b"broken");
        refused(folder.path(), r"a\u{1b}[31m/x");
        std::fs::remove_file(file).unwrap();
    }
}
