//! Several processes that write to one place: one does the work, the others are refused with the
//! number of its process, and what it leaves is what one process alone writes.

mod common;
#[allow(dead_code, reason = "each test file uses some of these")]
mod runs;

use std::fs;
use std::path::Path;
use std::process::Child;

use common::shipped_model;
use pathscope::training::{RunRecord, read_log};
use runs::{complete, contents, end_of, program, runs_until, send};
use tempfile::{TempDir, tempdir};

/// Starts a command line and stops its process once it has written to `marker`.
#[track_caller]
fn stopped(folder: &Path, words: &[&str], marker: &str) -> Child {
    let marker = folder.join(marker);
    let state = || {
        let facts = fs::metadata(&marker).ok()?;
        Some((facts.len(), facts.modified().ok()))
    };
    let before = state();
    let mut child = program(folder, words).spawn().unwrap();
    let begun = || state() != before && state().is_some_and(|(length, _)| length > 0);
    assert!(runs_until(&mut child, begun), "{words:?} ended at once");
    send("-STOP", &child);
    child
}

/// Starts `words` while `first` works on the same place: each is refused and changes nothing.
#[track_caller]
fn are_refused(folder: &Path, words: &[&str], processes: usize, first: &Child) {
    let before = contents(folder);
    let others: Vec<Child> = (0..processes)
        .map(|_| program(folder, words).spawn().unwrap())
        .collect();
    for other in others {
        let (code, error) = end_of(other);
        assert_eq!(code, Some(2), "{words:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        let writer = format!("process {}", first.id());
        assert!(error.contains(&writer), "{writer}: {error}");
    }
    let same = contents(folder) == before;
    assert!(same, "a refused process wrote something");
}

#[track_caller]
fn goes_on(first: Child) {
    send("-CONT", &first);
    let (code, error) = end_of(first);
    assert_eq!(code, Some(0), "{error}");
}

fn sweep(model: &str) -> Vec<&str> {
    let sweep = ["lesion", model, "--random", "6", "--count", "10"];
    let results = ["--limit", "24", "--threads", "1", "--results", "r.jsonl"];
    [&sweep[..], &results].concat()
}

#[test]
fn one_of_two_three_and_five_processes_writes_results() {
    let model = shipped_model();
    let words = sweep(&model);
    let alone = tempdir().unwrap();
    complete(alone.path(), &words);
    for processes in [2, 3, 5] {
        let folder = tempdir().unwrap();
        let first = stopped(folder.path(), &words, "r.jsonl");
        are_refused(folder.path(), &words, processes - 1, &first);
        goes_on(first);
        assert!(contents(folder.path()) == contents(alone.path()));
    }
}

/// However the processes meet: whoever comes when the first one has ended finds everything measured.
#[test]
fn processes_that_start_together_write_the_results_of_one() {
    let model = shipped_model();
    let words = sweep(&model);
    let alone = tempdir().unwrap();
    complete(alone.path(), &words);
    for processes in [2, 3, 5] {
        let folder = tempdir().unwrap();
        let together: Vec<Child> = (0..processes)
            .map(|_| program(folder.path(), &words).spawn().unwrap())
            .collect();
        let numbers: Vec<u32> = together.iter().map(Child::id).collect();
        let mut done = 0;
        for child in together {
            let (code, error) = end_of(child);
            match code {
                Some(0) => done += 1,
                Some(2) => {
                    let mut numbers = numbers.iter();
                    let named = numbers.any(|id| error.contains(&format!("process {id} ")));
                    // One that has only just begun has not left its number yet.
                    assert!(
                        named || error.contains("another process is writing"),
                        "{error}"
                    );
                }
                _ => panic!("{code:?}: {error}"),
            }
        }
        assert!(done > 0);
        assert!(contents(folder.path()) == contents(alone.path()));
    }
}

#[test]
fn a_file_whose_writer_was_killed_is_taken_over() {
    let model = shipped_model();
    let words = sweep(&model);
    let alone = tempdir().unwrap();
    complete(alone.path(), &words);
    let folder = tempdir().unwrap();
    let mut first = stopped(folder.path(), &words, "r.jsonl");
    first.kill().unwrap();
    end_of(first);
    complete(folder.path(), &words);
    assert!(contents(folder.path()) == contents(alone.path()));
}

#[test]
fn one_of_three_studies_writes_a_folder() {
    let model = shipped_model();
    let words = ["study", &model, "-o", "study", "--budget", "1s"];
    let folder = tempdir().unwrap();
    // In its pilot, where nothing is measured yet, and in its measurements.
    for marker in ["study/inspect.json", "study/lesion.jsonl"] {
        let mut first = stopped(folder.path(), &words, marker);
        are_refused(folder.path(), &words, 2, &first);
        first.kill().unwrap();
        end_of(first);
    }
    complete(folder.path(), &words);
    for name in ["lesion.jsonl", "spectrum.jsonl", "reorder.jsonl"] {
        let text = fs::read_to_string(folder.path().join("study").join(name)).unwrap();
        let mut keys = std::collections::BTreeSet::new();
        for line in text.lines().skip(1) {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            let key = record["key"].as_str().unwrap().to_owned();
            assert!(keys.insert(key), "{name} holds twice: {line}");
        }
    }
}

/// The shipped test images, which stand for training images as well.
fn images() -> TempDir {
    let folder = tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/fashion-mnist-2000");
    for kind in ["images-idx3", "labels-idx1"] {
        for split in ["t10k", "train"] {
            let file = shipped.join(format!("t10k-{kind}-ubyte.gz"));
            let name = format!("{split}-{kind}-ubyte.gz");
            fs::copy(file, folder.path().join(name)).unwrap();
        }
    }
    folder
}

#[test]
fn one_of_two_trainings_writes_a_folder() {
    let images = images();
    let data = images.path().to_str().unwrap();
    let begin = ["train", "--recipe", "preresnet20-fashion", "--data", data];
    let small = ["-o", "run", "--depth", "8", "--width", "2", "--batch", "4"];
    let short = ["--epochs", "2", "--limit", "64", "--threads", "1"];
    let often = ["--checkpoint-batches", "1"];
    let begin = [&begin[..], &small, &short, &often].concat();
    let resume = [
        "train",
        "--resume",
        "-o",
        "run",
        "--threads",
        "1",
        "--checkpoint-batches",
        "1",
    ];
    let alone = tempdir().unwrap();
    complete(alone.path(), &begin);

    let folder = tempdir().unwrap();
    let mut first = stopped(folder.path(), &begin, "run/checkpoint.safetensors");
    are_refused(folder.path(), &resume, 2, &first);
    first.kill().unwrap();
    end_of(first);
    let first = stopped(folder.path(), &resume, "run/checkpoint.safetensors");
    are_refused(folder.path(), &resume, 2, &first);
    goes_on(first);
    let epochs = |folder: &Path| {
        let records = read_log(&folder.join("run/log.jsonl")).unwrap().into_iter();
        let epoch = |record| match record {
            RunRecord::Epoch(epoch) => Some((epoch.epoch, epoch.loss.to_bits(), epoch.errors)),
            _ => None,
        };
        records.filter_map(epoch).collect::<Vec<_>>()
    };
    assert_eq!(epochs(folder.path()), epochs(alone.path()));
    assert_eq!(epochs(alone.path()).len(), 2);
}

/// Before its first checkpoint a training can only be begun again.
#[test]
fn a_training_that_has_begun_is_not_begun_a_second_time() {
    let images = images();
    let data = images.path().to_str().unwrap();
    let words = [
        "train",
        "--recipe",
        "preresnet20-fashion",
        "--data",
        data,
        "-o",
        "run",
    ];
    let folder = tempdir().unwrap();
    let mut first = stopped(folder.path(), &words, "run/log.jsonl");
    are_refused(folder.path(), &words, 2, &first);
    first.kill().unwrap();
    end_of(first);
}
