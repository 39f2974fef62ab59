//! What the end-to-end tests share: the program, models and data.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use pathscope::data::Normalization;
use pathscope::format::{FloatStorage, ModelCard, save_model};
use pathscope::network::{Architecture, FeatureShape, Specification, TrainableNetwork};
use serde_json::Value;

/// The program that was built.
pub fn pathscope() -> Command {
    let mut command = Command::cargo_bin("pathscope").unwrap();
    // So wide that no sentence is wrapped.
    command.env("COLUMNS", "500");
    command
}

/// Runs the program in `folder`, which must succeed, and gives its standard output.
pub fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = pathscope()
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the program, which must refuse its input in one line, and gives that line.
pub fn refuse(arguments: &[&str]) -> String {
    let output = pathscope().args(arguments).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    let complaint: Vec<&str> = error
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(complaint.len(), 1, "{arguments:?}: {error}");
    complaint.concat()
}

/// Deletes every block of a model on a few shipped examples, measures a few gradients, and leaves
/// both files of results in `folder`.
pub fn measure(model: &str, folder: &Path) {
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let data = asset("fashion-mnist-2000");
    let (lesions, spectrum) = (file("lesion.jsonl"), file("spectrum.jsonl"));
    let of = |command, more: &[&str], results: &str| {
        let common = ["-q", command, model, "--data", &data, "--json", results];
        succeed(folder, &[common.as_slice(), more].concat());
    };
    of("lesion", &["--each", "--limit", "60"], &lesions);
    let few = [
        "--batches",
        "3",
        "--examples",
        "4",
        "--draws",
        "2",
        "--samples",
        "4",
    ];
    of("gradient-spectrum", &few, &spectrum);
}

/// The small trained network that is shipped: pre-activation, 9 blocks, Fashion-MNIST.
pub fn shipped_model() -> String {
    asset("preresnet20.safetensors")
}

/// A file or folder under `assets/`.
pub fn asset(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("assets")
        .join(name);
    path.to_str().unwrap().to_owned()
}

/// A trained model or data set in the folder `shared` beside the project. Tests that need it are
/// ignored unless `make test` finds that folder; they stand in modules called `needs_shared`.
pub fn shared(path: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared")
        .join(path);
    assert!(path.exists(), "{} is absent", path.display());
    path.to_str().unwrap().to_owned()
}

/// The records of a journal, without its header.
pub fn records(journal: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(journal).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|record: &Value| record["type"] != "header")
        .collect()
}

/// Errors of every outcome of a journal, in its order.
pub fn errors(journal: &Path) -> Vec<u64> {
    let outcomes = records(journal).into_iter();
    outcomes
        .filter(|record| record["type"] == "outcome")
        .map(|record| record["errors"].as_u64().unwrap())
        .collect()
}

/// The images that small untrained networks take.
pub const SMALL: FeatureShape = FeatureShape {
    channels: 1,
    height: 28,
    width: 28,
};

/// An untrained network of a few channels, saved as a model for grey images of ten classes.
pub fn save_untrained(file: &Path, architecture: &Architecture) -> TrainableNetwork {
    let specification = architecture.build().unwrap();
    let network = TrainableNetwork::initialized(&specification, 3).unwrap();
    save(file, &specification, &network);
    network
}

/// An untrained network, saved as a model for images of shape `input`.
pub fn save_untrained_for(file: &Path, architecture: &Architecture, input: FeatureShape) {
    let specification = architecture.build().unwrap();
    let network = TrainableNetwork::initialized(&specification, 3).unwrap();
    save_for(file, &specification, &network, input);
}

/// Saves a network as a model for grey images of ten classes.
pub fn save(file: &Path, specification: &Specification, network: &TrainableNetwork) {
    save_for(file, specification, network, SMALL);
}

fn save_for(
    file: &Path,
    specification: &Specification,
    network: &TrainableNetwork,
    input: FeatureShape,
) {
    let card = ModelCard {
        title: "small".into(),
        specification: specification.clone(),
        input,
        normalization: Normalization::preset(match input.channels {
            1 => "fashion-mnist",
            _ => "cifar10",
        })
        .unwrap(),
        framing: None,
        class_names: Vec::new(),
        evaluation: None,
        training: None,
    };
    save_model(file, &card, network, FloatStorage::AsTheyAre).unwrap();
}
