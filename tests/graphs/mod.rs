//! Exported graphs with further operations, as somebody writes them who knows the format.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use serde_json::{Value, json};

/// An operation of a graph with its arguments and the name of its result, or of several.
pub fn node(operation: &str, arguments: &[(&str, Value)], results: &[&str]) -> Value {
    let inputs = arguments
        .iter()
        .map(|(name, argument)| json!({"name": name, "arg": argument, "kind": 1}));
    let name = |name: &&str| json!({"name": name});
    let outputs = match results {
        [only] => json!([{"as_tensor": name(only)}]),
        several => json!([{"as_tensors": several.iter().map(name).collect::<Vec<_>>()}]),
    };
    json!({
        "target": format!("torch.ops.aten.{operation}"),
        "inputs": inputs.collect::<Vec<_>>(),
        "outputs": outputs,
        "metadata": {},
        "is_hop_single_tensor_return": null,
    })
}

pub fn tensor(name: &str) -> Value {
    json!({"as_tensor": {"name": name}})
}

pub fn tensors(names: &[&str]) -> Value {
    let names = names.iter().map(|name| json!({"name": name}));
    json!({"as_tensors": names.collect::<Vec<_>>()})
}

pub fn ints(values: &[i64]) -> Value {
    json!({"as_ints": values})
}

pub fn int(value: i64) -> Value {
    json!({"as_int": value})
}

pub fn float(value: impl Into<Value>) -> Value {
    let value: Value = value.into();
    json!({"as_float": value})
}

/// The kind of numbers, by PyTorch's number for it.
pub fn kind(number: i64) -> Value {
    json!({"as_scalar_type": number})
}

/// A tensor of equal numbers.
pub fn full(size: &[i64], value: impl Into<Value>, of: i64, result: &str) -> Value {
    let arguments = [
        ("size", ints(size)),
        ("fill_value", float(value)),
        ("dtype", kind(of)),
    ];
    node("full.default", &arguments, &[result])
}

/// A shipped archive whose graph begins with `nodes`; what they give as `odd`, where they do, is
/// added to the input of the network.
pub fn beginning_with(name: &str, nodes: Vec<Value>) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/exported");
    let whole = fs::read(file.join(name)).unwrap();
    with_graph(&whole, |graph| with_nodes(&graph, &nodes))
}

/// The archive `whole` with `change` made to its graph.
pub fn with_graph(whole: &[u8], mut change: impl FnMut(String) -> String) -> Vec<u8> {
    let mut before = zip::ZipArchive::new(Cursor::new(whole)).unwrap();
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

fn with_nodes(graph: &str, nodes: &[Value]) -> String {
    let odd = json!({"name": "odd"});
    let used = nodes
        .iter()
        .any(|node| node["outputs"][0]["as_tensor"] == odd);
    let mut graph: Value = serde_json::from_str(graph).unwrap();
    let whole = graph["graph_module"]["graph"]["nodes"]
        .as_array_mut()
        .unwrap();
    let mut first: Vec<Value> = nodes.to_vec();
    if used {
        let sum = node("sum.default", &[("self", tensor("odd"))], &["odd_sum"]);
        let arguments = [("self", tensor("x")), ("other", tensor("odd_sum"))];
        first.extend([sum, node("add.Tensor", &arguments, &["odd_input"])]);
        for after in whole.iter_mut() {
            for input in after["inputs"].as_array_mut().unwrap() {
                if input["arg"] == tensor("x") {
                    input["arg"] = tensor("odd_input");
                }
            }
        }
    }
    first.append(whole);
    *whole = first;
    graph.to_string()
}
