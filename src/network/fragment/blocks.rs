//! Residual blocks in a graph.
//!
//! A block is a sum of terms that all come from one value (`sums`): one term is the skip, the others
//! are its functions. The value need not be the only one that is alive there: what is needed
//! elsewhere (the other side of a concatenation, features that the head takes from several depths,
//! an outer skip) is carried past the block (`carry`). A block whose function is itself a sequence
//! of blocks is taken apart: the inner ones become blocks, and the outer sum joins the last of them
//! with what it was added to. One whose several functions hold sequences of blocks (values that leave
//! the features on the way are added up at the end) is computed between these, and carried.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::carry::State;
use super::layers::divide;
use super::names::name_apart;
use super::probe::Probe;
use super::sums::{Candidate, Term, first_after};
use super::{Fragment, Granularity, Value};
use crate::{Block, Function, Layer, NetworkError, Specification};

/// Values carried past blocks, at most: each is one of several operations in every block that it is
/// carried past.
const MAX_CARRIED: usize = 50_000;

/// What was found in a graph.
pub(super) struct Found {
    pub specification: Specification,
    pub notes: Vec<String>,
    /// What the graph calls the operations of each block.
    pub nodes: Vec<Vec<String>>,
}

/// A graph with what is known of its values.
pub(super) struct Finder<'g> {
    pub graph: &'g Fragment,
    pub probe: &'g Probe,
    /// The operands of each node.
    pub operands: Vec<Vec<Value>>,
    /// Whether a node lies on a way from the input to the result.
    pub between: Vec<bool>,
    /// Nodes between that use a value.
    users: HashMap<Value, Vec<usize>>,
}

impl Found {
    /// # Errors
    /// A graph without residual blocks, or without layers of several.
    pub(super) fn of(
        graph: &Fragment,
        probe: &Probe,
        granularity: Granularity,
    ) -> Result<Self, NetworkError> {
        let finder = Finder::of(graph, probe);
        let mut blocks = finder.select();
        if granularity == Granularity::Layer {
            blocks = finder.layers_of(blocks)?;
        }
        loop {
            if blocks.is_empty() {
                return Err(NetworkError::Architecture {
                    reason: "its graph has no residual block: no addition or concatenation whose \
                             terms come from one of them"
                        .into(),
                });
            }
            match finder.assemble(&blocks)? {
                Assembled::Network(specification) => {
                    let ids = |block: &Candidate| {
                        let nodes = block.interior.iter();
                        let nodes = nodes.filter_map(|&node| graph.nodes.get(node));
                        let named = nodes.filter(|node| !node.id.is_empty());
                        named.map(|node| node.id.clone()).collect()
                    };
                    return Ok(Self {
                        notes: finder.notes(&specification),
                        nodes: blocks.iter().map(ids).collect(),
                        specification,
                    });
                }
                // What is alive at that block has no row for each example.
                Assembled::Refuses(place) => drop(blocks.remove(place)),
            }
        }
    }
}

enum Assembled {
    Network(Specification),
    /// A block beside which something lives that cannot be carried.
    Refuses(usize),
}

/// One step of the order in which a graph with its blocks is computed.
enum Stage {
    Node(usize),
    Block(usize),
}

impl<'g> Finder<'g> {
    fn of(graph: &'g Fragment, probe: &'g Probe) -> Self {
        let operands: Vec<Vec<Value>> = graph.nodes.iter().map(super::Node::operands).collect();
        let mut follows = vec![false; operands.len()];
        for (place, operands) in operands.iter().enumerate() {
            let found = operands.iter().any(|operand| match *operand {
                Value::Input => true,
                Value::Output(before, _) => follows.get(before).copied().unwrap_or(false),
                Value::Parameter(_) => false,
            });
            if let Some(follows) = follows.get_mut(place) {
                *follows = found;
            }
        }
        // The graph holds only what its result needs.
        let mut users: HashMap<Value, Vec<usize>> = HashMap::new();
        for (place, operands) in operands.iter().enumerate() {
            if follows.get(place).copied().unwrap_or(false) {
                for &operand in operands {
                    users.entry(operand).or_default().push(place);
                }
            }
        }
        Self {
            graph,
            probe,
            operands,
            between: follows,
            users,
        }
    }

    /// Whether `value` follows from the input.
    pub fn follows(&self, value: Value) -> bool {
        match value {
            Value::Input => true,
            Value::Output(node, _) => self.between.get(node).copied().unwrap_or(false),
            Value::Parameter(_) => false,
        }
    }

    pub fn operands(&self, node: usize) -> &[Value] {
        self.operands.get(node).map_or(&[], Vec::as_slice)
    }

    /// The operands of `value`'s node that follow from the input.
    pub fn parents(&self, value: Value) -> BTreeSet<Value> {
        let Value::Output(node, _) = value else {
            return BTreeSet::new();
        };
        let operands = self.operands(node).iter().copied();
        operands.filter(|&operand| self.follows(operand)).collect()
    }

    pub fn is_used_once(&self, value: Value) -> bool {
        self.users.get(&value).is_some_and(|users| users.len() == 1)
    }

    /// Nodes that `to` needs, back to nodes that stand before `first`.
    pub fn ancestors_from(&self, to: &[Value], first: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open = to.to_vec();
        while let Some(value) = open.pop() {
            if let Value::Output(node, _) = value
                && node >= first
                && self.follows(value)
                && found.insert(node)
            {
                open.extend(self.operands(node));
            }
        }
        found
    }

    pub fn users_of(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        let outputs = self.probe.nodes.get(node).map_or(0, Vec::len);
        let values = (0..outputs).map(move |output| Value::Output(node, output));
        // The result is used by whoever reads it.
        let read = matches!(self.graph.result, Value::Output(result, _) if result == node);
        let users = values
            .filter_map(|value| self.users.get(&value))
            .flatten()
            .copied();
        users.chain(read.then_some(usize::MAX))
    }

    /// Whether each of `values` is computed from `from`.
    pub fn comes_from(&self, values: &[Value], from: Value) -> bool {
        values.iter().all(|&value| {
            let found = self.ancestors_from(&[value], first_after(from));
            let uses = |node: &usize| self.operands(*node).contains(&from);
            value == from || found.iter().any(uses)
        })
    }

    /// The nodes that `to` needs and that follow from `from`.
    pub fn interior(&self, from: Value, to: Value) -> BTreeSet<usize> {
        let mut inside = BTreeSet::new();
        for node in self.ancestors_from(&[to], first_after(from)) {
            let follows = self.operands(node).iter().any(|&operand| {
                operand == from
                    || matches!(operand, Value::Output(before, _) if inside.contains(&before))
            });
            if follows {
                inside.insert(node);
            }
        }
        inside
    }

    /// The values through which every way from `sources` to `targets` passes, in order.
    pub fn waists(&self, sources: &[Value], targets: &[Value]) -> Vec<Value> {
        let stop: HashSet<Value> = sources.iter().copied().collect();
        let mut needed = BTreeSet::new();
        let mut open = targets.to_vec();
        while let Some(value) = open.pop() {
            if let Value::Output(node, _) = value
                && !stop.contains(&value)
                && self.follows(value)
                && needed.insert(node)
            {
                open.extend(self.operands(node));
            }
        }
        let mut last: HashMap<Value, usize> = HashMap::new();
        for &node in &needed {
            for &operand in self.operands(node) {
                if self.follows(operand) {
                    last.insert(operand, node);
                }
            }
        }
        last.extend(targets.iter().map(|&target| (target, usize::MAX)));
        let used = |value: &Value| last.contains_key(value);
        let mut live: BTreeSet<Value> = sources.iter().copied().filter(used).collect();
        let mut waists: Vec<Value> = match (live.len(), live.first()) {
            (1, Some(&only)) => vec![only],
            _ => Vec::new(),
        };
        for node in needed {
            live.retain(|value| last.get(value).is_some_and(|&last| last > node));
            let outputs = self.probe.nodes.get(node).map_or(0, Vec::len);
            let made = (0..outputs).map(|output| Value::Output(node, output));
            live.extend(made.filter(|value| used(value) && !stop.contains(value)));
            if let (1, Some(&only @ Value::Output(of, _))) = (live.len(), live.first())
                && of == node
            {
                waists.push(only);
            }
        }
        waists
    }

    /// The blocks, in the order in which their sums are computed.
    fn select(&self) -> Vec<Candidate> {
        let waists = self.waists(&[Value::Input], &[self.graph.result]);
        let mut inner: HashSet<usize> = HashSet::new();
        let mut candidates = Vec::new();
        for place in (0..self.graph.nodes.len()).rev() {
            // An inner sum is a part of the outer one.
            if inner.contains(&place) || !self.between.get(place).copied().unwrap_or(false) {
                continue;
            }
            let to = Value::Output(place, 0);
            if self.summands(to).is_some() {
                let (_, sums) = self.terms(to);
                inner.extend(sums);
            }
            candidates.extend(self.candidate(to, &waists));
        }
        let by_sum: BTreeMap<Value, &Candidate> = candidates
            .iter()
            .map(|candidate| (candidate.to, candidate))
            .collect();
        let mut taken: BTreeSet<usize> = BTreeSet::new();
        let mut expected: HashSet<Value> = waists.iter().copied().collect();
        let mut chosen = Vec::new();
        // From the last sum to the first: outer ones come before what they hold.
        for candidate in &candidates {
            let on_waists = expected.contains(&candidate.to) && expected.contains(&candidate.from);
            let Value::Output(sum, _) = candidate.to else {
                continue;
            };
            if taken.contains(&sum) || !(on_waists || candidate.has_matrix) {
                continue;
            }
            let (block, between) = self.apart(candidate, &by_sum);
            expected.extend(between);
            if let Some(block) = block.filter(|block| block.interior.is_disjoint(&taken)) {
                taken.extend(&block.interior);
                chosen.push(block);
            }
        }
        chosen.reverse();
        chosen
    }

    /// Where the operation that gives `value` stands in the model, such as `blocks.3`.
    fn scope(&self, value: Value) -> &str {
        match value {
            Value::Output(node, _) => self.graph.nodes.get(node).map_or("", |node| &node.scope),
            _ => "",
        }
    }

    /// Blocks whose sums one module computes as one block: with attention and perceptron as blocks
    /// this is a layer of a transformer. Its function is what it adds to its input.
    fn layers_of(&self, blocks: Vec<Candidate>) -> Result<Vec<Candidate>, NetworkError> {
        let mut layers: Vec<Candidate> = Vec::with_capacity(blocks.len());
        let found = blocks.len();
        for block in blocks {
            let follows = |before: &&mut Candidate| {
                let Value::Output(sum, _) = before.to else {
                    return false;
                };
                self.scope(before.to) == self.scope(block.to)
                    && before.to == block.from
                    && before.is_plain()
                    && block.is_plain()
                    && self
                        .users_of(sum)
                        .all(|user| block.interior.contains(&user))
            };
            match layers.last_mut().filter(follows) {
                Some(layer) => {
                    layer.to = block.to;
                    let functions = std::mem::take(&mut layer.functions).into_iter();
                    layer.functions = vec![functions.chain(block.functions).flatten().collect()];
                    layer.interior.extend(block.interior);
                }
                None => layers.push(block),
            }
        }
        match layers.len() < found {
            true => Ok(layers),
            false => Err(NetworkError::Architecture {
                reason: "no layer of its graph holds several blocks one after another".into(),
            }),
        }
    }

    /// The network of `blocks`.
    fn assemble(&self, blocks: &[Candidate]) -> Result<Assembled, NetworkError> {
        let steps = self.steps(blocks);
        let states = self.states(blocks, &steps)?;
        let mut stem = None;
        let mut made: Vec<Block<Layer>> = Vec::new();
        let mut before = State::pure(Value::Input);
        for (place, (block, state)) in blocks.iter().zip(states).enumerate() {
            if !self.can_carry(&state) {
                return Ok(Assembled::Refuses(place));
            }
            let chain = self.between_states(&before, &state)?;
            let pre = match (made.last_mut(), &stem) {
                (Some(block), _) => divide(block, chain),
                (None, _) => {
                    stem = Some(chain);
                    Vec::new()
                }
            };
            made.push(self.block(block, &state, pre)?);
            before = State {
                main: block.to,
                ..state
            };
        }
        let chain = self.between_states(&before, &State::pure(self.graph.result))?;
        let head = match made.last_mut() {
            Some(block) => divide(block, chain),
            None => chain,
        };
        name_apart(&mut made);
        Ok(Assembled::Network(Specification {
            stem: stem.unwrap_or_default(),
            blocks: made,
            head,
        }))
    }

    fn steps(&self, blocks: &[Candidate]) -> Vec<Stage> {
        let mut inside: HashMap<usize, usize> = HashMap::new();
        for (number, block) in blocks.iter().enumerate() {
            inside.extend(block.interior.iter().map(|&node| (node, number)));
        }
        let nodes =
            (0..self.graph.nodes.len()).filter(|&node| self.follows(Value::Output(node, 0)));
        nodes
            .filter_map(|node| match inside.get(&node) {
                None => Some(Stage::Node(node)),
                Some(&block) => {
                    let to = blocks.get(block)?.to;
                    (to == Value::Output(node, 0)).then_some(Stage::Block(block))
                }
            })
            .collect()
    }

    /// What is alive before each block.
    ///
    /// # Errors
    /// Values that are alive beside so many blocks that to carry them takes too long.
    fn states(&self, blocks: &[Candidate], steps: &[Stage]) -> Result<Vec<State>, NetworkError> {
        let mut last: BTreeMap<Value, usize> = BTreeMap::new();
        for (time, step) in steps.iter().enumerate() {
            for value in self.used(blocks, step) {
                last.insert(value, time);
            }
        }
        last.insert(self.graph.result, usize::MAX);
        let mut live = BTreeSet::from([Value::Input]);
        let mut states = Vec::with_capacity(blocks.len());
        let mut all = 0;
        for (time, step) in steps.iter().enumerate() {
            live.retain(|value| last.get(value).is_some_and(|&last| last >= time));
            match *step {
                Stage::Node(node) => {
                    let outputs = self.probe.nodes.get(node).map_or(0, Vec::len);
                    live.extend((0..outputs).map(|output| Value::Output(node, output)));
                }
                Stage::Block(number) => {
                    let Some(block) = blocks.get(number) else {
                        continue;
                    };
                    let later = |value: &Value| last.get(value).is_some_and(|&last| last > time);
                    let beside = live.iter().copied();
                    let carried: Vec<Value> = beside
                        .filter(|value| *value != block.from || later(value))
                        .collect();
                    all += carried.len();
                    if all > MAX_CARRIED {
                        return Err(NetworkError::Architecture {
                            reason: format!(
                                "its blocks carry more than {MAX_CARRIED} values past them"
                            ),
                        });
                    }
                    states.push(State {
                        main: block.from,
                        carried,
                    });
                    live.insert(block.to);
                }
            }
        }
        Ok(states)
    }

    /// The values that a step takes from before it.
    fn used(&self, blocks: &[Candidate], step: &Stage) -> BTreeSet<Value> {
        let own = |interior: &BTreeSet<usize>, value: &Value| matches!(value, Value::Output(node, _) if interior.contains(node));
        let values: Vec<Value> = match *step {
            Stage::Node(node) => self.operands(node).to_vec(),
            Stage::Block(block) => blocks.get(block).map_or_else(Vec::new, |block| {
                let operands = block.interior.iter().flat_map(|&node| self.operands(node));
                let functions = block.functions.iter().flatten().chain([&block.skip]);
                let terms = functions.map(|term| term.value).chain([block.from]);
                let all = operands.copied().chain(terms);
                all.filter(|value| !own(&block.interior, value)).collect()
            }),
        };
        values
            .into_iter()
            .filter(|&value| self.follows(value))
            .collect()
    }

    fn block(
        &self,
        block: &Candidate,
        state: &State,
        pre: Vec<Layer>,
    ) -> Result<Block<Layer>, NetworkError> {
        let function = |terms: &Vec<Term>| {
            let layers = self.function(state, block.to, terms)?;
            Ok(Function { layers })
        };
        let functions = block.functions.iter().map(function);
        Ok(Block {
            gate: None,
            mean: false,
            name: self.scope(block.to).to_owned(),
            pre,
            skip: Some(self.skip(state, block.to, block.skip)?),
            functions: functions.collect::<Result<_, NetworkError>>()?,
            post: Vec::new(),
        })
    }

    /// What a person should know: how much of the network is outside its functions.
    fn notes(&self, specification: &Specification) -> Vec<String> {
        let functions = specification
            .blocks
            .iter()
            .flat_map(|block| &block.functions)
            .flat_map(|function| &function.layers);
        let (inside, all) = (
            crate::residual::count(functions),
            crate::residual::count(specification.layers()),
        );
        if all == 0 || inside == all {
            return Vec::new();
        }
        #[expect(clippy::cast_precision_loss, reason = "a share in percent")]
        let share = 100.0 * (all - inside) as f64 / all as f64;
        vec![format!(
            "{share:.1} % of the parameters are outside the residual functions: in the stem, the \
             head and between blocks"
        )]
    }
}
