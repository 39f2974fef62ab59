//! From a graph to a residual network.
//!
//! Every way from the input to the output passes through some values: the graph's waists. Between
//! two waists that follow each other there is one operation, or something with several ways. Where
//! that ends in an addition of terms that all come from the upper waist it is a residual block:
//! one term is the skip, the others are its functions. Everything else is a chain of layers.
//! A block that holds a sequence of blocks is taken apart before (`nests`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tch::Tensor;

use super::probe::Probe;
use super::{Fragment, Primitive, Value};
use crate::network::{Block, Branch, Layer, NetworkError, Operation, Parameter, Specification};

impl Fragment {
    /// The residual network that a whole program computes. `batch` `[3, ...]` is an input to try
    /// it on.
    ///
    /// # Errors
    /// A graph without residual blocks, or one that cannot be run.
    pub fn network(
        mut self,
        parameters: &[Tensor],
        batch: &Tensor,
    ) -> Result<Specification, NetworkError> {
        let mut probe = Probe::of(&self, parameters, batch)?;
        for _ in 0..NESTS {
            let finder = Finder::of(&self, &probe);
            let Some(unnested) = finder.unnested() else {
                break;
            };
            self = unnested;
            probe = Probe::of(&self, parameters, batch)?;
        }
        let refuse = |reason: &str| NetworkError::Architecture {
            reason: reason.to_owned(),
        };
        self.output = probe
            .each(self.result)
            .ok_or_else(|| refuse("its output is not one row for each example"))?;
        Finder::of(&self, &probe).network()
    }
}

/// Blocks that are taken apart for what they hold, at most: a hostile graph must not keep us long.
const NESTS: usize = 256;

/// Who uses what, over the values that lie between input and result.
pub(super) struct Uses {
    /// Nodes on a way from the input to the result.
    between: BTreeSet<usize>,
    /// The last node that uses a value; absent for the result.
    last: BTreeMap<Value, usize>,
    /// How often a value is used by nodes between.
    counts: HashMap<Value, usize>,
}

impl Uses {
    fn of(graph: &Fragment) -> Self {
        let mut follows: BTreeSet<usize> = BTreeSet::new();
        for (place, node) in graph.nodes.iter().enumerate() {
            let from_input = |value: &Value| match value {
                Value::Input => true,
                Value::Output(from, _) => follows.contains(from),
                Value::Parameter(_) => false,
            };
            if node.operands.iter().any(from_input) {
                follows.insert(place);
            }
        }
        let needed = ancestors(graph, graph.result, None);
        let between: BTreeSet<usize> = follows.intersection(&needed).copied().collect();
        let mut last = BTreeMap::new();
        let mut counts = HashMap::new();
        for &place in &between {
            for &operand in graph
                .nodes
                .get(place)
                .iter()
                .flat_map(|node| &node.operands)
            {
                last.insert(operand, place);
                *counts.entry(operand).or_insert(0) += 1;
            }
        }
        last.remove(&graph.result);
        Self {
            between,
            last,
            counts,
        }
    }

    fn follows_input(&self, value: Value) -> bool {
        match value {
            Value::Input => true,
            Value::Output(node, _) => self.between.contains(&node),
            Value::Parameter(_) => false,
        }
    }

    /// The values through which every way passes, from the input to the result.
    pub fn waists(&self, result: Value) -> Vec<Value> {
        let mut waists = vec![Value::Input];
        let mut live: BTreeSet<Value> = BTreeSet::from([Value::Input]);
        for &place in &self.between {
            live.retain(|value| self.last.get(value).is_some_and(|&last| last > place));
            let outputs = Value::Output(place, 0)..=Value::Output(place, usize::MAX);
            live.extend(self.last.range(outputs).map(|(&value, _)| value));
            if let Value::Output(node, _) = result
                && node == place
            {
                live.insert(result);
            }
            if let (1, Some(&only @ Value::Output(node, _))) = (live.len(), live.first())
                && node == place
            {
                waists.push(only);
            }
        }
        waists
    }
}

/// The nodes that `to` needs, up to `from`.
pub(super) fn ancestors(graph: &Fragment, to: Value, from: Option<Value>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = vec![to];
    while let Some(value) = open.pop() {
        if Some(value) == from {
            continue;
        }
        if let Value::Output(node, _) = value
            && found.insert(node)
        {
            open.extend(graph.nodes.get(node).iter().flat_map(|node| &node.operands));
        }
    }
    found
}

/// Looks for blocks in a graph.
pub(super) struct Finder<'g> {
    pub graph: &'g Fragment,
    pub probe: &'g Probe,
    pub uses: Uses,
}

impl<'g> Finder<'g> {
    fn of(graph: &'g Fragment, probe: &'g Probe) -> Self {
        Self {
            graph,
            probe,
            uses: Uses::of(graph),
        }
    }
}

impl Finder<'_> {
    fn network(&self) -> Result<Specification, NetworkError> {
        let waists = self.uses.waists(self.graph.result);
        let mut stem = None;
        let mut blocks: Vec<Block<Layer>> = Vec::new();
        // Where the chain that is not yet given to anything begins.
        let mut start = Value::Input;
        for pair in waists.windows(2) {
            let &[from, to] = pair else { continue };
            let Some(terms) = self.terms(from, to) else {
                continue;
            };
            let chain = self.chain(&waists, start, from)?;
            let pre = match (blocks.last_mut(), &stem) {
                (Some(before), _) => divide(before, chain),
                (None, _) => {
                    stem = Some(chain);
                    Vec::new()
                }
            };
            blocks.push(self.block(from, to, terms, pre)?);
            start = to;
        }
        let Some(stem) = stem else {
            return Err(NetworkError::Architecture {
                reason: "its graph has no residual block: no addition whose terms come from one \
                         value that everything passes through"
                    .into(),
            });
        };
        let chain = self.chain(&waists, start, self.graph.result)?;
        let head = match blocks.last_mut() {
            Some(before) => divide(before, chain),
            None => chain,
        };
        let mut specification = Specification { stem, blocks, head };
        name_apart(&mut specification.blocks);
        Ok(specification)
    }

    /// The terms of the addition that gives `to`, where all come from `from` and have its shape.
    pub fn terms(&self, from: Value, to: Value) -> Option<Vec<Value>> {
        let mut terms = Vec::new();
        self.flatten(from, to, &mut terms);
        let shape = self.probe.each(to)?;
        self.probe.each(from)?;
        let equal = terms
            .iter()
            .all(|&term| self.probe.each(term).as_ref() == Some(&shape));
        (terms.len() > 1 && equal).then_some(terms)
    }

    /// `a + (b + c)` as a, b and c, as long as nobody else uses the inner sums.
    fn flatten(&self, from: Value, value: Value, terms: &mut Vec<Value>) {
        let mut open = vec![value];
        while let Some(next) = open.pop() {
            let operands = match next {
                Value::Output(node, _) => self.graph.nodes.get(node),
                _ => None,
            }
            .filter(|node| node.primitive == Primitive::Add)
            .map(|node| node.operands.as_slice());
            let own = next == value || self.uses.counts.get(&next) == Some(&1);
            match operands {
                Some(&[left, right])
                    if own
                        && next != from
                        && self.uses.follows_input(left)
                        && self.uses.follows_input(right) =>
                {
                    open.extend([right, left]);
                }
                _ => terms.push(next),
            }
        }
    }

    fn block(
        &self,
        from: Value,
        to: Value,
        mut terms: Vec<Value>,
        pre: Vec<Layer>,
    ) -> Result<Block<Layer>, NetworkError> {
        // The skip is the block's input itself, or else the shortest way.
        let weight = |term: &Value| ancestors(self.graph, *term, Some(from)).len();
        let shortest = terms
            .iter()
            .enumerate()
            .min_by_key(|(_, term)| weight(term))
            .map_or(0, |(place, _)| place);
        let skip = terms.remove(shortest);
        let layers = |term: Value| self.pieces(from, term);
        let branches = terms
            .iter()
            .map(|&term| {
                Ok(Branch {
                    layers: layers(term)?,
                })
            })
            .collect::<Result<Vec<_>, NetworkError>>()?;
        let scope = match to {
            Value::Output(node, _) => self.graph.nodes.get(node),
            _ => None,
        }
        .map(|node| node.scope.clone());
        Ok(Block {
            name: scope.unwrap_or_default(),
            pre,
            skip: Some(layers(skip)?),
            branches,
            post: Vec::new(),
        })
    }

    /// The layers between two waists, cut at every waist between them.
    fn chain(&self, waists: &[Value], from: Value, to: Value) -> Result<Vec<Layer>, NetworkError> {
        let place = |value: Value| waists.iter().position(|&waist| waist == value);
        let (Some(first), Some(last)) = (place(from), place(to)) else {
            return Err(NetworkError::Architecture {
                reason: "its output is not what its graph ends in".into(),
            });
        };
        self.cut(waists.get(first..=last).unwrap_or_default())
    }

    /// The layers from `from` to `term`, cut wherever everything passes through one value.
    fn pieces(&self, from: Value, term: Value) -> Result<Vec<Layer>, NetworkError> {
        if term == from {
            return Ok(Vec::new());
        }
        self.cut(&self.waists_between(from, term)?)
    }

    /// The values through which every way from `from` to `term` passes.
    pub fn waists_between(&self, from: Value, term: Value) -> Result<Vec<Value>, NetworkError> {
        let (part, origins) = self.extract(from, term)?;
        let waists = Uses::of(&part).waists(part.result).into_iter();
        let in_whole = waists.filter_map(|waist| match waist {
            Value::Input => Some(from),
            Value::Output(node, output) => {
                origins.get(node).map(|&node| Value::Output(node, output))
            }
            Value::Parameter(_) => None,
        });
        Ok(in_whole.collect())
    }

    /// One layer for each step between `waists`, joined where a layer could not stand alone: where
    /// the first axis is not that of the examples, and behind operations that only look at their
    /// input in another way.
    fn cut(&self, waists: &[Value]) -> Result<Vec<Layer>, NetworkError> {
        let mut layers = Vec::new();
        let Some((&first, rest)) = waists.split_first() else {
            return Ok(layers);
        };
        let mut from = first;
        for (place, &to) in rest.iter().enumerate() {
            let is_view = match to {
                Value::Output(node, _) => self
                    .graph
                    .nodes
                    .get(node)
                    .is_some_and(|node| node.primitive.is_view()),
                _ => false,
            };
            let ends = place + 1 == rest.len();
            if ends || !is_view && self.probe.each(to).is_some() {
                layers.push(self.extract(from, to)?.0.into_layer());
                from = to;
            }
        }
        Ok(layers)
    }

    /// The piece of the graph from `from` to `to`, and where its nodes stand in the whole.
    fn extract(&self, from: Value, to: Value) -> Result<(Fragment, Vec<usize>), NetworkError> {
        let unclear = || NetworkError::Architecture {
            reason: "a piece of its graph has no rows for its examples".into(),
        };
        let origins: Vec<usize> = ancestors(self.graph, to, Some(from)).into_iter().collect();
        let mut parameters = Vec::new();
        let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
        let mut nodes = Vec::with_capacity(origins.len());
        let mut multiply_adds = 0;
        let moved = |node: usize| origins.binary_search(&node).map_err(|_| unclear());
        for &origin in &origins {
            let mut node = self.graph.nodes.get(origin).ok_or_else(unclear)?.clone();
            for operand in &mut node.operands {
                *operand = match *operand {
                    value if value == from => Value::Input,
                    Value::Input => return Err(unclear()),
                    Value::Output(node, output) => Value::Output(moved(node)?, output),
                    Value::Parameter(place) => {
                        let next = taken.len();
                        Value::Parameter(*taken.entry(place).or_insert(next))
                    }
                };
            }
            nodes.push(node);
            multiply_adds += self.probe.multiply_adds(self.graph, origin);
        }
        let mut places: Vec<(usize, usize)> =
            taken.into_iter().map(|(from, to)| (to, from)).collect();
        places.sort_unstable();
        for (_, place) in places {
            parameters.push(
                self.graph
                    .parameters
                    .get(place)
                    .ok_or_else(unclear)?
                    .clone(),
            );
        }
        let result = match to {
            Value::Output(node, output) => Value::Output(moved(node)?, output),
            _ => Value::Input,
        };
        let fragment = Fragment {
            input: self.probe.each(from).ok_or_else(unclear)?,
            output: self.probe.each(to).ok_or_else(unclear)?,
            multiply_adds,
            parameters,
            nodes,
            result,
        };
        Ok((fragment, origins))
    }
}

/// Gives a chain's leading ReLUs to the block before it, and back what remains.
fn divide(before: &mut Block<Layer>, chain: Vec<Layer>) -> Vec<Layer> {
    let mut rest = chain.into_iter().peekable();
    while let Some(layer) = rest.next_if(|layer| layer.operation == Operation::Relu) {
        before.post.push(layer);
    }
    rest.collect()
}

/// Names the blocks after what their functions have in common, and where that is the same for
/// several (attention and multilayer perceptron of one transformer layer) after where their
/// functions end.
fn name_apart(blocks: &mut [Block<Layer>]) {
    let mut names: Vec<(String, String)> = blocks
        .iter()
        .map(|block| {
            let layers = block.branches.iter().flat_map(|branch| &branch.layers);
            // A mask may lie anywhere.
            let parameters: Vec<Parameter> = layers
                .flat_map(Layer::parameters)
                .filter(|parameter| parameter.role.is_trained())
                .collect();
            let common = common_module(&parameters).unwrap_or_else(|| block.name.clone());
            // The last matrix says more than the scale that may follow it.
            let last = parameters
                .iter()
                .rfind(|parameter| parameter.shape.len() > 1)
                .or(parameters.last());
            let longer = last
                .and_then(|last| last.name.strip_prefix(&common))
                .and_then(|rest| rest.trim_start_matches('.').split('.').next());
            let longer = match longer {
                Some(next) if common.is_empty() => next.to_owned(),
                Some(next) => format!("{common}.{next}"),
                None => common.clone(),
            };
            (common, longer)
        })
        .collect();
    let count =
        |names: &[(String, String)], of: &str| names.iter().filter(|(name, _)| name == of).count();
    let shared: Vec<bool> = names
        .iter()
        .map(|(name, _)| name.is_empty() || count(&names, name) > 1)
        .collect();
    for ((name, longer), shared) in names.iter_mut().zip(shared) {
        if shared {
            *name = longer.clone();
        }
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (block, (name, _)) in blocks.iter_mut().zip(names) {
        let times = seen.entry(name.clone()).or_insert(0);
        *times += 1;
        block.name = match (name.is_empty(), *times) {
            (true, times) => format!("block.{times}"),
            (false, 1) => name,
            (false, times) => format!("{name}.again{times}"),
        };
    }
}

/// The longest module path that all names share.
fn common_module(parameters: &[Parameter]) -> Option<String> {
    let mut shared: Vec<&str> = parameters.first()?.name.split('.').collect();
    shared.pop();
    for parameter in parameters {
        let same = shared
            .iter()
            .zip(parameter.name.split('.'))
            .take_while(|(left, right)| *left == right)
            .count();
        shared.truncate(same);
    }
    Some(shared.join("."))
}
