//! The study command on the shipped network, with the smallest budget.

mod common;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use common::{pathscope, refuse, shipped_model, succeed};

fn contents(folder: &Path) -> HashMap<String, String> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Names of the measurements in a file of results.
fn keys(results: &str) -> BTreeSet<String> {
    let key = |line: &str| -> Option<String> {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        Some(record["key"].as_str()?.to_owned())
    };
    results.lines().filter_map(key).collect()
}

#[test]
fn a_study_holds_the_whole_protocol_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("study");
    let place = place.to_str().unwrap();
    let model = shipped_model();
    let study = [
        "study", &model, "-o", place, "--budget", "1s", "--seed", "3",
    ];
    let said = succeed(folder.path(), &study);
    for part in [
        "What does disabling one block cost (deleted)?",
        "How does the error grow with the number of disabled blocks (deleted)?",
        "Does the order of the blocks matter?",
        "Which path lengths carry the gradient?",
        "95 % interval",
        "report.html",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let made = contents(Path::new(place));
    let mut names: Vec<&str> = made.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "inspect.json",
        "lesion.jsonl",
        "reorder.jsonl",
        "report.html",
        "spectrum.jsonl",
        "study.json",
    ];
    assert_eq!(names, expected);
    // Random sets may wait for the second call; the intact network and every block never do.
    let lesions = &made["lesion.jsonl"];
    assert_eq!(lesions.matches("\"key\":\"lesion ").count(), 9);
    assert!(made["study.json"].contains("\"seed\": 3"));

    // Cut off within a line, as a kill leaves it, the study is completed by the same command.
    let half = &lesions[..lesions.len() / 2];
    fs::write(Path::new(place).join("lesion.jsonl"), half).unwrap();
    fs::remove_file(Path::new(place).join("report.html")).unwrap();
    let told = pathscope().args(study).assert().success();
    let remarks = String::from_utf8(told.get_output().stderr.clone()).unwrap();
    assert!(remarks.contains("resuming the study"), "{remarks}");
    let resumed = contents(Path::new(place));
    assert!(keys(&resumed["lesion.jsonl"]).is_superset(&keys(lesions)));
    assert_eq!(resumed["study.json"], made["study.json"]);
    assert!(resumed["report.html"].contains("Which path lengths carry the gradient?"));

    let text = succeed(
        folder.path(),
        &[&["-q"], study.as_slice(), &["--json"]].concat(),
    );
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(value["findings"].as_array().unwrap().len() >= 4);
    assert_eq!(value["files"].as_array().unwrap().len(), 3);

    let other = [
        "study", &model, "-o", place, "--budget", "1s", "--seed", "4",
    ];
    assert!(refuse(&other).contains("another folder"));
}

#[test]
fn what_is_wrong_is_said_before_anything_is_measured() {
    let model = shipped_model();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("study");
    let place = place.to_str().unwrap();
    let said = refuse(&["study", &model, "-o", place, "--budget", "soon"]);
    assert!(said.contains("90s, 10m or 1h30m"), "{said}");
    let said = refuse(&["study", "no/such.safetensors", "-o", place]);
    assert!(said.contains("no/such.safetensors"), "{said}");
    assert!(!Path::new(place).exists());
}
