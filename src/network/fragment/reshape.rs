//! Operations that give a value which is there already, while a program is rewritten: values keep the
//! shape with rows for the examples where they have it again, and a list to which layers append is
//! one value that grows.

use super::probe::Shape;
use super::rewriting::{Concatenation, Rewriting};
use super::{Argument, Node, Value};
use crate::NetworkError;

impl Rewriting {
    /// What stands for the output of `node` where it is better taken from what is there.
    pub fn simplified(&mut self, place: usize, node: &Node) -> Result<Option<Value>, NetworkError> {
        Ok(match node.operation.as_str() {
            "aten::reshape" => Some(match self.summed(place, node) {
                Some(terms) => self.sum_of_reshaped(place, node, terms)?,
                None => self.reshaped(place, node)?,
            }),
            // It may take everything.
            "aten::slice.Tensor" => Some(self.reshaped(place, node)?),
            "aten::cat" => Some(self.concatenated(place, node)?),
            _ => None,
        })
    }

    /// The terms of the sum that `node` brings back into rows of the examples, where nothing else
    /// uses it: then the terms may be brought back instead, and their sum may be that of a block.
    fn summed(&self, place: usize, node: &Node) -> Option<[Value; 2]> {
        let sum @ Value::Output(before, 0) = node.value(0)? else {
            return None;
        };
        let shape = |place: usize| self.trial.seen.get(place)?.first()?.0.as_ref();
        let adds = self.old.get(before)?;
        let flat = shape(before)?;
        if adds.operation != "aten::add.Tensor" || flat.each().is_some() {
            return None;
        }
        shape(place)?.each()?;
        let operands = self.old.iter().flat_map(Node::operands);
        if operands.filter(|&value| value == sum).count() != 1 {
            return None;
        }
        let terms = [adds.value(0)?, adds.value(1)?];
        let fits = |value: &Value| {
            matches!(value, Value::Output(term, 0)
                if shape(*term).is_some_and(|shape| shape.two == flat.two)
                    && self.trial.follows.get(*term) == Some(&true))
        };
        terms.iter().all(fits).then_some(terms)
    }

    fn sum_of_reshaped(
        &mut self,
        place: usize,
        node: &Node,
        terms: [Value; 2],
    ) -> Result<Value, NetworkError> {
        let mut arguments = Vec::new();
        for term in terms {
            let mut node = node.clone();
            if let Some(first) = node.arguments.first_mut() {
                *first = Argument::Value(term);
            }
            arguments.push(Argument::Value(self.reshaped(place, &node)?));
        }
        arguments.push(Argument::fixed(1));
        let sum = Node {
            operation: "aten::add.Tensor".into(),
            arguments,
            ..node.clone()
        };
        Ok(self.add(sum, self.shapes_of(place)))
    }

    /// A reshaped value, or a slice: the one that it was before, where it has that shape again.
    fn reshaped(&mut self, place: usize, node: &Node) -> Result<Value, NetworkError> {
        let row = self.trial.seen.get(place);
        let target = row.and_then(|row| row.first()?.0.clone());
        let operand = node.value(0).map(|value| self.replaced(value));
        let mut before = operand.transpose()?.and_then(|operand| operand.value());
        while let Some(value) = before {
            let shape = self.probe.shape(value).zip(target.as_ref());
            let same = |(a, b): (&Shape, &Shape)| (&a.two, &a.three) == (&b.two, &b.three);
            if shape.is_some_and(same) {
                return Ok(value);
            }
            before = match value {
                Value::Output(made, 0) if node.operation == "aten::reshape" => {
                    let made = self.graph.nodes.get(made);
                    let made = made.filter(|made| made.operation == "aten::reshape");
                    made.and_then(|made| made.value(0))
                }
                _ => None,
            };
        }
        self.push(place, node)
    }

    /// A concatenation: of one value that value, and where an earlier concatenation begins or ends
    /// the list, of that one and the rest.
    fn concatenated(&mut self, place: usize, node: &Node) -> Result<Value, NetworkError> {
        let made = self.push(place, node)?;
        let last = self.graph.nodes.last_mut();
        let Some([Argument::List(list), axis]) = last.map(|node| &mut node.arguments[..]) else {
            return Ok(made);
        };
        if let &[Argument::Value(only)] = list.as_slice() {
            return Ok(only);
        }
        let whole = Concatenation {
            made,
            axis: axis.clone(),
            list: list.clone(),
        };
        for (ends, entry) in [(false, whole.list.first()), (true, whole.list.last())] {
            let Some(&Argument::Value(value)) = entry else {
                continue;
            };
            if let Some(before) = self.lists.insert((ends, value), whole.clone())
                && before.axis == whole.axis
                && before.list.len() < list.len()
            {
                let shared = Argument::Value(before.made);
                if ends && list.ends_with(&before.list) {
                    list.truncate(list.len() - before.list.len());
                    list.push(shared);
                } else if !ends && list.starts_with(&before.list) {
                    list.splice(..before.list.len(), [shared]);
                }
            }
        }
        Ok(made)
    }

    /// The mean over all positions, where `node` is the last step of its usual two: pooling to one
    /// position and flattening.
    pub fn mean_of_all(&self, node: &Node) -> Option<Node> {
        if node.name() != "flatten" || (node.integer(1), node.integer(2)) != (Some(1), Some(-1)) {
            return None;
        }
        let Value::Output(pool, 0) = node.value(0)? else {
            return None;
        };
        let pool = self.graph.nodes.get(pool)?;
        let to_one = pool.name() == "adaptive_avg_pool2d"
            && pool.integers(1)?.iter().all(|&length| length == 1);
        to_one.then(|| Node {
            operation: "aten::mean.dim".into(),
            arguments: vec![
                pool.arguments.first().cloned().unwrap_or(Argument::None),
                Argument::all_fixed([-2, -1]),
                Argument::Truth(false),
                Argument::None,
            ],
            ..node.clone()
        })
    }
}
