//! Orders of blocks by command line.

mod common;

use common::*;
use pathscope::network::{Architecture, Family, Unit};
use serde_json::Value;
use tempfile::tempdir;

fn reorder(more: &[&str]) -> (String, Vec<Value>) {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let mut arguments = vec![
        "-q",
        "reorder",
        &model,
        "--limit",
        "100",
        "--json",
        "order.jsonl",
    ];
    arguments.extend(more);
    let text = succeed(folder.path(), &arguments);
    (text, records(&folder.path().join("order.jsonl")))
}

fn order(record: &Value) -> Vec<usize> {
    let order = record["change"]["order"].as_array().unwrap();
    order
        .iter()
        .map(|block| block.as_u64().unwrap() as usize)
        .collect()
}

/// The shipped network: 3 blocks a stage, of which the first changes the shape but for stage 1.
const CLASSES: [usize; 9] = [0, 0, 0, 1, 2, 2, 3, 4, 4];

#[test]
fn blocks_move_only_within_their_class() {
    let (text, records) = reorder(&["--swaps", "3", "--count", "3"]);
    assert!(
        text.contains("3 random swaps") && text.contains("mean tau"),
        "{text}"
    );
    assert_eq!(records.len(), 1 + 9);
    for record in &records[1..] {
        let order = order(record);
        for (place, &block) in order.iter().enumerate() {
            assert_eq!(CLASSES[place], CLASSES[block], "{order:?}");
        }
        let inversions = pathscope_analysis::inversions(&order);
        let tau = record["change"]["kendall_tau"].as_f64().unwrap();
        assert!((tau - (1.0 - 2.0 * inversions as f64 / 36.0)).abs() < 1e-12);
    }
}

#[test]
fn one_more_swap_goes_on_from_the_same_order() {
    for method in [&["--swaps", "4"][..], &["--swaps", "4", "--adjacent"]] {
        let (_, records) = reorder(&[method, &["--count", "3"]].concat());
        let orders: Vec<Vec<usize>> = records[1..].iter().map(order).collect();
        // Draws 0 to 2 of one swap, then of two, and so on.
        for (fewer, more) in orders.iter().zip(&orders[3..]) {
            let moved = fewer.iter().zip(more).filter(|(a, b)| a != b).count();
            assert_eq!(moved, 2, "{fewer:?} {more:?}");
        }
    }
}

#[test]
fn every_method_makes_its_orders() {
    let (_, records) = reorder(&["--reverse", "--rotate", "1", "--adjacent"]);
    let orders: Vec<Vec<usize>> = records[1..].iter().map(order).collect();
    let expected = [
        vec![1, 0, 2, 3, 4, 5, 6, 7, 8],
        vec![0, 2, 1, 3, 4, 5, 6, 7, 8],
        vec![0, 1, 2, 3, 5, 4, 6, 7, 8],
        vec![0, 1, 2, 3, 4, 5, 6, 8, 7],
        vec![1, 2, 0, 3, 5, 4, 6, 8, 7],
        vec![2, 1, 0, 3, 5, 4, 6, 8, 7],
    ];
    assert_eq!(orders, expected);
}

#[test]
fn orders_are_drawn_at_the_tau_asked_for() {
    let (text, records) = reorder(&["--tau", "0.8,1", "--count", "4"]);
    let tau = |record: &Value| record["change"]["kendall_tau"].as_f64().unwrap();
    for record in &records[1..5] {
        // 36 pairs: the nearest possible ones are two thirty-sixths apart.
        assert!(
            (tau(record) - 0.8).abs() <= 1.0 / 36.0 + 1e-9,
            "{}",
            tau(record)
        );
    }
    for record in &records[5..9] {
        assert_eq!(tau(record), 1.0);
        assert_eq!(record["wrong"], records[0]["wrong"]);
    }
    assert!(text.contains("uniform at tau 0.8"), "{text}");
    let model = shipped_model();
    let complaint = refuse(&["-q", "reorder", &model, "--tau", "-1", "--limit", "10"]);
    assert!(complaint.contains("tau"), "{complaint}");
}

#[test]
fn commutators_of_every_pair_of_equal_shape() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let ask = |threads: &str, file: &str| {
        succeed(
            folder.path(),
            &[
                "-q",
                "reorder",
                &model,
                "--limit",
                "100",
                "--commutators",
                "--threads",
                threads,
                "--json",
                file,
                "--plot",
                "matrix.svg",
                "--force",
            ],
        );
        records(&folder.path().join(file))
    };
    let records = ask("1", "one.jsonl");
    assert_eq!(records, ask("2", "two.jsonl"));
    let pairs: Vec<(u64, u64)> = records[1..]
        .iter()
        .map(|r| (r["first"].as_u64().unwrap(), r["second"].as_u64().unwrap()))
        .collect();
    assert_eq!(pairs, [(0, 1), (0, 2), (1, 2), (4, 5), (7, 8)]);
    for record in &records[1..] {
        let relative = record["relative"].as_f64().unwrap();
        assert!(relative > 0.0 && relative < 10.0, "{record}");
    }
    let picture = std::fs::read_to_string(folder.path().join("matrix.svg")).unwrap();
    assert!(picture.contains("commuting"));
    // Again: nothing is measured twice.
    let before = std::fs::read(folder.path().join("one.jsonl")).unwrap();
    ask("1", "one.jsonl");
    assert_eq!(
        std::fs::read(folder.path().join("one.jsonl")).unwrap(),
        before
    );
}

#[test]
fn the_picture_has_intervals() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    succeed(
        folder.path(),
        &[
            "-q",
            "reorder",
            &model,
            "--limit",
            "60",
            "--swaps",
            "2",
            "--count",
            "3",
            "--plot",
            "order.svg",
        ],
    );
    let picture = std::fs::read_to_string(folder.path().join("order.svg")).unwrap();
    assert!(
        picture.contains("random swaps: mean") && picture.contains("interval"),
        "{picture}"
    );
}

#[test]
fn what_cannot_be_reordered_is_told() {
    let folder = tempdir().unwrap();
    let mut architecture =
        Architecture::cifar(Family::Preresnet, Unit::Basic, 8, 1, 1, 10).unwrap();
    architecture.stem_width = 4;
    architecture.width = 4;
    let file = folder.path().join("short.safetensors");
    save_untrained(&file, &architecture);
    let data = asset("fashion-mnist-2000");
    let complaint = refuse(&["-q", "reorder", file.to_str().unwrap(), "--data", &data]);
    assert!(
        complaint.contains("nothing can be reordered"),
        "{complaint}"
    );
}

#[test]
fn layers_of_a_plain_network_change_places() {
    let folder = tempdir().unwrap();
    let mut architecture = Architecture::cifar(Family::Plain, Unit::Basic, 8, 1, 1, 10).unwrap();
    architecture.stem_width = 4;
    architecture.width = 4;
    save_untrained(&folder.path().join("plain.safetensors"), &architecture);
    let data = asset("fashion-mnist-2000");
    succeed(
        folder.path(),
        &[
            "-q",
            "reorder",
            "plain.safetensors",
            "--data",
            &data,
            "--limit",
            "40",
            "--adjacent",
            "--json",
            "plain.jsonl",
        ],
    );
    // Stages of two layers, of which the first changes the shape but for stage 1.
    assert_eq!(records(&folder.path().join("plain.jsonl")).len(), 1 + 1);
}

#[test]
fn sub_networks_are_compared_as_an_ensemble() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let text = succeed(
        folder.path(),
        &[
            "-q",
            "ensemble",
            &model,
            "--limit",
            "200",
            "--members",
            "4",
            "--delete",
            "1,2",
            "--against",
            &model,
            "--additivity",
            "--subsets",
            "100",
            "--json",
            "ensemble.jsonl",
        ],
    );
    assert!(
        text.contains("error correlation") && text.contains("Additivity"),
        "{text}"
    );
    let records = records(&folder.path().join("ensemble.jsonl"));
    let ensembles: Vec<&Value> = records.iter().filter(|r| r["type"] == "ensemble").collect();
    let sizes: Vec<u64> = ensembles
        .iter()
        .map(|r| r["size"].as_u64().unwrap())
        .collect();
    assert_eq!(sizes, [2, 4, 2, 4, 2]);
    // The network against itself: the same errors, and no disagreement.
    let itself = ensembles[4];
    assert_eq!(itself["error_correlation"].as_f64(), Some(1.0));
    assert_eq!(itself["disagreement"].as_f64(), Some(0.0));
    assert_eq!(itself["mean_errors"], records[0]["errors"]);
    assert_eq!(records.len(), 1 + 5 + 100);
}
