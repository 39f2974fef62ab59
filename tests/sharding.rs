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

/// Every part measures all ensembles, whose sub-networks are drawn together.
#[test]
fn ensembles_in_parts_are_the_same_file() {
    let model = shipped_model();
    let plain = ["-q", "ensemble", &model, "--limit", "30", "--members", "3"];
    let additivity = [&plain[..], &["--additivity", "--subsets", "40"]].concat();
    for (command, parts) in [(&plain[..], 2), (&additivity, 3)] {
        let folder = tempdir().unwrap();
        let (whole, merged) = divided(folder.path(), command, parts);
        assert_eq!(whole, merged);
    }
}

#[test]
fn parts_that_disagree_are_refused_by_measurement() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let command = ["-q", "ensemble", &model, "--limit", "30", "--members", "3"];
    divided(folder.path(), &command, 2);
    let part = folder.path().join("2.jsonl");
    let text = fs::read_to_string(&part).unwrap();
    // Of records that both parts hold: the intact network, and an ensemble.
    for (from, to) in [
        ("\"loss\":0.", "\"loss\":1."),
        ("\"disagreement\":0.", "\"disagreement\":1."),
    ] {
        let changed = text.replacen(from, to, 1);
        assert!(changed != text, "{from}");
        fs::write(&part, changed).unwrap();
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let said = refuse(&[
            "merge",
            "-o",
            &file("m.jsonl"),
            &file("1.jsonl"),
            &file("2.jsonl"),
        ]);
        assert!(
            said.contains("different results of the measurement"),
            "{said}"
        );
        assert!(!folder.path().join("m.jsonl").exists());
    }
    // Equal lines, as two processes wrote them in one file, are one record.
    fs::write(
        &part,
        text.lines()
            .flat_map(|line| {
                let again = if line.contains("\"header\"") { 1 } else { 2 };
                std::iter::repeat_n(format!("{line}\n"), again)
            })
            .collect::<String>(),
    )
    .unwrap();
    succeed(
        folder.path(),
        &["merge", "-o", "again.jsonl", "1.jsonl", "2.jsonl"],
    );
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("again.jsonl"), read("whole.jsonl"));
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
