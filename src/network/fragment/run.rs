//! Computing a fragment: libtorch executes each operation by its name.

use std::collections::HashMap;

use pathscope_torch::{self as torch, Operation};
use tch::{Device, Kind, Tensor};

use super::node::split;
use super::table::is_allowed;
use super::{Argument, Fragment, Node, Value, arithmetic};
use crate::{NetworkError, duplicate};

/// Is shown the place of a node and what it gives.
type See<'a> = dyn FnMut(usize, &[torch::Value]) -> Result<(), NetworkError> + 'a;

/// What a run may use, and what it has used. Only opening an archive is bounded: afterwards the
/// graph is known to be harmless.
pub(super) struct Budget {
    /// Bytes that may be held at once.
    pub bytes: usize,
    /// Elementary steps that may still be done.
    pub work: f64,
}

/// What arguments follow from the batch.
struct Setting {
    examples: i64,
    kind: Kind,
    device: Device,
}

impl Setting {
    fn of(x: &Tensor, parameters: &[Tensor]) -> Self {
        let real = std::iter::once(x)
            .chain(parameters)
            .find(|tensor| tensor.is_floating_point());
        Self {
            examples: x.size().first().copied().unwrap_or(1),
            kind: real.map_or(Kind::Float, Tensor::kind),
            device: x.device(),
        }
    }
}

impl Fragment {
    /// The fragment's output `[N, ...]` for `x` `[N, ...]`, in storage of its own.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub(crate) fn forward(
        &self,
        parameters: &[Tensor],
        x: &Tensor,
    ) -> Result<Tensor, NetworkError> {
        let mut unbounded = Budget {
            bytes: usize::MAX,
            work: f64::INFINITY,
        };
        let result = self.run(parameters, x, &mut unbounded, &mut |_, _| Ok(()))?;
        // Others may write into the output: it must not be the input, nor a parameter.
        if matches!(self.viewed(self.result), Value::Output(..)) {
            Ok(result)
        } else {
            duplicate(&result)
        }
    }

    /// The fragment's output for `x`; `see` is shown what every node gives.
    pub(super) fn run(
        &self,
        parameters: &[Tensor],
        x: &Tensor,
        budget: &mut Budget,
        see: &mut See<'_>,
    ) -> Result<Tensor, NetworkError> {
        let setting = Setting::of(x, parameters);
        let last_uses = self.last_uses();
        let mut outputs: Vec<Vec<torch::Value>> = Vec::with_capacity(self.nodes.len());
        let mut held = 0;
        for (place, node) in self.nodes.iter().enumerate() {
            let find = |value| find(value, parameters, x, &outputs);
            let made = compute(node, &setting, &find, budget)
                .map_err(|fault| fault.within(&node.scope))?;
            see(place, &made)?;
            held += made.iter().map(bytes).sum::<usize>();
            if held > budget.bytes {
                return Err(NetworkError::Torch(
                    "its values need far more memory than the model has".into(),
                ));
            }
            outputs.push(made);
            // What is not needed any more is let go.
            for value in node.operands() {
                if let Some(before) = value.node()
                    && last_uses.get(&before) == Some(&place)
                    && let Some(made) = outputs.get_mut(before)
                {
                    held = held.saturating_sub(made.iter().map(bytes).sum());
                    made.clear();
                }
            }
        }
        match find(self.result, parameters, x, &outputs)? {
            torch::Value::Tensor(result) => Ok(result),
            _ => Err(NetworkError::Torch("a graph gives no tensor".into())),
        }
    }

    /// For every node the last one that uses an output of it.
    fn last_uses(&self) -> HashMap<usize, usize> {
        let mut last = HashMap::new();
        for (place, node) in self.nodes.iter().enumerate() {
            for value in node.operands() {
                last.extend(value.node().map(|before| (before, place)));
            }
        }
        self.result.node().and_then(|node| last.remove(&node));
        last
    }
}

fn find(
    value: Value,
    parameters: &[Tensor],
    x: &Tensor,
    outputs: &[Vec<torch::Value>],
) -> Result<torch::Value, NetworkError> {
    let found = match value {
        Value::Input => Some(x.into()),
        Value::Parameter(place) => parameters.get(place).map(torch::Value::from),
        Value::Output(node, place) => outputs
            .get(node)
            .and_then(|made| made.get(place))
            .map(torch::Value::shallow_clone),
    };
    found.ok_or_else(|| NetworkError::Torch("a graph uses what nothing gives".into()))
}

type Find<'f> = dyn Fn(Value) -> Result<torch::Value, NetworkError> + 'f;

fn compute(
    node: &Node,
    setting: &Setting,
    find: &Find<'_>,
    budget: &mut Budget,
) -> Result<Vec<torch::Value>, NetworkError> {
    let arguments = node
        .arguments
        .iter()
        .map(|argument| resolve(argument, setting, find))
        .collect::<Result<Vec<_>, _>>()?;
    let (space, name, overload) = split(&node.operation);
    if space == "python" {
        return arithmetic::compute(name, &arguments).map(|value| vec![value]);
    }
    if !is_allowed(&node.operation) {
        return Err(NetworkError::Torch(format!(
            "`{}` is not an operation that may run",
            node.operation
        )));
    }
    if pieces(name, &arguments).saturating_mul(HANDLE) > budget.bytes {
        return Err(NetworkError::Torch(format!(
            "`{name}` gives far more tensors than the model has"
        )));
    }
    budget.work -= work(name, &arguments);
    if budget.work < 0.0 {
        return Err(NetworkError::Torch(
            "its operations need far more work than the model's size explains".into(),
        ));
    }
    let operation = Operation::find(&format!("{space}::{name}"), overload).ok_or_else(|| {
        NetworkError::Torch(format!("libtorch has no operation `{}`", node.operation))
    })?;
    let mut flat = Vec::new();
    for output in operation.call(&arguments)? {
        match output {
            torch::Value::Tensors(list) => {
                flat.extend(list.into_iter().map(torch::Value::Tensor));
            }
            output => flat.push(output),
        }
    }
    Ok(flat)
}

fn resolve(
    argument: &Argument,
    setting: &Setting,
    find: &Find<'_>,
) -> Result<torch::Value, NetworkError> {
    use torch::Value as T;
    Ok(match argument {
        Argument::None => T::None,
        Argument::Value(value) => find(*value)?,
        Argument::Number(length) => T::Int(length.of(setting.examples)),
        Argument::Real(number) => T::Float(*number),
        Argument::Truth(truth) => T::Bool(*truth),
        Argument::Text(text) => T::Text(text.clone()),
        Argument::WorkingKind => setting.kind.into(),
        Argument::WorkingDevice => T::Device(setting.device),
        Argument::List(list) => {
            let values = list
                .iter()
                .map(|entry| resolve(entry, setting, find))
                .collect::<Result<Vec<_>, _>>()?;
            listed(values)
                .ok_or_else(|| NetworkError::Torch("a list holds several types".into()))?
        }
    })
}

/// One list of values that have the same type.
fn listed(values: Vec<torch::Value>) -> Option<torch::Value> {
    use torch::Value as T;
    let all = |is: fn(&T) -> bool| values.iter().all(is);
    Some(
        if all(|value| matches!(value, T::Int(_) | T::Bool(_))) && !values.is_empty() {
            let truths = all(|value| matches!(value, T::Bool(_)));
            let numbers = values.iter().map(|value| match value {
                T::Int(number) => *number,
                value => i64::from(matches!(value, T::Bool(true))),
            });
            match truths {
                true => T::Bools(numbers.map(|number| number != 0).collect()),
                false => T::Ints(numbers.collect()),
            }
        } else if all(|value| matches!(value, T::Int(_) | T::Float(_))) {
            #[expect(clippy::cast_precision_loss, reason = "as libtorch does")]
            let number = |value: &T| match value {
                T::Float(number) => *number,
                T::Int(number) => *number as f64,
                _ => 0.0,
            };
            T::Floats(values.iter().map(number).collect())
        } else {
            let tensors = values.into_iter().map(|value| match value {
                T::Tensor(tensor) => Some(Some(tensor)),
                T::None => Some(None),
                _ => None,
            });
            let tensors: Vec<Option<Tensor>> = tensors.collect::<Option<_>>()?;
            match tensors.iter().all(Option::is_some) {
                true => T::Tensors(tensors.into_iter().flatten().collect()),
                false => T::OptionalTensors(tensors),
            }
        },
    )
}

/// Bytes of a tensor besides its numbers.
const HANDLE: usize = 1024;

pub(super) fn bytes(value: &torch::Value) -> usize {
    match value {
        torch::Value::Tensor(tensor) => HANDLE + tensor.numel() * tensor.kind().elt_size_in_bytes(),
        _ => 0,
    }
}

/// How many tensors an operation that divides one gives, at most; 0 for others.
fn pieces(name: &str, arguments: &[torch::Value]) -> usize {
    let Some(torch::Value::Tensor(x)) = arguments.first() else {
        return 0;
    };
    let number = |place: usize| match arguments.get(place) {
        Some(torch::Value::Int(number)) => Some(*number),
        _ => None,
    };
    let along = |place: usize| {
        let size = x.size();
        let axis = number(place).unwrap_or(0);
        let axis = if axis < 0 {
            axis + size.len() as i64
        } else {
            axis
        };
        let length = usize::try_from(axis).ok().and_then(|axis| size.get(axis));
        length.copied().unwrap_or(0)
    };
    let pieces = match name {
        "unbind" => along(1),
        "split" | "unsafe_split" => along(2) / number(1).unwrap_or(1).max(1),
        "chunk" | "unsafe_chunk" | "tensor_split" => number(1).unwrap_or(0),
        _ => 0,
    };
    usize::try_from(pieces).unwrap_or(0)
}

/// Elementary steps of an operation, at least in its order of magnitude.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn work(name: &str, arguments: &[torch::Value]) -> f64 {
    /// What a step of an operation such as the exponential costs, in multiply-adds.
    const EACH: f64 = 8.0;
    let tensors: Vec<&Tensor> = arguments
        .iter()
        .flat_map(|argument| match argument {
            torch::Value::Tensor(tensor) => vec![tensor],
            torch::Value::Tensors(list) => list.iter().collect(),
            _ => Vec::new(),
        })
        .collect();
    let count = |tensor: &Tensor| tensor.numel() as f64;
    let length = |tensor: &Tensor, from_end: usize| {
        let size = tensor.size();
        let at = size.len().checked_sub(from_end);
        at.and_then(|at| size.get(at)).copied().unwrap_or(1).max(1) as f64
    };
    let product = |a: &Tensor, b: &Tensor| (count(a) * length(b, 1)).max(count(b) * length(a, 2));
    let products = match (name, tensors.as_slice()) {
        (name, [x, weight, ..]) if name.contains("conv") => {
            let size = x.size();
            let channels = size.get(1).copied().unwrap_or(1).max(1) as f64;
            count(x) / channels * count(weight)
        }
        ("linear", [x, weight, ..]) => count(x) * length(weight, 2),
        ("scaled_dot_product_attention", [query, key, ..]) => 2.0 * count(query) * length(key, 2),
        ("addmm" | "baddbmm" | "addbmm" | "addmv", [_, a, b, ..]) => product(a, b),
        ("matmul" | "mm" | "bmm" | "mv" | "outer" | "inner" | "tensordot" | "kron", [a, b, ..]) => {
            product(a, b)
        }
        ("einsum" | "cdist", list) => list.iter().skip(1).fold(0.0, |most: f64, b| {
            let longest = b.size().iter().copied().max().unwrap_or(1) as f64;
            most.max(count(list.first().map_or(*b, |a| *a)).max(count(b)) * longest)
        }),
        _ => 0.0,
    };
    products + EACH * tensors.iter().copied().map(count).sum::<f64>()
}
