//! Graphs of `torch.export` (`tests/fixtures/make_exported.py`): residual blocks found in them,
//! logits and per-block deletions against PyTorch's, and gradients.

#[allow(dead_code, reason = "each test file uses some of these")]
mod graphs;
#[allow(dead_code, reason = "each test file uses some of these")]
mod values;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pathscope::data::{Dataset, ImageShape, Normalization};
use pathscope::experiment::{
    ComputeOptions, GradientPoint, Journal, Laboratory, Loss, Origin, SpectrumOptions,
};
use pathscope::format::{Fault, FormatError, Model, load_model};
use pathscope::network::{
    BlockIndex, FrozenNetwork, FunctionState, Linearization, Pass, Plan, cross_entropy_cotangent,
};
use pathscope_analysis::Seed;
use pathscope_analysis::record::{Measure, Options, Record};
use serde::Deserialize;
use tch::{Kind, Tensor};
use values::difference;

#[derive(Deserialize)]
struct Fixture {
    shape: Vec<i64>,
    input: Vec<f64>,
    #[serde(default)]
    blocks: Vec<String>,
    logits: Vec<f64>,
    deletions: Vec<Vec<f64>>,
}

const NAMES: [&str; 16] = [
    "vit",
    "vit-dynamic",
    "convnext",
    "convnextv2",
    "mixer",
    "gpt",
    "squeeze",
    "resnet",
    "groups",
    "dense",
    "dual",
    "gates",
    "writes",
    "taps",
    "unet",
    "csp",
];

fn path(name: &str, ending: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/exported");
    folder.join(format!("{name}.{ending}"))
}

fn fixture(name: &str) -> (Model, Fixture, Tensor) {
    let fixture: Fixture = serde_json::from_slice(&fs::read(path(name, "json")).unwrap()).unwrap();
    let model = load_model(&path(name, "pt2"), None).unwrap_or_else(|e| panic!("{name}: {e}"));
    let kind = if name == "gpt" {
        Kind::Int64
    } else {
        Kind::Float
    };
    let input = Tensor::from_slice(&fixture.input)
        .to_kind(kind)
        .reshape(&fixture.shape);
    (model, fixture, input)
}

#[test]
fn blocks_logits_and_deletions_are_pytorchs() {
    for name in NAMES {
        let (model, fixture, input) = fixture(name);
        let blocks = &model.card.specification.blocks;
        let names: Vec<&str> = blocks.iter().map(|block| block.name.as_str()).collect();
        assert_eq!(names, fixture.blocks, "{name}");
        assert_answers(name, &model, &fixture, &input);
    }
}

/// The archive and the checkpoint of a DenseNet are the same network.
#[test]
#[ignore = "needs a Python with torch, torchvision and timm"]
fn densenets_are_those_of_their_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let networks = ["densenet121", "timm-densenet121"];
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/make_exported.py");
    let python = std::env::var("PATHSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
    let status = Command::new(python)
        .arg(script)
        .arg("--folder")
        .arg(folder.path())
        .args(networks)
        .status()
        .unwrap();
    assert!(status.success());
    for name in networks {
        let read = |ending| folder.path().join(format!("{name}.{ending}"));
        let fixture: Fixture = serde_json::from_slice(&fs::read(read("json")).unwrap()).unwrap();
        let input = Tensor::from_slice(&fixture.input)
            .to_kind(Kind::Float)
            .reshape(&fixture.shape);
        let [archive, checkpoint] =
            ["pt2", "pth"].map(|ending| load_model(&read(ending), None).unwrap());
        assert_eq!(fixture.deletions.len(), 58);
        assert_eq!(
            archive.card.specification.blocks,
            checkpoint.card.specification.blocks
        );
        for model in [archive, checkpoint] {
            assert_answers(name, &model, &fixture, &input);
        }
    }
}

/// `tests/fixtures/exported_versions.py`: the same two networks from several versions of PyTorch.
#[test]
fn archives_of_several_versions_give_the_same_network() {
    for version in ["2.8.0", "2.11.0", "2.15.0"] {
        for network in ["convolution", "attention"] {
            let text = fs::read(path(&format!("torch-{network}"), "json")).unwrap();
            let fixture: Fixture = serde_json::from_slice(&text).unwrap();
            let kind = if network == "attention" {
                Kind::Int64
            } else {
                Kind::Float
            };
            let input = Tensor::from_slice(&fixture.input)
                .to_kind(kind)
                .reshape(&fixture.shape);
            let name = format!("torch-{version}-{network}");
            let model = load_model(&path(&name, "pt2"), None).unwrap();
            let blocks = model.card.specification.blocks.len();
            assert_eq!(blocks, fixture.deletions.len(), "{name}");
            assert_answers(&name, &model, &fixture, &input);
        }
    }
}

/// Logits of the intact network and without each block, as PyTorch gives them.
fn assert_answers(name: &str, model: &Model, fixture: &Fixture, input: &Tensor) {
    let intact = Plan::intact(model.network.structure());
    let trainable = model
        .network
        .forward(input, &intact, &Pass::EVALUATION)
        .unwrap();
    let apart = difference(&trainable.detach(), &fixture.logits);
    assert!(apart < 1e-4, "{name}, trainable: {apart:.1e}");
    let network = FrozenNetwork::freeze(&model.network, Kind::Float).unwrap();
    let logits = network.forward(input, &intact, &Pass::EVALUATION).unwrap();
    let apart = difference(&logits, &fixture.logits);
    assert!(apart < 1e-4, "{name}: {apart:.1e}");
    for (block, expected) in fixture.deletions.iter().enumerate() {
        let plan = intact
            .clone()
            .with_block(BlockIndex::new(block), FunctionState::Off);
        let logits = network.forward(input, &plan, &Pass::EVALUATION).unwrap();
        let apart = difference(&logits, expected);
        assert!(apart < 1e-4, "{name} without {block}: {apart:.1e}");
    }
}

#[test]
fn the_batch_may_have_another_size_than_the_exported_one() {
    for name in NAMES {
        let (model, _, input) = fixture(name);
        let intact = Plan::intact(model.network.structure());
        let run = |batch: &Tensor| {
            model
                .network
                .forward(batch, &intact, &Pass::EVALUATION)
                .unwrap()
                .detach()
        };
        let five = run(&Tensor::cat(&[&input, &input, &input.narrow(0, 0, 1)], 0));
        let one = run(&input.narrow(0, 1, 1));
        assert_eq!(five.size()[0], 5);
        let apart = (five.narrow(0, 3, 1) - &one).abs().max().double_value(&[]);
        assert!(apart < 1e-5, "{name}: {apart:.1e}");
    }
}

#[test]
fn one_linearization_gives_autograds_gradient_for_classes_and_tokens() {
    for name in NAMES {
        let (model, fixture, input) = fixture(name);
        let network = FrozenNetwork::freeze(&model.network, Kind::Double).unwrap();
        let plan = Plan::intact(network.structure());
        let input = match name {
            "gpt" => input,
            _ => input.to_kind(Kind::Double),
        };
        // The next token, or a class.
        let labels = match name {
            "gpt" => input.roll([-1], [1]),
            _ => Tensor::arange(fixture.shape[0], (Kind::Int64, tch::Device::Cpu)),
        };
        let structure = network.structure();
        let stem = tch::no_grad(|| structure.stem(&input, &Pass::EVALUATION).unwrap());
        let leaf = stem.copy().set_requires_grad(true);
        let mut x = leaf.shallow_clone();
        for step in plan.steps() {
            x = structure.step(step, &x, &Pass::EVALUATION).unwrap();
        }
        let logits = structure.head(&x, &Pass::EVALUATION).unwrap();
        let classes = *logits.size().last().unwrap();
        logits
            .reshape([-1, classes])
            .cross_entropy_loss::<Tensor>(
                &labels.reshape([-1]),
                None,
                tch::Reduction::Sum,
                -100,
                0.0,
            )
            .backward();
        let expected = leaf.grad();

        let linearized = Linearization::at(&network, &plan, &input).unwrap();
        let cotangent = cross_entropy_cotangent(linearized.logits(), &labels).unwrap();
        let mut cotangent = linearized.through_head(cotangent).unwrap();
        for (_, block) in linearized.blocks().iter().rev() {
            let at_sum = block.through_post(cotangent).unwrap();
            let mut at_u = block.through_skip(&at_sum).unwrap().unwrap().copy();
            for function in 0..block.functions() {
                at_u += block.through_function(function, &at_sum).unwrap().unwrap();
            }
            cotangent = block.through_pre(at_u).unwrap();
        }
        let apart = (&cotangent - &expected).abs().max() / expected.abs().max();
        let apart = apart.double_value(&[]);
        assert!(apart < 1e-10, "{name}: {apart:.1e}");
        let at_input = linearized.through_stem(cotangent);
        assert_eq!(at_input.is_ok(), name != "gpt", "{name}");
    }
}

#[test]
fn spectra_add_up() {
    for name in [
        "vit", "convnext", "groups", "dense", "dual", "gates", "taps", "unet", "csp",
    ] {
        let (model, fixture, _) = fixture(name);
        let side = usize::try_from(fixture.shape[2]).unwrap();
        let shape = ImageShape {
            channels: 3,
            height: side,
            width: side,
        };
        let pixels = (0..8 * 3 * side * side)
            .map(|place| (place.wrapping_mul(2_654_435_761) >> 7) as u8)
            .collect();
        let labels = (0..8).map(|example| example % 5).collect();
        let data = Dataset::new(shape, pixels, labels, 5, "made up").unwrap();
        let normalization = Normalization::preset("half").unwrap();
        let compute = ComputeOptions::default();
        let laboratory =
            Laboratory::new(&model.network, &data, &data, &normalization, compute).unwrap();
        let options = SpectrumOptions {
            measures: BTreeMap::from([(Measure::Coherent, 1)]),
            record_paths: false,
            loss: Loss::CrossEntropy,
            at: GradientPoint::Input,
            longest: None,
            grading: None,
            batches: 2,
            examples: 4,
            seed: Seed(0),
            deadline: None,
        };
        let settings = options.settings(32, laboratory.normalization());
        let header = laboratory
            .header(
                Options::GradientSpectrum(settings),
                Origin {
                    title: name,
                    ..Origin::default()
                },
            )
            .unwrap();
        let mut journal = Journal::in_memory(header);
        laboratory
            .spectrum(
                &laboratory.intact(),
                &options,
                Kind::Float,
                &mut journal,
                &|_| {},
            )
            .unwrap();
        let mut batches = 0;
        for record in journal.records() {
            if let Record::Spectrum(spectrum) = record {
                let apart = spectrum.sum_check.unwrap();
                assert!(apart < 1e-4, "{name}: {apart:.1e}");
                batches += 1;
            }
        }
        assert_eq!(batches, 2);
    }
}

/// The archive with `change` made to its graph.
fn changed(name: &str, change: impl Fn(String) -> String) -> Vec<u8> {
    graphs::with_graph(&fs::read(path(name, "pt2")).unwrap(), change)
}

fn error(bytes: &[u8]) -> FormatError {
    let file = tempfile::Builder::new().suffix(".pt2").tempfile().unwrap();
    fs::write(file.path(), bytes).unwrap();
    load_model(file.path(), None).unwrap_err()
}

#[test]
fn unsupported_operations_are_listed_by_name_in_one_error() {
    let strange = changed("vit", |graph| {
        graph
            .replace("aten.gelu.default", "aten.from_file.default")
            .replace("aten.select.int", "custom.pick.one")
    });
    let error = error(&strange);
    assert!(
        matches!(*error.fault, Fault::UnsupportedOperations { .. }),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains("aten.from_file.default, custom.pick.one"),
        "{text}"
    );
    assert_eq!(text.matches("from_file").count(), 1);
}

/// A contiguous tensor is the tensor itself or a copy of it, by its order in memory.
#[test]
fn what_may_have_been_overwritten_is_not_used() {
    let open = changed("writes", |graph| {
        let open = graph.replace("aten.alias.default", "aten.contiguous.default");
        open.replace("\"strides\":", "\"unknown\":")
    });
    let text = error(&open).to_string();
    assert!(text.contains("may have overwritten"), "{text}");
}

#[test]
fn graphs_that_cannot_be_used_say_why() {
    let plain = changed("resnet", |graph| {
        graph.replace("aten.add_.Tensor", "aten.mul_.Tensor")
    });
    assert!(error(&plain).to_string().contains("no residual block"));
    let training = changed("resnet", |graph| {
        graph.replace(
            "\"training\",\"arg\":{\"as_bool\":false}",
            "\"training\",\"arg\":{\"as_bool\":true}",
        )
    });
    assert!(
        error(&training)
            .to_string()
            .contains("export after .eval()")
    );
    let old = changed("resnet", |graph| {
        graph.replace("\"major\":8", "\"major\":7")
    });
    let old = error(&old).to_string();
    assert!(old.contains("schema is version 7, which PyTorch before 2.7 writes"));
    let new = changed("resnet", |graph| {
        graph.replace("\"major\":8", "\"major\":9")
    });
    let new = error(&new).to_string();
    assert!(new.contains("schema is version 9, newer than version 8"));
}
