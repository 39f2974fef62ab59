//! Archives of `torch.export` damaged at random with fixed seeds: networks or errors, never a panic,
//! a hang, or more memory than the bounds of opening allow.

#[allow(dead_code, reason = "each test file uses some of these")]
mod graphs;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pathscope::format::load_model;

const NAMES: [&str; 12] = [
    "vit",
    "vit-dynamic",
    "mixer",
    "gpt",
    "squeeze",
    "groups",
    "hf-bert",
    "hf-gpt2",
    "hf-llama",
    "hf-neox",
    "hf-swin",
    "torch-2.15.0-attention",
];
const ARCHIVES: usize = 504;

/// Pieces of JSON with which a graph says something else, but still says it well.
const PIECES: [(&str, &str); 19] = [
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
    ("\"as_int\":1", "\"as_int\":4000000000"),
    ("\"as_string\":\"", "\"as_string\":\"\\u001b["),
    ("\"as_name\":\"sym", "\"as_name\":\"x"),
    ("aten.view.default", "aten.expand.default"),
    ("torch.ops.aten.", "torch.ops.aten.new_"),
];

/// SplitMix64: the same damage on every machine.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 8) as usize
}

fn path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/exported");
    folder.join(format!("{name}.pt2"))
}

/// The archive with one piece of its graph replaced.
fn with_another_piece(whole: &[u8], state: &mut u64) -> Vec<u8> {
    graphs::with_graph(whole, |graph| replaced(&graph, state))
}

fn replaced(graph: &str, state: &mut u64) -> String {
    let fits = |(from, _): &&(&str, &str)| graph.contains(from);
    let fitting: Vec<&(&str, &str)> = PIECES.iter().filter(fits).collect();
    let (from, to) = fitting[random(state) % fitting.len()];
    let places: Vec<usize> = graph.match_indices(from).map(|(at, _)| at).collect();
    let at = places[random(state) % places.len()];
    format!("{}{to}{}", &graph[..at], &graph[at + from.len()..])
}

fn damaged(whole: &[u8], round: usize, state: &mut u64) -> Vec<u8> {
    match round % 6 {
        0 => whole[..random(state) % whole.len()].to_vec(),
        1 => {
            let mut bytes = whole.to_vec();
            for _ in 0..4 {
                let place = random(state) % bytes.len();
                bytes[place] ^= 1 << (random(state) % 8);
            }
            bytes
        }
        _ => with_another_piece(whole, state),
    }
}

/// Most memory that this process has held.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    1024 * kilobytes.unwrap()
}

#[test]
fn damaged_archives_are_networks_or_errors_within_bounds() {
    let wholes = NAMES.map(|name| fs::read(path(name)).unwrap());
    let mut state = 11;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.pt2");
    let (mut errors, mut slowest) = (0, Duration::ZERO);
    for round in 0..ARCHIVES {
        let whole = &wholes[round / 6 % NAMES.len()];
        fs::write(&file, damaged(whole, round, &mut state)).unwrap();
        let begin = Instant::now();
        match load_model(&file, None) {
            Ok(model) => assert!(!model.card.specification.blocks.is_empty()),
            Err(error) => {
                assert!(error.to_string().contains("damaged.pt2"), "{error}");
                errors += 1;
            }
        }
        slowest = slowest.max(begin.elapsed());
    }
    assert!(errors > ARCHIVES / 3, "{errors}");
    // Generous, for busy machines: the end of a hang.
    assert!(slowest < Duration::from_secs(60), "{slowest:?}");
    if cfg!(target_os = "linux") {
        // 256 MiB and 64 times the file may be asked for while a graph is tried.
        let peak = peak_bytes();
        assert!(peak < 1 << 30, "{} MiB", peak >> 20);
    }
}
