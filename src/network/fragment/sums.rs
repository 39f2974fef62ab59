//! Sums in a graph that may be those of residual blocks.
//!
//! A sum is an addition, or a concatenation of a value with what is computed from it: each of its
//! parts then counts with zeros around it (DenseNet: a layer adds channels to those it carries).
//! That value may stand there in slices, some with something added (dual path networks).

use std::collections::{BTreeMap, BTreeSet};

use super::finder::Finder;
use super::{Argument, Node, Value};

/// A term of a sum, with zeros around it where the sum is a concatenation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Addend {
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
    pub skip: Addend,
    /// The terms of each function, which is their sum.
    pub functions: Vec<Vec<Addend>>,
    /// What is computed between `from` and `to`, the sum included.
    pub interior: BTreeSet<usize>,
    /// Whether a function holds a convolution or matrix: sums without one, such as those that rotate
    /// queries, are parts of something else.
    pub has_matrix: bool,
}

impl Addend {
    pub fn whole(value: Value) -> Self {
        let padding = None;
        Self { value, padding }
    }
}

impl Candidate {
    /// The node of its sum.
    pub fn sum(&self) -> usize {
        self.to.node().unwrap_or(usize::MAX)
    }

    /// Whether the skip hands on what the functions take, and nothing else.
    pub fn is_plain(&self) -> bool {
        self.skip == Addend::whole(self.from)
    }

    /// Whether the sum is a concatenation.
    pub fn appends(&self) -> bool {
        self.skip.padding.is_some()
    }

    /// Whether the values of `inner` lie between those of this sum.
    fn holds(&self, inner: &Self) -> bool {
        let inside = |value: Value| {
            value
                .node()
                .is_some_and(|node| self.interior.contains(&node))
        };
        let begins = inner.from == self.from || inside(inner.from);
        inner.to != self.to && inside(inner.to) && begins
    }
}

impl Finder<'_> {
    /// The operands of an addition of two values that follow from the input.
    pub fn summands(&self, value: Value) -> Option<[Value; 2]> {
        let node = self.node(value)?;
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
    fn parts(&self, to: Value) -> Option<Vec<Addend>> {
        let node = self.node(to)?;
        let (true, Argument::List(list)) = (node.name() == "cat", node.arguments.first()?) else {
            return None;
        };
        let (axis, all) = self.along(to, node)?;
        let behind = self.probe.each(to)?.len() - 1 - axis;
        let mut before = 0;
        let part = |entry: &Argument| {
            let value = entry.value()?;
            let length = *self.probe.each(value)?.get(axis)?;
            let padding = Padding {
                behind,
                before,
                after: all - before - length,
            };
            before += length;
            self.follows(value).then_some(Addend {
                value,
                padding: Some(padding),
            })
        };
        list.iter().map(part).collect()
    }

    /// The axis of one example that `node` works along, its second argument, and the length of
    /// `value` there.
    fn along(&self, value: Value, node: &Node) -> Option<(usize, i64)> {
        let shape = self.probe.each(value)?;
        let axes = i64::try_from(shape.len() + 1).ok()?;
        let axis = usize::try_from(node.integer(1)?.rem_euclid(axes)).ok()?;
        let axis = axis.checked_sub(1)?;
        Some((axis, *shape.get(axis)?))
    }

    /// What `term` is a slice of, as a term whose slice stands where `term` does.
    fn whole(&self, term: Addend) -> Option<Addend> {
        let padding = term.padding?;
        let node = self.node(term.value)?;
        let value = node.value(0)?;
        let (axis, length) = self.along(value, node)?;
        let shape = self.probe.each(term.value)?;
        let first = match node.arguments.get(2)? {
            Argument::None => 0,
            _ => node.integer(2)?,
        };
        let first = if first < 0 { first + length } else { first }.clamp(0, length);
        let before = padding.before - first;
        let after = padding.after - (length - first - shape.get(axis)?);
        let is_slice = node.operation == "aten::slice.Tensor" && node.integer(4) == Some(1);
        let fits = shape.len() - 1 - axis == padding.behind && before.min(after) >= 0;
        (is_slice && fits).then_some(Addend {
            value,
            padding: Some(Padding {
                before,
                after,
                ..padding
            }),
        })
    }

    /// The value of which neighbouring parts of a concatenation are all slices, where something may
    /// be added to each; with the other parts and what is added.
    fn joined(&self, parts: &[Addend]) -> Option<Vec<Addend>> {
        let slices = |part: &Addend| -> Vec<(Addend, Option<Value>)> {
            let alike = |&value: &Value| self.probe.each(value) == self.probe.each(part.value);
            let summands = self
                .summands(part.value)
                .filter(|summands| self.is_used_once(part.value) && summands.iter().all(alike));
            let pairs = match summands {
                Some([left, right]) => vec![(left, Some(right)), (right, Some(left))],
                None => vec![(part.value, None)],
            };
            let pairs = pairs.into_iter();
            pairs
                .filter_map(|(value, added)| Some((self.whole(Addend { value, ..*part })?, added)))
                .collect()
        };
        let slices: Vec<_> = parts.iter().map(slices).collect();
        let wholes: BTreeSet<Addend> = slices.iter().flatten().map(|(whole, _)| *whole).collect();
        let length = |term: &Addend| {
            let shape = self.probe.each(term.value)?;
            shape.into_iter().rev().nth(term.padding?.behind)
        };
        wholes.into_iter().find_map(|whole| {
            let (mut covered, mut others) = (0, Vec::new());
            for (part, slices) in parts.iter().zip(&slices) {
                match slices.iter().find(|(of, _)| *of == whole) {
                    Some((_, added)) => {
                        covered += length(part)?;
                        others.extend(added.map(|value| Addend { value, ..*part }));
                    }
                    None => others.push(*part),
                }
            }
            let joins = covered == length(&whole)? && !others.is_empty();
            joins.then(|| [&[whole], others.as_slice()].concat())
        })
    }

    /// The sum that gives `to` as a block, where it is one. `waists` are the values that everything
    /// passes through.
    pub fn candidate(&self, to: Value, waists: &[Value]) -> Option<Candidate> {
        let (from, skip, functions) = match self.parts(to) {
            Some(parts) => self.appended(parts),
            None => self.added(to, waists),
        }?;
        self.probe.each(from).filter(|shape| !shape.is_empty())?;
        let interior = self.interior(from, to);
        let private = |&node: &usize| {
            Value::Output(node, 0) == to || self.users_of(node).all(|user| interior.contains(&user))
        };
        if !interior.iter().all(private) {
            return None;
        }
        let has_matrix = self.has_matrix(from, skip, &interior);
        let found = Candidate {
            from,
            to,
            skip,
            functions,
            interior,
            has_matrix,
        };
        (has_matrix || !found.appends()).then_some(found)
    }

    fn has_matrix(&self, from: Value, skip: Addend, interior: &BTreeSet<usize>) -> bool {
        let on_skip = self.interior(from, skip.value);
        let mut nodes = interior.difference(&on_skip);
        nodes.any(|&node| {
            let node = self.graph.nodes.get(node);
            node.is_some_and(|node| self.graph.weight(node).is_some())
        })
    }

    /// A concatenation of a value with what is computed from it: that value, the skip, and the
    /// rest as one function.
    fn appended(&self, mut parts: Vec<Addend>) -> Option<(Value, Addend, Vec<Vec<Addend>>)> {
        if let Some(mut terms) = self.joined(&parts)
            && let Some((from, skip)) = self.nearest(&terms, &terms)
        {
            terms.retain(|&term| term != skip);
            return Some((from, skip, vec![terms]));
        }
        let (place, _) = parts
            .iter()
            .enumerate()
            .min_by_key(|(_, part)| part.value)?;
        let skip = parts.remove(place);
        let others: Vec<Value> = parts.iter().map(|part| part.value).collect();
        let follow = !others.is_empty() && !others.contains(&skip.value);
        (follow && self.comes_from(&others, skip.value)).then(|| (skip.value, skip, vec![parts]))
    }

    /// The one among `skips` that the fewest operations separate from a value that all other
    /// `terms` come from, behind that value.
    fn nearest(&self, skips: &[Addend], terms: &[Addend]) -> Option<(Value, Addend)> {
        /// Operations on a skip, at most.
        const CHAIN: usize = 32;
        let mut best: Option<(usize, Value, Addend)> = None;
        for &skip in skips {
            let others = terms.iter().map(|term| term.value);
            let others: Vec<Value> = others.filter(|&other| other != skip.value).collect();
            let mut value = skip.value;
            for length in 0..best.map_or(CHAIN, |best| best.0) {
                if self.comes_from(&others, value) {
                    best = Some((length, value, skip));
                    break;
                }
                let parents = self.parents(value);
                match (parents.len(), parents.first()) {
                    (1, Some(&parent)) => value = parent,
                    _ => break,
                }
            }
        }
        best.map(|(_, from, skip)| (from, skip))
    }

    /// An addition: what all its terms come from, its skip, and its functions.
    fn added(&self, to: Value, waists: &[Value]) -> Option<(Value, Addend, Vec<Vec<Addend>>)> {
        let terms: Vec<Addend> = self.terms(to).0.into_iter().map(Addend::whole).collect();
        let shape = self.probe.each(to).filter(|shape| !shape.is_empty())?;
        let each = |term: &Addend| self.probe.each(term.value);
        let fits = |term: &Addend| each(term).as_ref() == Some(&shape);
        let (mut whole, repeated): (Vec<Addend>, Vec<Addend>) =
            terms.iter().copied().partition(fits);
        let axes = |term: &Addend| each(term).map(|each| each.len());
        if whole.len() < 2 || repeated.iter().any(|term| axes(term) != Some(shape.len())) {
            return None;
        }
        let (from, skip) = match self.nearest(&whole, &terms) {
            Some(nearest) => nearest,
            // Several functions and no skip that stands out: between two waists the shortest way.
            None => {
                let place = waists.iter().position(|&waist| waist == to)?;
                let from = *waists.get(place.checked_sub(1)?)?;
                let weight = |term: &&Addend| self.behind(from, term.value).len();
                (from, *whole.iter().min_by_key(weight)?)
            }
        };
        whole.remove(whole.iter().position(|&term| term == skip)?);
        whole.sort_unstable();
        let mut functions: Vec<Vec<Addend>> = whole.into_iter().map(|term| vec![term]).collect();
        // What is repeated along an axis, such as the bias of a gate, belongs to the function with
        // which it shares most.
        for term in repeated {
            let own = self.interior(from, term.value);
            let shared = |function: &&mut Vec<Addend>| {
                let of = |term: &Addend| self.interior(from, term.value);
                let nodes = function.first().map(of).unwrap_or_default();
                nodes.intersection(&own).count()
            };
            functions.iter_mut().max_by_key(shared)?.push(term);
        }
        Some((from, skip, functions))
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
