//! Commands that can be resumed, each killed twenty times: what they leave is what one undisturbed
//! run writes. Those of `lesion` on its own are in `journal_faults.rs`, of `train` in `training.rs`.

mod common;
#[allow(dead_code, reason = "each test file uses some of these")]
mod runs;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Instant;

use common::{shipped_model, succeed};
use pathscope_analysis::Seed;
use rand::RngExt;
use runs::{bytes, complete, contents, end_of, program, runs_until, times};
use tempfile::tempdir;

const KILLS: u64 = 20;

/// Kills `words` in folders that `prepare` fills, resuming in each until the command is done.
#[track_caller]
fn survives(words: &[&str], prepare: impl Fn(&Path)) {
    let place = || {
        let folder = tempdir().unwrap();
        prepare(folder.path());
        folder
    };
    let undisturbed = place();
    let start = Instant::now();
    complete(undisturbed.path(), words);
    let length = start.elapsed();
    let wanted = contents(undisturbed.path());
    let all = bytes(undisturbed.path());

    let mut random = Seed(10).stream("moments to kill", 0);
    let (mut kills, mut in_the_middle) = (0, 0);
    while kills < KILLS {
        let folder = place();
        let prepared = bytes(folder.path());
        loop {
            let mut child = program(folder.path(), words).spawn().unwrap();
            // Most kills meet a file of some length, so that a busy machine changes nothing.
            let present = bytes(folder.path());
            let beyond = match kills % 4 {
                0 => None,
                1 => Some(present),
                _ => Some(random.random_range(present.min(all - 1)..all)),
            };
            let runs = match beyond {
                None => {
                    sleep(length.mul_f64(random.random::<f64>()));
                    child.try_wait().unwrap().is_none()
                }
                Some(beyond) => runs_until(&mut child, || bytes(folder.path()) > beyond),
            };
            if !runs {
                let (code, error) = end_of(child);
                assert_eq!(code, Some(0), "{words:?}: {error}");
                break;
            }
            child.kill().unwrap();
            end_of(child);
            kills += 1;
            let left = bytes(folder.path());
            in_the_middle += u64::from(left > prepared && left < all);
            if kills >= KILLS {
                complete(folder.path(), words);
                break;
            }
        }
        let found = contents(folder.path());
        for (name, text) in &wanted {
            let same = found.get(name) == Some(text);
            assert!(same, "after {kills} kills {} differs", name.display());
        }
        assert_eq!(found.len(), wanted.len(), "{:?}", found.keys());
        // Resuming takes measured times over and does not measure them again.
        assert_eq!(times(folder.path()), times(undisturbed.path()));
    }
    // Some commands write most of their lines at once, which leaves few moments in between.
    assert!(in_the_middle > 0, "no kill met a file that was begun");
}

fn measures(command: &[&str], more: &[&str]) {
    let model = shipped_model();
    let (&name, options) = command.split_first().unwrap();
    let results = ["--threads", "1", "--results", "results.jsonl"];
    survives(
        &[&[name, &*model], options, more, &results].concat(),
        |_| (),
    );
}

#[test]
fn greedy_removal() {
    measures(&["lesion", "--greedy", "3"], &["--limit", "24"]);
}

/// Each is recorded as soon as it is measured.
#[test]
fn lesions_with_statistics_of_their_own() {
    let renewed = ["lesion", "--each", "--bn", "recalibrate"];
    measures(&renewed, &["--limit", "24"]);
}

#[test]
fn reordering() {
    measures(
        &["reorder", "--swaps", "4", "--count", "8"],
        &["--limit", "24"],
    );
}

#[test]
fn commutators() {
    measures(&["reorder", "--commutators"], &["--limit", "24"]);
}

#[test]
fn distances() {
    measures(&["lesion", "--distances"], &["--limit", "24"]);
}

#[test]
fn ensembles() {
    let additivity = ["--additivity", "--subsets", "60"];
    let command = ["ensemble", "--members", "3", "--delete", "1,2"];
    measures(&[&command[..], &additivity].concat(), &["--limit", "24"]);
}

#[test]
fn spectra_with_sampled_paths() {
    let batches = ["--batches", "4", "--examples", "2", "--draws", "2"];
    measures(
        &["gradient-spectrum", "--samples", "2", "--sample-paths"],
        &batches,
    );
}

/// The words of a study that no clock ends.
fn study(model: &str) -> [&str; 7] {
    [
        "study",
        model,
        "-o",
        "study",
        "--threads",
        "1",
        "--budget=1h",
    ]
}

/// The settings of a small study, which are otherwise a matter of the machine's speed.
fn settings() -> String {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let short = ["-q", "study", &model, "-o", "study", "--budget", "1s"];
    succeed(folder.path(), &short);
    let text = fs::read_to_string(folder.path().join("study/study.json")).unwrap();
    let mut settings: serde_json::Value = serde_json::from_str(&text).unwrap();
    settings["budget_seconds"] = 3600.into();
    for (amount, value) in [
        ("examples", 24),
        ("deletions", 3),
        ("deletion_draws", 4),
        ("swaps", 3),
        ("order_draws", 4),
        ("batches", 2),
        ("batch_examples", 2),
        ("sign_draws", 2),
        ("path_draws", 2),
    ] {
        let found = settings["allotment"].get_mut(amount);
        *found.unwrap_or_else(|| panic!("a study has no {amount}")) = value.into();
    }
    settings.to_string()
}

#[test]
fn studies() {
    let settings = settings();
    survives(&study(&shipped_model()), |folder| {
        fs::create_dir(folder.join("study")).unwrap();
        fs::write(folder.join("study/study.json"), &settings).unwrap();
    });
}

#[test]
fn a_study_killed_in_its_pilot_is_resumed() {
    let model = shipped_model();
    let words = ["study", &model, "-o", "study", "--budget", "1s"];
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join("study").join(name);
    let mut random = Seed(11).stream("moments to kill", 0);
    let mut in_the_pilot = 0;
    for _ in 0..5 {
        let mut child = program(folder.path(), &words).spawn().unwrap();
        assert!(runs_until(&mut child, || at("inspect.json").exists()));
        sleep(std::time::Duration::from_millis(random.random_range(0..40)));
        child.kill().unwrap();
        end_of(child);
        let settings = fs::read_to_string(at("study.json")).unwrap_or_default();
        in_the_pilot += u64::from(!settings.contains("path_draws"));
    }
    assert!(in_the_pilot > 0, "every kill came too late");
    complete(folder.path(), &words);
    for name in [
        "study.json",
        "lesion.jsonl",
        "spectrum.jsonl",
        "reorder.jsonl",
        "report.html",
    ] {
        assert!(at(name).exists(), "{name}");
    }
}
