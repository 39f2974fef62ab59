//! `pathscope convert`, by command line.

use std::path::{Path, PathBuf};
use std::process::Command as Program;

use assert_cmd::Command;
use pathscope::format::{FloatStorage, load_model, open, save_model};
use pathscope::network::{Pass, Plan};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use tch::Tensor;

fn pathscope() -> Command {
    assert_cmd::cargo::cargo_bin_cmd!("pathscope")
}

fn project(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inside)
}

fn logits(file: &Path) -> Tensor {
    let model = load_model(file, None).unwrap();
    let specification = &model.card.specification;
    let batch = specification.random_batch(model.card.input, 3, 1).unwrap();
    let plan = Plan::intact(specification);
    model
        .network
        .forward(&batch, &plan, &Pass::EVALUATION)
        .unwrap()
        .detach()
}

#[test]
fn a_trained_model_survives_the_way_to_pytorch() {
    let folder = tempfile::tempdir().unwrap();
    let model = project("assets/preresnet20.safetensors");
    let out = folder.path().join("preresnet20.pt");
    pathscope()
        .arg("convert")
        .args([&model, &out])
        .assert()
        .success()
        .stdout(contains("9 blocks").and(contains("differ from the original's by 0.0e0")));
    let (before, after) = (open(&model).unwrap(), open(&out).unwrap());
    assert_eq!(before.len(), after.len());
    for (name, tensor) in before.tensors() {
        let tensor = tensor.to_kind(tch::Kind::Float);
        assert_eq!(after.get(name).unwrap(), &tensor, "{name}");
    }
    // It is not replaced in silence.
    pathscope()
        .arg("convert")
        .args([&model, &out])
        .assert()
        .code(2)
        .stderr(contains("--force"));
}

#[test]
fn graphs_become_files_of_our_own() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["vit", "gpt", "resnet"] {
        let graph = project(&format!("tests/fixtures/exported/{name}.pt2"));
        let out = folder.path().join(format!("{name}.safetensors"));
        pathscope()
            .arg("convert")
            .args([&graph, &out])
            .assert()
            .success();
        assert_eq!(logits(&graph), logits(&out), "{name}");
        // The tensors alone, for Python.
        let tensors = folder.path().join(format!("{name}.pth"));
        pathscope()
            .arg("convert")
            .args([&out, &tensors])
            .assert()
            .success();
        assert!(!open(&tensors).unwrap().is_empty());
    }
}

#[test]
fn endings_that_say_no_format_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("model.onnx");
    pathscope()
        .arg("convert")
        .args([&project("assets/preresnet20.safetensors"), &out])
        .assert()
        .code(2)
        .stderr(contains(".safetensors").and(contains(".pt")));
    assert!(!out.exists());
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_torchscript_file_of_an_unknown_architecture_says_how_to_export() {
    let folder = tempfile::tempdir().unwrap();
    pathscope()
        .arg("convert")
        .arg(project("tests/fixtures/torchscript.pt"))
        .arg(folder.path().join("out.pt"))
        .assert()
        .code(2)
        .stderr(contains("torch.export.save"));
}

mod needs_torch {
    use super::*;

    #[test]
    #[ignore = "needs a Python with torch"]
    fn pytorch_opens_what_is_written() {
        let python = std::env::var("PATHSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("model.pt");
        pathscope()
            .arg("convert")
            .args([&project("assets/preresnet20.safetensors"), &out])
            .assert()
            .success();
        let script = "import sys, torch; held = torch.load(sys.argv[1], weights_only=True); \
                  print(len(held), all(type(t) is torch.Tensor for t in held.values()))";
        let output = Program::new(&python)
            .args(["-c", script])
            .arg(&out)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let count = open(&out).unwrap().len();
        assert_eq!(
            said.trim(),
            format!("{count} True"),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn a_model_whose_outputs_are_no_numbers_is_to_blame_itself() {
    let folder = tempfile::tempdir().unwrap();
    let model = load_model(&project("assets/preresnet20.safetensors"), None).unwrap();
    tch::no_grad(|| {
        for (_, _, mut tensor) in model.network.named_parameters() {
            let _ = tensor.f_mul_scalar_(1e30).unwrap();
        }
    });
    let file = folder.path().join("huge.safetensors");
    save_model(&file, &model.card, &model.network, FloatStorage::AsTheyAre).unwrap();
    for out in ["out.pt", "out.safetensors"] {
        pathscope()
            .current_dir(&folder)
            .args(["convert", "huge.safetensors", out])
            .assert()
            .code(2)
            .stderr(contains("huge.safetensors: its outputs").and(contains("not finite")));
        assert!(!folder.path().join(out).exists());
    }
}
