//! Files of kinds that are easily read wrongly, small: `scripts/case_fixtures.py` makes them and
//! the images that PyTorch labels. Each opens without an error or is refused; none gives a wrong
//! number in silence.

mod common;
#[allow(dead_code, reason = "each test uses a part")]
mod data;

use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use common::pathscope;
use data::{png, write, zip_of};
use serde_json::Value;
use zip::write::SimpleFileOptions;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases")
}

/// What a command did.
struct Done {
    code: i32,
    output: String,
    notes: String,
}

/// Runs the program in the folder of the fixtures.
fn run(words: &str) -> Done {
    run_in(&cases(), words)
}

fn run_in(folder: &Path, words: &str) -> Done {
    let output = pathscope()
        .current_dir(folder)
        .args(words.split(' '))
        .output()
        .unwrap();
    Done {
        code: output.status.code().unwrap(),
        output: String::from_utf8(output.stdout).unwrap(),
        notes: String::from_utf8(output.stderr).unwrap(),
    }
}

/// What `eval` measures, and its notes.
#[track_caller]
fn eval_in(folder: &Path, words: &str) -> (Value, String) {
    let done = run_in(folder, &format!("eval --verbose --format json {words}"));
    assert_eq!(done.code, 0, "{words}: {}", done.notes);
    let found: Value = serde_json::from_str(&done.output).unwrap();
    (found["models"][0].clone(), done.notes)
}

/// Both sides of the oracles are normalised by mean and deviation .5.
#[track_caller]
fn errors(words: &str) -> (u64, String) {
    let (found, notes) = eval_in(&cases(), &format!("--normalize half {words}"));
    assert_eq!(found["examples"], 48, "{words}");
    (found["errors"].as_u64().unwrap(), notes)
}

#[track_caller]
fn without_errors(words: &str) -> String {
    let (errors, notes) = errors(words);
    assert_eq!(errors, 0, "{words}: {notes}");
    notes
}

#[track_caller]
fn refused(words: &str, reason: &str) {
    let done = run(words);
    assert_eq!(done.code, 2, "{words}: {}{}", done.output, done.notes);
    assert!(done.notes.contains(reason), "{words}: {}", done.notes);
    assert_eq!(done.output, "", "{words}");
}

#[test]
fn batch_statistics_decide_what_tensors_leave_open() {
    let notes = without_errors("plain.pt --data plain.npz");
    assert!(!notes.contains("decided by it"), "{notes}");
    for (name, decided) in [
        ("pool", "max-pool"),
        ("stride", "stride"),
        ("epsilon", "1e-1 added to variances"),
    ] {
        let notes = without_errors(&format!("{name}.pt --data {name}.npz"));
        assert!(notes.contains("decided by it"), "{name}: {notes}");
        assert!(notes.contains(decided), "{name}: {notes}");
    }
}

#[test]
fn normalisations_without_statistics_are_asked_for() {
    let kinds = [
        ("group-norm", "2"),
        ("layer-norm", "1"),
        ("instance-norm", "channels"),
    ];
    for (oracle, _) in kinds {
        let words = format!("eval no-statistics.pt --normalize half --data {oracle}.npz");
        refused(&words, "no running statistics");
        for (assumed, groups) in kinds {
            let words = format!("no-statistics.pt --data {oracle}.npz --assume groups={groups}");
            assert_eq!(errors(&words).0 == 0, assumed == oracle, "{words}");
        }
    }
}

#[test]
fn wrappers_are_removed_wherever_they_stand() {
    let notes = without_errors("wrappers.pt --data plain.npz");
    assert!(notes.contains("removed from"), "{notes}");
}

#[test]
fn a_network_is_found_among_other_tensors() {
    let notes = without_errors("last.ckpt --data plain.npz");
    assert!(
        notes.contains("2 tensor(s) not used: criterion.weight, val_acc.correct"),
        "{notes}"
    );
    let done = run("inspect --verbose moco.pth.tar");
    assert_eq!(done.code, 0, "{}", done.notes);
    assert!(
        done.notes.contains("the one below `encoder_q.`"),
        "{}",
        done.notes
    );
    assert!(
        done.notes.contains("not used: encoder_k."),
        "{}",
        done.notes
    );
}

#[test]
fn one_of_two_networks_can_be_chosen() {
    let notes = without_errors("averaged.pth.tar --data plain.npz");
    assert!(notes.contains("state_dict_ema"), "{notes}");
    without_errors("averaged.pth.tar --data averaged.npz --weights state_dict_ema");
    refused(
        "eval two.pt --normalize half --data plain.npz",
        "teacher., student.",
    );
    without_errors("two.pt --data plain.npz --prefix teacher.");
    without_errors("two.pt --data averaged.npz --prefix student");
}

#[test]
fn tensors_and_names_of_any_form_are_read() {
    for words in [
        "expanded.pt --data expanded.npz",
        "python-2.th --data plain.npz",
        "uneven.pt --data uneven.npz",
    ] {
        without_errors(words);
    }
}

#[test]
fn a_compressed_checkpoint_is_the_same_network() {
    let folder = tempfile::tempdir().unwrap();
    let plain = std::fs::read(cases().join("plain.pt")).unwrap();
    let mut plain = zip::ZipArchive::new(Cursor::new(plain)).unwrap();
    let mut compressed = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..plain.len() {
        let mut entry = plain.by_index(number).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let deflated =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        let name = entry.name().unwrap().into_owned();
        compressed.start_file(name, deflated).unwrap();
        compressed.write_all(&bytes).unwrap();
    }
    let bytes = compressed.finish().unwrap().into_inner();
    let file = write(folder.path(), "deflated.pt", &bytes);
    without_errors(&format!("{} --data plain.npz", file.display()));
}

#[test]
fn weights_that_are_not_finite_are_named() {
    let done = run("eval undefined.pt --normalize half --data plain.npz");
    assert_eq!(done.code, 2, "{}{}", done.output, done.notes);
    let notes = &done.notes;
    assert!(notes.contains("layer3.0.conv2.weight"), "{notes}");
    assert_eq!(done.output, "");
    // An infinite variance leaves finite numbers, those of PyTorch; it is named all the same.
    let notes = without_errors("infinite.pt --data infinite.npz");
    assert!(notes.contains("layer2.0.bn1.running_var"), "{notes}");
    let strict = run("eval infinite.pt --normalize half --data infinite.npz --strict");
    assert_ne!(strict.code, 0, "{}", strict.notes);
}

#[test]
fn types_and_outputs_without_a_reading_are_refused_by_name() {
    refused(
        "inspect quantised.pt",
        "the entry `layer1.0.conv1.weight` cannot be read: it is quantised",
    );
    refused(
        "inspect packed.pt",
        "at `fc.zero_point`: the network is quantised",
    );
    refused("inspect sparse.pt", "`.to_dense()`");
    refused(
        "inspect eight-bits.pt",
        "the entry `fc.weight` cannot be read: its numbers are `torch.float8_e4m3fn`",
    );
    refused(
        "eval single-output.pt --normalize half --data plain.npz",
        "a single output",
    );
}

#[test]
fn a_normaliser_inside_the_model_is_its_normalisation() {
    let (found, notes) = eval_in(&cases(), "inside.pt --data inside.npz");
    assert_eq!(found["errors"], 0, "{notes}");
    assert!(notes.contains("normalises its inputs itself"), "{notes}");
    assert!(!notes.contains("assuming"), "{notes}");
}

#[test]
fn a_whole_model_states_what_its_tensors_do_not() {
    let notes = without_errors("whole.pt --data whole.npz");
    assert!(!notes.contains("decided by it"), "{notes}");
}

#[test]
fn a_folder_of_transformers_opens_with_the_preparation_that_it_states() {
    let (found, notes) = eval_in(&cases(), "transformers --data transformers.npz");
    assert_eq!(
        (&found["errors"], &found["examples"]),
        (&0.into(), &20.into())
    );
    assert!(!notes.contains("assuming"), "{notes}");
    let words = "transformers/model.safetensors --normalize half --data transformers.npz";
    assert_eq!(eval_in(&cases(), words).0["errors"], 0);
}

#[test]
fn numbered_classes_are_in_the_order_of_numbers_unless_asked_otherwise() {
    // Images of folders are brought to the size of the network, 32 unless something else is said.
    let words = "numbers.pt --data numbers.tar --crop 10";
    let notes = without_errors(words);
    assert!(notes.contains("--class-order"), "{notes}");
    let (by_name, _) = errors(&format!("{words} --class-order name"));
    assert!(by_name > 24, "{by_name}");
}

/// A JPEG file, whole.
fn jpeg() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    // So large and rough that most of the file is the image.
    let picture = image::RgbImage::from_fn(64, 64, |x, y| {
        image::Rgb([3, 7, 11].map(|factor| (factor * x * x + y * y * y) as u8))
    });
    picture
        .write_to(&mut bytes, image::ImageFormat::Jpeg)
        .unwrap();
    bytes.into_inner()
}

/// Puts an image that is cut off, an empty one and a page of the web into the class `0`.
fn break_images(folder: &Path, split: &str) {
    let half = jpeg();
    write(
        folder,
        &format!("{split}/0/cut.jpg"),
        &half[..half.len() / 2],
    );
    write(folder, &format!("{split}/0/empty.png"), b"");
    write(
        folder,
        &format!("{split}/0/page.jpg"),
        b"<!doctype html><title>404</title>",
    );
}

#[test]
fn broken_and_other_files_are_refused_or_counted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for class in 0..10 {
        let name = format!("test/{class}/1.png");
        write(folder, &name, &png(10, 10, [25 * class; 3]));
    }
    write(folder, "test/3/2.gif", b"GIF89a");
    let words = format!(
        "{} --normalize half --data .",
        cases().join("plain.pt").display()
    );
    let (found, notes) = eval_in(folder, &words);
    assert_eq!(found["examples"], 10);
    assert!(
        notes.contains("1 file(s) in class folders left out"),
        "{notes}"
    );
    assert!(notes.contains("test/3/2.gif"), "{notes}");
    break_images(folder, "test");
    let done = run_in(folder, &format!("eval {words}"));
    assert_eq!(done.code, 2, "{}", done.notes);
    for part in [
        "test/0/cut.jpg: the image is cut off",
        "2 more image file(s) cannot be used: test/0/empty.png, test/0/page.jpg",
        "--skip-broken",
    ] {
        assert!(done.notes.contains(part), "{}", done.notes);
    }
    let (found, notes) = eval_in(folder, &format!("{words} --skip-broken"));
    assert_eq!(found["examples"], 10);
    let description = found["data"].as_str().unwrap();
    assert!(
        description.contains("without 3 broken file(s)"),
        "{description}"
    );
    assert!(notes.contains("3 image file(s) left out"), "{notes}");
}

#[test]
fn training_counts_broken_images_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for split in ["train", "test"] {
        for class in 0..4 {
            let name = format!("{split}/{class}/1.png");
            write(folder, &name, &png(32, 32, [60 * class; 3]));
        }
    }
    let run = "train --recipe preresnet20-cifar10 --width 2 --epochs 1 --threads 1 --data . -o run";
    // A test image that is broken is no reason to go without test images.
    break_images(folder, "test");
    let refused = |words: &str, part: &str| {
        let done = run_in(folder, words);
        assert_eq!(done.code, 2, "{}", done.notes);
        assert!(done.notes.contains(part), "{}", done.notes);
    };
    refused(run, "test/0/cut.jpg: the image is cut off");
    break_images(folder, "train");
    refused(run, "train/0/cut.jpg: the image is cut off");
    refused(run, "--skip-broken");
    let done = run_in(folder, &format!("{run} --skip-broken"));
    assert_eq!(done.code, 0, "{}", done.notes);
    for first in ["train/0/cut.jpg", "test/0/cut.jpg"] {
        let note = format!("3 image file(s) left out, since they cannot be used: {first}");
        assert!(done.notes.contains(&note), "{}", done.notes);
    }
    assert!(
        done.output.contains("test error of the last epoch"),
        "{}",
        done.output
    );
    let log = std::fs::read_to_string(folder.join("run/log.jsonl")).unwrap();
    let header: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(header["source"]["skip_broken"], true);
    assert_eq!(header["examples"], 4);
    // The checkpoint holds what was left out: resuming needs no option.
    let done = run_in(folder, "train --resume -o run --threads 1");
    assert!(!done.notes.contains("cut off"), "{}", done.notes);
    refused("train --resume -o run --skip-broken", "--skip-broken");
}

#[test]
fn the_orientation_that_a_camera_notes_is_not_applied_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let turned = cases().join("../images/turned.jpg");
    let turned = std::fs::read(turned).unwrap();
    for class in 0..10 {
        write(folder, &format!("{class}/1.jpg"), &jpeg());
    }
    let words = format!(
        "{} --normalize half --data .",
        cases().join("plain.pt").display()
    );
    let (_, notes) = eval_in(folder, &words);
    assert!(!notes.contains("orientation"), "{notes}");
    write(folder, "3/2.jpg", &turned);
    write(folder, "4/2.jpg", &turned);
    let (_, notes) = eval_in(folder, &words);
    assert!(
        notes.contains("2 image file(s) note an orientation that is not applied"),
        "{notes}"
    );
    assert!(notes.contains("3/2.jpg"), "{notes}");
}

#[test]
fn a_parquet_file_is_refused_with_the_lines_that_convert_it() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "hub/data/test-00000-of-00001.parquet",
        b"PAR1",
    );
    for place in ["hub", "hub/data/test-00000-of-00001.parquet"] {
        let model = cases().join("plain.pt");
        let done = run_in(
            folder.path(),
            &format!("eval {} --data {place}", model.display()),
        );
        assert_eq!(done.code, 2, "{}", done.notes);
        let (message, lines) = done.notes.split_once("\n\n").unwrap();
        assert!(message.contains("a Parquet file"), "{message}");
        let part = "pandas.read_parquet(\"hub/data/test-00000-of-00001.parquet\")";
        assert!(lines.contains(part), "{lines}");
        assert!(
            lines.contains("savez(\"hub/data/test-00000-of-00001.npz\", x_test="),
            "{lines}"
        );
    }
}

#[test]
fn programs_without_a_graph_are_refused_by_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let entries: [(&str, &[u8]); 4] = [
        ("aoti/archive_format", b"pt2"),
        ("aoti/archive_version", b"0"),
        ("aoti/byteorder", b"little"),
        ("aoti/data/aotinductor/model/c.wrapper.so", b"\x7fELF"),
    ];
    write(folder.path(), "aoti.pt2", &zip_of(&entries));
    let program = [b"\x1c\0\0\0ET12".as_slice(), &[0; 64]].concat();
    write(folder.path(), "net.pte", &program);
    for (file, kind) in [("aoti.pt2", "AOTInductor"), ("net.pte", "ExecuTorch")] {
        let done = run_in(folder.path(), &format!("inspect {file}"));
        assert_eq!(done.code, 2, "{file}: {}", done.notes);
        assert!(done.notes.contains(kind), "{file}: {}", done.notes);
        assert!(
            done.notes.contains("torch.export.save"),
            "{file}: {}",
            done.notes
        );
    }
}
