//! Archives of `torch.export.save` (`.pt2`): a graph of operations as JSON beside plain tensors.
//!
//! `NAME/models/model.json` is the graph, `NAME/data/weights/` and `NAME/data/constants/` hold the
//! bytes of its tensors. Nothing is executed on reading but the listed operations.

mod arguments;
mod creation;
mod schema;
mod translate;

use std::collections::HashMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tch::Tensor;

use self::schema::{Payloads, Program, integer, tensor_name};
use self::translate::Translator;
use super::archive::Entries;
use super::element::Element;
use super::error::FormatError;
use super::storage::{StoragePool, StorageSource};
use super::tensor::{EntryError, view};
use crate::network::{Fragment, NetworkError, Parameter, Role, Specification, Value, random_batch};

/// The schema of the graph that is read.
const SCHEMA: i64 = 8;

/// A network that was found in an exported program.
#[derive(Debug)]
pub(super) struct Exported {
    pub specification: Specification,
    pub tensors: HashMap<String, Tensor>,
    /// Shape of the input for one example.
    pub input: Vec<i64>,
    /// The class of the model.
    pub title: String,
}

pub(super) fn read(
    file: &Path,
    model: &str,
    mut entries: Entries<'_>,
    length: usize,
) -> Result<Exported, FormatError> {
    let damaged = |what: String| FormatError::Graph {
        file: file.to_owned(),
        what,
    };
    let program: Program = json(file, &mut entries, model)?;
    if program.schema_version.major != SCHEMA {
        return Err(damaged(format!(
            "its schema is version {}, read is version {SCHEMA} (PyTorch 2.7 to 2.11): export it \
             again with such a PyTorch",
            program.schema_version.major
        )));
    }
    let graph = &program.graph_module.graph;
    let signature = &program.graph_module.signature;

    let mut lists = HashMap::new();
    for kind in ["weights", "constants"] {
        let list = format!("data/{kind}/model_{kind}_config.json");
        if entries.contains(&list) {
            let payloads: Payloads = json(file, &mut entries, &list)?;
            lists.extend(
                payloads
                    .config
                    .into_iter()
                    .map(|(name, payload)| (name, (kind, payload))),
            );
        }
    }
    let mut parameters = Vec::new();
    let mut tensors = Vec::new();
    let mut values = HashMap::new();
    let mut input = None;
    let mut pool = StoragePool::new(Payload(entries), length);
    for spec in &signature.input_specs {
        if let Some(user) = spec.get("user_input") {
            let name = user.get("arg").and_then(tensor_name);
            match (name, &input) {
                (Some(name), None) => input = Some(name.to_owned()),
                (Some(name), Some(_)) => {
                    return Err(damaged(format!(
                        "the model takes more than one input (`{name}` too); export a wrapper \
                         that takes one tensor"
                    )));
                }
                // A number or flag that the export has fixed.
                (None, _) => {}
            }
            continue;
        }
        let (argument, name, role) = held(spec).ok_or_else(|| {
            damaged(format!(
                "an input is neither tensor nor parameter: {}",
                brief(spec)
            ))
        })?;
        let (kind, payload) = lists
            .get(name)
            .ok_or_else(|| damaged(format!("the tensor `{name}` is not in the archive")))?;
        let path = format!("data/{kind}/{}", payload.path_name);
        let tensor = load(&mut pool, &path, payload).map_err(|fault| FormatError::Entry {
            file: file.to_owned(),
            entry: super::value::shorten(name),
            fault,
        })?;
        values.insert(argument.to_owned(), Value::Parameter(parameters.len()));
        parameters.push(Parameter {
            name: name.to_owned(),
            role,
            shape: tensor.size(),
        });
        tensors.push(tensor);
    }
    let input = input.ok_or_else(|| damaged("the model takes no tensor".into()))?;
    let facts = graph
        .tensor_values
        .get(&input)
        .ok_or_else(|| damaged(format!("nothing is said of its input `{input}`")))?;
    let examples = facts.sizes.first().and_then(integer);
    let each: Vec<i64> = facts
        .sizes
        .iter()
        .skip(1)
        .map(integer)
        .collect::<Option<_>>()
        .ok_or_else(|| {
            damaged("an axis of its input other than the first is dynamic; export it fixed".into())
        })?;
    values.insert(input, Value::Input);

    let translator = Translator::new(file, examples, values, parameters, tensors);
    let (graph, mut tensors) = translator.translate(graph, output(signature).as_deref())?;
    let graph = Fragment {
        input: each.clone(),
        ..graph
    };
    let title = title(&program.graph_module.graph.nodes);
    let network = |fault| match fault {
        NetworkError::Architecture { reason } => damaged(reason),
        fault => FormatError::Network {
            file: file.to_owned(),
            fault,
        },
    };
    for tensor in &mut tensors {
        // Half precision is stored, float32 computed with, as in every other file.
        if tensor.is_floating_point() {
            *tensor = tensor
                .f_to_kind(tch::Kind::Float)
                .map_err(|fault| network(fault.into()))?;
        }
    }
    let too_large = each.len() > 4 || each.iter().any(|&n| n < 1);
    let elements = each.iter().try_fold(1_i64, |all, &n| all.checked_mul(n));
    if too_large || elements.is_none_or(|all| all > MAX_INPUT) {
        return Err(damaged(format!("its input would have the shape {each:?}")));
    }
    let batch = random_batch(&each, graph.vocabulary(), 3, 0).map_err(network)?;
    let names: Vec<String> = graph
        .parameters
        .iter()
        .map(|parameter| parameter.name.clone())
        .collect();
    let specification = graph.network(&tensors, &batch).map_err(network)?;
    Ok(Exported {
        specification,
        tensors: names.into_iter().zip(tensors).collect(),
        input: each,
        title,
    })
}

/// Values of one example that a program is tried on.
const MAX_INPUT: i64 = 1 << 24;

/// Bytes of payloads by their path in the archive.
struct Payload<'a>(Entries<'a>);

impl<'a> StorageSource<'a> for Payload<'a> {
    fn bytes(&mut self, key: &str) -> Result<&'a [u8], EntryError> {
        self.0.plain(key)
    }
}

fn json<T: DeserializeOwned>(
    file: &Path,
    entries: &mut Entries<'_>,
    name: &str,
) -> Result<T, FormatError> {
    let bytes = entries.plain(name).map_err(|fault| FormatError::Entry {
        file: file.to_owned(),
        entry: name.to_owned(),
        fault,
    })?;
    serde_json::from_slice(bytes).map_err(|fault| FormatError::Graph {
        file: file.to_owned(),
        what: format!("`{name}` does not have the form that PyTorch writes: {fault}"),
    })
}

fn load<'a>(
    pool: &mut StoragePool<Payload<'a>>,
    path: &str,
    payload: &schema::Payload,
) -> Result<Tensor, EntryError> {
    let malformed = |what| EntryError::Malformed { what };
    if payload.use_pickle {
        return Err(malformed("plain bytes (it is pickled)"));
    }
    let facts = payload.tensor_meta.as_ref().ok_or(malformed("a shape"))?;
    let element =
        Element::from_export(facts.dtype).ok_or_else(|| EntryError::UnsupportedElement {
            element: format!("number {} of torch.export", facts.dtype),
        })?;
    let integers = |list: &[Json]| list.iter().map(integer).collect::<Option<Vec<i64>>>();
    let size = integers(&facts.sizes).ok_or(malformed("a fixed shape"))?;
    let strides = integers(&facts.strides).ok_or(malformed("strides"))?;
    let offset = integer(&facts.storage_offset).unwrap_or(0);
    view(pool, path, element, &size, &strides, offset)
}

/// The graph's name of a tensor that the archive holds, its own name and what it is for.
fn held(spec: &Json) -> Option<(&str, &str, Role)> {
    let kinds = [
        ("parameter", "parameter_name", Role::Weight),
        ("buffer", "buffer_name", Role::Constant),
        ("tensor_constant", "tensor_constant_name", Role::Constant),
    ];
    kinds.into_iter().find_map(|(kind, name, role)| {
        let inside = spec.get(kind)?;
        let argument = inside.get("arg")?.get("name")?.as_str()?;
        Some((argument, inside.get(name)?.as_str()?, role))
    })
}

/// The graph's name of the first tensor that the model gives.
fn output(signature: &schema::Signature) -> Option<String> {
    signature.output_specs.iter().find_map(|spec| {
        let argument = spec.get("user_output")?.get("arg")?;
        tensor_name(argument).map(str::to_owned)
    })
}

/// The class of the outermost module, without its path.
fn title(nodes: &[schema::Node]) -> String {
    let class = nodes.iter().find_map(|node| {
        let stack = node.metadata.get("nn_module_stack")?.as_str()?;
        let class = stack.split(';').next()?.rsplit([',', '.']).next()?;
        // Torch names what it does not know of with a function of its own.
        (!class.is_empty() && !class.starts_with('_')).then_some(class)
    });
    super::value::shorten(class.unwrap_or("model"))
}

fn brief(json: &Json) -> String {
    super::value::shorten(&json.to_string())
}
