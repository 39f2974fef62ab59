//! A graph with what is known of its values: what they need, and what lies between two of them.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::probe::Probe;
use super::{Fragment, Node, Value};

/// A graph with what is known of its values.
pub(super) struct Finder<'g> {
    pub graph: &'g Fragment,
    pub probe: &'g Probe,
    /// The operands of each node.
    operands: Vec<Vec<Value>>,
    /// Whether a node lies on a way from the input to the result.
    between: Vec<bool>,
    /// Nodes between that use a value.
    users: HashMap<Value, Vec<usize>>,
}

impl<'g> Finder<'g> {
    pub fn of(graph: &'g Fragment, probe: &'g Probe) -> Self {
        let mut finder = Self {
            graph,
            probe,
            operands: graph.nodes.iter().map(Node::operands).collect(),
            between: vec![false; graph.nodes.len()],
            users: HashMap::new(),
        };
        let follows = graph.follows_input();
        for node in finder.needed(&[graph.result], |_| false) {
            if !follows.get(node).copied().unwrap_or(false) {
                continue;
            }
            for operand in finder.operands.get(node).into_iter().flatten() {
                finder.users.entry(*operand).or_default().push(node);
            }
            if let Some(between) = finder.between.get_mut(node) {
                *between = true;
            }
        }
        finder
    }

    pub fn node(&self, value: Value) -> Option<&'g Node> {
        self.graph.nodes.get(value.node()?)
    }

    pub fn operands(&self, node: usize) -> &[Value] {
        self.operands.get(node).map_or(&[], Vec::as_slice)
    }

    /// The outputs of a node.
    pub fn outputs(&self, node: usize) -> impl Iterator<Item = Value> + use<> {
        let outputs = self.probe.nodes.get(node).map_or(0, Vec::len);
        (0..outputs).map(move |output| Value::Output(node, output))
    }

    /// Whether `value` lies on a way from the input to the result.
    pub fn follows(&self, value: Value) -> bool {
        match value {
            Value::Input => true,
            Value::Output(node, _) => self.between.get(node).copied().unwrap_or(false),
            Value::Parameter(_) => false,
        }
    }

    /// The operands of `value`'s node that follow from the input.
    pub fn parents(&self, value: Value) -> BTreeSet<Value> {
        let operands = value.node().map_or(&[][..], |node| self.operands(node));
        let operands = operands.iter().copied();
        operands.filter(|&operand| self.follows(operand)).collect()
    }

    pub fn is_used_once(&self, value: Value) -> bool {
        self.users.get(&value).is_some_and(|users| users.len() == 1)
    }

    pub fn users_of(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        // The result is used by whoever reads it.
        let read = self.graph.result.node() == Some(node);
        let outputs = self.outputs(node);
        let users = outputs.filter_map(|value| self.users.get(&value));
        users.flatten().copied().chain(read.then_some(usize::MAX))
    }

    /// The nodes that `targets` need, back to values for which `is_given`.
    pub fn needed(&self, targets: &[Value], is_given: impl Fn(Value) -> bool) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open = targets.to_vec();
        while let Some(value) = open.pop() {
            if let Value::Output(node, _) = value
                && !is_given(value)
                && found.insert(node)
            {
                open.extend(self.operands(node));
            }
        }
        found
    }

    /// The nodes between input and result that `to` needs and that stand behind `from`.
    pub fn behind(&self, from: Value, to: Value) -> BTreeSet<usize> {
        let first = from.node().map_or(0, |node| node + 1);
        let before = |value: Value| value.node().is_some_and(|node| node < first);
        self.needed(&[to], |value| before(value) || !self.follows(value))
    }

    /// Whether each of `values` is computed from `from`.
    pub fn comes_from(&self, values: &[Value], from: Value) -> bool {
        values.iter().all(|&value| {
            let uses = |node: &usize| self.operands(*node).contains(&from);
            value == from || self.behind(from, value).iter().any(uses)
        })
    }

    /// Whether `value` is computed from `from` and parameters alone.
    pub fn needs_only(&self, value: Value, from: Value) -> bool {
        let needed = self.needed(&[value], |value| value == from);
        let mut all = needed.iter().flat_map(|&node| self.operands(node));
        from == Value::Input || value != Value::Input && !all.any(|used| *used == Value::Input)
    }

    /// The nodes that `to` needs and that follow from `from`.
    pub fn interior(&self, from: Value, to: Value) -> BTreeSet<usize> {
        let mut inside = BTreeSet::new();
        for node in self.behind(from, to) {
            let follows = |&operand: &Value| {
                operand == from || operand.node().is_some_and(|node| inside.contains(&node))
            };
            if self.operands(node).iter().any(follows) {
                inside.insert(node);
            }
        }
        inside
    }

    /// The values through which every way from `sources` to `targets` passes, in order.
    pub fn waists(&self, sources: &[Value], targets: &[Value]) -> Vec<Value> {
        let stop: HashSet<Value> = sources.iter().copied().collect();
        let needed = self.needed(targets, |value| {
            stop.contains(&value) || !self.follows(value)
        });
        let mut last: HashMap<Value, usize> = HashMap::new();
        for &node in &needed {
            let operands = self.operands(node).iter().copied();
            let following = operands.filter(|&operand| self.follows(operand));
            last.extend(following.map(|operand| (operand, node)));
        }
        last.extend(targets.iter().map(|&target| (target, usize::MAX)));
        let used = |value: &Value| last.contains_key(value);
        let mut live: BTreeSet<Value> = sources.iter().copied().filter(used).collect();
        let first = live.first().filter(|_| live.len() == 1);
        let mut waists: Vec<Value> = first.into_iter().copied().collect();
        for node in needed {
            live.retain(|value| last.get(value).is_some_and(|&last| last > node));
            let made = self.outputs(node);
            live.extend(made.filter(|value| used(value) && !stop.contains(value)));
            if let (1, Some(&only)) = (live.len(), live.first())
                && only.node() == Some(node)
            {
                waists.push(only);
            }
        }
        waists
    }
}

impl Fragment {
    /// For every node whether a tensor that it gives follows from the numbers of the input; sizes
    /// of such tensors do not.
    pub(super) fn follows_input(&self) -> Vec<bool> {
        let mut follows: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let tensor = |value: Value| match value {
                Value::Input => true,
                Value::Output(before, _) => follows.get(before).copied().unwrap_or(false),
                Value::Parameter(_) => false,
            };
            let sizes = matches!(node.name(), "sym_size" | "sym_numel") || node.is_arithmetic();
            let found = !sizes && node.operands().into_iter().any(tensor);
            follows.push(found);
        }
        follows
    }
}
