//! The parts of `models/model.json` that are read (schema version 8), and of the lists of tensors.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

#[derive(Debug, Deserialize)]
pub(super) struct Program {
    pub graph_module: Module,
    pub schema_version: SchemaVersion,
}

#[derive(Debug, Deserialize)]
pub(super) struct SchemaVersion {
    pub major: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Module {
    pub graph: Graph,
    pub signature: Signature,
}

#[derive(Debug, Deserialize)]
pub(super) struct Graph {
    #[serde(default)]
    pub inputs: Vec<Json>,
    #[serde(default)]
    pub outputs: Vec<Json>,
    pub nodes: Vec<Node>,
    pub tensor_values: BTreeMap<String, TensorFacts>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Node {
    pub target: String,
    pub inputs: Vec<NamedArgument>,
    pub outputs: Vec<Json>,
    #[serde(default)]
    pub metadata: BTreeMap<String, Json>,
}

impl Node {
    /// The tensor that it is given first.
    pub fn operand(&self) -> Option<&str> {
        tensor_name(&self.inputs.first()?.arg)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedArgument {
    pub name: String,
    pub arg: Json,
}

#[derive(Debug, Deserialize)]
pub(super) struct Signature {
    pub input_specs: Vec<Json>,
    pub output_specs: Vec<Json>,
}

/// `data/weights/model_weights_config.json` and its sister for constants.
#[derive(Debug, Deserialize)]
pub(super) struct Payloads {
    pub config: BTreeMap<String, Payload>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Payload {
    pub path_name: String,
    #[serde(default)]
    pub use_pickle: bool,
    pub tensor_meta: Option<TensorFacts>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TensorFacts {
    pub dtype: i64,
    pub sizes: Vec<Json>,
    #[serde(default)]
    pub strides: Vec<Json>,
    #[serde(default)]
    pub storage_offset: Json,
}

/// The whole number in `{"as_int": 3}`.
pub(super) fn integer(json: &Json) -> Option<i64> {
    json.get("as_int")?.as_i64()
}

/// The name in `{"as_tensor": {"name": "x"}}`.
pub(super) fn tensor_name(json: &Json) -> Option<&str> {
    json.get("as_tensor")?.get("name")?.as_str()
}

/// The names of what a node or graph gives, lists one after the other; empty for what has none.
pub(super) fn output_names(outputs: &[Json]) -> Vec<&str> {
    let mut names = Vec::new();
    for output in outputs {
        let inside = output.as_object().and_then(|object| object.iter().next());
        let Some((_, inside)) = inside else { continue };
        let entries = match inside.as_array() {
            Some(list) => list.iter().collect(),
            None => vec![inside],
        };
        for entry in entries {
            // An entry of a list of optional tensors is an output of its own.
            let entry = entry.get("as_tensor").unwrap_or(entry);
            let name = entry.get("name").or_else(|| entry.get("as_name"));
            names.push(name.and_then(Json::as_str).unwrap_or_default());
        }
    }
    names
}
