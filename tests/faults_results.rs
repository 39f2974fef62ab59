//! Results files that are hostile or odd: names that write to the terminal, claims that never end,
//! numbers that are none, parts that disagree.

mod common;
#[allow(dead_code, reason = "each test file uses some of these")]
mod limits;

use std::fs;
use std::path::Path;

use common::{asset, save_untrained, shipped_model, succeed};
use pathscope::network::{Architecture, Family, Unit};
use serde_json::Value;
use tempfile::tempdir;

/// Colours, a title of the window, a false line, a mark of direction, a control of eight bits.
const NAMES: [&str; 3] = [
    "\u{1b}[31mRED\u{1b}]0;owned\u{7}\nerror: fake line\r",
    "\u{202e}evil\u{2066}\u{9b}31m\u{8}",
    "a\u{2028}b\u{0}c\u{200f}",
];

/// Whether a text can move the cursor, colour the screen or turn the direction of writing.
fn writes_to_the_terminal(text: &str) -> bool {
    text.chars().any(|c| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }) || text.lines().any(|line| line.starts_with("error: fake"))
}

/// Deletions, a spectrum and orders of the shipped network in `folder`.
fn measured(folder: &Path) {
    let model = shipped_model();
    let measure = |words: &[&str], file: &str| {
        let (&command, more) = words.split_first().unwrap();
        let results = ["--results", file];
        succeed(
            folder,
            &[&["-q", command, &*model], more, &results].concat(),
        );
    };
    measure(&["lesion", "--each", "--limit", "20"], "lesion.jsonl");
    measure(
        &["lesion", "--greedy", "2", "--limit", "20"],
        "greedy.jsonl",
    );
    measure(
        &["reorder", "--swaps", "2", "--count", "3", "--limit", "20"],
        "reorder.jsonl",
    );
    measure(
        &["ensemble", "--members", "2", "--limit", "20"],
        "ensemble.jsonl",
    );
    let few = [
        "gradient-spectrum",
        "--batches",
        "2",
        "--examples",
        "2",
        "--draws",
        "1",
    ];
    measure(&few, "spectrum.jsonl");
}

/// Puts `name` behind every text of a header that somebody chose.
fn rename(value: &mut Value, name: &str) {
    match value {
        Value::String(text) => text.push_str(name),
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, name)),
        Value::Object(fields) => {
            for (field, value) in fields {
                if !["hash", "type", "shape"].contains(&&**field) {
                    rename(value, name);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn names_in_results_cannot_write_to_the_terminal() {
    let folder = tempdir().unwrap();
    measured(folder.path());
    let at = |name: &str| folder.path().join(name);
    for name in NAMES {
        let files = ["lesion", "greedy", "reorder", "ensemble", "spectrum"];
        for file in files.map(|file| format!("{file}.jsonl")) {
            let text = fs::read_to_string(at(&file)).unwrap();
            let (header, records) = text.split_once('\n').unwrap();
            let mut header: Value = serde_json::from_str(header).unwrap();
            for part in ["model", "data", "command", "pathscope"] {
                rename(&mut header[part], name);
            }
            fs::create_dir_all(at("odd")).unwrap();
            fs::write(at("odd").join(&file), format!("{header}\n{records}")).unwrap();
        }
        let mut shown = 0;
        for words in [
            "report odd -o -",
            "report odd/spectrum.jsonl -o -",
            "plot odd/lesion.jsonl odd/reorder.jsonl odd/spectrum.jsonl -o p.svg --force",
            "diff odd odd",
            "diff lesion.jsonl odd/lesion.jsonl",
            "diff spectrum.jsonl odd/spectrum.jsonl --format json",
            "effective-range odd/spectrum.jsonl",
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            let ended = limits::run(folder.path(), &words);
            let printed = format!("{}{}", ended.output, ended.error);
            assert!(!writes_to_the_terminal(&printed), "{words:?}: {printed:?}");
            // Either read with the names escaped, or refused.
            let code = ended.status.code();
            assert!(matches!(code, Some(0 | 2)), "{words:?}: {ended:?}");
            shown += usize::from(code == Some(0));
        }
        assert!(shown > 0, "{name:?}: nothing was shown");
        for entry in fs::read_dir(folder.path()).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_some_and(|ending| ending == "svg") {
                let picture = fs::read_to_string(&file).unwrap();
                assert!(!writes_to_the_terminal(&picture), "{}", file.display());
            }
        }
    }
}

#[test]
fn names_in_training_logs_cannot_write_to_the_terminal() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("log.jsonl");
    let text = fs::read_to_string(asset("results/path-restricted/full-1.jsonl")).unwrap();
    let (header, epochs) = text.split_once('\n').unwrap();
    for name in NAMES {
        let mut header: Value = serde_json::from_str(header).unwrap();
        for place in [
            "/recipe/name",
            "/recipe/about",
            "/command",
            "/source/place",
            "/device",
        ] {
            rename(header.pointer_mut(place).unwrap(), name);
        }
        fs::write(&file, format!("{header}\n{epochs}")).unwrap();
        for words in [
            "table log.jsonl",
            "report log.jsonl -o -",
            "plot log.jsonl --force",
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            let ended = limits::run(folder.path(), &words);
            assert_eq!(ended.status.code(), Some(0), "{ended:?}");
            let printed = format!("{}{}", ended.output, ended.error);
            assert!(!writes_to_the_terminal(&printed), "{words:?}: {printed:?}");
        }
    }
}

#[test]
fn claims_that_would_never_end_are_refused() {
    let folder = tempdir().unwrap();
    measured(folder.path());
    let file = folder.path().join("odd.jsonl");
    for (source, from, to) in [
        ("lesion", "\"functions\":1,", "\"functions\":4294967296,"),
        (
            "reorder",
            "\"functions\":1,",
            "\"functions\":18446744073709551615,",
        ),
        ("spectrum", "\"functions\":1,", "\"functions\":1000000000,"),
        ("lesion", "\"classes\":10", "\"classes\":4294967296"),
        (
            "lesion",
            "\"examples\":20,\"classes\"",
            "\"examples\":99999999999,\"classes\"",
        ),
        ("spectrum", "\"examples\":2,", "\"examples\":4000000000,"),
        ("spectrum", "\"paths\":[\"1\"", "\"paths\":[\"1e99\""),
        ("ensemble", "\"members\":", "\"members\":4294967296,\"x\":"),
    ] {
        let text = fs::read_to_string(folder.path().join(format!("{source}.jsonl"))).unwrap();
        assert!(text.contains(from), "{source}: {from}");
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        for words in [
            vec!["report", "odd.jsonl", "-o", "-"],
            vec!["plot", "odd.jsonl", "-o", "p.svg", "--force"],
            vec!["diff", "odd.jsonl", "odd.jsonl"],
        ] {
            let ended = limits::run(folder.path(), &words);
            ended
                .refusal("odd.jsonl")
                .unwrap_or_else(|wrong| panic!("{source} {to}: {wrong}"));
        }
    }
}

#[test]
fn only_regular_files_are_taken_for_results() {
    let folder = tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let model = shipped_model();
    for place in ["/dev/full", "/dev/zero", "pipe"] {
        let lesion = [
            "lesion",
            &model,
            "--drop-block",
            "1",
            "--limit",
            "8",
            "--results",
            place,
        ];
        for words in [&lesion[..], &["report", place, "-o", "-"], &["plot", place]] {
            let ended = limits::run(folder.path(), words);
            let refusal = ended.refusal(place).unwrap();
            assert!(refusal.is_some(), "{words:?} took {place}");
        }
    }
}

/// Networks with some losses that are no finite numbers.
#[test]
fn losses_that_are_no_numbers_end_a_sweep_whose_file_is_read_again() {
    let folder = tempdir().unwrap();
    let network = Architecture::cifar(Family::Preresnet, Unit::Basic, 8, 1, 1, 10).unwrap();
    let mut whole = save_untrained(&folder.path().join("sound.safetensors"), &network);
    let specification = network.build().unwrap();
    let names: Vec<String> = pathscope::format::state_of(&whole)
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| name.ends_with("weight"))
        .collect();
    let last = names.last().unwrap().clone();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 3e38] {
        whole = pathscope::network::TrainableNetwork::load(&specification, |name| {
            let state = pathscope::format::state_of(&whole).into_iter();
            let mut found = state.filter(|(known, _)| known == name);
            let tensor = found.next()?.1;
            Some(match name == last {
                true => tensor.full_like(value),
                false => tensor,
            })
        })
        .unwrap();
        let file = folder.path().join("odd.safetensors");
        common::save(&file, &specification, &whole);
        for (command, results) in [("lesion", "l.jsonl"), ("ensemble", "e.jsonl")] {
            let data = asset("fashion-mnist-2000");
            let words = [command, "odd.safetensors", "--data", &data, "--limit", "12"];
            let words = [&words[..], &["--results", results]].concat();
            let first = limits::run(folder.path(), &words);
            assert_eq!(first.status.code(), Some(2), "{value}: {first:?}");
            assert!(
                first.error.contains("odd.safetensors: "),
                "{value}: {first:?}"
            );
            assert!(first.error.contains("not finite"), "{value}: {first:?}");
            let written = fs::read(folder.path().join(results)).unwrap();
            // The same command reads what it wrote.
            let again = limits::run(folder.path(), &words);
            assert_eq!(again.error, first.error, "{value}");
            assert_eq!(
                fs::read(folder.path().join(results)).unwrap(),
                written,
                "{value}"
            );
            let page = limits::run(folder.path(), &["report", results, "-o", "-"]);
            assert!(
                matches!(page.status.code(), Some(0 | 2)),
                "{value}: {page:?}"
            );
            fs::remove_file(folder.path().join(results)).unwrap();
        }
    }
}

mod needs_shared {
    use super::*;

    fn faults() -> std::path::PathBuf {
        common::shared("cases/faults").into()
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn a_report_of_countless_functions_is_refused() {
        let file = "report-hangs.jsonl";
        for words in [
            &["report", file, "-o", "-"][..],
            &["plot", file],
            &["diff", file, file],
        ] {
            let ended = limits::run(&faults(), words);
            assert!(ended.refusal(file).unwrap().is_some(), "{words:?}");
        }
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn lines_that_two_writers_doubled_are_read_once() {
        let page = |file: &str| {
            let ended = limits::run(&faults(), &["report", file, "-o", "-"]);
            assert_eq!(ended.refusal(file).unwrap(), None);
            ended.output
        };
        let strip =
            |page: String, file: &str| page.replace(file.trim_end_matches(".jsonl"), "FILE");
        let (once, twice) = (
            "two-writers-reference.jsonl",
            "two-writers-duplicates.jsonl",
        );
        assert_eq!(strip(page(once), once), strip(page(twice), twice));
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn the_results_of_a_network_without_numbers_are_read_again() {
        let folder = tempdir().unwrap();
        let model = faults().join("weights-nan.safetensors");
        let data = asset("fashion-mnist-2000");
        let words = [
            "lesion",
            model.to_str().unwrap(),
            "--limit",
            "12",
            "--data",
            &data,
        ];
        let words = [&words[..], &["--results", "r.jsonl"]].concat();
        let first = limits::run(folder.path(), &words);
        assert_eq!(first.status.code(), Some(2), "{first:?}");
        assert_eq!(limits::run(folder.path(), &words).error, first.error);
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn names_of_a_page_stay_text() {
        let folder = tempdir().unwrap();
        let model = faults().join("xss.safetensors");
        let data = asset("fashion-mnist-2000");
        let words = [
            "-q",
            "lesion",
            model.to_str().unwrap(),
            "--data",
            &data,
            "--limit",
            "12",
        ];
        succeed(
            folder.path(),
            &[&words[..], &["--results", "r.jsonl"]].concat(),
        );
        let page = succeed(folder.path(), &["-q", "report", "r.jsonl", "-o", "-"]);
        assert!(page.contains("&lt;script&gt;alert(1)"));
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"));
        let plot = ["-q", "plot", "r.jsonl", "-o", "p.svg"];
        succeed(folder.path(), &plot);
        let picture = fs::read_to_string(folder.path().join("p.svg")).unwrap();
        assert!(!picture.contains("<script") && !picture.contains("<img"));
    }
}
