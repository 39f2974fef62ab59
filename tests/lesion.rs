//! Lesions by command line: exact counts on real networks, and what must hold on any.

mod common;

use std::collections::HashMap;
use std::path::Path;

use common::*;
use pathscope::data::{Dataset, Normalization, ReadRequest, Split, open, write_idx_gz};
use pathscope::experiment::{ComputeOptions, Laboratory, Sweep};
use pathscope::network::{Architecture, Family, FrozenNetwork, Pass, Plan, TrainableNetwork, Unit};
use serde_json::json;
use tch::Kind;
use tempfile::tempdir;

const CIFAR: &str = "data/cifar10/cifar-10-batches-bin";

mod needs_shared {
    use super::*;

    /// Plain PyTorch on the 1,017 lossless test images: `benches/lesion_each.py`.
    #[test]
    #[ignore = "needs ../shared"]
    fn intact_networks_err_as_in_pytorch() {
        let data = shared(CIFAR);
        let folder = tempdir().unwrap();
        for (model, wanted) in [
            ("resnet20-12fca82f", 85),
            ("resnet32-d509ac18", 73),
            ("resnet56-4bfd9763", 74),
        ] {
            let model = shared(&format!("models/{model}.th"));
            let name = format!("{wanted}.jsonl");
            succeed(
                folder.path(),
                &[
                    "-q",
                    "lesion",
                    &model,
                    "--data",
                    &data,
                    "--drop-block",
                    "4",
                    "--json",
                    &name,
                ],
            );
            assert_eq!(errors(&folder.path().join(&name))[0], wanted, "{model}");
        }
    }

    /// Plain PyTorch again; ties in rounding may move one example.
    #[test]
    #[ignore = "needs ../shared"]
    fn single_deletions_err_as_in_pytorch() {
        let (data, model) = (shared(CIFAR), shared("models/resnet20-12fca82f.th"));
        let folder = tempdir().unwrap();
        let ask = ["-q", "lesion", &model, "--data", &data, "--each", "--json"];
        for threads in ["1", "2"] {
            let mut arguments = ask.to_vec();
            let file = format!("{threads}.jsonl");
            arguments.extend([&file, "--threads", threads]);
            succeed(folder.path(), &arguments);
        }
        let found = errors(&folder.path().join("1.jsonl"));
        let wanted = [85, 234, 212, 380, 643, 227, 155, 622, 279, 392];
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(found.abs_diff(wanted) <= 1, "{found} instead of {wanted}");
        }
        let numbers = |file: &str| records(&folder.path().join(file));
        assert_eq!(numbers("1.jsonl"), numbers("2.jsonl"));
    }
}

#[test]
fn more_threads_give_the_same_numbers() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    for threads in ["1", "2"] {
        let file = format!("{threads}.jsonl");
        succeed(
            folder.path(),
            &[
                "-q",
                "lesion",
                &model,
                "--limit",
                "300",
                "--each",
                "--random",
                "3",
                "--count",
                "2",
                "--threads",
                threads,
                "--json",
                &file,
            ],
        );
    }
    let numbers = |file: &str| records(&folder.path().join(file));
    assert_eq!(numbers("1.jsonl"), numbers("2.jsonl"));
    // A draw of one block more takes the same blocks and another: draws 0 and 1 of one, of two, ...
    let sets: Vec<Vec<u64>> = numbers("1.jsonl")
        .iter()
        .filter(|record| record["draw"].is_u64())
        .map(|record| serde_json::from_value(record["change"]["blocks"].clone()).unwrap())
        .collect();
    assert_eq!(sets.len(), 6);
    for (fewer, more) in sets.iter().zip(&sets[2..]) {
        assert_eq!(more.len(), fewer.len() + 1);
        assert!(fewer.iter().all(|block| more.contains(block)));
    }
}

#[test]
fn little_memory_gives_the_same_errors() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let ask = [
        "-q", "lesion", &model, "--limit", "50", "--each", "--memory",
    ];
    for (memory, file) in [("1G", "much.jsonl"), ("2M", "little.jsonl")] {
        let mut arguments = ask.to_vec();
        arguments.extend([memory, "--json", file]);
        succeed(folder.path(), &arguments);
    }
    let errors = |file: &str| errors(&folder.path().join(file));
    assert_eq!(errors("much.jsonl"), errors("little.jsonl"));
    let mut arguments = ask.to_vec();
    arguments.push("10K");
    assert!(refuse(&arguments).contains("--memory"));
}

#[test]
fn pairs_tell_their_synergy_and_single_ones_whom_they_hit() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let text = succeed(
        folder.path(),
        &[
            "-q",
            "lesion",
            &model,
            "--limit",
            "100",
            "--pairs",
            "--plot",
            "pairs.svg",
        ],
    );
    assert!(
        text.contains("Synergy of pairs") && text.contains("of 36"),
        "{text}"
    );
    assert!(
        text.contains("margin") && text.contains("worst-hit class"),
        "{text}"
    );
    let picture = std::fs::read_to_string(folder.path().join("pairs.svg")).unwrap();
    assert!(picture.starts_with("<svg") || picture.starts_with("<?xml"));
    assert!(picture.contains("Synergy"));
    let text = succeed(
        folder.path(),
        &[
            "-q",
            "lesion",
            &model,
            "--limit",
            "100",
            "--drop-block",
            "2",
            "--by-class",
        ],
    );
    assert!(text.contains("Errors by class"), "{text}");
}

#[test]
fn every_kind_of_lesion_is_its_own() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let mut losses = Vec::new();
    for kind in ["delete", "mean", "resample", "noise", "skip"] {
        let file = format!("{kind}.jsonl");
        succeed(
            folder.path(),
            &[
                "-q",
                "lesion",
                &model,
                "--limit",
                "100",
                "--drop-block",
                "3",
                "--kind",
                kind,
                "--json",
                &file,
            ],
        );
        let records = records(&folder.path().join(&file));
        losses.push(records[1]["loss"].as_f64().unwrap());
    }
    for (place, loss) in losses.iter().enumerate() {
        assert!(
            loss.is_finite() && !losses[..place].contains(loss),
            "{losses:?}"
        );
    }
}

/// Functions of a block are summed: which of them comes first is rounding alone.
#[test]
fn permuting_functions_inside_a_block_changes_nothing() {
    let mut architecture = small(Family::Preresnet);
    architecture.functions = vec![3; 4];
    let specification = architecture.build().unwrap();
    let network = TrainableNetwork::initialized(&specification, 3).unwrap();
    let tensors: HashMap<String, tch::Tensor> = network
        .named_parameters()
        .into_iter()
        .map(|(name, _, tensor)| (name, tensor))
        .collect();
    // Every block's functions move on by one: 0, 1, 2 become 1, 2, 0.
    let permuted = TrainableNetwork::load(&specification, |name| {
        let other = match name.split_once("functions.") {
            Some((block, rest)) => {
                let (function, tensor) = rest.split_once('.').unwrap();
                let next = (function.parse::<usize>().unwrap() + 1) % 3;
                format!("{block}functions.{next}.{tensor}")
            }
            None => name.to_owned(),
        };
        tensors.get(&other).map(tch::Tensor::shallow_clone)
    })
    .unwrap();
    let batch = tch::Tensor::rand([4, 1, 28, 28], (tch::Kind::Float, tch::Device::Cpu));
    let plan = Plan::intact(&specification);
    let logits =
        |network: &TrainableNetwork| network.forward(&batch, &plan, &Pass::EVALUATION).unwrap();
    let (a, b) = (logits(&network), logits(&permuted));
    assert_ne!(
        tensors["layer1.0.functions.0.conv1.weight"],
        tensors["layer1.0.functions.1.conv1.weight"]
    );
    let difference = f64::try_from((&a - &b).abs().max() / a.abs().max()).unwrap();
    assert!(difference < 1e-5, "{difference}");

    // By command line: function 0 of the one is function 2 of the other.
    let folder = tempdir().unwrap();
    save(
        &folder.path().join("a.safetensors"),
        &specification,
        &network,
    );
    save(
        &folder.path().join("b.safetensors"),
        &specification,
        &permuted,
    );
    let data = asset("fashion-mnist-2000");
    let lesion = |model: &str, function: &str| {
        let file = format!("{model}-{function}.jsonl");
        let model = format!("{model}.safetensors");
        succeed(
            folder.path(),
            &[
                "-q",
                "lesion",
                &model,
                "--data",
                &data,
                "--limit",
                "60",
                "--drop-block",
                function,
                "--json",
                &file,
            ],
        );
        records(&folder.path().join(&file))[1]["loss"]
            .as_f64()
            .unwrap()
    };
    let (first, third) = (lesion("a", "1.0"), lesion("b", "1.2"));
    assert!(
        (first - third).abs() < 1e-5 * first.abs(),
        "{first} {third}"
    );
    let other = lesion("a", "1.1");
    assert!(
        (first - other).abs() > 1e-5 * first.abs(),
        "{first} {other}"
    );
}

#[test]
fn greedy_removal_ends_in_a_smaller_network_of_equal_outputs() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let text = succeed(
        folder.path(),
        &[
            "-q",
            "lesion",
            &model,
            "--limit",
            "200",
            "--greedy",
            "2",
            "--plot",
            "curve.svg",
            "--export",
            "small.safetensors",
            "--json",
            "greedy.jsonl",
        ],
    );
    assert!(
        text.contains("Pareto")
            && text.contains("exported to")
            && text.contains("pathscope_network.py opens it in PyTorch"),
        "{text}"
    );
    let records = records(&folder.path().join("greedy.jsonl"));
    // Intact, nine single deletions, eight further ones; and three steps.
    let of = |kind: &str| {
        records
            .iter()
            .filter(|record| record["type"] == kind)
            .count()
    };
    assert_eq!((of("outcome"), of("removal")), (1 + 9 + 8, 3));
    let (latency, before) = records.split_last().unwrap();
    let times = latency["networks"].as_array().unwrap();
    assert_eq!(
        (latency["type"].as_str(), times.len()),
        (Some("latency"), 3)
    );
    for time in times {
        let quartiles = &time["quartiles"];
        assert!(
            quartiles["lower"].as_f64() <= time["median"].as_f64(),
            "{latency}"
        );
        assert!(
            time["median"].as_f64() <= quartiles["upper"].as_f64(),
            "{latency}"
        );
    }
    let last = before.last().unwrap();
    assert_eq!(last["removed"].as_array().unwrap().len(), 2);
    // The least harm of all single deletions was chosen first.
    let first = records
        .iter()
        .filter(|record| record["type"] == "removal")
        .nth(1)
        .unwrap();
    let least = records[1..]
        .iter()
        .filter(|r| r["type"] == "outcome" && r["change"]["blocks"].as_array().unwrap().len() == 1)
        .map(|r| r["errors"].as_u64().unwrap())
        .min();
    assert_eq!(first["errors"].as_u64(), least);

    let data = asset("fashion-mnist-2000");
    succeed(
        folder.path(),
        &[
            "-q",
            "lesion",
            "small.safetensors",
            "--data",
            &data,
            "--limit",
            "200",
            "--drop-block",
            "1",
            "--json",
            "small.jsonl",
        ],
    );
    let small = common::records(&folder.path().join("small.jsonl"));
    assert_eq!(small[0]["errors"], last["errors"]);
    assert_eq!(small[0]["parameters"], last["parameters"]);
    assert_eq!(small[0]["multiply_adds"], last["multiply_adds"]);
}

#[test]
fn a_plain_network_loses_layers_by_the_same_command() {
    let folder = tempdir().unwrap();
    save_untrained(
        &folder.path().join("plain.safetensors"),
        &small(Family::Plain),
    );
    let data = asset("fashion-mnist-2000");
    let ask = [
        "-q",
        "lesion",
        "plain.safetensors",
        "--data",
        &data,
        "--limit",
        "60",
    ];
    let mut arguments = ask.to_vec();
    arguments.extend(["--each", "--json", "plain.jsonl"]);
    succeed(folder.path(), &arguments);
    let records = records(&folder.path().join("plain.jsonl"));
    // Of four layers one halves the resolution and cannot be passed over.
    assert_eq!(records.len(), 1 + 3);
    assert!(
        records
            .iter()
            .all(|record| record["loss"].as_f64().unwrap().is_finite())
    );
    // Without skips there is one way through.
    assert!(
        records.iter().all(|record| record["paths"] == "1"),
        "{records:?}"
    );
    let mut arguments = ask.to_vec();
    arguments.extend(["--drop-block", "2"]);
    let model = folder.path().join("plain.safetensors");
    arguments[2] = model.to_str().unwrap();
    assert!(refuse(&arguments).contains("no skip"));
}

/// Golden values of NumPy and a network written by hand in PyTorch (`tests/fixtures/make_distances.py`).
#[test]
fn distances_are_those_of_pytorch_for_any_threads() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let ask = |more: &[&str]| {
        let common = ["-q", "lesion", &model, "--distances", "--limit", "100"];
        succeed(folder.path(), &[common.as_slice(), more].concat())
    };
    ask(&[
        "--threads",
        "1",
        "--results",
        "one.jsonl",
        "--plot",
        "matrix.svg",
    ]);
    ask(&["--threads", "2", "--results", "two.jsonl", "--batch", "100"]);
    let golden = std::fs::read("tests/fixtures/distances.json").unwrap();
    let golden: Vec<(u64, u64, f64, f64)> = serde_json::from_slice(&golden).unwrap();
    for file in ["one.jsonl", "two.jsonl"] {
        let found = records(&folder.path().join(file));
        assert_eq!(
            found.len(),
            1 + golden.len(),
            "the intact network and every pair"
        );
        for (record, (first, second, distance, error)) in found[1..].iter().zip(&golden) {
            assert_eq!(
                (&record["first"], &record["second"]),
                (&json!(first), &json!(second))
            );
            let near = |field: &str, expected: f64| {
                let value = record[field].as_f64().unwrap();
                assert!((value - expected).abs() < 1e-6, "{record}: {expected}");
            };
            near("distance", *distance);
            near("standard_error", *error);
        }
    }
    let picture = std::fs::read_to_string(folder.path().join("matrix.svg")).unwrap();
    assert!(picture.contains("Angle between activations at two depths"));
    // Again: nothing is measured twice.
    let before = std::fs::read(folder.path().join("one.jsonl")).unwrap();
    ask(&["--threads", "1", "--results", "one.jsonl"]);
    let after = std::fs::read(folder.path().join("one.jsonl")).unwrap();
    assert!(before == after);
}

#[test]
fn an_early_stop_looks_at_fewer_examples() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    succeed(
        folder.path(),
        &[
            "-q",
            "lesion",
            &model,
            "--each",
            "--stop-at",
            "20",
            "--json",
            "stopped.jsonl",
        ],
    );
    let records = records(&folder.path().join("stopped.jsonl"));
    let examples: Vec<u64> = records
        .iter()
        .map(|record| record["examples"].as_u64().unwrap())
        .collect();
    assert_eq!(examples[0], 2_000);
    assert!(
        examples[1..].iter().any(|&examples| examples < 2_000),
        "{examples:?}"
    );
    assert!(
        examples[1..]
            .iter()
            .all(|&examples| examples % 256 == 0 || examples == 2_000)
    );
}

#[test]
fn bad_input_is_one_line() {
    let model = shipped_model();
    let with = |more: &[&str]| {
        let mut arguments = vec!["-q", "lesion", &model, "--limit", "10"];
        arguments.extend(more);
        refuse(&arguments)
    };
    assert!(with(&["--drop-block", "9"]).contains('9'));
    assert!(with(&["--drop-block", "layer7.1"]).contains("layer7.1"));
    assert!(with(&["--device", "cuda:7"]).contains("cuda:7"));
    assert!(with(&["--device", "abacus"]).contains("abacus"));
    assert!(with(&["--random", "10"]).contains("10"));
    assert!(with(&["--plot", "curve.bmp"]).contains(".svg"));
    assert!(with(&["--each", "--export", "x.safetensors"]).contains("--drop-block"));
    assert!(with(&["--greedy", "1", "--kind", "mean"]).contains("delete"));
    assert!(with(&["--screen", "--kind", "skip"]).contains("no verdict"));
    assert!(with(&["--screen", "--bn", "recalibrate"]).contains("early stop"));
    assert!(with(&["--threads", "0"]).contains("--threads"));
    assert!(with(&["--data", "/nowhere/at/all"]).contains("/nowhere/at/all"));
}

#[test]
fn data_that_do_not_fit_are_refused() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let complain =
        |data: &Path| refuse(&["-q", "lesion", &model, "--data", data.to_str().unwrap()]);
    assert!(complain(&empty).contains("empty"));
    // Images of the right size, in three folders: three classes instead of ten.
    let three = folder.path().join("three");
    for class in ["a", "b", "c"] {
        let class = three.join("test").join(class);
        std::fs::create_dir_all(&class).unwrap();
        let image = image::GrayImage::from_pixel(28, 28, image::Luma([100]));
        image.save(class.join("0.png")).unwrap();
    }
    let complaint = complain(&three);
    assert!(
        complaint.contains("10 classes") && complaint.contains('3'),
        "{complaint}"
    );
}

fn small(family: Family) -> Architecture {
    let depth = if family == Family::Plain { 6 } else { 10 };
    let mut architecture = Architecture::cifar(family, Unit::Basic, depth, 1, 1, 10).unwrap();
    architecture.stages = vec![2, 2];
    architecture.functions = vec![1; 4];
    architecture.stem_width = 4;
    architecture.width = 4;
    architecture
}

/// Six blocks, three of which are exact identities, on images labelled by the network itself: what
/// changes an answer makes it wrong.
#[test]
fn the_verdict_names_the_planted_blocks() {
    let folder = tempdir().unwrap();
    let architecture = Architecture::cifar(Family::Preresnet, Unit::Basic, 14, 1, 1, 10).unwrap();
    let specification = architecture.build().unwrap();
    let drawn = TrainableNetwork::initialized(&specification, 3).unwrap();
    tch::no_grad(|| {
        for (name, _, mut tensor) in drawn.named_parameters() {
            if [
                "layer1.1.conv2.weight",
                "layer2.1.conv2.weight",
                "layer3.1.conv2.weight",
            ]
            .contains(&name.as_str())
            {
                let _ = tensor.f_zero_().unwrap();
            }
        }
    });
    let shipped = Path::new(&asset("fashion-mnist-2000")).to_owned();
    let images = open(&shipped, &ReadRequest::new(Split::Test)).unwrap();
    let images = images.select(&(0..1_000).collect::<Vec<_>>()).unwrap();
    let normalization = Normalization::preset("fashion-mnist").unwrap();
    let compute = ComputeOptions::default();
    let laboratory = Laboratory::new(&drawn, &images, &images, &normalization, compute).unwrap();
    let network = laboratory
        .recalibrated(&drawn, &laboratory.intact())
        .unwrap();
    let model = folder.path().join("planted.safetensors");
    save(&model, &specification, &network);
    let frozen = FrozenNetwork::freeze(&network, Kind::Float).unwrap();
    let sweep = Sweep::new(&frozen, &images, &normalization, compute);
    let logits = sweep.logits(&[Plan::intact(frozen.structure())]).unwrap();
    let predicted: Vec<i64> = logits[0].argmax(-1, false).try_into().unwrap();
    let labels = predicted.iter().map(|&class| class as u16).collect();
    let pixels = images.pixels(0..images.len()).to_vec();
    let data = Dataset::new(images.shape(), pixels, labels, 10, "planted").unwrap();
    write_idx_gz(&data, folder.path()).unwrap();
    let said = succeed(
        folder.path(),
        &[
            "-q",
            "lesion",
            "planted.safetensors",
            "--data",
            ".",
            "--each",
        ],
    );
    assert!(said.contains("intact: error 0 % (0 of 1,000)"), "{said}");
    assert!(
        said.contains("Removable one at a time (costs less than 1 point): 1, 3, 5\n"),
        "{said}"
    );
    assert!(
        said.contains("Needed (costs more than 1 point): 0, 2, 4\n"),
        "{said}"
    );
    screening_changes_no_verdict(folder.path(), &said);
}

/// On the planted network, whose whole sweep `said` which blocks are needed.
fn screening_changes_no_verdict(folder: &Path, said: &str) {
    let mut ask = vec!["-q", "lesion", "planted.safetensors", "--data", "."];
    ask.extend(["--each", "--screen", "--results", "screened.jsonl"]);
    let screened = succeed(folder, &ask);
    let verdict = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains("costs "));
        lines.take(2).map(str::to_owned).collect()
    };
    assert_eq!(verdict(&screened), verdict(said));
    assert!(
        screened.contains("the output of the block stays the same on every example: 1, 3, 5\n")
            && screened.contains("the other examples cannot change the verdict: 0, 2, 4 ("),
        "{screened}"
    );
    let found = records(&folder.join("screened.jsonl"));
    for record in &found[2..] {
        let block = record["change"]["blocks"][0].as_u64().unwrap();
        let examples = record["examples"].as_u64().unwrap();
        match block % 2 {
            0 => assert!(
                record["screened"] == "settled" && examples < 1_000,
                "{record}"
            ),
            _ => assert!(
                record["screened"] == "no_effect" && examples == 1_000,
                "{record}"
            ),
        }
    }
    assert_eq!(succeed(folder, &ask), screened, "resumed");
}

#[test]
fn greed_ends_where_the_judges_say_so() {
    let folder = tempdir().unwrap();
    let model = shipped_model();
    let ask = ["-q", "lesion", &model, "--limit", "400", "--greedy"];
    let greedy = |more: &[&str]| succeed(folder.path(), &[ask.as_slice(), more].concat());
    // 200 judges cannot show a tenth of a point.
    let none = greedy(&["--until", "0.1pt"]);
    assert!(
        none.contains("No removal could be shown to cost less than 0.1 points"),
        "{none}"
    );
    let some = greedy(&["1", "--until", "50pt", "--results", "some.jsonl"]);
    assert!(
        some.contains("The error grows by less than 50 points"),
        "{some}"
    );
    let removal = records(&folder.path().join("some.jsonl"))
        .into_iter()
        .rfind(|record| record["type"] == "removal")
        .unwrap();
    assert_eq!(removal["examples"], 200, "the judges alone count");
    refuse(&["lesion", &model, "--greedy"]);
}
