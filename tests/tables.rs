//! The printed answers of commands at 80 and 120 columns, as files below `tests/golden/tables`.
//!
//! `UPDATE_GOLDEN=1 cargo test --test tables` rewrites them. Digits that depend on the machine are
//! replaced by 0.

use std::fs;
use std::path::Path;

use assert_cmd::cargo::cargo_bin_cmd;

const MODEL: &str = "assets/preresnet20.safetensors";

/// What an answer depends on.
#[derive(Clone, Copy, PartialEq)]
enum Digits {
    /// On files alone: every digit counts.
    Exact,
    /// On measurements: digits may differ between machines.
    Measured,
    /// On measurements and times: even the number of digits may differ, so only the width is checked.
    Timed,
}

/// Runs a command in a pipe of so many columns and compares what it prints.
fn check(name: &str, line: &str, digits: Digits) {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let words: Vec<String> = line
        .replace("MODEL", MODEL)
        .split_whitespace()
        .flat_map(|word| match word.contains('*') {
            true => glob::glob(project.join(word).to_str().unwrap())
                .unwrap()
                .map(|file| file.unwrap().to_str().unwrap().to_owned())
                .collect(),
            false => vec![word.to_owned()],
        })
        .collect();
    for columns in [80, 120] {
        let mut command = cargo_bin_cmd!("pathscope");
        command.current_dir(project).arg("--quiet").args(&words);
        match columns {
            80 => command.env_remove("COLUMNS"),
            columns => command.env("COLUMNS", columns.to_string()),
        };
        let run = command.output().unwrap();
        let fault = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{line}: {fault}");
        let mut printed = String::from_utf8(run.stdout).unwrap();
        for row in printed.lines() {
            assert!(
                row.chars().count() <= columns,
                "{name}, {columns} columns: {row}"
            );
            assert_eq!(row.trim_end(), row, "{name}: trailing blanks");
        }
        if digits == Digits::Timed {
            continue;
        }
        if digits == Digits::Measured {
            printed = printed.replace(|letter: char| letter.is_ascii_digit(), "0");
        }
        let golden = project.join(format!("tests/golden/tables/{name}-{columns}.txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(golden.parent().unwrap()).unwrap();
            fs::write(&golden, &printed).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert!(
            printed == expected,
            "{} differs from what `pathscope {line}` prints:\n{printed}",
            golden.display()
        );
    }
}

macro_rules! tables {
    ($($name:ident: $line:literal, $digits:ident;)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name), $line, Digits::$digits);
        })*
    };
}

tables! {
    inspect: "inspect MODEL", Exact;
    multiplicity: "multiplicity --depth 20 --between 2:5", Exact;
    multiplicity_of_several: "multiplicity --compare 110x1,30x4 --between 5:17", Exact;
    effective_range: "effective-range assets/results/family/spectrum-*.jsonl", Exact;
    threshold: "threshold assets/results/family/members.csv", Exact;
    diff: "diff notebooks-rs/results notebooks-rs/results", Exact;
    equal_epochs: "table assets/results/path-restricted-110/full-*.jsonl assets/results/path-restricted-110/restricted-*.jsonl --margin 1", Exact;
    equal_compute: "table assets/results/path-restricted-110/short-*.jsonl assets/results/path-restricted-110/restricted-*.jsonl --margin 1", Exact;
    tables_of_the_paper: "table --paper assets/results/path-restricted/full-1.jsonl", Exact;
    multiplicity_of_second_order: "multiplicity --depth 20 --k 2 --terms poly", Exact;
    trainings: "table assets/results/path-restricted/full-1.jsonl assets/results/path-restricted/restricted-1.jsonl", Exact;
    lesion: "lesion MODEL --each --limit 60", Timed;
    lesion_by_class: "lesion MODEL --drop-block 4 --by-class --limit 60", Timed;
    lesion_random: "lesion MODEL --random 2 --count 3 --limit 60", Measured;
    lesion_pairs: "lesion MODEL --pairs --limit 20", Timed;
    lesion_distances: "lesion MODEL --distances --limit 20", Measured;
    lesion_greedy: "lesion MODEL --greedy 2 --limit 20", Timed;
    reorder: "reorder MODEL --swaps 2 --count 3 --limit 20", Measured;
    commutators: "reorder MODEL --commutators --limit 20", Measured;
    ensemble: "ensemble MODEL --members 4 --delete 1 --limit 60", Timed;
    gradient_spectrum: "gradient-spectrum --depth 20 --k 1 --batches 2 --examples 4 --samples 20", Timed;
    eval: "eval MODEL --limit 60", Timed;
    bench: "bench parallel --depth 8 --functions 2 --batches 4 --steps 1 --width 4", Timed;
}
