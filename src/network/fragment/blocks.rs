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
use super::finder::Finder;
use super::layers::divide;
use super::names::name_apart;
use super::sums::{Addend, Candidate};
use super::{Granularity, Value};
use crate::residual::count;
use crate::{Block, Layer, NetworkError, Specification};

/// Values carried past blocks, at most: each is one of several operations in every block that it is
/// carried past.
const MAX_CARRIED: usize = 50_000;

impl Finder<'_> {
    /// The network in the graph, and what the graph calls the operations of each block.
    ///
    /// # Errors
    /// A graph without residual blocks, or without layers of several.
    pub fn network(
        &self,
        granularity: Granularity,
    ) -> Result<(Specification, Vec<Vec<String>>), NetworkError> {
        let mut blocks = self.select();
        if granularity == Granularity::Layer {
            blocks = self.layers_of(blocks)?;
        }
        loop {
            if blocks.is_empty() {
                return Err(NetworkError::Architecture(
                    "its graph has no residual block: no addition or concatenation whose \
                             terms come from one of them"
                        .into(),
                ));
            }
            match self.assemble(&blocks)? {
                Assembled::Network(specification) => {
                    let ids = |block: &Candidate| {
                        let nodes = block.interior.iter();
                        let nodes = nodes.filter_map(|&node| self.graph.nodes.get(node));
                        let named = nodes.filter(|node| !node.id.is_empty());
                        named.map(|node| node.id.clone()).collect()
                    };
                    return Ok((specification, blocks.iter().map(ids).collect()));
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

impl Finder<'_> {
    /// The blocks, in the order in which their sums are computed.
    fn select(&self) -> Vec<Candidate> {
        let waists = self.waists(&[Value::Input], &[self.graph.result]);
        let mut inner: HashSet<usize> = HashSet::new();
        let mut candidates = Vec::new();
        for place in (0..self.graph.nodes.len()).rev() {
            // An inner sum is a part of the outer one.
            if inner.contains(&place) || !self.follows(Value::Output(place, 0)) {
                continue;
            }
            let to = Value::Output(place, 0);
            if self.summands(to).is_some() {
                let (_, sums) = self.terms(to);
                inner.extend(sums);
            }
            candidates.extend(self.candidate(to, &waists));
        }
        let pairs = candidates.iter().map(|candidate| (candidate.to, candidate));
        let by_sum: BTreeMap<Value, &Candidate> = pairs.collect();
        let mut taken: BTreeSet<usize> = BTreeSet::new();
        let mut expected: HashSet<Value> = waists.iter().copied().collect();
        let mut chosen = Vec::new();
        // From the last sum to the first: outer ones come before what they hold.
        for candidate in &candidates {
            let on_waists = expected.contains(&candidate.to) && expected.contains(&candidate.from);
            if taken.contains(&candidate.sum()) || !(on_waists || candidate.has_matrix) {
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
        self.node(value).map_or("", |node| &node.scope)
    }

    /// Blocks whose sums one module computes as one block: with attention and perceptron as blocks
    /// this is a layer of a transformer. Its function is what it adds to its input.
    fn layers_of(&self, blocks: Vec<Candidate>) -> Result<Vec<Candidate>, NetworkError> {
        let mut layers: Vec<Candidate> = Vec::with_capacity(blocks.len());
        let found = blocks.len();
        for block in blocks {
            let follows = |before: &&mut Candidate| {
                self.scope(before.to) == self.scope(block.to)
                    && before.to == block.from
                    && before.is_plain()
                    && block.is_plain()
                    && self
                        .users_of(before.sum())
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
            false => Err(NetworkError::Architecture(
                "no layer of its graph holds several blocks one after another".into(),
            )),
        }
    }

    /// The network of `blocks`.
    fn assemble(&self, blocks: &[Candidate]) -> Result<Assembled, NetworkError> {
        let states = self.states(blocks)?;
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

    /// What is alive before each block, which is computed at once, where its sum stands.
    ///
    /// # Errors
    /// Values that are alive beside so many blocks that to carry them takes too long.
    fn states(&self, blocks: &[Candidate]) -> Result<Vec<State>, NetworkError> {
        let mut sums: HashMap<usize, usize> = HashMap::new();
        for block in blocks {
            sums.extend(block.interior.iter().map(|&node| (node, block.sum())));
        }
        let time = |node: usize| sums.get(&node).copied().unwrap_or(node);
        let mut last: BTreeMap<Value, usize> = BTreeMap::new();
        let mut uses = |value: Value, at: usize| {
            let inside = value.node().is_some_and(|node| time(node) == at);
            if self.follows(value) && !inside {
                let last = last.entry(value).or_default();
                *last = at.max(*last);
            }
        };
        for node in 0..self.graph.nodes.len() {
            if self.follows(Value::Output(node, 0)) {
                let operands = self.operands(node).iter();
                operands.for_each(|&operand| uses(operand, time(node)));
            }
        }
        for block in blocks {
            let terms = block.functions.iter().flatten().chain([&block.skip]);
            let values = terms.map(|term| term.value).chain([block.from]);
            values.for_each(|value| uses(value, block.sum()));
        }
        last.insert(self.graph.result, usize::MAX);
        let mut all = 0;
        let state = |block: &Candidate| {
            let carried = last.iter().filter(|&(value, &last)| {
                let made = value.node().is_some_and(|node| node >= block.sum());
                let later = last > block.sum();
                !made && (later || last == block.sum() && *value != block.from)
            });
            let carried: Vec<Value> = carried.map(|(&value, _)| value).collect();
            all += carried.len();
            match all > MAX_CARRIED {
                true => Err(NetworkError::Architecture(format!(
                    "its blocks carry more than {MAX_CARRIED} values past them"
                ))),
                false => Ok(State {
                    main: block.from,
                    carried,
                }),
            }
        };
        blocks.iter().map(state).collect()
    }

    fn block(
        &self,
        block: &Candidate,
        state: &State,
        pre: Vec<Layer>,
    ) -> Result<Block<Layer>, NetworkError> {
        let skip = self.skip(state, block.to, block.skip)?;
        let function = |terms: &Vec<Addend>| self.function(state, block.to, terms);
        let functions = block.functions.iter().map(function);
        let functions = functions.collect::<Result<Vec<_>, _>>()?;
        Ok(Block {
            pre,
            ..Block::new(self.scope(block.to), Some(skip), functions)
        })
    }

    /// What a person should know: how much of the network is outside its functions.
    pub fn notes(&self, specification: &Specification) -> Vec<String> {
        let blocks = specification.blocks.iter();
        let functions = blocks.flat_map(|block| &block.functions);
        let inside = count(functions.flat_map(|function| &function.layers));
        let all = count(specification.layers());
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
