//! Reshaping and concatenation while a program is rewritten: values keep the shape with rows for
//! the examples where they have it again, and a list to which layers append is one value that grows.

use super::probe::Shape;
use super::rewriting::{Concatenation, Rewriting};
use super::{Argument, Node, Value};
use crate::NetworkError;

impl Rewriting {
    /// The terms of the sum that `node` brings back into rows of the examples, where nothing else
    /// uses it: then the terms may be brought back instead, and their sum may be that of a block.
    pub fn summed(&self, place: usize, node: &Node) -> Option<[Value; 2]> {
        let sum @ Value::Output(before, 0) = node.value(0)? else {
            return None;
        };
        let shape = |place: usize| self.trial.seen.get(place)?.first()?.0.as_ref();
        let adds = self.graph.nodes.get(before)?;
        let flat = shape(before)?;
        if adds.operation != "aten::add.Tensor" || flat.each().is_some() {
            return None;
        }
        shape(place)?.each()?;
        let used = |node: &Node| {
            node.operands()
                .iter()
                .filter(|&&value| value == sum)
                .count()
        };
        if self.graph.nodes.iter().map(used).sum::<usize>() != 1 {
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

    pub fn sum_of_reshaped(
        &mut self,
        place: usize,
        node: &Node,
        terms: [Value; 2],
    ) -> Result<Argument, NetworkError> {
        let mut arguments = Vec::new();
        for term in terms {
            let mut node = node.clone();
            if let Some(first) = node.arguments.first_mut() {
                *first = Argument::Value(term);
            }
            arguments.push(self.reshaped(place, &node)?);
        }
        arguments.push(Argument::fixed(1));
        let sum = Node {
            operation: "aten::add.Tensor".into(),
            arguments,
            ..node.clone()
        };
        let shapes = self.trial.seen.get(place).into_iter().flatten();
        let shapes = shapes.map(|(shape, _)| shape.clone()).collect();
        self.nodes.push((sum, shapes));
        Ok(Argument::Value(Value::Output(self.nodes.len() - 1, 0)))
    }

    /// A reshaped value: the one that it was before, where it has that shape again.
    pub fn reshaped(&mut self, place: usize, node: &Node) -> Result<Argument, NetworkError> {
        let target = self
            .trial
            .seen
            .get(place)
            .and_then(|row| row.first()?.0.clone());
        let mut before = node
            .value(0)
            .map(|value| self.replaced(value))
            .transpose()?;
        while let Some(Argument::Value(value)) = before {
            let shape = match value {
                Value::Input => Some(&self.trial.input),
                Value::Output(node, output) => {
                    let made = self.nodes.get(node);
                    made.and_then(|(_, shapes)| shapes.get(output)?.as_ref())
                }
                Value::Parameter(_) => None,
            };
            let same = |(shape, target): (&Shape, &Shape)| {
                (&shape.two, &shape.three) == (&target.two, &target.three)
            };
            if shape.zip(target.as_ref()).is_some_and(same) {
                return Ok(Argument::Value(value));
            }
            before = match value {
                Value::Output(node, 0) => self.nodes.get(node).and_then(|(node, _)| {
                    let reshapes = node.operation == "aten::reshape";
                    reshapes.then(|| node.arguments.first().cloned()).flatten()
                }),
                _ => None,
            };
        }
        let kept = self.push(place, node)?;
        Ok(Argument::Value(Value::Output(kept, 0)))
    }

    /// A concatenation: of one value that value, and where an earlier concatenation begins or ends
    /// the list, of that one and the rest.
    pub fn concatenated(&mut self, place: usize, node: &Node) -> Result<Argument, NetworkError> {
        let kept = self.push(place, node)?;
        let given = self.nodes.get_mut(kept);
        let Some([Argument::List(list), axis]) = given.map(|(node, _)| &mut node.arguments[..])
        else {
            return Ok(Argument::Value(Value::Output(kept, 0)));
        };
        if let &[Argument::Value(only)] = list.as_slice() {
            self.nodes.pop();
            return Ok(Argument::Value(only));
        }
        let made = Concatenation {
            node: kept,
            axis: axis.clone(),
            list: list.clone(),
        };
        for (ends, entry) in [(false, made.list.first()), (true, made.list.last())] {
            let Some(&Argument::Value(value)) = entry else {
                continue;
            };
            if let Some(before) = self.lists.insert((ends, value), made.clone())
                && before.axis == made.axis
                && before.list.len() < list.len()
            {
                let shared = vec![Argument::Value(Value::Output(before.node, 0))];
                if ends && list.ends_with(&before.list) {
                    list.truncate(list.len() - before.list.len());
                    list.extend(shared);
                } else if !ends && list.starts_with(&before.list) {
                    list.splice(..before.list.len(), shared);
                }
            }
        }
        Ok(Argument::Value(Value::Output(kept, 0)))
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
        let (pool, _) = self.nodes.get(pool)?;
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
