//! Checkpoints that PyTorch 2.11 wrote (`tests/fixtures/make_checkpoints.py`), read here;
//! and files written here, read again.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use pathscope::format::{
    Fault, FloatStorage, LoadNote, StateDict, open, save_pytorch, save_safetensors,
};
use tch::{Kind, Tensor};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn read(name: &str) -> StateDict {
    open(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All numbers in row-major order.
fn numbers(held: &StateDict, name: &str) -> Vec<f64> {
    let tensor = held.get(name).unwrap_or_else(|| panic!("{name} is absent"));
    Vec::try_from(tensor.to_kind(Kind::Double).contiguous().flatten(0, -1)).unwrap()
}

/// `first/4, (first + step)/4, ...`
fn quarters(numerators: &[i64]) -> Vec<f64> {
    numerators.iter().map(|&n| n as f64 / 4.0).collect()
}

const PLAIN: [&str; 6] = [
    "conv.weight",
    "norm.weight",
    "norm.bias",
    "norm.running_mean",
    "norm.running_var",
    "norm.num_batches_tracked",
];

#[test]
fn a_plain_state_dict_keeps_names_order_and_numbers() {
    for name in ["plain.pt", "legacy_protocol_4.pt"] {
        let held = read(name);
        assert_eq!(held.names().collect::<Vec<_>>(), PLAIN, "{name}");
        assert_eq!(held.get("conv.weight").unwrap().size(), [3, 2, 1, 1]);
        assert_eq!(numbers(&held, "conv.weight"), quarters(&[0, 1, 2, 3, 4, 5]));
        assert_eq!(
            held.get("norm.num_batches_tracked").unwrap().kind(),
            Kind::Int64
        );
        assert!(held.notes().is_empty(), "{name}: {:?}", held.notes());
    }
}

#[test]
fn wrapping_and_prefix_are_undone_and_told() {
    for name in ["wrapped.pth", "wrapped_protocol_5.pt"] {
        let held = read(name);
        assert_eq!(held.names().collect::<Vec<_>>(), PLAIN, "{name}");
        assert_eq!(held.metadata()["arch"], "small");
        assert_eq!(held.metadata()["epoch"], "3");
        assert_eq!(held.metadata()["best"], "0.5");
        let notes: Vec<String> = held.notes().iter().map(ToString::to_string).collect();
        assert_eq!(
            notes,
            [
                "`epoch` left out: the integer 3",
                "`arch` left out: the text \"small\"",
                "`best` left out: the number 0.5",
                "the entry `state_dict_ema` holds tensors as well; they were left out",
                "`optimizer` left out: a dictionary of 2",
                "tensors taken from the entry `state_dict`",
                "`module.` removed from 6 names",
            ],
            "{name}"
        );
    }
}

#[test]
fn every_type_of_numbers_is_read_as_it_is() {
    let kinds = [
        ("float16", Kind::Half),
        ("bfloat16", Kind::BFloat16),
        ("float32", Kind::Float),
        ("float64", Kind::Double),
        ("int64", Kind::Int64),
        ("int32", Kind::Int),
        ("int16", Kind::Int16),
        ("int8", Kind::Int8),
        ("uint8", Kind::Uint8),
    ];
    for file in ["types.pt", "types_legacy.pt"] {
        let held = read(file);
        for (name, kind) in kinds {
            assert_eq!(held.get(name).unwrap().kind(), kind, "{file}");
            assert_eq!(held.get(name).unwrap().size(), [2, 3], "{file}");
            assert_eq!(
                numbers(&held, name),
                [0., 1., 2., 3., 4., 5.],
                "{file} {name}"
            );
        }
        assert_eq!(held.get("bool").unwrap().kind(), Kind::Bool);
        assert_eq!(numbers(&held, "bool"), [1., 0., 1., 0., 0., 1.]);
        assert_eq!(held.get("scalar").unwrap().size(), [0_i64; 0]);
        assert_eq!(numbers(&held, "scalar"), [7.]);
        assert_eq!(held.get("empty").unwrap().size(), [0, 3]);
        let wide = held.to_float32().unwrap();
        for (name, _) in &kinds[..4] {
            assert_eq!(wide.get(name).unwrap().kind(), Kind::Float);
            assert_eq!(numbers(&wide, name), [0., 1., 2., 3., 4., 5.]);
        }
        assert_eq!(wide.get("int64").unwrap().kind(), Kind::Int64);
    }
}

#[test]
fn views_see_their_part_of_a_shared_storage() {
    for file in ["views.pt", "views_legacy.pt"] {
        let held = read(file);
        assert_eq!(held.get("transposed").unwrap().size(), [6, 4]);
        assert_eq!(
            numbers(&held, "transposed")[..5],
            quarters(&[0, 6, 12, 18, 1])
        );
        assert_eq!(
            numbers(&held, "every_other"),
            quarters(&[6, 8, 10, 12, 14, 16, 18, 20, 22])
        );
        assert_eq!(numbers(&held, "first_half"), quarters(&[0, 1, 2, 3]));
        assert_eq!(numbers(&held, "last_half"), quarters(&[4, 5, 6, 7]));
        let whole = held.get("parameter").unwrap();
        assert_eq!(
            numbers(&held, "parameter"),
            quarters(&[0, 1, 2, 3, 4, 5, 6, 7])
        );
        assert_eq!(
            whole.data_ptr(),
            held.get("first_half").unwrap().data_ptr(),
            "{file}"
        );
        let image = held.get("channels_last").unwrap();
        assert_eq!(image.stride(), [12, 1, 6, 3]);
        assert_eq!(
            numbers(&held, "channels_last"),
            quarters(&(0..24).collect::<Vec<_>>())
        );
    }
}

#[test]
fn a_pickled_module_gives_its_tensors_without_its_code() {
    let held = read("module.pt");
    assert_eq!(held.names().collect::<Vec<_>>(), PLAIN);
    assert_eq!(numbers(&held, "conv.weight"), quarters(&[0, 1, 2, 3, 4, 5]));
    assert!(
        held.notes()
            .contains(&LoadNote::ModuleRead("__main__.Small".to_owned()))
    );
}

#[test]
fn programs_give_their_tensors_and_graphs_are_models() {
    let script = read("torchscript.pt");
    let mut names: Vec<&str> = script.names().collect();
    let mut plain = PLAIN;
    names.sort_unstable();
    plain.sort_unstable();
    assert_eq!(names, plain);
    assert_eq!(
        numbers(&script, "conv.weight"),
        quarters(&[0, 1, 2, 3, 4, 5])
    );
    assert!(
        script
            .notes()
            .iter()
            .any(|note| matches!(note, LoadNote::ScriptRead { .. }))
    );
    let graph = open(&fixture("exported.pt2")).unwrap_err();
    assert!(matches!(*graph.fault, Fault::ExportedProgram), "{graph}");
    assert!(graph.to_string().contains("read it as a model"));
}

#[test]
fn a_type_without_a_place_here_is_named() {
    let error = open(&fixture("unsigned_16.pt")).unwrap_err().to_string();
    assert!(
        error.contains("`a`") && error.contains("torch.uint16"),
        "{error}"
    );
}

#[test]
fn other_files_are_described_by_their_first_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let said = |bytes: &[u8]| {
        let file = folder.path().join("model.pt");
        fs::write(&file, bytes).unwrap();
        open(&file).unwrap_err().to_string()
    };
    assert!(said(b"").contains("is empty"));
    assert!(said(b"version https://git-lfs.github.com/spec/v1\n").contains("git lfs pull"));
    assert!(said(b"<!DOCTYPE html>").contains("web page"));
    assert!(said(b"\x1f\x8b\x08\x00").contains("gzip"));
    assert!(said(b"\x80\x02}q\x00.").contains("Python pickle (protocol 2)"));
    assert!(said(b"\x01\x02\x03").contains("starts with the bytes 01 02 03"));
    assert!(
        open(folder.path())
            .unwrap_err()
            .to_string()
            .contains("not a regular file")
    );
    assert!(matches!(
        open(&folder.path().join("none")),
        Err(error) if matches!(*error.fault, Fault::Read(_))
    ));
}

/// Tensors of all types, one of them a strided view.
fn assorted() -> Vec<(String, Tensor)> {
    let mut tensors: Vec<(String, Tensor)> = read("types.pt")
        .tensors()
        .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()))
        .collect();
    let view = read("views.pt").take("transposed").unwrap();
    tensors.push(("layer1.0.weight".to_owned(), view));
    tensors
}

fn assert_same(held: &StateDict, expected: &[(String, Tensor)]) {
    assert_eq!(held.len(), expected.len());
    for (name, tensor) in expected {
        let read = held.get(name).unwrap_or_else(|| panic!("{name} is absent"));
        assert_eq!(read.kind(), tensor.kind(), "{name}");
        assert_eq!(read.size(), tensor.size(), "{name}");
        assert!(read.equal(tensor), "{name}");
    }
}

#[test]
fn safetensors_return_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    let metadata = BTreeMap::from([("arch".to_owned(), "resnet \"20\"\n".to_owned())]);
    let tensors = assorted();
    save_safetensors(&file, &tensors, &metadata, FloatStorage::AsTheyAre).unwrap();
    let held = open(&file).unwrap();
    assert_same(&held, &tensors);
    assert_eq!(held.metadata(), &metadata);
    let first = fs::read(&file).unwrap();
    save_safetensors(&file, &tensors, &metadata, FloatStorage::AsTheyAre).unwrap();
    assert_eq!(
        first,
        fs::read(&file).unwrap(),
        "the same tensors give the same bytes"
    );
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no temporary file is left"
    );
}

#[test]
fn half_storage_narrows_what_stays_finite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("half.safetensors");
    let tensors = vec![
        ("weight".to_owned(), Tensor::from_slice(&[0.5_f32, -3.0])),
        (
            "variance".to_owned(),
            Tensor::from_slice(&[70_000_f32, 1.0]),
        ),
        ("count".to_owned(), Tensor::from_slice(&[100_000_i64])),
    ];
    save_safetensors(&file, &tensors, &BTreeMap::new(), FloatStorage::Half).unwrap();
    let held = open(&file).unwrap();
    assert_eq!(held.get("weight").unwrap().kind(), Kind::Half);
    assert_eq!(held.get("variance").unwrap().kind(), Kind::Float);
    assert_eq!(held.get("count").unwrap().kind(), Kind::Int64);
    assert_same(&held.to_float32().unwrap(), &tensors);
}

#[test]
fn pytorch_files_return_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.pt");
    let tensors = assorted();
    save_pytorch(&file, &tensors).unwrap();
    let held = open(&file).unwrap();
    assert_same(&held, &tensors);
    assert!(
        held.names()
            .eq(tensors.iter().map(|(name, _)| name.as_str()))
    );
    assert!(held.notes().is_empty());
}

#[test]
fn storages_are_plain_and_aligned() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.pt");
    save_pytorch(&file, &assorted()).unwrap();
    let mut archive = zip::ZipArchive::new(fs::File::open(&file).unwrap()).unwrap();
    for place in 0..archive.len() {
        let entry = archive.by_index(place).unwrap();
        assert_eq!(entry.compression(), zip::CompressionMethod::Stored);
        assert_eq!(entry.data_start().unwrap() % 64, 0);
    }
}

#[test]
fn a_repeated_name_is_refused_and_the_old_file_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model");
    fs::write(&file, "old").unwrap();
    let twice = || ("a".to_owned(), Tensor::from_slice(&[1_f32]));
    let metadata = BTreeMap::new();
    let saved = [
        save_pytorch(&file, &[twice(), twice()]),
        save_safetensors(
            &file,
            &[twice(), twice()],
            &metadata,
            FloatStorage::AsTheyAre,
        ),
    ];
    for result in saved {
        assert!(matches!(
            result,
            Err(error) if matches!(*error.fault, Fault::Unwritable { .. })
        ));
        assert_eq!(fs::read(&file).unwrap(), b"old");
    }
}

mod needs_torch {
    use super::*;

    #[test]
    #[ignore = "needs a Python with torch and safetensors"]
    fn pytorch_reads_our_files() {
        let python = std::env::var("PATHSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
        let folder = tempfile::tempdir().unwrap();
        let tensors = assorted();
        save_pytorch(&folder.path().join("model.pt"), &tensors).unwrap();
        let safe = folder.path().join("model.safetensors");
        save_safetensors(&safe, &tensors, &BTreeMap::new(), FloatStorage::AsTheyAre).unwrap();
        let script = "
import sys, torch
expected = torch.load(sys.argv[2] + '/types.pt', weights_only=True)
expected['layer1.0.weight'] = torch.load(sys.argv[2] + '/views.pt', weights_only=True)['transposed']
held = [torch.load(sys.argv[1] + '/model.pt', weights_only=True, mmap=m) for m in (False, True)]
from safetensors.torch import load_file
held.append(load_file(sys.argv[1] + '/model.safetensors'))
for one in held:
    assert one.keys() == expected.keys()
    for name, tensor in expected.items():
        assert one[name].dtype == tensor.dtype and torch.equal(one[name], tensor), name
assert list(held[0]) == list(expected)
";
        let status = Command::new(python)
            .args(["-c", script])
            .arg(folder.path())
            .arg(fixture(""))
            .status()
            .unwrap();
        assert!(status.success());
    }
}
