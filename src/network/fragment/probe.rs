//! What the values of a graph look like.

use std::collections::HashMap;

use tch::Kind;

use super::{Fragment, Length, Node, Value};

/// Examples of the smaller trial run; the larger has one more.
pub(super) const FEW: i64 = 2;

/// What a value looks like.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// With two examples.
    pub two: Vec<i64>,
    /// With three.
    pub three: Vec<i64>,
    pub kind: Kind,
}

impl Shape {
    /// The shape for one example, where the first axis counts the examples and no other follows
    /// them.
    pub(super) fn each(&self) -> Option<Vec<i64>> {
        let by_example = self.two.first() == Some(&FEW)
            && self.three.first() == Some(&(FEW + 1))
            && self.two.get(1..) == self.three.get(1..);
        by_example.then(|| self.two.get(1..).unwrap_or_default().to_vec())
    }

    /// The lengths, and the numbers for each example, where the first axis is a multiple of the
    /// examples and no other follows them.
    pub(super) fn by_rows(&self) -> Option<(Vec<Length>, i64)> {
        let pairs = self.two.iter().zip(&self.three);
        let lengths: Vec<Length> = pairs
            .map(|(&two, &three)| Length::through(two, three))
            .collect();
        let (first, rest) = lengths.split_first()?;
        let leads = matches!(first, Length::PerExample { plus: 0, .. });
        let fixed = |length: &Length| matches!(length, Length::Fixed(_));
        (leads && rest.iter().all(fixed)).then(|| (lengths.clone(), self.elements()))
    }

    /// Numbers for each of two examples.
    fn elements(&self) -> i64 {
        self.two.iter().product::<i64>() / FEW
    }

    fn last(&self) -> i64 {
        self.two.last().copied().unwrap_or(1)
    }
}

/// What a program's values look like after folding.
#[derive(Debug)]
pub(super) struct Probe {
    pub input: Shape,
    pub nodes: Vec<Vec<Option<Shape>>>,
    /// For folded constants the trained parameters that they were made from.
    pub sources: HashMap<usize, Vec<usize>>,
}

impl Probe {
    pub(super) fn shape(&self, value: Value) -> Option<&Shape> {
        match value {
            Value::Input => Some(&self.input),
            Value::Output(node, place) => self.nodes.get(node)?.get(place)?.as_ref(),
            Value::Parameter(_) => None,
        }
    }

    /// Shape of `value` for one example, where its first axis counts the examples.
    pub(super) fn each(&self, value: Value) -> Option<Vec<i64>> {
        self.shape(value)?.each()
    }

    /// Multiply-adds of a node for one example.
    pub(super) fn multiply_adds(&self, graph: &Fragment, place: usize) -> i64 {
        let weighs = |node: &Node| {
            let weight = graph.parameters.get(graph.weight(node)?)?;
            let output = self.shape(Value::Output(place, 0))?;
            let each = match node.name() {
                "linear" | "conv1d" | "conv2d" | "conv3d" | "convolution" | "_convolution" => {
                    weight.shape.iter().skip(1).product()
                }
                // The length that the product sums over.
                "addmm" | "baddbmm" => self.shape(node.value(1)?)?.last(),
                "matmul" | "mm" | "bmm" => match node.value(0)? {
                    Value::Parameter(left) => *graph.parameters.get(left)?.shape.last()?,
                    left => self.shape(left)?.last(),
                },
                _ => weight.shape.iter().product::<i64>() / weight.shape.first().copied()?.max(1),
            };
            Some(each.saturating_mul(output.elements()))
        };
        graph.nodes.get(place).and_then(weighs).unwrap_or(0)
    }
}
