//! Model files damaged at random with fixed seeds, as a fuzzer would: errors or tensors, never a
//! panic, a hang, or more memory than a small multiple of the file. `PATHSCOPE_MUTATIONS` sets the
//! rounds for each file; `fuzz/` holds the same for cargo-fuzz.

#[allow(dead_code, reason = "each test file uses some of these")]
mod damage;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use damage::{Form, damaged};
use pathscope::format::{FloatStorage, load_model, open, save_safetensors};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

fn samples() -> Vec<(String, Vec<u8>)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut samples: Vec<(String, Vec<u8>)> = [
        "plain.pt",
        "wrapped.pth",
        "wrapped_protocol_5.pt",
        "types.pt",
        "views.pt",
        "types_legacy.pt",
        "views_legacy.pt",
        "legacy_protocol_4.pt",
        "module.pt",
        "torchscript.pt",
        "exported.pt2",
        "exported/mixer.pt2",
        "exported/gpt.pt2",
    ]
    .into_iter()
    .map(|name| (name.to_owned(), fs::read(fixtures.join(name)).unwrap()))
    .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    let tensors = [
        (
            "a.weight".to_owned(),
            Tensor::from_slice(&[1_f32, 2.0, 3.0]).reshape([3, 1]),
        ),
        ("a.count".to_owned(), Tensor::from_slice(&[7_i64])),
    ];
    let metadata = BTreeMap::from([("arch".to_owned(), "small".to_owned())]);
    save_safetensors(file.path(), &tensors, &metadata, FloatStorage::AsTheyAre).unwrap();
    samples.push(("made.safetensors".into(), fs::read(file.path()).unwrap()));
    samples
}

fn form(name: &str) -> Form {
    match name {
        name if name.ends_with(".safetensors") => Form::Safetensors,
        name if name.contains("legacy") => Form::Bytes,
        _ => Form::Zip,
    }
}

#[test]
fn damaged_files_are_refused_or_read_within_bounds() {
    let rounds = std::env::var("PATHSCOPE_MUTATIONS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(120);
    let samples = samples();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.bin");
    let mut random = ChaCha8Rng::seed_from_u64(1609);
    let (mut refused, mut read, mut slowest) = (0, 0, Duration::ZERO);
    for (name, whole) in &samples {
        for round in 0..rounds {
            let (_, other) = &samples[random.random_range(0..samples.len())];
            let bytes = damaged(whole, form(name), other, &mut random);
            fs::write(&file, &bytes).unwrap();
            let begin = Instant::now();
            match open(&file) {
                Ok(held) => {
                    for (tensor_name, tensor) in held.tensors() {
                        let size = tensor.numel() * tensor.kind().elt_size_in_bytes();
                        let bound = 2 * bytes.len();
                        assert!(size <= bound, "{name}, round {round}: {tensor_name} {size}");
                    }
                    read += 1;
                }
                Err(error) => {
                    assert!(error.to_string().contains("damaged.bin"), "{name}: {error}");
                    refused += 1;
                }
            }
            if let Err(error) = load_model(&file, None) {
                assert!(error.to_string().contains("damaged.bin"), "{name}: {error}");
            }
            slowest = slowest.max(begin.elapsed());
        }
    }
    assert!(refused > read / 4, "{refused} refused, {read} read");
    // Generous: no timing, but the end of a hang.
    assert!(slowest < Duration::from_secs(60), "{slowest:?}");
}
