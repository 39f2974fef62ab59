//! State dicts of torchvision, timm and the usual CIFAR code: recognised by names and shapes, and
//! rebuilt exactly. `tests/fixtures/make_architectures.py` wrote the names, shapes and logits with
//! PyTorch; the weights follow from the names of the tensors, there and here.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pathscope::format::{FloatStorage, load_model, save_pytorch, save_safetensors};
use pathscope::network::{BlockIndex, FrozenNetwork, FunctionState, Pass, Plan};
use serde::Deserialize;
use tch::{Kind, Tensor};

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

/// Whole numbers from 0 to 255: FNV-1a of the name, SplitMix64 of the place.
fn steps(name: &str) -> impl Iterator<Item = f32> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (1_u64..).map(move |place| {
        let z = seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 56) as f32
    })
}

fn tensor(name: &str, shape: &[i64]) -> Tensor {
    let count = usize::try_from(shape.iter().product::<i64>()).unwrap();
    let is_factor = name.ends_with("weight") || name.ends_with("running_var");
    let value: Box<dyn Fn(f32) -> f32> = match shape {
        _ if name.ends_with("num_batches_tracked") => Box::new(|_| 0.0),
        [_] if is_factor => Box::new(|step| (128.0 + (step / 2.0).floor()) / 256.0),
        [_] => Box::new(|step| (2.0 * step - 255.0) / 2048.0),
        _ => {
            let inputs: i64 = shape[1..].iter().product();
            let scale = (6.0 / inputs as f64).sqrt().log2().floor().exp2() as f32;
            Box::new(move |step| (2.0 * step - 255.0) / 256.0 * scale)
        }
    };
    let values: Vec<f32> = steps(name).take(count).map(value).collect();
    Tensor::from_slice(&values).reshape(shape)
}

fn kind(dtype: &str) -> Kind {
    match dtype {
        "float16" => Kind::Half,
        "bfloat16" => Kind::BFloat16,
        "float32" => Kind::Float,
        "float64" => Kind::Double,
        other => panic!("a fixture of {other}"),
    }
}

/// Largest difference over largest value.
fn difference(found: &Tensor, expected: &[f64]) -> f64 {
    let found = Vec::<f64>::try_from(found.to_kind(Kind::Double).flatten(0, -1)).unwrap();
    assert_eq!(found.len(), expected.len());
    let largest = expected
        .iter()
        .fold(0.0_f64, |most, value| most.max(value.abs()));
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, f64::max) / largest
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
    check_all(|name| name.starts_with("torchvision-"), 9);
}

#[test]
fn timm_networks_are_rebuilt() {
    check_all(|name| name.starts_with("timm-"), 12);
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
