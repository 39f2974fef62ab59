//! Pieces of a graph that are one of the network's own operations.

use super::{Fragment, Primitive, Value};
use crate::network::{Layer, Operation};

impl Fragment {
    /// The layer that computes the fragment: one of the network's own operations where there is
    /// one, for which folding and closed derivatives are known.
    pub(super) fn into_layer(self) -> Layer {
        let own = self.own();
        let name = || {
            let counted = |node: &&super::Node| node.primitive.is_counted();
            let named = self.nodes.iter().find(counted).or(self.nodes.last());
            named.map(|node| node.scope.clone()).unwrap_or_default()
        };
        match own {
            Some(layer) => layer,
            None => Layer::new(name(), Operation::Fragment(Box::new(self))),
        }
    }

    fn own(&self) -> Option<Layer> {
        let [node] = self.nodes.as_slice() else {
            return None;
        };
        let images = self.input.len() == 3;
        let (operation, suffixes): (_, &[&str]) = match &node.primitive {
            Primitive::Relu => (Operation::Relu, &[]),
            Primitive::Convolution {
                stride: [stride, other_stride],
                padding: [padding, other_padding],
                dilation: [1, 1],
                groups,
            } if stride == other_stride && padding == other_padding => {
                let shape = self.parameters.first()?.shape.as_slice();
                let &[outputs, inputs, kernel, width] = shape else {
                    return None;
                };
                // The adjoint of stride 1 pads by kernel - 1 - padding.
                if kernel != width || *padding >= kernel {
                    return None;
                }
                let operation = Operation::Convolution {
                    inputs: inputs * groups,
                    outputs,
                    kernel,
                    stride: *stride,
                    padding: *padding,
                    groups: *groups,
                    bias: self.parameters.len() == 2,
                    standardization: None,
                };
                (operation, &["weight", "bias"])
            }
            Primitive::BatchNorm { epsilon } if images => {
                let operation = Operation::BatchNorm {
                    channels: *self.input.first()?,
                    epsilon: *epsilon,
                };
                (
                    operation,
                    &["weight", "bias", "running_mean", "running_var"],
                )
            }
            Primitive::GroupNorm { groups, epsilon } if images && self.parameters.len() == 2 => {
                let operation = Operation::GroupNorm {
                    groups: *groups,
                    channels: *self.input.first()?,
                    epsilon: *epsilon,
                };
                (operation, &["weight", "bias"])
            }
            Primitive::Linear if self.input.len() == 1 => {
                let &[outputs, inputs] = self.parameters.first()?.shape.as_slice() else {
                    return None;
                };
                let operation = Operation::Linear {
                    inputs,
                    outputs,
                    bias: self.parameters.len() == 2,
                };
                (operation, &["weight", "bias"])
            }
            Primitive::Mean { axes, keep: false }
                if images
                    && [[-1, -2], [-2, -1], [2, 3]].contains(&axes.as_slice().try_into().ok()?) =>
            {
                (Operation::GlobalAveragePool, &[])
            }
            &Primitive::MaxPool {
                kernel: [kernel, other_kernel],
                stride: [stride, other_stride],
                padding: [padding, other_padding],
                dilation: [1, 1],
                ceiling: false,
            } if kernel == other_kernel && stride == other_stride && padding == other_padding => {
                let operation = Operation::MaxPool {
                    kernel,
                    stride,
                    padding,
                };
                (operation, &[])
            }
            _ => return None,
        };
        let in_order = node.operands.iter().enumerate().all(|(place, value)| {
            *value
                == match place {
                    0 => Value::Input,
                    place => Value::Parameter(place - 1),
                }
        });
        let name = match self.parameters.first() {
            None => "",
            Some(first) => first.name.strip_suffix(".weight")?,
        };
        let named = self
            .parameters
            .iter()
            .zip(suffixes)
            .all(|(parameter, suffix)| parameter.name == format!("{name}.{suffix}"));
        let layer = Layer::new(name, operation);
        let complete = layer.parameters().len() == self.parameters.len();
        (in_order && named && complete).then_some(layer)
    }
}
