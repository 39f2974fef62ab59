//! Exported graphs that ask for more memory, pieces or work than opening them may take, and those
//! whose numbers no operation takes: opened within the limits, or refused.

#[allow(dead_code, reason = "each test file uses some of these")]
mod graphs;
mod limits;

use std::fs;

use graphs::{beginning_with, float, full, int, ints, kind, node, tensor, tensors};
use serde_json::{Value, json};

/// Inspects a network with further operations; the refusal, where there was one.
#[track_caller]
fn inspected(what: &str, nodes: Vec<Value>) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("odd.pt2"),
        beginning_with("mixer.pt2", nodes),
    )
    .unwrap();
    let ended = limits::run(folder.path(), &["inspect", "odd.pt2"]);
    let refusal = ended.refusal("odd.pt2");
    refusal
        .unwrap_or_else(|wrong| panic!("{what}: {wrong}"))
        .map(str::to_owned)
}

#[track_caller]
fn refused(what: &str, nodes: Vec<Value>) {
    let refusal = inspected(what, nodes);
    assert!(refusal.is_some(), "{what} was opened");
}

/// `count` tensors of `size`, all of which are joined.
fn creations(count: usize, size: &[i64]) -> Vec<Value> {
    let names: Vec<String> = (0..count).map(|number| format!("c{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut nodes: Vec<Value> = names.iter().map(|name| full(size, 1.0, 8, name)).collect();
    let joined = [("tensors", tensors(&names)), ("dim", int(0))];
    nodes.push(node("cat.default", &joined, &["odd"]));
    nodes
}

#[test]
fn what_the_builder_of_these_tests_adds_is_run() {
    assert_eq!(
        inspected("one number", vec![full(&[1], 0.0, 7, "odd")]),
        None
    );
    let wrong = vec![node(
        "relu.default",
        &[("self", tensor("absent"))],
        &["odd"],
    )];
    refused("an operand that is nowhere", wrong);
}

#[test]
fn creations_share_one_budget() {
    refused("40 creations", creations(40, &[4096, 4096]));
    refused("200 creations", creations(200, &[4096, 1024]));
    refused(
        "one creation",
        vec![full(&[1 << 20, 1 << 20], 0.0, 8, "odd")],
    );
    // Nothing uses them.
    let mut unused = creations(60, &[4096, 4096]);
    unused.pop();
    inspected("60 unused creations", unused);
}

#[test]
fn what_grows_by_joining_and_spreading_is_bounded() {
    let large = || full(&[1 << 22], 1.0, 7, "large");
    let again = tensors(&["large"; 80]);
    let joined = node(
        "cat.default",
        &[("tensors", again), ("dim", int(0))],
        &["odd"],
    );
    refused("one tensor joined 80 times", vec![large(), joined]);
    let padded = [
        ("self", tensor("x")),
        ("pad", ints(&[14_000; 4])),
        ("value", float(0.0)),
    ];
    refused(
        "a large margin",
        vec![node("constant_pad_nd.default", &padded, &["odd"])],
    );
    let spread = [
        ("self", tensor("x")),
        ("output_size", ints(&[14_000, 14_000])),
    ];
    refused(
        "a large pool",
        vec![node("adaptive_avg_pool2d.default", &spread, &["odd"])],
    );
    let doubled = |from: &str, to: &str| {
        let twice = tensors(&[from, from]);
        node("cat.default", &[("tensors", twice), ("dim", int(0))], &[to])
    };
    let mut chain = vec![full(&[1 << 10], 1.0, 7, "d0")];
    for step in 0..30 {
        let to = if step == 29 {
            "odd".to_owned()
        } else {
            format!("d{}", step + 1)
        };
        chain.push(doubled(&format!("d{step}"), &to));
    }
    refused("doubled 30 times", chain);
}

/// Each piece of a tensor costs some hundred bytes beside its numbers.
#[test]
fn very_many_pieces_are_refused() {
    let pieces = |operation: &str, more: &[(&str, Value)], of: i64| {
        let whole = full(&[of], 1.0, 7, "whole");
        let arguments = [&[("self", tensor("whole"))], more].concat();
        let split = node(operation, &arguments, &["a", "b"]);
        vec![whole, split]
    };
    let by = |name, number| vec![(name, int(number)), ("dim", int(0))];
    refused("unbind", pieces("unbind.int", &[("dim", int(0))], 1 << 24));
    refused(
        "split",
        pieces("split.Tensor", &by("split_size", 1), 1 << 24),
    );
    refused(
        "chunk",
        pieces("chunk.default", &by("chunks", 1 << 24), 1 << 24),
    );
    refused(
        "an empty chunk",
        pieces("chunk.default", &by("chunks", 1 << 28), 0),
    );
    let sizes = ints(&vec![1; 1 << 16]);
    let sizes = [("split_sizes", sizes), ("dim", int(0))];
    // The file has to name each of these.
    inspected("sizes", pieces("split_with_sizes.default", &sizes, 1 << 16));
}

#[test]
fn chains_of_products_and_functions_are_bounded() {
    let side = 2048;
    let mut products = vec![full(&[side, side], 1e-4, 7, "p0")];
    for step in 0..300 {
        let to = if step == 299 {
            "odd".to_owned()
        } else {
            format!("p{}", step + 1)
        };
        let from = tensor(&format!("p{step}"));
        let arguments = [("self", from.clone()), ("mat2", from)];
        products.push(node("mm.default", &arguments, &[&*to]));
    }
    inspected("300 products", products);
    let mut functions = vec![full(&[1 << 22], 0.5, 7, "e0")];
    for step in 0..2_000 {
        let to = if step == 1_999 {
            "odd".to_owned()
        } else {
            format!("e{}", step + 1)
        };
        let from = tensor(&format!("e{step}"));
        functions.push(node("erf.default", &[("self", from)], &[&*to]));
    }
    inspected("2,000 functions", functions);
    // Attention of one long row on itself, again and again.
    let mut attention = vec![full(&[1, 8, 4096, 64], 0.1, 7, "a0")];
    for step in 0..60 {
        let to = if step == 59 {
            "odd".to_owned()
        } else {
            format!("a{}", step + 1)
        };
        let row = tensor(&format!("a{step}"));
        let arguments = [("query", row.clone()), ("key", row.clone()), ("value", row)];
        attention.push(node(
            "scaled_dot_product_attention.default",
            &arguments,
            &[&*to],
        ));
    }
    inspected("60 attentions", attention);
}

/// Calls that fail while a number is handed over end in an error.
#[test]
fn numbers_that_an_operation_does_not_take_are_refused() {
    let bytes = 0;
    let integers = 5;
    let half = 6;
    let flags = 12;
    let norm = [
        ("self", tensor("x")),
        ("ord", float(2.0)),
        ("dim", ints(&[99])),
    ];
    let mask = full(&[7], 1.0, flags, "mask");
    let filled = [
        ("self", tensor("x")),
        ("mask", tensor("mask")),
        ("value", float(1.0)),
    ];
    let range = [
        ("start", int(0)),
        ("end", int(9)),
        ("step", int(1)),
        ("dtype", kind(flags)),
    ];
    let power = [("self", tensor("n")), ("exponent", int(-1))];
    let clamp = [("self", tensor("x")), ("min", json!({"as_string": "low"}))];
    for (what, nodes) in [
        (
            "not a number among integers",
            vec![full(&[4], "NaN", integers, "odd")],
        ),
        (
            "infinity among integers",
            vec![full(&[4], "Infinity", integers, "odd")],
        ),
        (
            "too large for a byte",
            vec![full(&[4], 1e300, bytes, "odd")],
        ),
        ("too large for a half", vec![full(&[4], 1e300, half, "odd")]),
        ("a negative byte", vec![full(&[4], -1e18, bytes, "odd")]),
        (
            "an axis that is not there",
            vec![node("linalg_vector_norm.default", &norm, &["odd"])],
        ),
        (
            "another mask",
            vec![mask, node("masked_fill.Scalar", &filled, &["odd"])],
        ),
        (
            "a range of flags",
            vec![node("arange.start_step", &range, &["odd"])],
        ),
        (
            "a negative power of integers",
            vec![
                full(&[4], 2.0, integers, "n"),
                node("pow.Tensor_Scalar", &power, &["odd"]),
            ],
        ),
        (
            "a word as number",
            vec![node("clamp.default", &clamp, &["odd"])],
        ),
        ("sizes below zero", vec![full(&[-4], 1.0, 7, "odd")]),
        ("a kind that is none", vec![full(&[4], 1.0, 99, "odd")]),
    ] {
        // libtorch takes some of them; what it refuses must be a refusal here as well.
        inspected(what, nodes);
    }
    refused(
        "a mask",
        vec![
            full(&[7], 1.0, flags, "mask"),
            node("masked_fill.Scalar", &filled, &["odd"]),
        ],
    );
    refused("not a number", vec![full(&[4], "NaN", integers, "odd")]);
    refused(
        "an axis",
        vec![node("linalg_vector_norm.default", &norm, &["odd"])],
    );
}

mod needs_shared {
    use super::limits;
    use std::path::Path;

    #[test]
    #[ignore = "needs ../shared"]
    fn reproducers_end_within_the_limits() {
        let faults = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases/faults");
        for (file, opens) in [
            ("mem-creations-40-5GB.pt2", None),
            ("scalar-full-nan-int.pt2", Some(false)),
            ("scalar-maskedfill.pt2", Some(false)),
        ] {
            let refusal = limits::run(&faults, &["inspect", file]);
            let refusal = refusal.refusal(file).unwrap();
            if let Some(opens) = opens {
                assert_eq!(refusal.is_none(), opens, "{file}");
            }
        }
    }
}

/// Concatenations within concatenations, each of a value with what products make of it.
fn nested(levels: usize) -> Vec<Value> {
    let mut nodes = Vec::new();
    let products = |from: &str, to: &str| {
        let linear = |from: &str, number: usize, to: &str| {
            let weight = format!("p_blocks_0_mlp_channels_fc{number}_weight");
            let arguments = [("input", tensor(from)), ("weight", tensor(&weight))];
            node("linear.default", &arguments, &[to])
        };
        let wide = format!("{to}_wide");
        [linear(from, 1, &wide), linear(&wide, 2, to)]
    };
    let down = |level: usize| match level {
        0 => "x".to_owned(),
        level => format!("down{level}"),
    };
    for level in 0..levels {
        nodes.extend(products(&down(level), &down(level + 1)));
    }
    let mut last = down(levels);
    for level in (0..levels).rev() {
        let [both, part] = ["both", "part"].map(|kind| format!("{kind}{level}"));
        let joined = [
            ("tensors", tensors(&[&down(level), &last])),
            ("dim", int(1)),
        ];
        nodes.push(node("cat.default", &joined, &[&both]));
        let channels = [
            ("self", tensor(&both)),
            ("dim", int(1)),
            ("start", int(2)),
            ("end", int(5)),
        ];
        nodes.push(node("slice.Tensor", &channels, &[&part]));
        last = match level {
            0 => "odd".to_owned(),
            level => format!("up{level}"),
        };
        nodes.extend(products(&part, &last));
    }
    nodes
}

#[test]
fn what_blocks_carry_is_bounded() {
    // The sum that the builder adds mixes the examples.
    for (levels, told) in [(20, "influence each other"), (400, "carry more than 50000")] {
        let refusal = inspected("nested", nested(levels)).unwrap();
        assert!(refusal.contains(told), "{levels}: {refusal}");
    }
}
