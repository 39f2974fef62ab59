//! Hugging Face networks from `torch.export` (`tests/fixtures/exported_hf.py`): logits for batches
//! of several sizes and logits without single sublayers, against PyTorch.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use pathscope::format::{LoadOptions, Model, load_model, load_model_with};
use pathscope::network::{
    BlockIndex, FrozenNetwork, FunctionIndex, FunctionState, Granularity, Pass, Plan,
};
use serde::Deserialize;
use tch::{Kind, Tensor};

#[derive(Deserialize)]
struct Fixture {
    shape: Vec<i64>,
    input: Vec<f64>,
    logits: Vec<f64>,
    deletions: Vec<Deletion>,
}

#[derive(Deserialize)]
struct Deletion {
    sublayer: String,
    logits: Vec<f64>,
}

const NAMES: [&str; 7] = ["vit", "swin", "convnext", "gpt2", "llama", "neox", "bert"];

fn path(name: &str, ending: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/exported");
    folder.join(format!("hf-{name}.{ending}"))
}

fn load(file: &Path) -> Model {
    load_model(file, None).unwrap_or_else(|error| panic!("{error}"))
}

fn fixture(name: &str) -> (Fixture, Tensor) {
    let fixture: Fixture = serde_json::from_slice(&fs::read(path(name, "json")).unwrap()).unwrap();
    let kind = match fixture.shape.len() {
        2 => Kind::Int64,
        _ => Kind::Float,
    };
    let input = Tensor::from_slice(&fixture.input).to_kind(kind);
    let input = input.reshape(&fixture.shape);
    (fixture, input)
}

/// The largest difference relative to the largest expected value; `found` may hold the first
/// examples only.
fn difference(found: &Tensor, expected: &[f64]) -> f64 {
    let found = Vec::<f64>::try_from(found.to_kind(Kind::Double).flatten(0, -1)).unwrap();
    let expected = &expected[..found.len()];
    let largest = expected.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, f64::max) / largest
}

fn assert_logits(model: &Model, name: &str, fixture: &Fixture, input: &Tensor) {
    let network = FrozenNetwork::freeze(&model.network, Kind::Float).unwrap();
    let intact = Plan::intact(network.structure());
    for size in [1, 2, 5] {
        let batch = input.narrow(0, 0, size);
        let logits = network.forward(&batch, &intact, &Pass::EVALUATION).unwrap();
        assert_eq!(logits.size()[0], size, "{name}");
        let apart = difference(&logits, &fixture.logits);
        assert!(apart < 1e-4, "{name}, batch of {size}: {apart:.1e}");
        let trainable = model.network.forward(&batch, &intact, &Pass::EVALUATION);
        let apart = difference(&trainable.unwrap().detach(), &fixture.logits);
        assert!(
            apart < 1e-4,
            "{name}, trainable, batch of {size}: {apart:.1e}"
        );
    }
}

#[test]
fn logits_of_any_batch_are_pytorchs() {
    for name in NAMES {
        let (fixture, input) = fixture(name);
        assert_logits(&load(&path(name, "pt2")), name, &fixture, &input);
    }
}

#[test]
fn a_compressed_archive_is_the_same_network() {
    let mut before =
        zip::ZipArchive::new(Cursor::new(fs::read(path("gpt2", "pt2")).unwrap())).unwrap();
    let file = tempfile::Builder::new().suffix(".pt2").tempfile().unwrap();
    let mut after = zip::ZipWriter::new(file.reopen().unwrap());
    let deflated = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    for place in 0..before.len() {
        let mut entry = before.by_index(place).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let name = entry.name().unwrap().into_owned();
        after.start_file(name, deflated).unwrap();
        after.write_all(&content).unwrap();
    }
    after.finish().unwrap();
    let (fixture, input) = fixture("gpt2");
    assert_logits(&load(file.path()), "deflated", &fixture, &input);
}

/// The logits of `model` for two examples without `blocks`.
fn logits_without(model: &Model, input: &Tensor, blocks: &[usize]) -> Vec<f64> {
    let network = FrozenNetwork::freeze(&model.network, Kind::Float).unwrap();
    let intact = Plan::intact(network.structure());
    let plan = blocks.iter().fold(intact, |plan, &block| {
        plan.with_block(BlockIndex::new(block), FunctionState::Off)
    });
    let two = input.narrow(0, 0, 2);
    let logits = network.forward(&two, &plan, &Pass::EVALUATION).unwrap();
    Vec::<f64>::try_from(logits.to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

#[test]
fn a_layer_as_one_block_is_its_two_sublayers_together() {
    let options = LoadOptions {
        granularity: Granularity::Layer,
        ..LoadOptions::default()
    };
    for name in ["vit", "gpt2", "llama", "swin"] {
        let (_, input) = fixture(name);
        let fine = load(&path(name, "pt2"));
        let coarse = load_model_with(&path(name, "pt2"), &options).unwrap();
        let blocks = |model: &Model| model.card.specification.blocks.len();
        assert_eq!(2 * blocks(&coarse), blocks(&fine), "{name}");
        for layer in 0..blocks(&coarse) {
            let expected = logits_without(&fine, &input, &[2 * layer, 2 * layer + 1]);
            let found = Tensor::from_slice(&logits_without(&coarse, &input, &[layer]));
            let apart = difference(&found, &expected);
            assert!(apart < 1e-5, "{name} without layer {layer}: {apart:.1e}");
        }
        let (intact, same) = (
            logits_without(&coarse, &input, &[]),
            logits_without(&fine, &input, &[]),
        );
        assert!(
            difference(&Tensor::from_slice(&intact), &same) < 1e-5,
            "{name}"
        );
    }
    // A convolution network has one addition in a layer.
    let error = load_model_with(&path("convnext", "pt2"), &options).unwrap_err();
    assert!(error.to_string().contains("no layer"), "{error}");
}

/// Attention and perceptron side by side are two functions of one block.
#[test]
fn every_sublayer_is_a_function_and_its_deletion_is_pytorchs() {
    for name in NAMES {
        let (fixture, input) = fixture(name);
        let model = load(&path(name, "pt2"));
        let blocks = &model.card.specification.blocks;
        let functions: Vec<(usize, usize)> = blocks
            .iter()
            .enumerate()
            .flat_map(|(block, each)| {
                (0..each.functions.len()).map(move |function| (block, function))
            })
            .collect();
        let names: Vec<&str> = blocks.iter().map(|block| block.name.as_str()).collect();
        assert_eq!(
            functions.len(),
            fixture.deletions.len(),
            "{name}: {names:?}"
        );
        if name == "neox" {
            assert_eq!(blocks.len(), 2, "{names:?}");
        }
        let network = FrozenNetwork::freeze(&model.network, Kind::Float).unwrap();
        let two = input.narrow(0, 0, 2);
        for (&(block, function), deletion) in functions.iter().zip(&fixture.deletions) {
            let off = FunctionIndex {
                block: BlockIndex::new(block),
                function,
            };
            let plan = Plan::intact(network.structure()).with_function(off, FunctionState::Off);
            let logits = network.forward(&two, &plan, &Pass::EVALUATION).unwrap();
            let apart = difference(&logits, &deletion.logits);
            let place = format!("{name} without {} ({block}.{function})", deletion.sublayer);
            assert!(apart < 1e-4, "{place}: {apart:.1e}");
        }
    }
}
