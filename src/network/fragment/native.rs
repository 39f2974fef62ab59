//! Pieces of a graph that are one of the network's own operations.

use super::{Argument, Fragment, Node, Value};
use crate::{Layer, Operation, Parameter};

impl Fragment {
    /// The layer that computes the fragment: one of the network's own operations where there is
    /// one, for which folding and closed derivatives are known.
    pub(super) fn into_layer(self) -> Layer {
        let name = || {
            let counted = |node: &&Node| self.weight(node).is_some();
            let named = self.nodes.iter().find(counted).or(self.nodes.last());
            named.map(|node| node.scope.clone()).unwrap_or_default()
        };
        match self.own() {
            Some(layer) => layer,
            None => Layer::new(name(), Operation::Fragment(Box::new(self))),
        }
    }

    fn own(&self) -> Option<Layer> {
        let [node] = self.nodes.as_slice() else {
            return None;
        };
        if node.value(0) != Some(Value::Input) {
            return None;
        }
        let (operation, parameters) = match node.name() {
            "relu" => (Operation::Relu, Vec::new()),
            "conv2d" if node.operation == "aten::conv2d" => {
                (self.convolution(node)?, present(node, 1..3)?)
            }
            "batch_norm" if self.input.len() == 3 => {
                let operation = Operation::BatchNorm {
                    channels: *self.input.first()?,
                    epsilon: node.real(7)?,
                };
                (operation, all(node, 1..5)?)
            }
            "group_norm" if self.input.len() == 3 => {
                let operation = Operation::GroupNorm {
                    groups: node.integer(1)?,
                    channels: *self.input.first()?,
                    epsilon: node.real(4)?,
                };
                (operation, all(node, 2..4)?)
            }
            "linear" if self.input.len() == 1 => {
                let parameters = present(node, 1..3)?;
                let &[outputs, inputs] = self.shape(*parameters.first()?)? else {
                    return None;
                };
                let bias = parameters.len() == 2;
                let operation = Operation::Linear {
                    inputs,
                    outputs,
                    bias,
                };
                (operation, parameters)
            }
            "mean" if self.input.len() == 3 && node.truth(2) == Some(false) => {
                let axes = node.integers(1)?;
                let positions = [[-1, -2], [-2, -1], [2, 3]];
                let all = positions.iter().any(|positions| axes == positions);
                (all && node.arguments.get(3)? == &Argument::None)
                    .then_some((Operation::GlobalAveragePool, Vec::new()))?
            }
            "avg_pool2d"
                if square(node, 3, 0)? == 0 && node.arguments.get(6)? == &Argument::None =>
            {
                let kernel = square(node, 1, 1)?;
                let operation = Operation::AveragePool {
                    kernel,
                    stride: square(node, 2, kernel)?,
                    ceiling: node.truth(4)?,
                };
                (operation, Vec::new())
            }
            "constant_pad_nd" if self.input.len() == 3 && node.real(2).unwrap_or(0.0) == 0.0 => {
                let [0, 0, 0, 0, before, after] = node.integers(1)?[..] else {
                    return None;
                };
                if before < 0 || after < 0 {
                    return None;
                }
                (Operation::pad(1, before, after), Vec::new())
            }
            "max_pool2d" if node.truth(5) == Some(false) && square(node, 4, 1)? == 1 => {
                let kernel = square(node, 1, 1)?;
                let operation = Operation::MaxPool {
                    kernel,
                    stride: square(node, 2, kernel)?,
                    padding: square(node, 3, 0)?,
                };
                (operation, Vec::new())
            }
            _ => return None,
        };
        self.named(operation, &parameters)
    }

    fn convolution(&self, node: &Node) -> Option<Operation> {
        let parameters = present(node, 1..3)?;
        let &[outputs, inputs, kernel, width] = self.shape(*parameters.first()?)? else {
            return None;
        };
        let (stride, padding) = (square(node, 3, 1)?, square(node, 4, 0)?);
        let groups = node.integer(6)?;
        // The adjoint of stride 1 pads by kernel - 1 - padding.
        let fits = kernel == width && (0..kernel).contains(&padding) && square(node, 5, 1)? == 1;
        (fits && groups > 0 && stride > 0).then_some(Operation::Convolution {
            inputs: inputs.checked_mul(groups)?,
            outputs,
            kernel,
            stride,
            padding,
            groups,
            bias: parameters.len() == 2,
            standardization: None,
        })
    }

    fn shape(&self, parameter: usize) -> Option<&[i64]> {
        let parameter = self.parameters.get(parameter)?;
        Some(&parameter.shape)
    }

    /// `operation` as a layer, where its tensors are exactly `parameters` under one name.
    fn named(&self, operation: Operation, parameters: &[usize]) -> Option<Layer> {
        let in_order = parameters.iter().copied().eq(0..self.parameters.len());
        let name = match self.parameters.first() {
            None => "",
            Some(first) => first.name.strip_suffix(".weight")?,
        };
        let layer = Layer::new(name, operation);
        let facts = |parameter: &Parameter| (parameter.name.clone(), parameter.shape.clone());
        let own = self.parameters.iter().map(facts);
        let fits = in_order && layer.parameters().iter().map(facts).eq(own);
        fits.then_some(layer)
    }
}

/// The parameters at `places`; those at the end may be missing.
fn present(node: &Node, places: std::ops::Range<usize>) -> Option<Vec<usize>> {
    let mut found = Vec::new();
    for place in places {
        match node.arguments.get(place) {
            Some(Argument::Value(Value::Parameter(parameter))) => found.push(*parameter),
            None | Some(Argument::None) => return Some(found),
            Some(_) => return None,
        }
    }
    Some(found)
}

/// The parameters at `places`, none of which may be missing.
fn all(node: &Node, places: std::ops::Range<usize>) -> Option<Vec<usize>> {
    let count = places.len();
    present(node, places).filter(|found| found.len() == count)
}

/// One number for both axes; `default` for an empty list.
fn square(node: &Node, place: usize, default: i64) -> Option<i64> {
    match node.integers(place)?.as_slice() {
        [] => Some(default),
        &[both] => Some(both),
        &[height, width] if height == width => Some(height),
        _ => None,
    }
}
