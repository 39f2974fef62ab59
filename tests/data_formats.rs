//! Every format and every error of the data readers, on small files made up here.

#[allow(dead_code, reason = "each test uses a part")]
mod data;

use data::{
    cifar_record, gzip, idx_images, idx_labels, official_pickle, png, tar_gz, write, zip_of,
};
use pathscope::data::{
    self as reading, DataError, Dataset, Framing, Interpolation, ReadRequest, Scale, Split,
    write_idx_gz,
};
use proptest::prelude::*;
use std::path::Path;
use tempfile::{TempDir, tempdir};

fn open(location: &Path, split: Split) -> Result<Dataset, DataError> {
    reading::open(location, &ReadRequest::new(split))
}

fn message(location: &Path, split: Split) -> String {
    open(location, split)
        .map(|dataset| dataset.len())
        .unwrap_err()
        .to_string()
}

#[track_caller]
fn assert_says(location: &Path, split: Split, parts: &[&str]) {
    let message = message(location, split);
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    assert!(!message.contains('\n'), "{message}");
}

fn folder() -> TempDir {
    tempdir().unwrap()
}

#[test]
fn cifar_binary_reads_any_number_of_records() {
    let folder = folder();
    write(folder.path(), "data_batch_2.bin", &cifar_record(&[7], 20));
    write(folder.path(), "data_batch_10.bin", &cifar_record(&[9], 30));
    write(
        folder.path(),
        "data_batch_1.bin",
        &[cifar_record(&[3], 0), cifar_record(&[5], 9)].concat(),
    );
    let train = open(folder.path(), Split::Train).unwrap();
    assert_eq!(train.labels(), [3, 5, 7, 9]);
    assert_eq!(train.pixels(1..2), &cifar_record(&[5], 9)[1..]);
    assert_says(
        folder.path(),
        Split::Test,
        &["no test images", "data_batch_1.bin"],
    );
}

#[test]
fn cifar_hundred_takes_the_fine_label() {
    let folder = folder();
    write(folder.path(), "test.bin", &cifar_record(&[19, 99], 4));
    let test = open(folder.path(), Split::Test).unwrap();
    assert_eq!((test.labels(), test.classes()), (&[99][..], 100));
    assert_eq!(test.pixels(0..1), &cifar_record(&[19, 99], 4)[2..]);
    write(folder.path(), "test.bin", &cifar_record(&[20, 99], 4));
    assert_says(
        folder.path(),
        Split::Test,
        &["test.bin", "byte 0", "label 20", "20 classes"],
    );
    write(folder.path(), "test.bin", &cifar_record(&[1, 100], 4));
    assert_says(folder.path(), Split::Test, &["byte 1 ", "label 100"]);
}

#[test]
fn a_batch_of_another_name_is_told_by_its_length() {
    let folder = folder();
    let ten = write(folder.path(), "ten.bin", &cifar_record(&[9], 1));
    assert_eq!(open(&ten, Split::Test).unwrap().classes(), 10);
    let hundred = write(folder.path(), "hundred", &cifar_record(&[0, 42], 1));
    assert_eq!(open(&hundred, Split::Test).unwrap().labels(), [42]);
}

#[test]
fn short_cifar_records_and_wrong_labels_name_file_record_and_offset() {
    let folder = folder();
    let mut bytes = [cifar_record(&[3], 0), cifar_record(&[5], 9)].concat();
    bytes.truncate(6000);
    let file = write(folder.path(), "test_batch.bin", &bytes);
    assert_says(
        &file,
        Split::Test,
        &["test_batch.bin", "record 1 at byte 3073", "2927 of 3073"],
    );
    let bytes = [cifar_record(&[3], 0), cifar_record(&[10], 9)].concat();
    write(folder.path(), "test_batch.bin", &bytes);
    assert_says(
        folder.path(),
        Split::Test,
        &["record 1 at byte 3073", "label 10", "0 to 9"],
    );
    write(folder.path(), "test_batch.bin", b"");
    assert_says(folder.path(), Split::Test, &["no records"]);
    assert_says(&file, Split::Test, &["test_batch.bin", "no bytes"]);
}

#[test]
fn python_batches_are_read_without_running_anything() {
    let folder = folder();
    let pixels: Vec<u8> = (0..2 * 3072).map(|i| (i * 7) as u8).collect();
    write(
        folder.path(),
        "test_batch",
        &official_pickle(&[8, 1], &pixels),
    );
    let test = open(folder.path(), Split::Test).unwrap();
    assert_eq!((test.labels(), test.classes()), (&[8, 1][..], 10));
    assert_eq!(test.pixels(0..2), pixels);
    assert_eq!(test.class_names()[9], "truck");

    let binary = [&[8][..], &pixels[..3072], &[1], &pixels[3072..]].concat();
    let file = write(folder.path(), "same.bin", &binary);
    assert_eq!(
        open(&file, Split::Test).unwrap().content_hash(),
        test.content_hash()
    );
}

#[test]
fn hostile_or_broken_pickles_are_refused_with_their_offset() {
    let folder = folder();
    let pixels = vec![1; 3072];
    let good = official_pickle(&[8], &pixels);
    let file = write(folder.path(), "test_batch", &good[..good.len() - 100]);
    assert_says(&file, Split::Test, &["test_batch", "cut off"]);
    write(
        folder.path(),
        "test_batch",
        b"\x80\x02cos\nsystem\n(U\x04truetR.",
    );
    assert_says(
        &file,
        Split::Test,
        &["test_batch", "byte 2", "`os.system`", "refused"],
    );
    write(
        folder.path(),
        "test_batch",
        b"\x80\x02T\xff\xff\xff\x7fabc.",
    );
    assert_says(&file, Split::Test, &["byte 2", "cut off"]);
    write(folder.path(), "test_batch", b"\x80\x02}q\x01.");
    assert_says(&file, Split::Test, &["no list `labels`"]);
    write(
        folder.path(),
        "test_batch",
        &official_pickle(&[10], &pixels),
    );
    assert_says(&file, Split::Test, &["record 0 at byte", "label 10"]);
    write(
        folder.path(),
        "test_batch",
        &official_pickle(&[1, 2], &pixels),
    );
    assert_says(&file, Split::Test, &["[1, 3072]", "[2, 3072]"]);
    // A list that holds itself, and marks without end.
    write(folder.path(), "test_batch", b"\x80\x02]q\x00h\x00a.");
    assert_says(&file, Split::Test, &["no list `labels`"]);
    write(
        folder.path(),
        "test_batch",
        &[&b"\x80\x02"[..], &vec![b'('; 5 << 20]].concat(),
    );
    assert_says(&file, Split::Test, &["more than 4194304"]);
}

#[test]
fn idx_files_plain_and_compressed_are_the_same() {
    let folder = folder();
    let (images, labels) = (idx_images(3, 2, 2, 0), idx_labels(&[0, 4, 2]));
    write(folder.path(), "t10k-images-idx3-ubyte.gz", &gzip(&images));
    write(folder.path(), "t10k-labels-idx1-ubyte.gz", &gzip(&labels));
    let packed = open(folder.path(), Split::Test).unwrap();
    assert_eq!(
        (packed.labels(), packed.shape().to_string()),
        (&[0, 4, 2][..], "1x2x2".into())
    );
    assert_eq!(packed.pixels(1..2), [4, 5, 6, 7]);
    let images = write(folder.path(), "t10k-images-idx3-ubyte", &images);
    let plain = open(folder.path(), Split::Test).unwrap();
    assert_eq!(plain.content_hash(), packed.content_hash());
    assert_eq!(
        open(&images, Split::Train).unwrap().content_hash(),
        packed.content_hash()
    );
    assert_says(
        folder.path(),
        Split::Train,
        &["no train images", "t10k-images"],
    );
}

#[test]
fn broken_idx_files_name_what_is_wrong() {
    let folder = folder();
    let images = "t10k-images-idx3-ubyte";
    let good = idx_images(3, 2, 2, 0);
    let path = write(folder.path(), images, &good);
    assert_says(
        &path,
        Split::Test,
        &["t10k-images-idx3-ubyte", "labels file is missing", "idx1"],
    );
    write(
        folder.path(),
        "t10k-labels-idx1-ubyte",
        &idx_labels(&[0, 1]),
    );
    assert_says(&path, Split::Test, &["3 images", "2 labels"]);
    write(
        folder.path(),
        "t10k-labels-idx1-ubyte",
        &idx_labels(&[0, 1, 2]),
    );

    write(folder.path(), images, &good[..good.len() - 5]);
    assert_says(&path, Split::Test, &["record 1 at byte 20", "3 of 4 bytes"]);
    write(folder.path(), images, &gzip(&good[..good.len() - 5]));
    assert_says(&path, Split::Test, &["record 1 at byte 20", "3 of 4 bytes"]);
    write(folder.path(), images, &[&good[..], &[0]].concat());
    assert_says(&path, Split::Test, &["claims 12 bytes", "found 13"]);
    write(folder.path(), images, &gzip(&good)[..20]);
    assert_says(&path, Split::Test, &[images]);
    for header in [&good[..3], &good[..9]] {
        write(folder.path(), images, header);
        assert_says(&path, Split::Test, &[images, "the file is cut off"]);
    }
    write(folder.path(), images, &[&[1], &good[1..]].concat());
    assert_says(
        &path,
        Split::Test,
        &["byte 0", "[01, 00, 08, 03]", "two zero bytes"],
    );
    write(folder.path(), images, &[&[0, 0, 13], &good[3..]].concat());
    assert_says(
        &path,
        Split::Test,
        &["byte 2", "element type 13", "unsigned"],
    );
    write(folder.path(), images, &idx_labels(&[0, 1, 2]));
    assert_says(&path, Split::Test, &["byte 3", "1 dimensions", "images"]);
    write(folder.path(), images, &idx_images(0, 2, 2, 0));
    assert_says(&path, Split::Test, &["no elements"]);
}

#[test]
fn a_claimed_size_is_checked_before_memory_is_taken() {
    let folder = folder();
    let header = [&[0, 0, 8, 3][..], &[0xff; 12]].concat();
    let path = write(folder.path(), "t10k-images-idx3-ubyte.gz", &gzip(&header));
    write(folder.path(), "t10k-labels-idx1-ubyte", &idx_labels(&[0]));
    assert_says(&path, Split::Test, &["claims"]);
}

#[test]
fn written_idx_files_are_read_back_and_always_the_same() {
    let (first, second) = (folder(), folder());
    write(
        first.path(),
        "t10k-images-idx3-ubyte",
        &idx_images(5, 3, 4, 17),
    );
    write(
        first.path(),
        "t10k-labels-idx1-ubyte",
        &idx_labels(&[4, 3, 2, 1, 0]),
    );
    let dataset = open(first.path(), Split::Test).unwrap().limit(4);
    write_idx_gz(&dataset, second.path()).unwrap();
    assert_eq!(
        open(second.path(), Split::Test).unwrap().content_hash(),
        dataset.content_hash()
    );
    let bytes = std::fs::read(second.path().join("t10k-images-idx3-ubyte.gz")).unwrap();
    // No modification time (bytes 4 to 7) and no operating system (byte 9), RFC 1952.
    assert_eq!((&bytes[4..8], bytes[9]), (&[0; 4][..], 255));

    let colour = write(first.path(), "test_batch.bin", &cifar_record(&[2], 5));
    let dataset = open(&colour, Split::Test).unwrap();
    let third = folder();
    write_idx_gz(&dataset, third.path()).unwrap();
    assert_eq!(
        open(third.path(), Split::Test).unwrap().content_hash(),
        dataset.content_hash()
    );
}

fn image_tree(root: &Path) {
    write(root, "train/cat/1.png", &png(4, 3, [10, 20, 30]));
    write(root, "train/ant/1.png", &png(4, 3, [40, 50, 60]));
    write(root, "train/dog/1.png", &png(4, 3, [70, 80, 90]));
    write(root, "val/dog/2.png", &png(4, 3, [71, 81, 91]));
    write(root, "val/cat/2.png", &png(4, 3, [11, 21, 31]));
    write(root, "val/cat/.hidden.png", b"not an image");
    write(root, "pictures/of/readme.png", &png(9, 9, [0, 0, 0]));
}

#[test]
fn image_folders_sort_classes_by_name_over_all_splits() {
    let folder = folder();
    image_tree(folder.path());
    let test = open(folder.path(), Split::Test).unwrap();
    assert_eq!(test.class_names(), ["ant", "cat", "dog"]);
    assert_eq!(
        (test.labels(), test.shape().to_string()),
        (&[1, 2][..], "3x3x4".into())
    );
    let planes: Vec<u8> = [71, 81, 91].iter().flat_map(|&value| [value; 12]).collect();
    assert_eq!(test.pixels(1..2), planes);
    assert_eq!(
        open(folder.path(), Split::Train).unwrap().labels(),
        [0, 1, 2]
    );
    let direct = open(&folder.path().join("val"), Split::Test).unwrap();
    assert_eq!((direct.labels(), direct.split()), (&[0, 1][..], None));
    assert_eq!(direct.class_names(), ["cat", "dog"]);
}

#[test]
fn an_archive_of_an_image_folder_is_the_folder() {
    let folder = folder();
    image_tree(folder.path());
    for name in ["images.tar.gz", "images.tgz", "images.tar"] {
        let bytes = tar_gz(&[
            ("./top/val/dog/2.png", &png(4, 3, [71, 81, 91])),
            ("./top/train/ant/1.png", &png(4, 3, [40, 50, 60])),
            ("./top/val/cat/2.png", b"replaced by the next one"),
            ("./top/val/cat/2.png", &png(4, 3, [11, 21, 31])),
            ("./top/train/cat/1.png", &png(4, 3, [10, 20, 30])),
            ("./top/train/dog/1.png", &png(4, 3, [70, 80, 90])),
        ]);
        let bytes = if name.ends_with(".tar") {
            data::gunzip(&bytes)
        } else {
            bytes
        };
        let archive = write(folder.path(), name, &bytes);
        for split in [Split::Train, Split::Test] {
            let packed = open(&archive, split).unwrap();
            let unpacked = open(folder.path(), split).unwrap();
            assert_eq!(packed.content_hash(), unpacked.content_hash());
            assert_eq!(packed.class_names(), unpacked.class_names());
        }
    }
}

#[test]
fn grey_images_have_one_channel() {
    let folder = folder();
    let image = image::GrayImage::from_fn(3, 2, |x, y| image::Luma([(x + 3 * y) as u8]));
    for class in ["0", "1"] {
        std::fs::create_dir(folder.path().join(class)).unwrap();
        image.save(folder.path().join(class).join("a.png")).unwrap();
    }
    let dataset = open(folder.path(), Split::Test).unwrap();
    assert_eq!(dataset.shape().to_string(), "1x2x3");
    assert_eq!(dataset.pixels(0..2), [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
}

#[test]
fn images_of_different_sizes_need_a_size() {
    let folder = folder();
    write(folder.path(), "a/1.png", &png(8, 8, [1, 2, 3]));
    write(folder.path(), "b/1.png", &png(8, 6, [4, 5, 6]));
    write(folder.path(), "b/2.png", &png(7, 8, [4, 5, 6]));
    assert_says(folder.path(), Split::Test, &["b/1.png", "8x6", "8x8"]);
    for scale in [Scale::Cover, Scale::ShorterSide(5), Scale::Exact] {
        let size = Some((4, 3));
        let request = ReadRequest {
            size,
            framing: Framing {
                scale,
                interpolation: Interpolation::Bilinear,
            },
            ..ReadRequest::new(Split::Test)
        };
        let dataset = reading::open(folder.path(), &request).unwrap();
        assert_eq!(dataset.shape().to_string(), "3x4x3");
        // One colour stays that colour.
        assert_eq!(dataset.pixels(2..3)[..12], [4; 12]);
    }
}

#[test]
fn broken_image_folders_name_the_file() {
    let folder = folder();
    write(folder.path(), "train/cat/1.png", &png(4, 4, [1, 2, 3]));
    write(
        folder.path(),
        "train/cat/2.jpg",
        b"\xff\xd8\xff\xe0 cut off",
    );
    assert_says(folder.path(), Split::Train, &["train/cat/2.jpg"]);
    assert_says(folder.path(), Split::Test, &["no test images", "train"]);
    write(folder.path(), "test/cow/1.png", &png(4, 4, [1, 2, 3]));
    assert_says(
        folder.path(),
        Split::Test,
        &["test/cow/1.png", "`cow`", "training images"],
    );
}

#[test]
fn numpy_archives_are_read_with_channels_first_or_last() {
    let folder = folder();
    let last: Vec<u8> = (0..24).collect();
    let first: Vec<u8> = (0..2)
        .flat_map(|n| (0..3).flat_map(move |c| (0..4).map(move |p| n * 12 + p * 3 + c)))
        .collect();
    let labels: Vec<u8> = [1i64, 0]
        .iter()
        .flat_map(|label| label.to_le_bytes())
        .collect();
    let path = write(
        folder.path(),
        "a.npz",
        &zip_of(&[
            ("x_test.npy", &data::npy("|u1", "(2, 2, 2, 3)", &last)),
            ("y_test.npy", &data::npy("<i8", "(2,)", &labels)),
        ]),
    );
    let a = open(&path, Split::Test).unwrap();
    assert_eq!((a.labels(), a.split()), (&[1, 0][..], Some(Split::Test)));
    assert_eq!(a.pixels(0..2), first);
    assert_says(&path, Split::Train, &["no train images", "x_test, y_test"]);
    let path = write(
        folder.path(),
        "b.npz",
        &zip_of(&[
            ("images.npy", &data::npy("|u1", "(2, 3, 2, 2)", &first)),
            ("labels.npy", &data::npy("|u1", "(2, 1)", &[1, 0])),
        ]),
    );
    let b = open(&path, Split::Test).unwrap();
    assert_eq!(b.content_hash(), a.content_hash());
    assert_eq!(b.split(), None);
}

#[test]
fn broken_numpy_archives_name_the_array() {
    let folder = folder();
    let check = |images: Vec<u8>, labels: Vec<u8>, parts: &[&str]| {
        let entries: [(&str, &[u8]); 2] = [("images.npy", &images), ("labels.npy", &labels)];
        let path = write(folder.path(), "a.npz", &zip_of(&entries));
        assert_says(&path, Split::Test, parts);
    };
    let images = || data::npy("|u1", "(1, 2, 2)", &[0; 4]);
    let labels = || data::npy("|u1", "(1,)", &[3]);
    check(
        b"hello".to_vec(),
        labels(),
        &["a.npz: images.npy", "byte 0", "NUMPY"],
    );
    check(
        data::npy("|u1", "(9, 2, 2)", &[0; 4]),
        labels(),
        &["images.npy", "claims 36", "found 4"],
    );
    check(
        data::npy("<f2", "(1, 2, 2)", &[0; 8]),
        labels(),
        &["`<f2`", "uint8"],
    );
    check(
        data::npy("|u1", "(1, 2, 2, 7)", &[0; 28]),
        labels(),
        &["[1, 2, 2, 7]"],
    );
    check(
        images(),
        data::npy("|u1", "(2,)", &[0; 2]),
        &["1 images", "2 labels"],
    );
    check(
        images(),
        data::npy("<i2", "(1,)", &[0xff; 2]),
        &["labels.npy", "record 0", "label -1"],
    );
    check(
        images(),
        data::npy("<f8", "(1,)", &[0; 8]),
        &["labels.npy", "`<f8`", "integers"],
    );
    check(
        images(),
        data::npy("<U1", "(1,)", &[b'3', 0, 0, 0]),
        &["labels.npy", "text", "number of each class"],
    );
    check(
        images(),
        data::npy("<M8[ns]", "(1,)", &[0; 8]),
        &["labels.npy", "`<M8[ns]`", "save numbers"],
    );
    let path = write(folder.path(), "a.npz", b"PK\x03\x04 and no more");
    assert_says(&path, Split::Test, &["a.npz"]);
}

#[test]
fn arrays_may_lie_in_any_order_and_labels_in_rows() {
    let folder = folder();
    let read = |images: &[u8], labels: &[u8]| {
        let entries = [("images.npy", images), ("labels.npy", labels)];
        let path = write(folder.path(), "a.npz", &zip_of(&entries));
        open(&path, Split::Test)
    };
    let first: Vec<u8> = (0..24).collect();
    let plain = data::npy("|u1", "(2, 3, 2, 2)", &first);
    let labels = data::npy("<i8", "(2,)", &[2_i64, 0].map(i64::to_le_bytes).concat());
    let expected = read(&plain, &labels).unwrap().content_hash();
    // numpy.asfortranarray(a).tobytes("F"): the first axis runs fastest.
    let place = |n: usize, c: usize, y: usize, x: usize| 12 * n + 4 * c + 2 * y + x;
    let fortran: Vec<u8> = (0..24)
        .map(|i| first[place(i % 2, i / 2 % 3, i / 6 % 2, i / 12)])
        .collect();
    let fortran = data::npy("|u1", "(2, 3, 2, 2)", &fortran);
    let text = fortran
        .windows(5)
        .position(|word| word == b"False")
        .unwrap();
    let fortran = [&fortran[..text], b"True ", &fortran[text + 5..]].concat();
    let swapped = data::npy(">i4", "(2, 1)", &[2_i32, 0].map(i32::to_be_bytes).concat());
    let rows: Vec<u8> = [0.0_f32, 0.0, 1.0, 1.0, 0.0, 0.0]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let rows = data::npy("<f4", "(2, 3)", &rows);
    for labels in [&labels, &swapped, &rows] {
        assert_eq!(read(&fortran, labels).unwrap().content_hash(), expected);
    }
    let two_ones = data::npy("|u1", "(2, 3)", &[1, 0, 1, 0, 1, 0]);
    let error = read(&plain, &two_ones).unwrap_err().to_string();
    assert!(error.contains("a single one in each"), "{error}");
}

#[test]
fn images_of_floating_point_numbers_are_normalised_already() {
    let folder = folder();
    let read = |values: [f64; 4]| {
        let images = data::npy(">f8", "(1, 2, 2)", &values.map(f64::to_be_bytes).concat());
        let labels = data::npy("|u1", "(1,)", &[3]);
        let entries: [(&str, &[u8]); 2] = [("x_test.npy", &images), ("y_test.npy", &labels)];
        let path = write(folder.path(), "a.npz", &zip_of(&entries));
        open(&path, Split::Test)
    };
    let data = read([-1.5, 0.25, 0.0, 2.0]).unwrap();
    assert_eq!(data.normalized(0..1), Some(&[-1.5, 0.25, 0.0, 2.0][..]));
    assert!(data.pixels(0..1).is_empty());
    let half = pathscope::data::Normalization::preset("half").unwrap();
    let batch = reading::normalized_batch(&data, 0..1, &half).unwrap();
    assert_eq!(batch, [-1.5, 0.25, 0.0, 2.0]);
    for (values, part) in [
        ([0.0, 0.5, 1.0, 0.0], "255 * images"),
        ([0.0, 255.0, 1.0, 0.0], "images.astype(numpy.uint8)"),
        ([-1.0, f64::NAN, 1.0, 0.0], "only finite numbers"),
    ] {
        let error = read(values).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn images_in_one_folder_take_their_classes_from_the_list_beside_them() {
    let folder = folder();
    let image = |value| png(4, 4, [value; 3]);
    write(folder.path(), "train/n01/images/n01_0.JPEG", &image(1));
    write(folder.path(), "train/n02/images/n02_0.JPEG", &image(2));
    for number in 0..3 {
        let name = format!("val/images/val_{number}.JPEG");
        write(folder.path(), &name, &image(10 + number));
    }
    write(folder.path(), "test/images/test_0.JPEG", &image(9));
    assert_says(
        folder.path(),
        Split::Test,
        &["`images`", "val_annotations.txt"],
    );
    let list = "val_0.JPEG\tn02\t0\t0\t62\t62\r\nval_1.JPEG\tn01\t0\t0\t62\t62\r\n\
                val_2.JPEG\tn02\t0\t0\t62\t62\r\n";
    write(folder.path(), "val/val_annotations.txt", list.as_bytes());
    let test = open(folder.path(), Split::Test).unwrap();
    assert_eq!(test.labels(), [0, 1, 1]);
    assert_eq!(
        [0, 16 * 3, 32 * 3].map(|i| test.pixels(0..3)[i]),
        [11, 10, 12]
    );
    // The test images have no class.
    let note = "1 image(s) in no class folder left out: test/images/test_0.JPEG";
    assert_eq!(test.notes()[0].to_string(), note);
    assert_eq!(open(folder.path(), Split::Train).unwrap().labels(), [0, 1]);
    for (list, part) in [
        (
            "val_0.JPEG\tn02\nval_0.JPEG\tn01\n",
            "byte 15: an image that is listed",
        ),
        ("val_0.JPEG n02\n", "byte 0: expected the name"),
    ] {
        write(folder.path(), "val/val_annotations.txt", list.as_bytes());
        assert_says(folder.path(), Split::Test, &[part]);
    }
}

#[test]
fn class_folders_without_images_keep_their_labels() {
    let folder = folder();
    for name in ["test/a/1.png", "test/c/1.png", "docs/readme.png"] {
        write(folder.path(), name, &png(2, 2, [1; 3]));
    }
    for name in ["test/b", "test/.hidden", "other"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let data = open(folder.path(), Split::Test).unwrap();
    assert_eq!((data.labels(), data.classes()), (&[0, 2][..], 3));
    let notes: Vec<String> = data.notes().iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "1 image(s) in no class folder left out: docs/readme.png",
            "1 class folder(s) without images keep their labels: b",
        ]
    );
}

#[test]
fn images_in_no_class_folder_are_no_data_set() {
    let folder = folder();
    for name in ["1.png", "2.png"] {
        write(folder.path(), name, &png(2, 2, [1; 3]));
    }
    let parts = [
        "2 images lie in no class folder",
        "1.png",
        "LOC_val_solution.csv",
    ];
    assert_says(folder.path(), Split::Test, &parts);
    write(folder.path(), "train/a/1.png", &png(2, 2, [1; 3]));
    write(folder.path(), "val/1.png", &png(2, 2, [1; 3]));
    assert_says(folder.path(), Split::Test, &["no class folder"]);
}

#[test]
fn a_parquet_file_is_refused_with_the_way_out() {
    let folder = folder();
    let path = write(folder.path(), "data/train-00000.parquet", b"PAR1 and more");
    for place in [&*path, folder.path()] {
        let error = open(place, Split::Test).unwrap_err();
        let DataError::Parquet { file, python } = &error else {
            panic!("{error}");
        };
        assert_eq!(*file, path.display().to_string());
        let (from, to) = (
            format!("{file:?}"),
            format!("{:?}", path.with_extension("npz")),
        );
        assert!(
            python.contains(&format!("read_parquet({from})")),
            "{python}"
        );
        assert!(
            python.contains(&format!("savez({to}, x_train=")),
            "{python}"
        );
    }
}

#[test]
fn unknown_layouts_say_what_is_known() {
    let folder = folder();
    assert_says(folder.path(), Split::Test, &["no files"]);
    let path = write(folder.path(), "notes.txt", b"hello");
    assert_says(
        &path,
        Split::Test,
        &["notes.txt", "known are", "CIFAR", "IDX", ".npz"],
    );
    assert_says(folder.path(), Split::Test, &["known are"]);
    assert_says(
        &folder.path().join("absent"),
        Split::Test,
        &["absent", "No such file"],
    );
    let path = write(
        folder.path(),
        "cut.tar.gz",
        &tar_gz(&[("a/b.png", &[7; 9000])])[..60],
    );
    assert_says(&path, Split::Test, &["cut.tar.gz"]);
    let path = write(folder.path(), "other.gz", &gzip(b"text"));
    assert_says(&path, Split::Test, &["other.gz", "known are"]);
}

#[test]
fn two_data_sets_in_one_folder_are_ambiguous() {
    let folder = folder();
    for name in ["a-test", "b-test"] {
        write(
            folder.path(),
            &format!("{name}-images-idx3-ubyte"),
            &idx_images(1, 2, 2, 0),
        );
        write(
            folder.path(),
            &format!("{name}-labels-idx1-ubyte"),
            &idx_labels(&[0]),
        );
    }
    assert_says(
        folder.path(),
        Split::Test,
        &["several", "a-test-images", "b-test-images"],
    );
    let one = folder.path().join("b-test-images-idx3-ubyte");
    assert_eq!(open(&one, Split::Test).unwrap().len(), 1);
}

#[test]
fn official_archives_are_read_as_they_are() {
    let folder = folder();
    let pixels: Vec<u8> = (0..3072).map(|i| (i * 5) as u8).collect();
    let record = [&[6][..], &pixels].concat();
    let binary = tar_gz(&[
        (
            "cifar-10-batches-bin/batches.meta.txt",
            data::TEN_LETTERS.as_bytes(),
        ),
        ("cifar-10-batches-bin/readme.html", b"<html>"),
        ("cifar-10-batches-bin/test_batch.bin", &record),
        ("cifar-10-batches-bin/data_batch_1.bin", &record),
    ]);
    let binary = write(folder.path(), "cifar-10-binary.tar.gz", &binary);
    let python = tar_gz(&[
        (
            "cifar-10-batches-py/test_batch",
            &official_pickle(&[6], &pixels),
        ),
        ("cifar-10-batches-py/batches.meta", &data::official_names()),
    ]);
    let python = write(folder.path(), "cifar-10-python.tar.gz", &python);
    let (a, b) = (
        open(&binary, Split::Test).unwrap(),
        open(&python, Split::Test).unwrap(),
    );
    assert_eq!(a.content_hash(), b.content_hash());
    assert_eq!(
        (a.class_names()[9].as_str(), b.class_names()[9].as_str()),
        ("j", "truck")
    );
    let broken = tar_gz(&[("cifar-10-batches-bin/test_batch.bin", &record[..99])]);
    let broken = write(folder.path(), "cifar-10-binary.tar.gz", &broken);
    let parts = [
        "cifar-10-binary.tar.gz: cifar-10-batches-bin/test_batch.bin",
        "record 0",
    ];
    assert_says(&broken, Split::Test, &parts);
}

#[test]
fn long_names_in_archives_are_kept_whole() {
    let folder = folder();
    let long = format!("{}/test/cat/1.png", "d".repeat(150));
    let path = write(
        folder.path(),
        "a.tar.gz",
        &tar_gz(&[(&long, &png(2, 2, [1, 2, 3]))]),
    );
    assert_eq!(open(&path, Split::Test).unwrap().class_names(), ["cat"]);
}

#[test]
fn a_name_that_claims_a_terabyte_is_refused() {
    let folder = folder();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 40);
    header.set_cksum();
    let path = write(
        folder.path(),
        "a.tar",
        &[header.as_bytes(), &[b'n'; 9000][..]].concat(),
    );
    assert_says(
        &path,
        Split::Test,
        &["a.tar", "a name", "1099511627776 bytes"],
    );
}

/// Real picklers of Python 3 on an array class that reduces as NumPy's does (numpy 2.x,
/// `numpy/_core/src/multiarray/methods.c`, `array_reduce`).
#[test]
fn pickles_of_every_protocol_are_read() {
    let folder = folder();
    let path = folder.path().join("test_batch");
    let pixels: Vec<u8> = (0..2 * 3072).map(|i| (i % 251) as u8).collect();
    for protocol in 2..=5 {
        for order in ["C", "F"] {
            let done = std::process::Command::new("python3")
                .args(["-c", data::PICKLER, &path.display().to_string()])
                .args([&protocol.to_string(), order])
                .status();
            assert!(done.is_ok_and(|status| status.success()), "python3");
            let dataset = open(&path, Split::Test).unwrap();
            assert_eq!(dataset.labels(), [4, 9]);
            assert!(
                dataset.pixels(0..2) == pixels,
                "protocol {protocol}, order {order}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Damaged files give an error or other data, never a panic.
    #[test]
    fn damaged_files_never_panic(
        format in 0..6usize,
        cut in 0.0..1.0f64,
        damage in prop::collection::vec((0.0..1.0f64, any::<u8>()), 0..6),
    ) {
        let pixels = [3; 3072];
        let (name, mut bytes) = match format {
            0 => ("test_batch.bin", cifar_record(&[1], 0)),
            1 => ("test_batch", official_pickle(&[1], &pixels)),
            2 => ("t10k-images-idx3-ubyte", idx_images(3, 2, 2, 0)),
            3 => ("t10k-images-idx3-ubyte.gz", gzip(&idx_images(3, 2, 2, 0))),
            4 => ("a.tar.gz", tar_gz(&[("test/a/1.png", &png(2, 2, [1, 2, 3]))])),
            _ => ("a.npz", zip_of(&[
                ("x.npy", &data::npy("|u1", "(1, 2, 2)", &[0; 4])),
                ("y.npy", &data::npy("|u1", "(1,)", &[0])),
            ])),
        };
        // Structure lies at the ends of these files, so damage is drawn towards them.
        for (place, value) in damage {
            let place = (place * place * bytes.len() as f64) as usize;
            bytes[place] = value;
        }
        if cut < 0.5 {
            bytes.truncate((cut * 2.0 * bytes.len() as f64) as usize);
        }
        let folder = folder();
        write(folder.path(), "t10k-labels-idx1-ubyte", &idx_labels(&[0, 1, 2]));
        let path = write(folder.path(), name, &bytes);
        let _ = open(&path, Split::Test);
    }
}
