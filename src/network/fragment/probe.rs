//! What the values of a graph look like: found by running it, once with two and once with three
//! examples. Where a shape follows the number of examples, only this tells.

use tch::{Kind, Tensor};

use super::{Fragment, Primitive, Value};
use crate::network::NetworkError;

/// Shapes of a graph's values.
#[derive(Debug)]
pub(super) struct Probe {
    /// By node and output.
    shapes: Vec<Vec<Shape>>,
    input: Vec<i64>,
}

#[derive(Debug)]
struct Shape {
    /// With two examples.
    two: Vec<i64>,
    /// Whether the first axis counts the examples and no other axis follows them.
    by_example: bool,
}

const FEW: i64 = 2;

/// The lengths of every output of a node.
type Sizes = Vec<Vec<i64>>;

/// A hostile graph could make far more numbers than its file has: one operation may make this many
/// times what the parameters and the input have, beside a floor for the smallest models.
const FACTOR: i64 = 256;
const FLOOR: i64 = 1 << 20;

impl Probe {
    /// Runs `graph` on `batch` `[3, ...]`.
    pub fn of(
        graph: &Fragment,
        parameters: &[Tensor],
        batch: &Tensor,
    ) -> Result<Self, NetworkError> {
        tch::no_grad(|| {
            let held: usize = parameters.iter().map(Tensor::numel).sum();
            let held = i64::try_from(held + batch.numel()).unwrap_or(i64::MAX);
            let limit = held.saturating_mul(FACTOR).saturating_add(FLOOR);
            let sizes = |batch: &Tensor| -> Result<(Tensor, Vec<Sizes>), NetworkError> {
                let mut sizes = Vec::with_capacity(graph.nodes.len());
                let result = graph.run(parameters, batch, limit, &mut |_, made| {
                    sizes.push(made.iter().map(Tensor::size).collect());
                })?;
                Ok((result, sizes))
            };
            let (_, two) = sizes(&batch.f_narrow(0, 0, FEW)?)?;
            let (together, three) = sizes(batch)?;
            examples_stay_apart(graph, parameters, batch, &together)?;
            let shapes = two.into_iter().zip(three).map(|(two, three)| {
                let pairs = two.into_iter().zip(three);
                pairs
                    .map(|(two, three)| {
                        let by_example = two.first() == Some(&FEW)
                            && three.first() == Some(&(FEW + 1))
                            && two.get(1..) == three.get(1..);
                        Shape { two, by_example }
                    })
                    .collect()
            });
            Ok(Self {
                shapes: shapes.collect(),
                input: batch.size().split_off(1),
            })
        })
    }

    fn shape(&self, value: Value) -> Option<&Shape> {
        match value {
            Value::Output(node, place) => self.shapes.get(node)?.get(place),
            _ => None,
        }
    }

    /// Shape of `value` for one example, where its first axis counts the examples.
    pub fn each(&self, value: Value) -> Option<Vec<i64>> {
        if value == Value::Input {
            return Some(self.input.clone());
        }
        let shape = self.shape(value).filter(|shape| shape.by_example)?;
        shape.two.get(1..).map(<[i64]>::to_vec)
    }

    /// Multiply-adds of a node for one example.
    pub fn multiply_adds(&self, graph: &Fragment, node: usize) -> i64 {
        let Some(made) = graph.nodes.get(node) else {
            return 0;
        };
        let weight = match (&made.primitive, made.operands.as_slice()) {
            (Primitive::Convolution { .. } | Primitive::Linear, [_, Value::Parameter(w), ..]) => {
                graph
                    .parameters
                    .get(*w)
                    .map(|p| p.shape.iter().skip(1).product::<i64>())
            }
            (Primitive::AddMatmul, [_, _, Value::Parameter(w)]) => graph
                .parameters
                .get(*w)
                .and_then(|p| p.shape.first().copied()),
            _ => None,
        };
        let elements: i64 = self
            .shape(Value::Output(node, 0))
            .map_or(0, |shape| shape.two.iter().product());
        weight.unwrap_or(0) * elements / FEW
    }
}

/// A graph that was exported for one number of examples may mix them when it is given another.
fn examples_stay_apart(
    graph: &Fragment,
    parameters: &[Tensor],
    batch: &Tensor,
    together: &Tensor,
) -> Result<(), NetworkError> {
    let mixed = || NetworkError::Architecture {
        reason: "its examples influence each other; export the model in eval mode with a dynamic \
                 batch axis, or with a batch of two examples"
            .into(),
    };
    if together.size().first() != batch.size().first() {
        return Err(mixed());
    }
    for example in 0..FEW {
        let alone = graph.forward(parameters, &batch.f_narrow(0, example, 1)?)?;
        let row = together.f_narrow(0, example, 1)?;
        let apart = alone.f_sub(&row)?.f_abs()?.f_max()?.f_double_value(&[])?;
        let size = row
            .f_abs()?
            .f_max()?
            .f_to_kind(Kind::Double)?
            .f_double_value(&[])?;
        // Not a number is no sign of mixing: weights may overflow by themselves.
        if apart > 1e-3 * size.max(1e-6) {
            return Err(mixed());
        }
    }
    Ok(())
}
