//! Graphs of `torch.export` (`tests/fixtures/make_exported.py`): residual blocks found in them,
//! logits and per-block deletions against PyTorch's, and gradients.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use pathscope::data::{Dataset, ImageShape, Normalization};
use pathscope::experiment::{ComputeOptions, Journal, Laboratory, Loss, Place, SpectrumOptions};
use pathscope::format::{FormatError, Model, load_model};
use pathscope::network::{
    BlockIndex, BranchState, FrozenNetwork, Linearization, Pass, Plan, cross_entropy_cotangent,
};
use pathscope_analysis::Seed;
use pathscope_analysis::record::Record;
use serde::Deserialize;
use tch::{Kind, Tensor};

#[derive(Deserialize)]
struct Fixture {
    shape: Vec<i64>,
    input: Vec<f64>,
    blocks: Vec<String>,
    logits: Vec<f64>,
    deletions: Vec<Vec<f64>>,
}

const NAMES: [&str; 9] = [
    "vit",
    "vit-dynamic",
    "convnext",
    "convnextv2",
    "mixer",
    "gpt",
    "squeeze",
    "resnet",
    "groups",
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

fn difference(found: &Tensor, expected: &[f64]) -> f64 {
    let found = Vec::<f64>::try_from(found.to_kind(Kind::Double).flatten(0, -1)).unwrap();
    assert_eq!(found.len(), expected.len());
    let largest = expected
        .iter()
        .fold(0.0_f64, |most, value| most.max(value.abs()));
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, f64::max) / largest
}

#[test]
fn blocks_logits_and_deletions_are_pytorchs() {
    for name in NAMES {
        let (model, fixture, input) = fixture(name);
        let blocks = &model.card.specification.blocks;
        let names: Vec<&str> = blocks.iter().map(|block| block.name.as_str()).collect();
        assert_eq!(names, fixture.blocks, "{name}");
        let intact = Plan::intact(model.network.structure());
        let trainable = model
            .network
            .forward(&input, &intact, &Pass::EVALUATION)
            .unwrap();
        let apart = difference(&trainable.detach(), &fixture.logits);
        assert!(apart < 1e-4, "{name}, trainable: {apart:.1e}");
        let network = FrozenNetwork::freeze(&model.network, Kind::Float).unwrap();
        let logits = network.forward(&input, &intact, &Pass::EVALUATION).unwrap();
        let apart = difference(&logits, &fixture.logits);
        assert!(apart < 1e-4, "{name}: {apart:.1e}");
        for (block, expected) in fixture.deletions.iter().enumerate() {
            let plan = intact
                .clone()
                .with_block(BlockIndex::new(block), BranchState::Off);
            let logits = network.forward(&input, &plan, &Pass::EVALUATION).unwrap();
            let apart = difference(&logits, expected);
            assert!(apart < 1e-4, "{name} without {block}: {apart:.1e}");
        }
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
                at_u += block.through_branch(function, &at_sum).unwrap().unwrap();
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
    for name in ["vit", "convnext", "groups"] {
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
            coherent: true,
            draws: 0,
            samples: 0,
            record_paths: false,
            loss: Loss::CrossEntropy,
            place: Place::Input,
            longest: None,
            grading: None,
            batches: 2,
            examples: 4,
            seed: Seed(0),
        };
        let header = laboratory.header("gradient-spectrum", name, "-", 0, serde_json::json!({}));
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
    let mut before =
        zip::ZipArchive::new(Cursor::new(fs::read(path(name, "pt2")).unwrap())).unwrap();
    let mut after = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for place in 0..before.len() {
        let mut entry = before.by_index(place).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let name = entry.name().unwrap().into_owned();
        if name.ends_with("models/model.json") {
            content = change(String::from_utf8(content).unwrap()).into_bytes();
        }
        after.start_file(name, stored).unwrap();
        after.write_all(&content).unwrap();
    }
    after.finish().unwrap().into_inner()
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
            .replace("aten.gelu.default", "aten.celu.default")
            .replace("aten.select.int", "custom.pick.one")
    });
    let error = error(&strange);
    assert!(
        matches!(error, FormatError::UnsupportedOperations { .. }),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains("aten.celu.default, custom.pick.one"),
        "{text}"
    );
    assert_eq!(text.matches("celu").count(), 1);
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
    assert!(error(&old).to_string().contains("schema is version 7"));
}

/// SplitMix64: the same damage on every machine.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 8) as usize
}

#[test]
fn damaged_graphs_give_errors_or_networks() {
    // Pieces of JSON with which a graph says something else, but still says it well.
    const PIECES: [(&str, &str); 14] = [
        ("\"as_int\":1", "\"as_int\":-3"),
        ("\"as_int\":2", "\"as_int\":9223372036854775807"),
        ("\"as_ints\":[", "\"as_ints\":[0,"),
        ("\"as_ints\":[", "\"as_ints\":[1048576,"),
        ("\"as_ints\":[2,", "\"as_ints\":[1099511627776,"),
        (
            "\"as_tensor\":{\"name\":\"p_",
            "\"as_tensor\":{\"name\":\"q_",
        ),
        ("\"name\":\"x\"", "\"name\":\"linear\""),
        ("\"as_bool\":false", "\"as_bool\":true"),
        ("\"as_float\":", "\"as_float\":-1e38,\"as_none\":"),
        ("aten.add.Tensor", "aten.matmul.default"),
        ("aten.linear.default", "aten.conv2d.default"),
        ("aten.transpose.int", "aten.unsqueeze.default"),
        ("\"sizes\":[{\"as_int\":", "\"sizes\":[{\"as_int\":1"),
        ("aten.layer_norm.default", "aten.softmax.int"),
    ];
    let whole = changed("vit", |graph| graph);
    let mut state = 11;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.pt2");
    let mut errors = 0;
    for round in 0..240 {
        let bytes = match round % 4 {
            0 => whole[..random(&mut state) % whole.len()].to_vec(),
            1 => {
                let mut bytes = whole.clone();
                for _ in 0..4 {
                    let place = random(&mut state) % bytes.len();
                    bytes[place] ^= 1 << (random(&mut state) % 8);
                }
                bytes
            }
            _ => {
                let (from, to) = PIECES[random(&mut state) % PIECES.len()];
                let nth = random(&mut state);
                changed("vit", |graph| {
                    let places: Vec<usize> = graph.match_indices(from).map(|(at, _)| at).collect();
                    match places.len() {
                        0 => graph,
                        count => {
                            let at = places[nth % count];
                            format!("{}{to}{}", &graph[..at], &graph[at + from.len()..])
                        }
                    }
                })
            }
        };
        fs::write(&file, &bytes).unwrap();
        match load_model(&file, None) {
            Ok(model) => assert!(!model.card.specification.blocks.is_empty()),
            Err(error) => {
                assert!(error.to_string().contains("damaged.pt2"), "{error}");
                errors += 1;
            }
        }
    }
    assert!(errors > 100, "{errors}");
}
