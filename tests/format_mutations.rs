//! Model files damaged at random with fixed seeds, as a fuzzer would: errors or tensors, never a
//! panic, a hang, or more memory than a small multiple of the file. `PATHSCOPE_MUTATIONS` sets the
//! rounds for each file; `fuzz/` holds the same for cargo-fuzz.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use pathscope::format::{FloatStorage, load_model, open, save_safetensors};
use tch::Tensor;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 8) as usize % end.max(1)
    }
}

/// Numbers that lengths, counts and offsets are replaced by.
const EXTREMES: [u64; 9] = [
    0,
    1,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

fn damage(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let place = random.below(bytes.len());
    match random.below(8) {
        0 => bytes[place] ^= 1 << random.below(8),
        1 => bytes[place] = random.below(256) as u8,
        2 => drop(bytes.drain(place..(place + 1 + random.below(16)).min(bytes.len()))),
        3 => {
            let end = (place + 1 + random.below(64)).min(bytes.len());
            let again = bytes[place..end].to_vec();
            bytes.splice(place..place, again);
        }
        4 => {
            let width = 1 << random.below(4);
            let value = EXTREMES[random.below(EXTREMES.len())].to_le_bytes();
            for (byte, new) in bytes[place..].iter_mut().zip(&value[..width]) {
                *byte = *new;
            }
        }
        5 => bytes.truncate(place),
        // Where the directories of archives and the headers stand.
        6 => {
            let near = bytes.len().min(512);
            let at = match random.below(2) {
                0 => random.below(near),
                _ => bytes.len() - 1 - random.below(near),
            };
            bytes[at] = random.below(256) as u8;
        }
        // A piece of another file.
        _ => {
            let from = random.below(other.len());
            let end = (from + 1 + random.below(256)).min(other.len());
            let length = (end - from).min(bytes.len() - place);
            bytes[place..place + length].copy_from_slice(&other[from..from + length]);
        }
    }
}

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

#[test]
fn damaged_files_are_refused_or_read_within_bounds() {
    let rounds = std::env::var("PATHSCOPE_MUTATIONS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(120);
    let samples = samples();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.bin");
    let mut random = Random(1609);
    let (mut refused, mut read, mut slowest) = (0, 0, Duration::ZERO);
    for (name, whole) in &samples {
        for round in 0..rounds {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(5) {
                let (_, other) = &samples[random.below(samples.len())];
                if !bytes.is_empty() {
                    damage(&mut bytes, other, &mut random);
                }
            }
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
