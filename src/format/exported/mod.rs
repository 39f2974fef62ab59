//! Archives of `torch.export.save` (`.pt2`): a graph of operations as JSON beside plain tensors.
//!
//! `NAME/models/model.json` is the graph, `NAME/data/weights/` and `NAME/data/constants/` hold the
//! bytes of its tensors. Nothing is executed on reading but the listed operations.

mod arguments;
mod graph;
mod memory;
mod schema;

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tch::{Kind, Tensor};

use self::arguments::Names;
use self::graph::Translator;
use self::schema::{Payloads, Program, integer, tensor_name};
use super::archive::{self, Entries};
use super::element::Element;
use super::error::{EntryError, Fault};
use super::state_dict::StateDict;
use super::storage::{StoragePool, StorageSource};
use super::tensor::view;
use pathscope_file::shortened;
use pathscope_network::{
    Argument, Fragment, Granularity, NetworkError, Opened, Parameter, Pass, Plan, Role, Sizes,
    TrainableNetwork, Value, is_real, random_batch,
};

/// The schema of the graph that is read.
const SCHEMA: i64 = 8;

/// A network that was found in an exported program.
#[derive(Debug)]
pub(super) struct Exported {
    pub opened: Opened,
    pub network: TrainableNetwork,
    /// Shape of the input for one example.
    pub input: Vec<i64>,
    /// The class of the model.
    pub title: String,
}

/// What an archive holds, before anything is computed.
struct Contents {
    parameters: Vec<Parameter>,
    tensors: Vec<Tensor>,
    names: Names,
    /// The graph's name of the input.
    input: String,
}

pub(super) fn read(
    model: &str,
    mut entries: Entries<'_>,
    length: usize,
    granularity: Granularity,
) -> Result<Exported, Fault> {
    let damaged = Fault::Graph;
    let program: Program = json(&mut entries, model)?;
    let found = program.schema_version.major;
    if found < SCHEMA {
        return Err(damaged(format!(
            "its schema is version {found}, which PyTorch before 2.7 writes; read is version \
             {SCHEMA}: export it again with PyTorch 2.7 or later"
        )));
    }
    if found > SCHEMA {
        return Err(damaged(format!(
            "its schema is version {found}, newer than version {SCHEMA}, which is read: export it \
             again with an older PyTorch (from 2.7 on), or use a newer version of this program"
        )));
    }
    let signature = &program.graph_module.signature;
    let graph = &program.graph_module.graph;
    let contents = Contents::read(signature, entries, length)?;
    let (examples, each, kind) = input_facts(graph, &contents.input).map_err(damaged)?;
    let translator = Translator::new(examples, float_of(&contents), contents.parameters);
    let output = output(signature);
    let (fragment, declared) =
        translator.translate(graph, contents.names, output.as_deref(), each.clone())?;
    let network = |fault| match fault {
        NetworkError::Architecture(reason) => damaged(reason),
        fault => Fault::Network(fault),
    };
    let title = title(&graph.nodes);
    let tensors = contents.tensors;
    let (opened, network) =
        open(fragment, tensors, &declared, &each, kind, granularity).map_err(network)?;
    Ok(Exported {
        opened,
        network,
        input: each,
        title,
    })
}

/// Finds the network in `graph` and checks that it computes what the graph does.
fn open(
    graph: Fragment,
    mut tensors: Vec<Tensor>,
    declared: &[Sizes],
    each: &[i64],
    kind: Kind,
    granularity: Granularity,
) -> Result<(Opened, TrainableNetwork), NetworkError> {
    for tensor in &mut tensors {
        // Half precision is stored, float32 computed with, as in every other file.
        if tensor.is_floating_point() {
            *tensor = tensor.f_to_kind(Kind::Float)?;
        }
    }
    let vocabulary = graph.vocabulary();
    if vocabulary.is_none() && !is_real(kind) {
        return Err(NetworkError::Architecture(
            "its input is neither real numbers nor the tokens of a table".into(),
        ));
    }
    let batch = random_batch(each, vocabulary, 3, 0)?;
    let batch = match vocabulary {
        Some(_) => batch.f_to_kind(kind)?,
        None => batch,
    };
    let opened = graph.open(tensors, declared, &batch, granularity)?;
    let network = TrainableNetwork::load(&opened.specification, |name| {
        opened.tensors.get(name).map(Tensor::shallow_clone)
    })?;
    examples_stay_apart(&network, &batch, &opened.logits)?;
    Ok((opened, network))
}

/// A graph that was exported for one number of examples may mix them when it is given another.
fn examples_stay_apart(
    network: &TrainableNetwork,
    batch: &Tensor,
    together: &Tensor,
) -> Result<(), NetworkError> {
    let mixed = || {
        NetworkError::Architecture(
            "its examples influence each other; export the model in eval mode with a dynamic \
                 batch axis, or with a batch of two examples"
                .into(),
        )
    };
    if together.size().first() != batch.size().first() {
        return Err(mixed());
    }
    let plan = Plan::intact(network.structure());
    for example in 0..2 {
        let alone = tch::no_grad(|| {
            network.forward(&batch.f_narrow(0, example, 1)?, &plan, &Pass::EVALUATION)
        })?;
        let row = together.f_narrow(0, example, 1)?;
        if alone.size() != row.size() {
            return Err(mixed());
        }
        let largest = |tensor: &Tensor| -> Result<f64, NetworkError> {
            let largest = tensor.f_abs()?.f_max()?.f_to_kind(Kind::Double)?;
            Ok(largest.f_double_value(&[])?)
        };
        let (apart, size) = (largest(&alone.f_sub(&row)?)?, largest(&row)?);
        // Not a number is no sign of mixing: weights may overflow by themselves.
        if apart > 1e-3 * size.max(1e-6) {
            return Err(mixed());
        }
    }
    Ok(())
}

/// The number of examples where the export fixed it, the shape of the input for one example, and
/// the kind of its numbers.
fn input_facts(
    graph: &schema::Graph,
    input: &str,
) -> Result<(Option<i64>, Vec<i64>, Kind), String> {
    let facts = graph
        .tensor_values
        .get(input)
        .ok_or_else(|| format!("nothing is said of its input `{input}`"))?;
    let examples = facts.sizes.first().and_then(integer);
    let each = facts.sizes.iter().skip(1).map(integer);
    let each: Vec<i64> = each
        .collect::<Option<_>>()
        .ok_or("an axis of its input other than the first is dynamic; export it fixed")?;
    let too_large = each.len() > 4 || each.iter().any(|&n| n < 1);
    let elements = each.iter().try_fold(1_i64, |all, &n| all.checked_mul(n));
    if too_large || elements.is_none_or(|all| all > MAX_INPUT) {
        return Err(format!("its input would have the shape {each:?}"));
    }
    let kind = Element::from_export(facts.dtype).map(Element::kind);
    let kind = kind.ok_or("its input has numbers of an unknown type")?;
    Ok((examples, each, kind))
}

/// The number that torch.export gives to the kind of real numbers that most weights have.
fn float_of(contents: &Contents) -> i64 {
    let numbers = |kind: Kind| -> usize {
        let weights = contents.tensors.iter();
        let weights = weights.filter(|tensor| tensor.kind() == kind);
        weights.map(Tensor::numel).sum()
    };
    let kinds = [
        (Kind::Half, 6),
        (Kind::BFloat16, 13),
        (Kind::Double, 8),
        (Kind::Float, 7),
    ];
    let most = kinds.into_iter().max_by_key(|&(kind, _)| numbers(kind));
    most.map_or(7, |(_, number)| number)
}

impl Contents {
    fn read(
        signature: &schema::Signature,
        mut entries: Entries<'_>,
        length: usize,
    ) -> Result<Self, Fault> {
        let damaged = Fault::Graph;
        let mut lists = HashMap::new();
        let mut dictionaries: Vec<StateDict> = Vec::new();
        let mut unread = None;
        for kind in ["weights", "constants"] {
            let list = format!("data/{kind}/model_{kind}_config.json");
            let dictionary = format!("data/{kind}/model.pt");
            if entries.contains(&list) {
                let payloads: Payloads = json(&mut entries, &list)?;
                let payloads = payloads.config.into_iter();
                lists.extend(payloads.map(|(name, payload)| (name, (kind, payload))));
            } else if entries.contains(&dictionary) {
                // PyTorch 2.8 and before: an archive of `torch.save` within the archive.
                let bytes = entry(&mut entries, &dictionary)?;
                match archive::read(bytes, None) {
                    Ok(dictionary) => dictionaries.push(dictionary),
                    // Often there are no constants, which matters only where one is needed.
                    Err(fault) => unread = Some(fault),
                }
            }
        }
        let mut contents = Self {
            parameters: Vec::new(),
            tensors: Vec::new(),
            names: Names::new(),
            input: String::new(),
        };
        let mut pool = StoragePool::new(PayloadFiles(entries), length);
        for spec in &signature.input_specs {
            if let Some(user) = spec.get("user_input") {
                let name = user.get("arg").and_then(tensor_name);
                match (name, contents.input.as_str()) {
                    (Some(name), "") => {
                        contents.input = name.to_owned();
                        let input = Argument::Value(Value::Input);
                        contents.names.insert(name.to_owned(), input);
                    }
                    (Some(name), _) => {
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
            if spec.get("constant_input").is_some() {
                continue;
            }
            let (argument, name, role) = held(spec).ok_or_else(|| {
                damaged(format!(
                    "an input is neither tensor nor parameter: {}",
                    brief(spec)
                ))
            })?;
            let missing = || {
                let absent = damaged(format!("the tensor `{name}` is not in the archive"));
                unread.take().unwrap_or(absent)
            };
            let tensor = match lists.get(name) {
                Some((kind, payload)) => {
                    let path = format!("data/{kind}/{}", payload.path_name);
                    load(&mut pool, &path, payload).map_err(|fault| fault.of(name))?
                }
                None => dictionaries
                    .iter()
                    .find_map(|dictionary| dictionary.get(name))
                    .ok_or_else(missing)?
                    .shallow_clone(),
            };
            let value = Argument::Value(Value::Parameter(contents.parameters.len()));
            contents.names.insert(argument.to_owned(), value);
            contents.parameters.push(Parameter {
                name: name.to_owned(),
                role,
                shape: tensor.size(),
            });
            contents.tensors.push(tensor);
        }
        match contents.input.is_empty() {
            true => Err(damaged("the model takes no tensor".into())),
            false => Ok(contents),
        }
    }
}

/// Values of one example that a program is tried on.
const MAX_INPUT: i64 = 1 << 24;

/// Bytes of payloads by their path in the archive.
struct PayloadFiles<'a>(Entries<'a>);

impl<'a> StorageSource<'a> for PayloadFiles<'a> {
    fn bytes(&mut self, key: &str) -> Result<&'a [u8], EntryError> {
        self.0.plain(key)
    }
}

fn json<T: DeserializeOwned>(entries: &mut Entries<'_>, name: &str) -> Result<T, Fault> {
    let bytes = entry(entries, name)?;
    serde_json::from_slice(bytes).map_err(|fault| {
        Fault::Graph(format!(
            "`{name}` does not have the form that PyTorch writes: {fault}"
        ))
    })
}

fn entry<'a>(entries: &mut Entries<'a>, name: &str) -> Result<&'a [u8], Fault> {
    entries.plain(name).map_err(|fault| fault.of(name))
}

fn load<'a>(
    pool: &mut StoragePool<PayloadFiles<'a>>,
    path: &str,
    payload: &schema::Payload,
) -> Result<Tensor, EntryError> {
    let malformed = EntryError::Malformed;
    if payload.use_pickle {
        return Err(malformed("plain bytes (it is pickled)"));
    }
    let facts = payload.tensor_meta.as_ref().ok_or(malformed("a shape"))?;
    let element = Element::from_export(facts.dtype).ok_or_else(|| {
        EntryError::UnsupportedElement(format!("number {} of torch.export", facts.dtype))
    })?;
    let integers = |list: &[Json]| list.iter().map(integer).collect::<Option<Vec<i64>>>();
    let size = integers(&facts.sizes).ok_or(malformed("a fixed shape"))?;
    let strides = integers(&facts.strides).ok_or(malformed("strides"))?;
    let offset = integer(&facts.storage_offset).ok_or(malformed("a fixed offset"))?;
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
    shortened(class.unwrap_or("model"))
}

fn brief(json: &Json) -> String {
    shortened(&json.to_string())
}
