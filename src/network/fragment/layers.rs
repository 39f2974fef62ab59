//! Pieces of a graph as layers.

use std::collections::HashMap;

use super::finder::Finder;
use super::{Argument, Fragment, Node, Value, table};
use crate::{Block, Layer, NetworkError, Operation};

/// A piece of a graph while it is put together.
pub(super) struct Piece {
    nodes: Vec<Node>,
    /// What stands for values of the whole graph.
    instead: HashMap<Value, Value>,
    /// Which parameters of the whole graph it uses, in order.
    parameters: Vec<usize>,
    multiply_adds: i64,
}

pub(super) fn unclear() -> NetworkError {
    NetworkError::Architecture("a piece of its graph has no rows for its examples".into())
}

impl Piece {
    pub fn new() -> Self {
        Self {
            nodes: Vec::new(),
            instead: HashMap::new(),
            parameters: Vec::new(),
            multiply_adds: 0,
        }
    }

    /// Lets `new` stand for the graph's `value`.
    pub fn insert(&mut self, value: Value, new: Value) {
        self.instead.insert(value, new);
    }

    pub fn find(&self, value: Value) -> Result<Value, NetworkError> {
        self.instead.get(&value).copied().ok_or_else(unclear)
    }

    /// Adds an operation; its first output.
    pub fn push(&mut self, operation: &str, arguments: Vec<Argument>) -> Value {
        self.nodes.push(Node::unnamed(operation, arguments));
        Value::Output(self.nodes.len() - 1, 0)
    }

    /// `value` with zeros along the axis that has `behind` others behind it.
    pub fn pad(&mut self, value: Value, behind: usize, before: i64, after: i64) -> Value {
        let lengths = [vec![0; 2 * behind], vec![before, after]].concat();
        let arguments = vec![Argument::Value(value), Argument::all_fixed(lengths)];
        self.push("aten::constant_pad_nd", arguments)
    }

    /// Channels `first` to `end` of `value`.
    pub fn slice(&mut self, value: Value, first: i64, end: i64) -> Value {
        let [axis, first, end] = [1, first, end].map(Argument::fixed);
        let arguments = vec![Argument::Value(value), axis, first, end];
        self.push("aten::slice.Tensor", arguments)
    }
}

impl Finder<'_> {
    pub fn shape_of(&self, value: Value) -> Result<Vec<i64>, NetworkError> {
        self.probe.each(value).ok_or_else(unclear)
    }

    /// Copies what gives `targets` into `piece`, back to what it already has.
    pub fn copy(&self, piece: &mut Piece, targets: &[Value]) -> Result<(), NetworkError> {
        let needed = self.needed(targets, |value| piece.instead.contains_key(&value));
        for place in needed {
            let node = self.graph.nodes.get(place).ok_or_else(unclear)?;
            let copied = node.with(&mut |value| {
                Ok(Argument::Value(match value {
                    Value::Parameter(parameter) => self.parameter(piece, parameter),
                    value => piece.find(value)?,
                }))
            })?;
            piece.nodes.push(copied);
            piece.multiply_adds += self.probe.multiply_adds(self.graph, place);
            for (output, value) in self.outputs(place).enumerate() {
                let new = Value::Output(piece.nodes.len() - 1, output);
                piece.instead.entry(value).or_insert(new);
            }
        }
        Ok(())
    }

    fn parameter(&self, piece: &mut Piece, parameter: usize) -> Value {
        let mut taken = piece.parameters.iter();
        let place = taken.position(|&taken| taken == parameter);
        let place = place.unwrap_or_else(|| {
            piece.parameters.push(parameter);
            piece.parameters.len() - 1
        });
        Value::Parameter(place)
    }

    /// The layer of `piece` with the output `result`.
    pub fn layer(
        &self,
        mut piece: Piece,
        result: Value,
        input: Vec<i64>,
        output: Vec<i64>,
    ) -> Result<Layer, NetworkError> {
        // What folded constants were made from belongs to the layer, though it is not computed.
        for place in 0..piece.parameters.len() {
            let constant = piece.parameters.get(place).copied();
            let sources = constant.and_then(|constant| self.probe.sources.get(&constant));
            for &source in sources.into_iter().flatten() {
                self.parameter(&mut piece, source);
            }
        }
        let parameters = piece.parameters.iter();
        let parameters = parameters.map(|&place| self.graph.parameters.get(place).cloned());
        let fragment = Fragment {
            input,
            output,
            multiply_adds: piece.multiply_adds,
            parameters: parameters.collect::<Option<_>>().ok_or_else(unclear)?,
            nodes: piece.nodes,
            result,
        };
        Ok(fragment.into_layer())
    }

    fn single(&self, from: Value, to: Value) -> Result<Layer, NetworkError> {
        let mut piece = Piece::new();
        piece.insert(from, Value::Input);
        self.copy(&mut piece, &[to])?;
        let result = piece.find(to)?;
        self.layer(piece, result, self.shape_of(from)?, self.shape_of(to)?)
    }

    /// One layer for each step between `waists`, joined where a layer could not stand alone: where
    /// the first axis is not that of the examples, and behind operations that only look at their
    /// input in another way.
    pub fn cut(&self, waists: &[Value]) -> Result<Vec<Layer>, NetworkError> {
        let mut layers = Vec::new();
        let Some((&first, rest)) = waists.split_first() else {
            return Ok(layers);
        };
        let mut from = first;
        for (place, &to) in rest.iter().enumerate() {
            let node = self.node(to);
            let is_view = node.is_some_and(|node| table::is_view(node.name()));
            let ends = place + 1 == rest.len();
            if ends || !is_view && self.probe.each(to).is_some() {
                layers.push(self.single(from, to)?);
                from = to;
            }
        }
        Ok(layers)
    }
}

/// Gives a chain's leading ReLUs to the block before it, and back what remains.
pub(super) fn divide(before: &mut Block<Layer>, chain: Vec<Layer>) -> Vec<Layer> {
    let mut rest = chain.into_iter().peekable();
    while let Some(layer) = rest.next_if(|layer| layer.operation == Operation::Relu) {
        before.post.push(layer);
    }
    rest.collect()
}
