//! Model files that are hostile, damaged or odd: refused at once, with file and layer named, or
//! opened with a note.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pathscope::data::Normalization;
use pathscope::format::{
    Fault, FloatStorage, FormatError, LoadNote, Model, ModelCard, load_model, open,
    save_safetensors, state_of,
};
use pathscope::network::{Architecture, Family, FeatureShape, TrainableNetwork, Unit};
use serde_json::{Value, json};
use tch::{Kind, Tensor};
use tempfile::{TempDir, tempdir};

/// A small network in a file, its card changed by `change` and its tensors by `replace`.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("odd.safetensors")
    }

    fn model(
        &self,
        change: impl Fn(&mut Value),
        replace: impl Fn(&str, Tensor) -> Tensor,
    ) -> Result<Model, FormatError> {
        let specification = Architecture::cifar(Family::Preresnet, Unit::Basic, 8, 1, 3, 10)
            .and_then(|architecture| architecture.build())
            .unwrap();
        let network = TrainableNetwork::initialized(&specification, 1).unwrap();
        let card = ModelCard {
            title: "odd".into(),
            specification,
            input: FeatureShape {
                channels: 3,
                height: 32,
                width: 32,
            },
            normalization: Normalization::preset("half").unwrap(),
            framing: None,
            class_names: Vec::new(),
            evaluation: None,
            training: None,
        };
        let mut card = serde_json::to_value(card).unwrap();
        change(&mut card);
        let tensors: Vec<(String, Tensor)> = state_of(&network)
            .into_iter()
            .map(|(name, tensor)| {
                let tensor = replace(&name, tensor);
                (name, tensor)
            })
            .collect();
        let metadata = BTreeMap::from([("pathscope".to_owned(), card.to_string())]);
        save_safetensors(&self.file(), &tensors, &metadata, FloatStorage::AsTheyAre).unwrap();
        load_model(&self.file(), None)
    }
}

/// The message, which is one short line and names the file.
#[track_caller]
fn message(error: &FormatError) -> String {
    let message = error.to_string();
    assert!(message.contains("odd."), "{message}");
    assert!(!message.chars().any(char::is_control), "{message:?}");
    assert!(message.chars().count() <= 500, "{message}");
    message
}

#[test]
fn cards_that_cannot_be_built_are_refused_with_the_layer_named() {
    let desk = Desk::new();
    assert!(desk.model(|_| (), |_, tensor| tensor).is_ok());
    let stem = "/specification/stem/0";
    let first = "/specification/blocks/0/branches/0/0";
    let relu = "/specification/blocks/1/branches/0/0";
    let pool = |stride: i64| json!({"operation": "average_pool", "kernel": 2, "stride": stride});
    let huge = 1_i64 << 40;
    for (place, value, named) in [
        (format!("{stem}/stride"), json!(0), "conv"),
        (format!("{stem}/stride"), json!(-1), "conv"),
        (format!("{stem}/groups"), json!(0), "conv"),
        (format!("{stem}/groups"), json!(2), "conv"),
        (format!("{stem}/kernel"), json!(0), "conv"),
        (format!("{stem}/kernel"), json!(huge), "conv"),
        (format!("{stem}/inputs"), json!(0), "conv"),
        (format!("{stem}/outputs"), json!(0), "conv"),
        (format!("{stem}/outputs"), json!(17), "layer"),
        (format!("{stem}/outputs"), json!(i64::MAX), "conv"),
        (format!("{stem}/padding"), json!(-1), "conv"),
        (format!("{stem}/padding"), json!(huge), "conv"),
        (first.into(), pool(0), "average pooling of block 0"),
        (first.into(), pool(-2), "average pooling of block 0"),
        (relu.into(), pool(0), "average pooling of block 1"),
        (
            relu.into(),
            json!({"operation": "pad_shortcut", "stride": 0, "before": 0, "after": 0}),
            "padding shortcut of block 1",
        ),
        (
            relu.into(),
            json!({"operation": "pad_shortcut", "stride": 1, "before": huge, "after": 0}),
            "padding shortcut of block 1",
        ),
        (
            relu.into(),
            json!({"operation": "max_pool", "kernel": 2, "stride": 2, "padding": 9}),
            "maximum pooling of block 1",
        ),
        (
            relu.into(),
            json!({"operation": "zero_pad", "padding": huge}),
            "zero padding of block 1",
        ),
        ("/input/height".into(), json!(0), "inputs of shape 3x0x32"),
        ("/input/width".into(), json!(huge), "inputs of shape"),
        ("/input/channels".into(), json!(1), "conv"),
    ] {
        let change = |card: &mut Value| {
            if let Some(found) = card.pointer_mut(&place) {
                *found = value.clone();
                return;
            }
            let (parent, key) = place.rsplit_once('/').unwrap();
            card.pointer_mut(parent).unwrap()[key] = value.clone();
        };
        let error = desk.model(change, |_, tensor| tensor).unwrap_err();
        let message = message(&error);
        assert!(message.contains(named), "{place} = {value}: {message}");
    }
    let nothing = |card: &mut Value| {
        card["specification"]["blocks"][2] = json!({
            "name": "empty", "pre": [], "skip": null, "branches": [], "post": []
        });
    };
    let error = desk.model(nothing, |_, tensor| tensor).unwrap_err();
    assert!(message(&error).contains("block 2"), "{error}");
}

#[test]
fn parameters_of_other_types_than_floating_point_are_refused_by_name() {
    for kind in [Kind::Bool, Kind::Uint8, Kind::Int64, Kind::Int8] {
        let desk = Desk::new();
        let of_kind = |name: &str, tensor: Tensor| match name.ends_with("conv2.weight") {
            true => tensor.to_kind(kind),
            false => tensor,
        };
        let error = desk.model(|_| (), of_kind).unwrap_err();
        assert!(matches!(*error.fault, Fault::Entry { .. }), "{error}");
        let message = message(&error);
        assert!(message.contains("conv2.weight"), "{message}");
        assert!(message.contains(&format!("{kind:?}")), "{message}");
    }
}

#[test]
fn parameters_that_are_not_finite_are_named() {
    let desk = Desk::new();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let spoilt = |name: &str, tensor: Tensor| match name {
            name if name.ends_with("running_var") => tensor.fill(value),
            _ => tensor,
        };
        let model = desk.model(|_| (), spoilt).unwrap();
        let note = model.notes.iter().find_map(|note| match note {
            LoadNote::NotFinite { tensors, first } => Some((*tensors, first.clone())),
            _ => None,
        });
        let (tensors, first) = note.unwrap();
        assert!(tensors > 3 && first.ends_with("running_var"), "{first}");
    }
    let model = desk.model(|_| (), |_, tensor| tensor).unwrap();
    assert_eq!(model.notes, []);
}

#[test]
fn what_a_card_is_called_cannot_write_to_the_terminal() {
    let desk = Desk::new();
    let names = |card: &mut Value| {
        card["title"] = json!("a\u{1b}]0;owned\u{7}\nerror: fake");
        card["specification"]["blocks"][0]["name"] = json!("b\r\u{202e}");
    };
    let card = desk.model(names, |_, tensor| tensor).unwrap().card;
    assert_eq!(card.title, r"a\u{1b}]0;owned\u{7}\nerror: fake");
    assert_eq!(card.specification.blocks[0].name, r"b\r\u{202e}");
    // What serde quotes from the file is bounded and escaped as well.
    for operation in ["\u{1b}[31m\nerror: fake".to_owned(), "x".repeat(1 << 20)] {
        let unknown = |card: &mut Value| {
            card["specification"]["stem"][0]["operation"] = json!(operation);
        };
        message(&desk.model(unknown, |_, tensor| tensor).unwrap_err());
    }
}

#[cfg(unix)]
#[test]
fn only_regular_files_are_opened() {
    let folder = tempdir().unwrap();
    let pipe = folder.path().join("pipe.pth");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for place in [&pipe, Path::new("/dev/zero")] {
        let error = load_model(place, None).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }
    // A folder may hold a model; this one holds none.
    let error = load_model(folder.path(), None).unwrap_err();
    assert!(
        error.to_string().contains("a folder without a model"),
        "{error}"
    );
}

/// A zip archive of `torch.save` around a pickle.
fn checkpoint(pickle: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let plain =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("archive/data.pkl", plain).unwrap();
    archive.write_all(pickle).unwrap();
    archive.finish().unwrap().into_inner()
}

#[test]
fn wide_and_deep_pickles_take_time_in_proportion_to_their_length() {
    let text = |text: &str| {
        let length = u8::try_from(text.len()).unwrap();
        [b"\x8c", &[length][..], text.as_bytes()].concat()
    };
    let repeated = |part: &[u8], times: usize| part.repeat(times);
    // One long list, from which an OrderedDict is made again and again.
    let ordered = [
        &b"\x80\x02("[..],
        &repeated(b"N", 400_000),
        b"lq\x000ccollections\nOrderedDict\nq\x010(",
        &repeated(b"h\x01h\x00\x85R", 100_000),
        b"l.",
    ]
    .concat();
    // Many dictionaries whose entry `model` is the same large dictionary without tensors.
    let large: Vec<u8> = (0..60_000_u32)
        .flat_map(|number| [b"J", &number.to_le_bytes()[..], b"N"].concat())
        .collect();
    let wrappers: Vec<u8> = (0..60_000_u32)
        .flat_map(|number| {
            let key = [b"J", &number.to_le_bytes()[..]].concat();
            [&key[..], b"}h\x01h\x00s"].concat()
        })
        .collect();
    let wrapped = [
        &b"\x80\x02}("[..],
        &large,
        b"uq\x000",
        &text("model"),
        b"q\x010}(",
        &wrappers,
        b"u.",
    ]
    .concat();
    // The same large dictionary as each of many entries.
    let entries: Vec<u8> = (0..100_000_u32)
        .flat_map(|number| [b"J", &number.to_le_bytes()[..], b"h\x00"].concat())
        .collect();
    let shared = [&b"\x80\x02}("[..], &large, b"uq\x000}(", &entries, b"u."].concat();
    let folder = tempdir().unwrap();
    for (name, pickle) in [
        ("ordered", ordered),
        ("wrapped", wrapped),
        ("shared", shared),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, checkpoint(&pickle)).unwrap();
        let start = Instant::now();
        assert!(open(&file).is_err());
        let elapsed = start.elapsed();
        assert!(elapsed < Duration::from_secs(5), "{name}: {elapsed:?}");
    }
}

#[test]
fn names_of_tensors_are_shown_short_and_on_one_line() {
    let desk = Desk::new();
    for name in [
        "a\nerror: fake".to_owned(),
        "\u{1b}[2J\u{9b}31m".to_owned(),
        "x".repeat(1 << 20),
        "\u{202e}\u{2066}".to_owned(),
    ] {
        let tensors = [(name, Tensor::ones([2], (Kind::Float, tch::Device::Cpu)))];
        save_safetensors(
            &desk.file(),
            &tensors,
            &BTreeMap::new(),
            FloatStorage::AsTheyAre,
        )
        .unwrap();
        let error = load_model(&desk.file(), None).unwrap_err();
        assert!(matches!(*error.fault, Fault::UnknownArchitecture { .. }));
        message(&error);
    }
}
