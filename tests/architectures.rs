//! State dicts of torchvision, timm and the usual CIFAR code: recognised by names and shapes, and
//! rebuilt exactly. `tests/fixtures/make_architectures.py` wrote the names, shapes and logits with
//! PyTorch; the weights follow from the names of the tensors, there and here.

mod values;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pathscope::format::{FloatStorage, load_model, save_pytorch, save_safetensors};
use pathscope::network::{BlockIndex, FrozenNetwork, FunctionState, Pass, Plan};
use serde::Deserialize;
use tch::{Kind, Tensor};
use values::{difference, tensor};

#[derive(Deserialize)]
struct Fixture {
    side: i64,
    dtype: String,
    blocks: Vec<String>,
    logits: Vec<f64>,
    deletions: BTreeMap<usize, Vec<f64>>,
    tensors: BTreeMap<String, Vec<i64>>,
}

const EXAMPLES: i64 = 2;

fn kind(dtype: &str) -> Kind {
    match dtype {
        "float16" => Kind::Half,
        "bfloat16" => Kind::BFloat16,
        "float32" => Kind::Float,
        "float64" => Kind::Double,
        other => panic!("a fixture of {other}"),
    }
}

fn check(name: &str, fixture: &Fixture, folder: &Path) {
    let kind = kind(&fixture.dtype);
    let tensors: Vec<(String, Tensor)> = fixture
        .tensors
        .iter()
        .map(|(name, shape)| {
            let whole = name.ends_with("num_batches_tracked");
            let kind = if whole { Kind::Int64 } else { kind };
            (name.clone(), tensor(name, shape).to_kind(kind))
        })
        .collect();
    // Half of the fixtures go through each of the two formats.
    let file = folder.join(name);
    if fixture.blocks.len().is_multiple_of(2) {
        save_pytorch(&file, &tensors).unwrap();
    } else {
        save_safetensors(&file, &tensors, &BTreeMap::new(), FloatStorage::AsTheyAre).unwrap();
    }
    drop(tensors);
    let model = load_model(&file, None).unwrap_or_else(|error| panic!("{name}: {error}"));
    fs::remove_file(&file).unwrap();
    let blocks = &model.card.specification.blocks;
    let names: Vec<&str> = blocks.iter().map(|block| block.name.as_str()).collect();
    assert_eq!(names, fixture.blocks, "{name}");

    let network = FrozenNetwork::freeze(&model.network, Kind::Float).unwrap();
    let images = tensor("images", &[EXAMPLES, 3, fixture.side, fixture.side]) * 8.0;
    let intact = Plan::intact(network.structure());
    let off = |&block: &usize| {
        let plan = intact.clone();
        plan.with_block(BlockIndex::new(block), FunctionState::Off)
    };
    let plans = fixture.deletions.keys().map(off);
    let expected = std::iter::once(&fixture.logits).chain(fixture.deletions.values());
    for (plan, expected) in std::iter::once(intact.clone()).chain(plans).zip(expected) {
        let logits = network.forward(&images, &plan, &Pass::EVALUATION).unwrap();
        let apart = difference(&logits, expected);
        let deleted: Vec<_> = plan.deleted_blocks().collect();
        assert!(apart < 1e-4, "{name} without {deleted:?}: {apart:.1e}");
    }
}

fn check_all(family: impl Fn(&str) -> bool, at_least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/architectures");
    let scratch = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if family(&name) {
            let fixture = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            check(&name, &fixture, scratch.path());
            checked += 1;
        }
    }
    assert!(checked >= at_least, "only {checked} fixtures");
}

#[test]
fn torchvision_networks_are_rebuilt() {
    check_all(|name| name.starts_with("torchvision-"), 10);
}

#[test]
fn timm_networks_are_rebuilt() {
    check_all(|name| name.starts_with("timm-"), 14);
}

#[test]
fn cifar_networks_are_rebuilt() {
    check_all(
        |name| !name.starts_with("timm-") && !name.starts_with("torchvision-"),
        13,
    );
}

#[test]
fn torchscript_of_a_known_architecture_is_rebuilt() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let model = load_model(&fixtures.join("torchscript_resnet8.pt"), None).unwrap();
    let expected = fs::read(fixtures.join("torchscript_resnet8.json")).unwrap();
    let expected: Vec<f64> = serde_json::from_slice(&expected).unwrap();
    let images = tensor("images", &[EXAMPLES, 3, 32, 32]) * 8.0;
    let intact = Plan::intact(model.network.structure());
    let logits = model
        .network
        .forward(&images, &intact, &Pass::EVALUATION)
        .unwrap();
    let apart = difference(&logits.detach(), &expected);
    assert!(apart < 1e-4, "{apart:.1e}");
}
