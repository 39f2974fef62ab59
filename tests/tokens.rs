//! Networks that take tokens, by command line, against PyTorch's figures
//! (`tests/fixtures/make_tokens.py`).

mod common;
#[allow(dead_code)]
mod data;

use std::fs;
use std::path::Path;

use common::*;
use data::{npy, write, zip_of};
use pathscope::data::{ReadRequest, Split, open};
use serde::Deserialize;
use tempfile::tempdir;

#[derive(Deserialize)]
struct Expected {
    errors: u64,
    loss: f64,
}

#[derive(Deserialize)]
struct Fixture {
    intact: Expected,
    deletions: Vec<Expected>,
}

fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn language_model() -> (String, String) {
    (fixture("exported/gpt.pt2"), fixture("tokens/gpt.npz"))
}

fn classifier() -> (String, String) {
    (
        fixture("tokens/classifier.pt2"),
        fixture("tokens/classifier.npz"),
    )
}

fn header(journal: &Path) -> serde_json::Value {
    let text = fs::read_to_string(journal).unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

#[test]
fn deletions_err_and_lose_as_in_pytorch() {
    for ((model, data), name, positions, predictions) in [
        (language_model(), "gpt", 12, 288),
        (classifier(), "classifier", 1, 24),
    ] {
        let text = fs::read(fixture(&format!("tokens/{name}.json"))).unwrap();
        let expected: Fixture = serde_json::from_slice(&text).unwrap();
        let folder = tempdir().unwrap();
        let ask = [
            "lesion", &model, "--data", &data, "--each", "--json", "a.jsonl",
        ];
        let shown = succeed(folder.path(), &ask);
        let unit = format!(
            "{predictions} {}",
            match positions {
                1 => "examples",
                _ => "positions of 24 sequences",
            }
        );
        assert!(shown.contains(&unit), "{shown}");
        let journal = folder.path().join("a.jsonl");
        assert_eq!(header(&journal)["data"]["examples"], 24);
        let outcomes = records(&journal);
        let every = [expected.intact].into_iter().chain(expected.deletions);
        let every: Vec<Expected> = every.collect();
        assert_eq!(outcomes.len(), every.len());
        for (outcome, expected) in outcomes.iter().zip(&every) {
            assert_eq!(outcome["errors"], expected.errors, "{outcome}");
            assert_eq!(outcome["examples"], predictions);
            assert_eq!(outcome["positions"].as_u64().unwrap_or(1), positions);
            let loss = outcome["loss"].as_f64().unwrap();
            assert!((loss / expected.loss - 1.0).abs() < 1e-5, "{outcome}");
        }
        let evaluated = succeed(folder.path(), &["eval", &model, "--data", &data, "--json"]);
        let evaluated: serde_json::Value = serde_json::from_str(&evaluated).unwrap();
        assert_eq!(evaluated["models"][0]["errors"], every[0].errors);
    }
}

#[test]
fn the_gradient_of_sequences_adds_up() {
    let folder = tempdir().unwrap();
    let (model, data) = language_model();
    let ask = [
        "gradient-spectrum",
        &model,
        "--data",
        &data,
        "--json",
        "a.jsonl",
    ];
    let few = [
        "--batches",
        "2",
        "--examples",
        "3",
        "--draws",
        "2",
        "--samples",
        "3",
    ];
    succeed(folder.path(), &[ask.as_slice(), &few].concat());
    let journal = folder.path().join("a.jsonl");
    assert_eq!(header(&journal)["options"]["at"], "Stem");
    let records = records(&journal);
    assert_eq!(records.len(), 2);
    for spectrum in &records {
        assert!(spectrum["sum_check"].as_f64().unwrap() < 1e-4, "{spectrum}");
        assert_eq!(spectrum["gradient"].as_array().unwrap().len(), 3);
    }
    let complaint = refuse(&[
        "gradient-spectrum",
        &model,
        "--data",
        &data,
        "--at",
        "input",
    ]);
    assert!(complaint.contains("--at stem"), "{complaint}");
    let logit = [
        "gradient-spectrum",
        &model,
        "--data",
        &data,
        "--logit",
        "max",
        "--batches",
        "1",
    ];
    let logit = [
        logit.as_slice(),
        &["--examples", "2", "--measure", "coherent"],
    ]
    .concat();
    succeed(folder.path(), &logit);
}

/// Every other question runs too, and the same for any number of threads and any micro-batch.
#[test]
fn other_questions_work_on_sequences() {
    let folder = tempdir().unwrap();
    let (model, data) = language_model();
    let of = |arguments: &[&str]| {
        let place = ["--data", &data, "-q"];
        succeed(folder.path(), &[arguments, &place].concat())
    };
    of(&[
        "reorder",
        &model,
        "--swaps",
        "2",
        "--count",
        "2",
        "--commutators",
    ]);
    of(&["ensemble", &model, "--delete", "1", "--members", "4"]);
    of(&[
        "lesion",
        &model,
        "--greedy",
        "2",
        "--export",
        "small.safetensors",
    ]);
    of(&[
        "lesion",
        "small.safetensors",
        "--pairs",
        "--plot",
        "pairs.svg",
    ]);
    for kind in ["mean", "resample", "noise", "skip"] {
        of(&["lesion", &model, "--drop-block", "1", "--kind", kind]);
    }
    of(&[
        "lesion",
        &model,
        "--random",
        "2",
        "--count",
        "3",
        "--plot",
        "random.svg",
    ]);
    let stopped = of(&["lesion", &model, "--drop-block", "1", "--stop-at", "190"]);
    assert!(
        stopped.contains("valid whenever the comparison stops") || stopped.contains("95 %"),
        "{stopped}"
    );
    of(&["study", &model, "--budget", "3s", "--output", "study"]);
    assert!(folder.path().join("study/report.html").exists());

    let each = |more: &[&str]| of(&[&["lesion", &model, "--each"], more].concat());
    assert_eq!(
        each(&["--threads", "1"]),
        each(&["--threads", "2", "--batch", "5"])
    );
}

#[test]
fn the_interval_is_over_sequences() {
    let folder = tempdir().unwrap();
    let (model, data) = language_model();
    let text = succeed(folder.path(), &["eval", &model, "--data", &data, "--json"]);
    let text: serde_json::Value = serde_json::from_str(&text).unwrap();
    let found = &text["models"][0];
    let width = |interval: &serde_json::Value| {
        interval["upper"].as_f64().unwrap() - interval["lower"].as_f64().unwrap()
    };
    let level = pathscope_analysis::Level::P95;
    let plain = pathscope_analysis::wilson(104, 288, level).unwrap();
    assert_eq!(found["errors"], 104);
    assert!(width(&found["interval"]) > 1.5 * plain.width(), "{found}");
}

#[test]
fn tokens_and_images_are_told_apart() {
    let (model, tokens) = language_model();
    let images = asset("fashion-mnist-2000");
    let refused = |model: &str, data: &str| refuse(&["lesion", model, "--data", data, "--each"]);
    let complaint = refused(&shipped_model(), &tokens);
    assert!(
        complaint.contains("takes images, but there are tokens"),
        "{complaint}"
    );
    let complaint = refused(&model, &images);
    assert!(
        complaint.contains("takes sequences of 12 tokens, but"),
        "{complaint}"
    );
    let complaint = refused(&model, &classifier().1);
    assert!(
        complaint.contains("12 targets for each sequence"),
        "{complaint}"
    );
    let complaint = refuse(&["eval", &shipped_model(), "--data", &tokens]);
    assert!(complaint.contains("takes images"), "{complaint}");
    let ten = refuse(&["eval", &model, "--data", &tokens, "--ten-crop"]);
    assert!(ten.contains("--ten-crop"), "{ten}");
    let classes = refuse(&["lesion", &model, "--data", &tokens, "--by-class"]);
    assert!(classes.contains("does not apply"), "{classes}");
}

/// Rows of `length` tokens, all 1 but the last one of all.
fn rows(folder: &Path, length: usize, last: u16) -> String {
    let mut elements = [1_u8, 0].repeat(2 * length);
    elements.truncate(4 * length - 2);
    elements.extend(last.to_le_bytes());
    let array = npy("<u2", &format!("(2, {length})"), &elements);
    let file = write(folder, "a.npz", &zip_of(&[("tokens.npy", &array)]));
    file.to_str().unwrap().to_owned()
}

#[test]
fn sequences_that_do_not_fit_say_why() {
    let folder = tempdir().unwrap();
    let model = language_model().0;
    let refused = |data: &str| refuse(&["lesion", &model, "--data", data]);
    let complaint = refused(&rows(folder.path(), 12, 1));
    assert!(complaint.contains("these have 11"), "{complaint}");
    assert!(complaint.contains("rows of 13 tokens"), "{complaint}");
    // The last token of a row is a target only.
    let complaint = refused(&rows(folder.path(), 13, 40));
    assert!(
        complaint.contains("40 classes or tokens") && complaint.contains("label 40"),
        "{complaint}"
    );
    let both = |tokens: &[u8]| {
        let targets = npy("|u1", "(1, 12)", &[3; 12]);
        let entries = [("tokens_test.npy", tokens), ("targets_test.npy", &targets)];
        write(folder.path(), "b.npz", &zip_of(&entries))
            .to_str()
            .unwrap()
            .to_owned()
    };
    let mut tokens = [0; 12];
    tokens[7] = 57;
    let complaint = refused(&both(&npy("|u1", "(1, 12)", &tokens)));
    assert!(complaint.contains("sequence 0, place 7"), "{complaint}");
    assert!(
        complaint.contains("token 57, but the network knows 0 to 39"),
        "{complaint}"
    );
    let complaint = refused(&both(&npy("|i1", "(1, 12)", &[0xff; 12])));
    assert!(complaint.contains("-1 is no token"), "{complaint}");
    let complaint = refused(&both(&npy("<f4", "(1, 12)", &[0; 48])));
    assert!(
        complaint.contains("integers of the size [N, T]"),
        "{complaint}"
    );
    let complaint = refused(&both(&npy("|u1", "(1, 11)", &[0; 11])));
    assert!(complaint.contains("[1, 11] or [1]"), "{complaint}");
}

#[test]
fn the_same_sequences_have_the_same_hash() {
    let folder = tempdir().unwrap();
    let of = |files: &[(&str, &[u8])]| {
        let file = write(folder.path(), "a.npz", &zip_of(files));
        open(&file, &ReadRequest::new(Split::Test)).unwrap()
    };
    let next = of(&[("tokens.npy", &npy("|u1", "(2, 3)", &[5, 1, 4, 0, 0, 2]))]);
    let targets = npy(
        "<i4",
        "(2, 2)",
        &[1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0],
    );
    let inputs = npy("<i2", "(2, 2)", &[5, 0, 1, 0, 0, 0, 0, 0]);
    let given = of(&[("tokens.npy", &inputs), ("targets.npy", &targets)]);
    assert_eq!(next.content_hash(), given.content_hash());
    assert_eq!((next.len(), next.positions(), next.classes()), (2, 2, 5));
    assert_eq!(
        (next.tokens(0..9), next.labels()),
        (Some(&[5, 1, 0, 0][..]), &[1, 4, 0, 2][..])
    );
    let second = next.select(&[1]).unwrap();
    assert_eq!(
        (second.tokens(0..1), second.labels()),
        (Some(&[0, 0][..]), &[0, 2][..])
    );
    assert_ne!(second.content_hash(), next.content_hash());
    let of_sequences = of(&[
        ("tokens.npy", &inputs),
        ("labels.npy", &npy("|u1", "(2,)", &[3, 1])),
    ]);
    assert_eq!(
        (of_sequences.positions(), of_sequences.labels()),
        (1, &[3, 1][..])
    );
    assert_eq!(next.limit(1).labels(), [1, 4]);
}
