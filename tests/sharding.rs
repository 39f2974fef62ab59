//! A sweep that several processes divide gives the file that one would have written.

mod common;

use std::fs;
use std::path::Path;

use common::*;
use tempfile::tempdir;

/// Runs `command` whole and in `parts` parts, and joins these in reverse order.
fn divided(folder: &Path, command: &[&str], parts: usize) -> (String, String) {
    succeed(folder, &[command, &["--json", "whole.jsonl"]].concat());
    let names: Vec<String> = (1..=parts).map(|part| format!("{part}.jsonl")).collect();
    for (part, name) in (1..).zip(&names) {
        let shard = format!("--shard={part}/{parts}");
        succeed(folder, &[command, &["--json", name, &shard]].concat());
    }
    let mut merge = vec!["merge", "-o", "merged.jsonl"];
    merge.extend(names.iter().rev().map(String::as_str));
    succeed(folder, &merge);
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    (read("whole.jsonl"), read("merged.jsonl"))
}

#[test]
fn lesions_in_parts_are_the_same_file() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let command = ["-q", "lesion", &model, "--limit", "60", "--pairs"];
    for parts in [1, 3] {
        let (whole, merged) = divided(folder.path(), &command, parts);
        assert_eq!(whole, merged);
        for file in fs::read_dir(folder.path()).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
}

#[test]
fn spectra_in_parts_are_the_same_file() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let command = [
        "-q",
        "gradient-spectrum",
        &model,
        "--batches",
        "3",
        "--examples",
        "2",
        "--draws",
        "2",
        "--samples",
        "3",
        "--sample-paths",
    ];
    let (whole, merged) = divided(folder.path(), &command, 2);
    assert_eq!(whole, merged);
}

#[test]
fn what_does_not_make_a_whole_is_refused() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let part = |shard: &str, seed: &str, name: &str| {
        let file = folder.path().join(name).to_str().unwrap().to_owned();
        let command = ["-q", "lesion", &model, "--limit", "20", "--each"];
        let others = ["--seed", seed, "--shard", shard, "--json", &file];
        succeed(folder.path(), &[command.as_slice(), &others].concat());
        file
    };
    let (first, second) = (part("1/2", "0", "1"), part("2/2", "0", "2"));
    let other = part("2/2", "5", "other");
    let output = folder.path().join("merged.jsonl");
    let merge = |parts: &[&str]| {
        let beginning = ["merge", "-o", output.to_str().unwrap()];
        refuse(&[&beginning, parts].concat())
    };
    assert!(merge(&[&first]).contains("part 2/2 is given 0 times"));
    assert!(merge(&[&first, &first, &second]).contains("part 1/2 is given 2 times"));
    assert!(merge(&[&first, &other]).contains("different measurements"));
    let text = fs::read_to_string(&second).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    fs::write(&second, lines[..lines.len() - 2].concat()).unwrap();
    assert!(merge(&[&first, &second]).contains("let its command finish first"));
    assert!(!output.exists());
    let refused = refuse(&[
        "lesion", &model, "--greedy", "2", "--json", "x", "--shard", "1/2",
    ]);
    assert!(refused.contains("--greedy"), "{refused}");
    assert!(refuse(&["lesion", &model, "--json", "x", "--shard", "3/2"]).contains("such as 3/8"));
}
