//! Pieces of graphs: what a layer is where no single operation of its own describes it.
//!
//! A [`Fragment`] maps one tensor `[N, ...]` to one tensor, through a small graph of
//! [`Primitive`]s. A whole exported program is a fragment as well; [`Fragment::network`] finds
//! its residual blocks and cuts the rest into layers.

mod blocks;
mod native;
mod nests;
mod primitive;
mod probe;

use serde::{Deserialize, Serialize};
use tch::Tensor;

pub use self::primitive::{Length, Primitive};
use super::{NetworkError, Parameter, duplicate};

/// A piece of a graph with one input and one output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fragment {
    /// Shape of the input for one example.
    pub input: Vec<i64>,
    /// Shape of the output for one example.
    pub output: Vec<i64>,
    /// Multiply-adds for one example; convolutions and matrices of parameters count.
    pub multiply_adds: i64,
    /// The tensors that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Its operations: each uses only what comes before it.
    pub nodes: Vec<Node>,
    /// What it gives.
    pub result: Value,
}

/// One operation of a fragment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What is computed.
    #[serde(flatten)]
    pub primitive: Primitive,
    /// From what.
    pub operands: Vec<Value>,
    /// Where the operation stands in the model it was exported from, such as `blocks.3.attn`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
}

/// A tensor within a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// The fragment's input.
    Input,
    /// One of its parameters.
    Parameter(usize),
    /// Output `.1` of node `.0`.
    Output(usize, usize),
}

impl Fragment {
    /// The fragment's output `[N, ...]` for `x` `[N, ...]`, in storage of its own.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub(super) fn forward(
        &self,
        parameters: &[Tensor],
        x: &Tensor,
    ) -> Result<Tensor, NetworkError> {
        let result = self.run(parameters, x, i64::MAX, &mut |_, _| ())?;
        // Others may write into the output: it must not be the input, nor a parameter.
        if self.is_view() {
            duplicate(&result)
        } else {
            Ok(result)
        }
    }

    /// The fragment's output for `x`; `see` is shown what every node gives. No node may make more
    /// than `limit` numbers.
    fn run(
        &self,
        parameters: &[Tensor],
        x: &Tensor,
        limit: i64,
        see: &mut dyn FnMut(usize, &[Tensor]),
    ) -> Result<Tensor, NetworkError> {
        let nothing = || NetworkError::Torch("a graph uses what nothing gives".into());
        let examples = x.size().first().copied().unwrap_or(1);
        let last_uses = self.last_uses();
        let mut outputs: Vec<Vec<Tensor>> = Vec::with_capacity(self.nodes.len());
        for (place, node) in self.nodes.iter().enumerate() {
            let operands = node
                .operands
                .iter()
                .map(|&value| find(value, parameters, x, &outputs).ok_or_else(nothing))
                .collect::<Result<Vec<_>, _>>()?;
            let made = node
                .primitive
                .compute(&operands, examples, limit)
                .map_err(|fault| fault.within(&node.scope))?;
            see(place, &made);
            outputs.push(made);
            // What nobody needs any more is let go.
            for value in &node.operands {
                if let Value::Output(before, _) = *value
                    && last_uses.get(before) == Some(&place)
                    && let Some(made) = outputs.get_mut(before)
                {
                    made.clear();
                }
            }
        }
        find(self.result, parameters, x, &outputs)
            .map(Tensor::shallow_clone)
            .ok_or_else(nothing)
    }

    /// For every node the last one that uses an output of it.
    fn last_uses(&self) -> Vec<usize> {
        let mut last = vec![0; self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate() {
            for value in &node.operands {
                if let Value::Output(before, _) = *value
                    && let Some(last) = last.get_mut(before)
                {
                    *last = place;
                }
            }
        }
        if let Value::Output(node, _) = self.result
            && let Some(last) = last.get_mut(node)
        {
            *last = usize::MAX;
        }
        last
    }

    /// Whether the result may share storage with the input or a parameter.
    fn is_view(&self) -> bool {
        !matches!(self.viewed(self.result), Value::Output(..))
    }

    /// What `value` is but another view of.
    fn viewed(&self, mut value: Value) -> Value {
        while let Value::Output(node, _) = value
            && let Some(node) = self.nodes.get(node)
            && node.primitive.is_view()
            && let Some(&operand) = node.operands.first()
        {
            value = operand;
        }
        value
    }

    /// Convolutions and matrices of parameters: what the length in layers counts.
    pub(super) fn counted(&self) -> usize {
        let counted = |node: &&Node| node.primitive.is_counted();
        self.nodes.iter().filter(counted).count()
    }

    /// The rows of the table that the input's numbers choose from; `None` where the input is no
    /// list of such numbers.
    pub(crate) fn vocabulary(&self) -> Option<i64> {
        self.nodes.iter().find_map(|node| {
            let (Primitive::Embedding, &[Value::Parameter(table), numbers]) =
                (&node.primitive, node.operands.as_slice())
            else {
                return None;
            };
            let of_input = self.viewed(numbers) == Value::Input;
            let table = self.parameters.get(table).filter(|_| of_input)?;
            table.shape.first().copied()
        })
    }

    /// Whether the fragment is one matrix and perhaps a bias.
    pub(super) fn is_linear(&self) -> bool {
        let [node] = self.nodes.as_slice() else {
            return false;
        };
        let of_input = matches!(
            node.operands.as_slice(),
            [Value::Input, Value::Parameter(0)]
                | [Value::Input, Value::Parameter(0), Value::Parameter(1)]
        );
        node.primitive == Primitive::Linear && of_input
    }
}

fn find<'t>(
    value: Value,
    parameters: &'t [Tensor],
    x: &'t Tensor,
    outputs: &'t [Vec<Tensor>],
) -> Option<&'t Tensor> {
    match value {
        Value::Input => Some(x),
        Value::Parameter(place) => parameters.get(place),
        Value::Output(node, place) => outputs.get(node).and_then(|made| made.get(place)),
    }
}
