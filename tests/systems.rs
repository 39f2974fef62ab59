//! The neighbours that the paper is compared with, against networks written in plain PyTorch:
//! `tests/fixtures/make_systems.py` wrote names, shapes, logits and gradients; the weights follow
//! from the names of the tensors, there and here.

mod common;
mod values;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{asset, save_untrained_for, succeed};

use pathscope::network::{
    Architecture, BlockIndex, Factors, Family, FeatureShape, FrozenNetwork, FunctionIndex,
    FunctionState, Groups, Mode, Pass, Plan, Shortcut, Specification, Stem, Terms,
    TrainableNetwork, Unit,
};
use serde::Deserialize;
use tch::{Kind, Tensor};
use values::{difference, tensor};

#[derive(Deserialize)]
struct Fixture {
    side: i64,
    logits: Vec<f64>,
    lesions: Vec<Lesion>,
    loss: f64,
    /// Norm of the gradient, and its product with the tensor.
    gradients: BTreeMap<String, [f64; 2]>,
    /// Norms of the running statistics after one step.
    statistics: BTreeMap<String, f64>,
    tensors: BTreeMap<String, Vec<i64>>,
}

#[derive(Deserialize)]
struct Lesion {
    /// Functions left out, by block.
    off: BTreeMap<usize, Vec<usize>>,
    logits: Vec<f64>,
}

const EXAMPLES: i64 = 4;

fn residual(family: Family, terms: Terms, k: usize) -> Architecture {
    Architecture {
        family,
        unit: Unit::Basic,
        stem: Stem::Cifar,
        stages: vec![2; 3],
        functions: vec![k; 6],
        terms,
        factors: Factors::One,
        stem_width: 4,
        width: 4,
        groups: None,
        shortcut: Shortcut::B,
        channels: 3,
        classes: 10,
    }
}

fn weighted(family: Family, factors: Factors) -> Architecture {
    Architecture {
        factors,
        ..residual(family, Terms::Ways, 2)
    }
}

fn fractal() -> Architecture {
    let shape = Architecture::cifar(Family::Fractal, Unit::Basic, 12, 1, 3, 10);
    shape.unwrap().with_width(4)
}

fn streams() -> Architecture {
    Architecture {
        factors: Factors::HyperConnections,
        shortcut: Shortcut::A,
        ..residual(Family::Preresnet, Terms::Ways, 1)
    }
}

fn systems() -> Vec<(&'static str, Architecture)> {
    use Family::{Densenet, Preresnet, Resnet};
    let plain = residual(Densenet, Terms::Ways, 1);
    let bottlenecks = Architecture {
        unit: Unit::Bottleneck,
        stem_width: 8,
        ..plain.clone()
    };
    let grouped = Architecture {
        unit: Unit::Bottleneck,
        stages: vec![1; 3],
        groups: Some(Groups { count: 2, width: 3 }),
        ..residual(Resnet, Terms::Ways, 1)
    };
    vec![
        ("poly2-preresnet", residual(Preresnet, Terms::Poly, 2)),
        ("poly3-preresnet", residual(Preresnet, Terms::Poly, 3)),
        ("poly2-resnet", residual(Resnet, Terms::Poly, 2)),
        ("mpoly2-preresnet", residual(Preresnet, Terms::Mpoly, 2)),
        ("mpoly2-resnet", residual(Resnet, Terms::Mpoly, 2)),
        (
            "densenet",
            Architecture {
                stem_width: 16,
                ..plain
            },
        ),
        ("densenet-bc", bottlenecks),
        (
            "resnext",
            Architecture {
                functions: vec![1; 3],
                ..grouped
            },
        ),
        ("highway", residual(Family::Highway, Terms::Ways, 1)),
        ("fractal", fractal()),
        ("hyper-connections", streams()),
        ("learned-preresnet", weighted(Preresnet, Factors::Learned)),
        ("skipinit-resnet", weighted(Resnet, Factors::SkipInit)),
    ]
}

fn fixture(name: &str) -> Fixture {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/systems");
    let text = fs::read(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn network(name: &str, specification: &Specification, fixture: &Fixture) -> TrainableNetwork {
    let names: Vec<String> = specification
        .parameters()
        .into_iter()
        .map(|p| p.name)
        .collect();
    let mut wanted: Vec<&String> = fixture.tensors.keys().collect();
    wanted.retain(|name| !name.ends_with("num_batches_tracked"));
    let mut held: Vec<&String> = names.iter().collect();
    held.sort();
    assert_eq!(held, wanted, "{name}");
    TrainableNetwork::load(specification, |tensor_name| {
        Some(tensor(tensor_name, &fixture.tensors[tensor_name]))
    })
    .unwrap()
    .to_kind(Kind::Double)
    .unwrap()
}

fn images(fixture: &Fixture) -> Tensor {
    let images = tensor("images", &[EXAMPLES, 3, fixture.side, fixture.side]) * 8.0;
    images.to_kind(Kind::Double)
}

#[test]
fn logits_and_lesions_are_those_of_pytorch() {
    for (name, architecture) in systems() {
        let (fixture, specification) = (fixture(name), architecture.build().unwrap());
        let network = network(name, &specification, &fixture);
        let frozen = FrozenNetwork::freeze(&network, Kind::Double).unwrap();
        let images = images(&fixture);
        let intact = Plan::intact(&specification);
        let mut compared = vec![(intact.clone(), &fixture.logits)];
        for lesion in &fixture.lesions {
            let mut plan = intact.clone();
            for (&block, functions) in &lesion.off {
                for &function in functions {
                    let block = BlockIndex::new(block);
                    let index = FunctionIndex { block, function };
                    plan = plan.with_function(index, FunctionState::Off);
                }
            }
            compared.push((plan, &lesion.logits));
        }
        assert!(compared.len() > 2, "{name}");
        for (plan, expected) in compared {
            for logits in [
                tch::no_grad(|| network.forward(&images, &plan, &Pass::EVALUATION)).unwrap(),
                frozen.forward(&images, &plan, &Pass::EVALUATION).unwrap(),
            ] {
                let apart = difference(&logits, expected);
                assert!(apart < 1e-9, "{name}: {apart:.1e}");
            }
        }
    }
}

#[test]
fn a_training_step_has_the_gradients_and_statistics_of_pytorch() {
    for (name, architecture) in systems() {
        let (fixture, specification) = (fixture(name), architecture.build().unwrap());
        let network = network(name, &specification, &fixture);
        let pass = Pass {
            mode: Mode::Training {
                momentum: 0.1,
                seed: 0,
            },
            ..Pass::EVALUATION
        };
        let plan = Plan::intact(&specification);
        let logits = network.forward(&images(&fixture), &plan, &pass).unwrap();
        let labels = Tensor::from_slice(&[0_i64, 3, 7, 9]);
        let mean = tch::Reduction::Mean;
        let loss = logits.cross_entropy_loss::<Tensor>(&labels, None, mean, -100, 0.0);
        loss.backward();
        let close = |found: f64, expected: f64, what: &str| {
            let apart = (found - expected).abs() / expected.abs().max(1e-6);
            assert!(
                apart < 1e-7,
                "{name}, {what}: {found} instead of {expected}"
            );
        };
        close(loss.double_value(&[]), fixture.loss, "loss");
        let mut gradients = 0;
        for (parameter, role, tensor) in network.named_parameters() {
            if role.is_trained() {
                let [norm, product] = fixture.gradients[&parameter];
                let gradient = tensor.grad();
                close(gradient.norm().double_value(&[]), norm, &parameter);
                let found = (gradient * &tensor).sum(Kind::Double).double_value(&[]);
                assert!(
                    (found - product).abs() < 1e-8 * (1.0 + norm),
                    "{name}, {parameter}: {found} instead of {product}"
                );
                gradients += 1;
            } else {
                let norm = tensor.norm().double_value(&[]);
                close(norm, fixture.statistics[&parameter], &parameter);
            }
        }
        assert_eq!(gradients, fixture.gradients.len(), "{name}");
    }
}

/// Swapout's two ways of inference (Singh et al., arXiv 1605.06465): the mean of a block's output over drawn
/// zeros and ones is the output with their probabilities.
#[test]
fn drawn_choices_have_the_mean_of_the_deterministic_pass() {
    let specification = weighted(Family::Preresnet, Factors::Swapout)
        .build()
        .unwrap();
    let network = TrainableNetwork::initialized(&specification, 1).unwrap();
    let frozen = FrozenNetwork::freeze(&network, Kind::Double).unwrap();
    let images = tensor("images", &[2, 3, 8, 8]).to_kind(Kind::Double) * 8.0;
    let plan = Plan::intact(&specification);
    let mut x = frozen.structure().stem(&images, &Pass::EVALUATION).unwrap();
    for step in plan.steps() {
        let expected = frozen
            .structure()
            .step(step, &x, &Pass::EVALUATION)
            .unwrap();
        let draws = 2_000;
        let drawn: Vec<Tensor> = (0..draws)
            .map(|seed| {
                let pass = Pass {
                    mode: Mode::Sampled { seed },
                    ..Pass::EVALUATION
                };
                frozen.structure().step(step, &x, &pass).unwrap()
            })
            .collect();
        let drawn = Tensor::stack(&drawn, 0);
        let error = drawn.std_dim([0].as_slice(), true, false) / f64::from(draws as u32).sqrt();
        let apart = (drawn.mean_dim([0].as_slice(), false, Kind::Double) - &expected).abs();
        // Of at most 1,024 values none lies 6 standard errors off; where nothing is drawn none at all.
        let off = apart.gt_tensor(&(error * 6.0 + 1e-12)).sum(Kind::Int64);
        assert_eq!(off.int64_value(&[]), 0, "block {}", step.block);
        assert!(drawn.std(false).double_value(&[]) > 0.0);
        x = expected;
    }
}

/// The lines of a results file.
fn records(file: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// One order of a block is lost at a time, and paths are counted by the polynomials `1 + z + z^2`, `1 + z`
/// in the two blocks that change the shape.
#[test]
fn commands_measure_second_order_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let (model, data) = (
        folder.path().join("poly.safetensors"),
        asset("fashion-mnist-2000"),
    );
    let architecture = Architecture {
        channels: 1,
        ..residual(Family::Preresnet, Terms::Poly, 2)
    };
    save_untrained_for(&model, &architecture, common::SMALL);
    for (lost, paths) in [("1.0", "216"), ("1.1", "216"), ("1", "108")] {
        let line = [
            "lesion",
            "poly.safetensors",
            "--data",
            &data,
            "--limit",
            "4",
        ];
        let results = format!("without-{lost}.jsonl");
        let more = ["--drop-block", lost, "--results", &results];
        succeed(folder.path(), &[&line[..], &more[..]].concat());
        let found = records(&folder.path().join(&results));
        let blocks = &found[0]["model"]["blocks"];
        assert_eq!(blocks[1]["orders"], serde_json::json!([1, 2]));
        assert!(blocks[2]["orders"].is_null());
        let counted = found[1..]
            .iter()
            .map(|record| record["paths"].as_str().unwrap());
        assert_eq!(
            counted.collect::<Vec<_>>(),
            ["324", paths],
            "without {lost}"
        );
    }
    let line = [
        "gradient-spectrum",
        "poly.safetensors",
        "--data",
        &data,
        "--batches",
        "1",
    ];
    let more = [
        "--examples",
        "4",
        "--samples",
        "8",
        "--results",
        "spectrum.jsonl",
    ];
    succeed(folder.path(), &[&line[..], &more[..]].concat());
    let found = records(&folder.path().join("spectrum.jsonl"));
    let spectrum = found
        .iter()
        .find(|record| record["type"] == "spectrum")
        .unwrap();
    // numpy: poly = numpy.polynomial.Polynomial; (poly([1, 1, 1])**4 * poly([1, 1])**2).coef
    let paths = [1, 6, 19, 40, 61, 70, 61, 40, 19, 6, 1].map(|count| count.to_string());
    assert_eq!(spectrum["paths"], serde_json::json!(paths));
    assert!(spectrum["sum_check"].as_f64().unwrap() < 1e-4);
}

mod needs_torch {
    use super::*;
    use std::process::Command;

    const SCRIPT: &str = "import json, sys, torch; from pathscope_network import load; \
                          x = torch.tensor(json.load(open('images.json'))).view(2, 3, 16, 16); \
                          print(json.dumps([load(f)(x).flatten().tolist() for f in sys.argv[1:]]))";

    /// The PyTorch code that goes with a file shares what functions share.
    #[test]
    #[ignore = "needs a Python with torch and safetensors"]
    fn pytorch_opens_each_system() {
        let python = std::env::var("PATHSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
        let folder = tempfile::tempdir().unwrap();
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/format/pathscope_network.py");
        fs::copy(module, folder.path().join("pathscope_network.py")).unwrap();
        let input = FeatureShape {
            channels: 3,
            height: 16,
            width: 16,
        };
        let images = tensor("images", &[2, 3, 16, 16]) * 8.0;
        let values: Vec<f32> = images.flatten(0, -1).try_into().unwrap();
        let text = serde_json::to_string(&values).unwrap();
        fs::write(folder.path().join("images.json"), text).unwrap();
        let (mut files, mut expected) = (Vec::new(), Vec::new());
        // Its choices are drawn in training: in evaluation their means are compared.
        let swapout = ("swapout", weighted(Family::Preresnet, Factors::Swapout));
        for (name, architecture) in systems().into_iter().chain([swapout]) {
            let file = folder.path().join(format!("{name}.safetensors"));
            save_untrained_for(&file, &architecture, input);
            let network = pathscope::format::load_model(&file, None).unwrap().network;
            let plan = Plan::intact(network.structure());
            let logits = network.forward(&images, &plan, &Pass::EVALUATION).unwrap();
            expected.push((name, logits.detach()));
            files.push(file);
        }
        let output = Command::new(&python)
            .current_dir(folder.path())
            .env("OMP_NUM_THREADS", "1")
            .args(["-c", SCRIPT])
            .args(&files)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let found: Vec<Vec<f64>> = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|fault| panic!("{fault}: {said}"));
        assert_eq!(found.len(), expected.len());
        for ((name, logits), found) in expected.iter().zip(&found) {
            let apart = difference(logits, found);
            assert!(apart < 1e-5, "{name}: {apart:.1e}");
        }
    }
}

/// Of a fractal network only the choices of ways that meet are counted, drawn and lost.
#[test]
fn commands_measure_columns_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let (model, data) = (
        folder.path().join("fractal.safetensors"),
        asset("fashion-mnist-2000"),
    );
    let architecture = Architecture {
        channels: 1,
        ..fractal()
    };
    save_untrained_for(&model, &architecture, common::SMALL);
    let measure = |words: &[&str]| {
        let few = ["--data", &data, "--limit", "4", "--results", "found.jsonl"];
        succeed(folder.path(), &[words, &few[..]].concat());
        let file = folder.path().join("found.jsonl");
        let found = records(&file);
        fs::remove_file(file).unwrap();
        found
    };
    // Five paths a stage, by z + (z + z^2)^2. Without the layer that alone spans the first stage four are
    // left there, without either layer of the column beside it three.
    for (lost, left) in [("3.2", "100"), ("1.1", "75"), ("3.1", "75")] {
        let found = measure(&["lesion", "fractal.safetensors", "--drop-block", lost]);
        let blocks = &found[0]["model"]["blocks"];
        assert_eq!(blocks[3]["passages"].as_array().unwrap().len(), 3);
        let counted = found[1..]
            .iter()
            .map(|record| record["paths"].as_str().unwrap());
        assert_eq!(counted.collect::<Vec<_>>(), ["125", left], "without {lost}");
    }
    let words = [
        "gradient-spectrum",
        "fractal.safetensors",
        "--batches",
        "1",
        "--examples",
        "4",
    ];
    let found = measure(&[&words[..], &["--samples", "6", "--sample-paths"]].concat());
    let spectrum = found
        .iter()
        .find(|record| record["type"] == "spectrum")
        .unwrap();
    // numpy: (numpy.polynomial.Polynomial([0, 1, 1, 2, 1]) ** 3).coef
    let paths = [0, 0, 0, 1, 3, 9, 16, 24, 27, 23, 15, 6, 1].map(|count: u32| count.to_string());
    assert_eq!(spectrum["paths"], serde_json::json!(paths));
    assert!(spectrum["sum_check"].as_f64().unwrap() < 1e-4);
    // A drawn path that does not meet itself would carry nothing.
    let norms: Vec<f64> = found
        .iter()
        .filter(|record| record["type"] == "sampled_path")
        .flat_map(|record| record["norms"].as_array().unwrap())
        .map(|norm| norm.as_f64().unwrap())
        .collect();
    assert!(
        norms.len() > 40 && norms.iter().all(|&norm| norm > 0.0),
        "{norms:?}"
    );
}

/// A path counts by the factors on its ways: at the start learned ones are 1, those of SkipInit 0.
#[test]
fn the_law_of_lengths_by_factors() {
    let folder = tempfile::tempdir().unwrap();
    let law = |architecture: &Architecture| {
        let model = folder.path().join("model.safetensors");
        save_untrained_for(&model, architecture, common::SMALL);
        let words = ["multiplicity", "--model", "model.safetensors", "--json"];
        let printed = succeed(folder.path(), &words);
        let found: serde_json::Value = serde_json::from_str(&printed).unwrap();
        let network = &found["networks"][0];
        let mean = |law: &str| network[law]["mean"].as_f64();
        // To twelve digits.
        ["factor_law", "modules"].map(|law| mean(law).map(|mean| (1e12 * mean).round() / 1e12))
    };
    let weighted = |factors| Architecture {
        channels: 1,
        ..weighted(Family::Preresnet, factors)
    };
    // Six blocks of two functions.
    assert_eq!(law(&weighted(Factors::Learned)), [Some(4.0), Some(4.0)]);
    assert_eq!(law(&weighted(Factors::SkipInit)), [Some(0.0), Some(4.0)]);
    assert_eq!(law(&weighted(Factors::One)), [None, Some(4.0)]);
}
