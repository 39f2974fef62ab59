//! Pieces of graphs: what a layer is where no single operation of the network's own describes it.
//!
//! A [`Fragment`] maps one tensor `[N, ...]` to one tensor through a small graph of [`Node`]s,
//! each an operation of libtorch by its name. A whole exported program is a fragment as well:
//! [`Fragment::open`] folds what does not depend on the input, finds the residual blocks, and cuts
//! the rest into layers.

mod arithmetic;
mod blocks;
mod carry;
mod finder;
mod layers;
mod names;
mod native;
mod node;
mod opening;
mod probe;
mod reshape;
mod rewriting;
mod run;
mod sums;
mod table;
mod trial;

use serde::{Deserialize, Serialize};

pub use self::carry::is_real;
pub use self::node::{Argument, Length, Node, Value};
pub use self::opening::Opened;
pub use self::table::is_allowed;
pub use self::trial::Sizes;
use super::Parameter;

/// What counts as a block of a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Granularity {
    /// Every addition to a skip: attention and perceptron of a transformer are blocks of their own.
    #[default]
    Sublayer,
    /// All additions of one layer of the model together.
    Layer,
}

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

impl Fragment {
    /// The value that `value` is a view of.
    fn viewed(&self, mut value: Value) -> Value {
        while let Value::Output(node, _) = value
            && let Some(node) = self.nodes.get(node)
            && table::is_view(node.name())
            && let Some(viewed) = node.value(0)
        {
            value = viewed;
        }
        value
    }

    /// The parameter that a node multiplies by, where that is what the length in layers counts.
    fn weight(&self, node: &Node) -> Option<usize> {
        table::weight_of(node.name()).iter().find_map(|&place| {
            let Value::Parameter(weight) = self.viewed(node.value(place)?) else {
                return None;
            };
            let trained = |parameter: &&Parameter| parameter.role.is_trained();
            self.parameters.get(weight).filter(trained).map(|_| weight)
        })
    }

    /// Convolutions and matrices of parameters: what the length in layers counts.
    pub(super) fn counted(&self) -> usize {
        self.nodes
            .iter()
            .filter_map(|node| self.weight(node))
            .count()
    }

    /// The rows of the table that the input's numbers choose from; `None` where the input is no
    /// list of such numbers.
    #[must_use]
    pub fn vocabulary(&self) -> Option<i64> {
        self.nodes.iter().find_map(|node| {
            if node.name() != "embedding" || self.viewed(node.value(1)?) != Value::Input {
                return None;
            }
            let Value::Parameter(table) = self.viewed(node.value(0)?) else {
                return None;
            };
            self.parameters.get(table)?.shape.first().copied()
        })
    }

    /// Whether the fragment is one matrix and perhaps a bias.
    pub(super) fn is_linear(&self) -> bool {
        let [node] = self.nodes.as_slice() else {
            return false;
        };
        let bias_fits = match node.arguments.get(2) {
            None | Some(Argument::None) => self.parameters.len() == 1,
            bias => bias == Some(&Argument::Value(Value::Parameter(1))),
        };
        node.operation == "aten::linear"
            && node.value(0) == Some(Value::Input)
            && node.value(1) == Some(Value::Parameter(0))
            && bias_fits
    }
}
