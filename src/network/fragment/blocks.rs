//! Residual blocks in a graph.
//!
//! A block is an addition of terms that all come from one value: one term is the skip, the others
//! are its functions. The value need not be the only one that is alive there: what is needed
//! elsewhere (the other side of a concatenation, features that the head takes from several depths,
//! an outer skip) is carried past the block (`carry`). A block whose function is itself a sequence
//! of blocks is taken apart: the inner ones become blocks, and the outer addition joins the last
//! of them with what it was added to.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::carry::State;
use super::layers::divide;
use super::names::name_apart;
use super::probe::Probe;
use super::{Argument, Fragment, Granularity, Value};
use crate::{Block, Function, Layer, NetworkError, Specification};

/// What was found in a graph.
pub(super) struct Found {
    pub specification: Specification,
    pub notes: Vec<String>,
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

/// An addition that may be a block.
#[derive(Clone, Debug)]
struct Candidate {
    from: Value,
    to: Value,
    /// Terms of the addition; the first is the skip.
    terms: Vec<Value>,
    /// Whether the other terms are one function, their sum, instead of one each.
    is_layer: bool,
    /// What is computed between `from` and `to`, the additions included.
    interior: BTreeSet<usize>,
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
                    reason: "its graph has no residual block: no addition whose terms come from \
                             one value"
                        .into(),
                });
            }
            match finder.assemble(&blocks)? {
                Assembled::Network(specification) => {
                    let notes = finder.notes(&specification);
                    return Ok(Self {
                        specification,
                        notes,
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
    fn parents(&self, value: Value) -> BTreeSet<Value> {
        let Value::Output(node, _) = value else {
            return BTreeSet::new();
        };
        let operands = self.operands(node).iter().copied();
        operands.filter(|&operand| self.follows(operand)).collect()
    }

    /// The operands of an addition of two values that follow from the input.
    fn summands(&self, value: Value) -> Option<[Value; 2]> {
        let Value::Output(place, 0) = value else {
            return None;
        };
        let node = self.graph.nodes.get(place)?;
        let plain = node.operation == "aten::add.Tensor"
            && matches!(node.arguments.get(2), None | Some(Argument::Number(_)))
            && node.integer(2).unwrap_or(1) == 1;
        let (left, right) = (node.value(0)?, node.value(1)?);
        (plain && self.follows(left) && self.follows(right)).then_some([left, right])
    }

    /// `a + (b + c)` as a, b and c, as long as nothing else uses the inner sums; and the nodes that
    /// add.
    fn terms(&self, to: Value) -> (Vec<Value>, BTreeSet<usize>) {
        let (mut terms, mut sums) = (Vec::new(), BTreeSet::new());
        let mut open = vec![to];
        while let Some(value) = open.pop() {
            let once = value == to || self.users.get(&value).is_some_and(|users| users.len() == 1);
            match (self.summands(value), value) {
                (Some([left, right]), Value::Output(node, _)) if once => {
                    sums.insert(node);
                    open.extend([right, left]);
                }
                _ => terms.push(value),
            }
        }
        (terms, sums)
    }

    /// Nodes that `to` needs, back to nodes that stand before `first`.
    fn ancestors_from(&self, to: &[Value], first: usize) -> BTreeSet<usize> {
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

    /// The addition that gives `to` as a block, where it is one. `waists` are the values that
    /// everything passes through.
    fn candidate(&self, to: Value, waists: &[Value]) -> Option<Candidate> {
        /// Operations on a skip, at most.
        const CHAIN: usize = 32;
        let (terms, _) = self.terms(to);
        let shape = self.probe.each(to)?;
        let fits = |&term: &Value| self.probe.each(term).as_ref() == Some(&shape);
        if terms.len() < 2 || !terms.iter().all(fits) || shape.is_empty() {
            return None;
        }
        let mut best: Option<(usize, usize, Value)> = None;
        for (place, &term) in terms.iter().enumerate() {
            let others: Vec<Value> = terms
                .iter()
                .enumerate()
                .filter(|&(other, _)| other != place)
                .map(|(_, &other)| other)
                .collect();
            let mut value = term;
            for length in 0..CHAIN.min(best.map_or(CHAIN, |best| best.0)) {
                if self.comes_from(&others, value) {
                    best = Some((length, place, value));
                    break;
                }
                let parents = self.parents(value);
                match (parents.len(), parents.first()) {
                    (1, Some(&parent)) => value = parent,
                    _ => break,
                }
            }
        }
        let (skip, from) = match best {
            Some((_, skip, from)) => (skip, from),
            // Several functions and no skip that stands out: between two waists the shortest way.
            None => {
                let place = waists.iter().position(|&waist| waist == to)?;
                let from = *waists.get(place.checked_sub(1)?)?;
                let first = first_after(from);
                let weight = |term: &Value| self.ancestors_from(&[*term], first).len();
                let terms = terms.iter().enumerate();
                let (skip, _) = terms.min_by_key(|(_, term)| weight(term))?;
                (skip, from)
            }
        };
        self.probe.each(from).filter(|shape| !shape.is_empty())?;
        let interior = self.interior(from, to);
        let private = |&node: &usize| {
            Value::Output(node, 0) == to || self.users_of(node).all(|user| interior.contains(&user))
        };
        if !interior.iter().all(private) {
            return None;
        }
        let mut functions = terms;
        let skip = functions.remove(skip);
        functions.sort_unstable();
        Some(Candidate {
            from,
            to,
            terms: [vec![skip], functions].concat(),
            is_layer: false,
            interior,
        })
    }

    fn users_of(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
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
    fn comes_from(&self, values: &[Value], from: Value) -> bool {
        values.iter().all(|&value| {
            let found = self.ancestors_from(&[value], first_after(from));
            let uses = |node: &usize| self.operands(*node).contains(&from);
            value == from || found.iter().any(uses)
        })
    }

    /// The nodes that `to` needs and that follow from `from`.
    fn interior(&self, from: Value, to: Value) -> BTreeSet<usize> {
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
                candidates.extend(self.candidate(to, &waists));
            }
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
            if taken.contains(&sum) || !(on_waists || self.has_matrix(candidate)) {
                continue;
            }
            let block = match self.sequence(candidate, &by_sum) {
                Some((steps, last)) => {
                    expected.extend(steps);
                    Candidate {
                        from: last,
                        interior: self.interior(last, candidate.to),
                        ..candidate.clone()
                    }
                }
                None => candidate.clone(),
            };
            if block.interior.is_disjoint(&taken) {
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
                let plain = |block: &Candidate| block.terms.first() == Some(&block.from);
                self.scope(before.to) == self.scope(block.to)
                    && before.to == block.from
                    && plain(before)
                    && plain(&block)
                    && self
                        .users_of(sum)
                        .all(|user| block.interior.contains(&user))
            };
            match layers.last_mut().filter(follows) {
                Some(layer) => {
                    layer.to = block.to;
                    layer.terms.extend(block.terms.into_iter().skip(1));
                    layer.interior.extend(block.interior);
                    layer.is_layer = true;
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

    /// Whether a function of the candidate holds a convolution or matrix: sums without one, such as
    /// those that rotate queries, are parts of something else.
    fn has_matrix(&self, candidate: &Candidate) -> bool {
        let skip = candidate.terms.first();
        let on_skip = skip.map(|&skip| self.interior(candidate.from, skip));
        let nodes = candidate.interior.iter();
        nodes
            .filter(|node| on_skip.as_ref().is_none_or(|skip| !skip.contains(node)))
            .filter_map(|&node| self.graph.nodes.get(node))
            .any(|node| self.graph.weight(node).is_some())
    }

    /// Where the only function of `candidate` is a sequence of at least two blocks: the values
    /// between these, and the sum of the last. One addition may be a part of what a function does.
    fn sequence(
        &self,
        candidate: &Candidate,
        by_sum: &BTreeMap<Value, &Candidate>,
    ) -> Option<(Vec<Value>, Value)> {
        let &[skip, function] = candidate.terms.as_slice() else {
            return None;
        };
        if skip != candidate.from {
            return None;
        }
        let waists = self.waists(&[candidate.from], &[function]);
        let steps: Vec<&Candidate> = waists
            .iter()
            .filter_map(|waist| by_sum.get(waist).copied())
            .filter(|step| step.terms.first() == Some(&step.from) && waists.contains(&step.from))
            .collect();
        let last = steps.last().filter(|_| steps.len() > 1)?.to;
        let ends = steps.iter().flat_map(|step| [step.from, step.to]);
        Some((ends.collect(), last))
    }

    /// The network of `blocks`.
    fn assemble(&self, blocks: &[Candidate]) -> Result<Assembled, NetworkError> {
        let steps = self.steps(blocks);
        let states = self.states(blocks, &steps);
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
    fn states(&self, blocks: &[Candidate], steps: &[Stage]) -> Vec<State> {
        let mut last: BTreeMap<Value, usize> = BTreeMap::new();
        for (time, step) in steps.iter().enumerate() {
            for value in self.used(blocks, step) {
                last.insert(value, time);
            }
        }
        last.insert(self.graph.result, usize::MAX);
        let mut live = BTreeSet::from([Value::Input]);
        let mut states = Vec::with_capacity(blocks.len());
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
                    let carried = live
                        .iter()
                        .filter(|value| **value != block.from || later(value))
                        .copied()
                        .collect();
                    states.push(State {
                        main: block.from,
                        carried,
                    });
                    live.insert(block.to);
                }
            }
        }
        states
    }

    /// The values that a step takes from before it.
    fn used(&self, blocks: &[Candidate], step: &Stage) -> BTreeSet<Value> {
        let own = |interior: &BTreeSet<usize>, value: &Value| matches!(value, Value::Output(node, _) if interior.contains(node));
        let values: Vec<Value> = match *step {
            Stage::Node(node) => self.operands(node).to_vec(),
            Stage::Block(block) => blocks.get(block).map_or_else(Vec::new, |block| {
                let operands = block.interior.iter().flat_map(|&node| self.operands(node));
                let all = operands.chain(&block.terms).chain([&block.from]).copied();
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
        let Some((&skip, functions)) = block.terms.split_first() else {
            return Err(NetworkError::Torch("an addition has no terms".into()));
        };
        let sums = match block.is_layer {
            true => vec![functions],
            false => functions.chunks(1).collect(),
        };
        let functions = sums
            .into_iter()
            .map(|terms| {
                Ok(Function {
                    layers: self.function(state, terms)?,
                })
            })
            .collect::<Result<Vec<_>, NetworkError>>()?;
        Ok(Block {
            gate: None,
            name: self.scope(block.to).to_owned(),
            pre,
            skip: Some(self.skip(state, skip)?),
            functions,
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

/// The first node that can use `value`.
fn first_after(value: Value) -> usize {
    match value {
        Value::Output(node, _) => node + 1,
        _ => 0,
    }
}
