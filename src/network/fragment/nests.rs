//! Blocks whose function is a sequence of blocks itself: a long skip around others, as in networks
//! for super-resolution.
//!
//! Such a block hides those within it. It is taken apart by carrying the long skip beside them: the
//! features are concatenated with what the long skip holds, the inner blocks add to the first part
//! only, and the outer addition becomes a block that joins the two. Deleting that one leaves the
//! long skip alone, as deleting the whole would have. Nothing is approximated: each value is the
//! one that the graph computes, so the rewritten graph has the same outputs and gradients, and the
//! inner additions are waists of it.

use std::collections::HashMap;

use super::blocks::{Finder, ancestors};
use super::{Fragment, Node, Primitive, Value};

/// The axis along which features and the long skip are concatenated.
const AXIS: i64 = 1;

/// A block that holds a sequence of blocks.
struct Nest {
    from: Value,
    to: Value,
    /// What the block adds to its input.
    function: Value,
    /// The values from the first inner block's input to the last one's output, and between two that
    /// follow each other the terms that an inner block adds; none where it is no block.
    steps: Vec<(Value, Value, Vec<Value>)>,
}

impl Finder<'_> {
    /// The graph with the first nest taken apart; `None` where there is none.
    pub(super) fn unnested(&self) -> Option<Fragment> {
        let waists = self.uses.waists(self.graph.result);
        let mut pairs = waists.iter().zip(waists.iter().skip(1));
        let nest = pairs.find_map(|(&from, &to)| self.nest(from, to))?;
        self.take_apart(&nest)
    }

    fn nest(&self, from: Value, to: Value) -> Option<Nest> {
        let function = match self.added(from, to).as_slice() {
            &[function] => function,
            _ => return None,
        };
        let waists = self.waists_between(from, function).ok()?;
        let pairs = waists.iter().zip(waists.iter().skip(1));
        let mut steps: Vec<(Value, Value, Vec<Value>)> = pairs
            .map(|(&from, &to)| (from, to, self.added(from, to)))
            .collect();
        let is_block = |(_, _, terms): &(Value, Value, Vec<Value>)| !terms.is_empty();
        // One addition may be a part of what a function does; a sequence of them is one of blocks.
        if steps.iter().filter(|step| is_block(step)).count() < 2 {
            return None;
        }
        steps.truncate(steps.iter().rposition(is_block)? + 1);
        steps.drain(..steps.iter().position(is_block)?);
        // What is carried must fit beside the features everywhere.
        let saved = self.probe.each(from)?;
        let fits = |value: Value| {
            let shape = self.probe.each(value);
            shape
                .is_some_and(|shape| shape.len() == saved.len() && shape.get(1..) == saved.get(1..))
        };
        let all_fit = !saved.is_empty() && steps.iter().all(|step| fits(step.0) && fits(step.1));
        all_fit.then_some(Nest {
            from,
            to,
            function,
            steps,
        })
    }

    /// The terms that are added to `from` itself to give `to`; none where it is no such sum.
    fn added(&self, from: Value, to: Value) -> Vec<Value> {
        let mut terms = self.terms(from, to).unwrap_or_default();
        match terms.iter().position(|&term| term == from) {
            Some(skip) => drop(terms.remove(skip)),
            None => terms.clear(),
        }
        terms
    }

    fn take_apart(&self, nest: &Nest) -> Option<Fragment> {
        let saved = self.probe.each(nest.from)?;
        let (&carried, others) = saved.split_first()?;
        let channels = |value: Value| self.probe.each(value)?.first().copied();
        // Lengths before and after the axis; negative ones cut off.
        let padded = |before: i64, after: i64| Primitive::Pad {
            lengths: [vec![0; 2 * others.len()], vec![before, after]].concat(),
            value: 0.0,
        };
        let mut made = Rewriting {
            graph: self.graph,
            nodes: Vec::new(),
            copied: HashMap::new(),
            instead: HashMap::new(),
        };
        let start = nest.steps.first()?.0;
        let ends = nest.steps.last()?.1;
        made.copy(start, None)?;
        let (first, skip) = (made.find(start)?, made.find(nest.from)?);
        let concatenate = || Primitive::Concatenate { axis: AXIS };
        let mut state = made.push(concatenate(), vec![first, skip], start);
        let mut features = channels(start)?;
        for (from, to, terms) in &nest.steps {
            let x = made.push(padded(0, -carried), vec![state], *from);
            made.instead.insert(*from, x);
            if terms.is_empty() {
                made.copy(*to, Some(*from))?;
                let skip = made.push(padded(-features, 0), vec![state], *to);
                let x = made.find(*to)?;
                state = made.push(concatenate(), vec![x, skip], *to);
                features = channels(*to)?;
            }
            for &term in terms {
                made.copy(term, Some(*from))?;
                let term = made.find(term)?;
                let wide = made.push(padded(0, carried), vec![term], *to);
                state = made.push(Primitive::Add, vec![state, wide], *to);
            }
        }
        let x = made.push(padded(0, -carried), vec![state], ends);
        made.instead.insert(ends, x);
        made.copy(nest.function, Some(ends))?;
        let function = made.find(nest.function)?;
        let skip = made.push(padded(-features, 0), vec![state], nest.to);
        let sum = made.push(Primitive::Add, vec![skip, function], nest.to);
        made.instead.insert(nest.to, sum);
        made.copy(self.graph.result, Some(nest.to))?;
        Some(Fragment {
            result: made.find(self.graph.result)?,
            nodes: made.nodes,
            ..self.graph.clone()
        })
    }
}

/// A graph that is written anew.
struct Rewriting<'g> {
    graph: &'g Fragment,
    nodes: Vec<Node>,
    /// Where nodes of the graph stand in the new one.
    copied: HashMap<usize, usize>,
    /// What takes the place of a value of the graph.
    instead: HashMap<Value, Value>,
}

impl Rewriting<'_> {
    /// The value of the new graph that stands for `value`.
    fn find(&self, value: Value) -> Option<Value> {
        let moved = || match value {
            Value::Output(node, output) => {
                let node = self.copied.get(&node)?;
                Some(Value::Output(*node, output))
            }
            value => Some(value),
        };
        self.instead.get(&value).copied().or_else(moved)
    }

    /// Copies what gives `to`, up to `from`.
    fn copy(&mut self, to: Value, from: Option<Value>) -> Option<()> {
        for place in ancestors(self.graph, to, from) {
            if self.copied.contains_key(&place) {
                continue;
            }
            let mut node = self.graph.nodes.get(place)?.clone();
            for operand in &mut node.operands {
                *operand = self.find(*operand)?;
            }
            self.copied.insert(place, self.nodes.len());
            self.nodes.push(node);
        }
        Some(())
    }

    /// Adds an operation where the graph has `place`.
    fn push(&mut self, primitive: Primitive, operands: Vec<Value>, place: Value) -> Value {
        let scope = match place {
            Value::Output(node, _) => self.graph.nodes.get(node),
            _ => None,
        };
        self.nodes.push(Node {
            primitive,
            operands,
            scope: scope.map(|node| node.scope.clone()).unwrap_or_default(),
        });
        Value::Output(self.nodes.len() - 1, 0)
    }
}
