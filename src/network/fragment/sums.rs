//! Sums in a graph that may be those of residual blocks.
//!
//! A sum is an addition, or a concatenation of a value with what is computed from it: each of its
//! parts then counts with zeros around it (DenseNet: a layer adds channels to those it carries).

use std::collections::{BTreeMap, BTreeSet};

use super::blocks::Finder;
use super::{Argument, Value};

/// A term of a sum, with zeros around it where the sum is a concatenation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Term {
    pub value: Value,
    pub padding: Option<Padding>,
}

/// Zeros along one axis of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Padding {
    /// Axes behind this one.
    pub behind: usize,
    pub before: i64,
    pub after: i64,
}

/// A sum that may be that of a block.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub from: Value,
    pub to: Value,
    pub skip: Term,
    /// The terms of each function, which is their sum.
    pub functions: Vec<Vec<Term>>,
    /// What is computed between `from` and `to`, the sum included.
    pub interior: BTreeSet<usize>,
    /// Whether a function holds a convolution or matrix: sums without one, such as those that rotate
    /// queries, are parts of something else.
    pub has_matrix: bool,
}

impl Term {
    pub fn whole(value: Value) -> Self {
        let padding = None;
        Self { value, padding }
    }
}

impl Candidate {
    /// Whether the skip hands on what the functions take, and nothing else.
    pub fn is_plain(&self) -> bool {
        self.skip == Term::whole(self.from)
    }

    /// Whether the sum is a concatenation.
    pub fn appends(&self) -> bool {
        self.skip.padding.is_some()
    }

    /// Whether the values of `inner` lie between those of this sum.
    fn holds(&self, inner: &Self) -> bool {
        inner.to != self.to
            && matches!(inner.to, Value::Output(node, _) if self.interior.contains(&node))
            && (inner.from == self.from
                || matches!(inner.from, Value::Output(node, _) if self.interior.contains(&node)))
    }
}

/// The first node that can use `value`.
pub(super) fn first_after(value: Value) -> usize {
    match value {
        Value::Output(node, _) => node + 1,
        _ => 0,
    }
}

impl Finder<'_> {
    /// The operands of an addition of two values that follow from the input.
    pub fn summands(&self, value: Value) -> Option<[Value; 2]> {
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

    /// `a + (b + c)` as a, b and c, as long as nothing else uses the inner sums and nothing in them
    /// is repeated along an axis; and the nodes that add.
    pub fn terms(&self, to: Value) -> (Vec<Value>, BTreeSet<usize>) {
        let (mut terms, mut sums) = (Vec::new(), BTreeSet::new());
        let shape = self.probe.each(to);
        let opens = |value: Value, summands: [Value; 2]| {
            let fits = |&summand: &Value| self.probe.each(summand) == shape;
            value == to || self.is_used_once(value) && summands.iter().all(fits)
        };
        let mut open = vec![to];
        while let Some(value) = open.pop() {
            match (self.summands(value), value) {
                (Some(summands @ [left, right]), Value::Output(node, _))
                    if opens(value, summands) =>
                {
                    sums.insert(node);
                    open.extend([right, left]);
                }
                _ => terms.push(value),
            }
        }
        (terms, sums)
    }

    /// The parts of a concatenation of values that follow from the input.
    fn parts(&self, to: Value) -> Option<Vec<Term>> {
        let Value::Output(place, 0) = to else {
            return None;
        };
        let node = self.graph.nodes.get(place)?;
        let (true, Argument::List(list)) = (node.name() == "cat", node.arguments.first()?) else {
            return None;
        };
        let shape = self.probe.each(to)?;
        let axes = i64::try_from(shape.len() + 1).ok()?;
        let axis = usize::try_from(node.integer(1)?.rem_euclid(axes)).ok()?;
        let length = |value| self.probe.each(value)?.get(axis.checked_sub(1)?).copied();
        let all = length(to)?;
        let mut before = 0;
        let part = |entry: &Argument| {
            let &Argument::Value(value) = entry else {
                return None;
            };
            let own = length(value).filter(|_| self.follows(value))?;
            let padding = Padding {
                behind: shape.len() - axis,
                before,
                after: all - before - own,
            };
            before += own;
            Some(Term {
                value,
                padding: Some(padding),
            })
        };
        list.iter().map(part).collect()
    }

    /// The sum that gives `to` as a block, where it is one. `waists` are the values that everything
    /// passes through.
    pub fn candidate(&self, to: Value, waists: &[Value]) -> Option<Candidate> {
        let found = match self.parts(to) {
            Some(parts) => self.appended(parts),
            None => self.added(to, waists),
        };
        let (from, skip, functions) = found?;
        self.probe.each(from).filter(|shape| !shape.is_empty())?;
        let interior = self.interior(from, to);
        let private = |&node: &usize| {
            Value::Output(node, 0) == to || self.users_of(node).all(|user| interior.contains(&user))
        };
        if !interior.iter().all(private) {
            return None;
        }
        let has_matrix = self.has_matrix(from, skip, &interior);
        let appends = skip.padding.is_some();
        (has_matrix || !appends).then_some(Candidate {
            from,
            to,
            skip,
            functions,
            interior,
            has_matrix,
        })
    }

    fn has_matrix(&self, from: Value, skip: Term, interior: &BTreeSet<usize>) -> bool {
        let on_skip = self.interior(from, skip.value);
        let nodes = interior.difference(&on_skip);
        nodes
            .filter_map(|&node| self.graph.nodes.get(node))
            .any(|node| self.graph.weight(node).is_some())
    }

    /// A concatenation of a value with what is computed from it: that value, the skip, and the
    /// rest as one function.
    fn appended(&self, mut parts: Vec<Term>) -> Option<(Value, Term, Vec<Vec<Term>>)> {
        let (place, _) = parts
            .iter()
            .enumerate()
            .min_by_key(|(_, part)| part.value)?;
        let skip = parts.remove(place);
        let others: Vec<Value> = parts.iter().map(|part| part.value).collect();
        let follow = !others.is_empty() && !others.contains(&skip.value);
        (follow && self.comes_from(&others, skip.value)).then(|| (skip.value, skip, vec![parts]))
    }

    /// An addition: what all its terms come from, its skip, and its functions.
    fn added(&self, to: Value, waists: &[Value]) -> Option<(Value, Term, Vec<Vec<Term>>)> {
        /// Operations on a skip, at most.
        const CHAIN: usize = 32;
        let (terms, _) = self.terms(to);
        let shape = self.probe.each(to).filter(|shape| !shape.is_empty())?;
        let fits = |&term: &Value| self.probe.each(term).as_ref() == Some(&shape);
        let (whole, repeated): (Vec<Value>, Vec<Value>) = terms.iter().copied().partition(fits);
        let axes = |term: &Value| self.probe.each(*term).map(|each| each.len());
        if whole.len() < 2 || repeated.iter().any(|term| axes(term) != Some(shape.len())) {
            return None;
        }
        let mut best: Option<(usize, Value, Value)> = None;
        for &term in &whole {
            let others: Vec<Value> = terms
                .iter()
                .copied()
                .filter(|&other| other != term)
                .collect();
            let mut value = term;
            for length in 0..CHAIN.min(best.map_or(CHAIN, |best| best.0)) {
                if self.comes_from(&others, value) {
                    best = Some((length, term, value));
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
                let weight = |term: &&Value| self.ancestors_from(&[**term], first).len();
                (*whole.iter().min_by_key(weight)?, from)
            }
        };
        let mut functions = whole;
        let place = functions.iter().position(|&term| term == skip)?;
        functions.remove(place);
        functions.sort_unstable();
        let mut functions: Vec<Vec<Term>> = functions
            .into_iter()
            .map(|term| vec![Term::whole(term)])
            .collect();
        // What is repeated along an axis, such as the bias of a gate, belongs to the function with
        // which it shares most.
        for term in repeated {
            let own = self.interior(from, term);
            let shared = |function: &&mut Vec<Term>| {
                let of = |term: &Term| self.interior(from, term.value);
                let nodes = function.first().map(of).unwrap_or_default();
                nodes.intersection(&own).count()
            };
            functions
                .iter_mut()
                .max_by_key(shared)?
                .push(Term::whole(term));
        }
        Some((from, Term::whole(skip), functions))
    }

    /// What remains of `candidate` as a block beside the blocks between its values, of which `by_sum`
    /// holds all, and the values between these. One addition may be a part of what a function does,
    /// unless it works at another resolution or channels are put beside it.
    pub fn apart(
        &self,
        candidate: &Candidate,
        by_sum: &BTreeMap<Value, &Candidate>,
    ) -> (Option<Candidate>, Vec<Value>) {
        let is_elsewhere = |step: &Candidate| {
            let shapes = self.probe.each(step.to).zip(self.probe.each(candidate.to));
            // A function may widen its channels, which are one axis.
            let differ = |(a, b): (Vec<i64>, Vec<i64>)| {
                let pairs = a.iter().zip(&b);
                a.len() == b.len() && pairs.filter(|(a, b)| a != b).count() > 1
            };
            step.has_matrix && shapes.is_some_and(differ)
        };
        if let [function] = candidate.functions.as_slice()
            && let [term] = function.as_slice()
            && candidate.skip.value == candidate.from
        {
            let waists = self.waists(&[candidate.from], &[term.value]);
            let is_step = |step: &&Candidate| {
                let appended = candidate.appends() && step.appends();
                let carries = step.is_plain() || appended || is_elsewhere(step);
                carries && waists.contains(&step.from)
            };
            let found = waists.iter().filter_map(|waist| by_sum.get(waist).copied());
            let steps: Vec<&Candidate> = found.filter(is_step).collect();
            let alone = candidate.appends() || steps.iter().any(|step| is_elsewhere(step));
            if let Some(last) = steps.last().filter(|_| alone || steps.len() > 1) {
                let between = steps.iter().flat_map(|step| [step.from, step.to]);
                let interior = self.interior(last.to, candidate.to);
                let block = Candidate {
                    from: last.to,
                    has_matrix: self.has_matrix(last.to, candidate.skip, &interior),
                    interior,
                    ..candidate.clone()
                };
                // Behind its blocks a concatenation may only put values side by side.
                let is_block = block.has_matrix || !block.appends();
                return (is_block.then_some(block), between.collect());
            }
        }
        let is_held =
            |inner: &&&Candidate| inner.is_plain() && inner.has_matrix && candidate.holds(inner);
        let is_simple = candidate.is_plain() && candidate.functions.len() == 1;
        let stands_beside = !is_simple
            && by_sum.values().filter(is_held).count() > usize::from(!candidate.appends());
        ((!stands_beside).then(|| candidate.clone()), Vec::new())
    }
}
