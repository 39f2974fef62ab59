//! Values that are alive beside a block, carried past it in the tensor that the blocks hand on.
//!
//! The values are laid out per example, padded to whole channels of the features' shape, and
//! concatenated with the features along the first axis behind that of the examples. A function
//! adds zeros to them. Nothing is approximated: each value is the one that the graph computes, so
//! outputs and gradients stay what they were.

use tch::Kind;

use super::finder::Finder;
use super::layers::{Piece, unclear};
use super::sums::Addend;
use super::{Argument, Length, Value};
use crate::{Layer, NetworkError};

/// What the blocks hand on: features, and what is carried beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub main: Value,
    pub carried: Vec<Value>,
}

impl State {
    pub fn pure(main: Value) -> Self {
        Self {
            main,
            carried: Vec::new(),
        }
    }

    pub fn is_pure(&self) -> bool {
        self.carried.is_empty()
    }

    /// All its values, the features first.
    pub fn values(&self) -> Vec<Value> {
        [vec![self.main], self.carried.clone()].concat()
    }
}

/// A value within a state.
struct Part {
    value: Value,
    /// Its lengths, the examples' first.
    lengths: Vec<Length>,
    /// Numbers for each example.
    elements: i64,
    /// Channels that it takes.
    channels: i64,
    kind: Kind,
}

/// How a state is laid out for features of shape `[channels, rest...]`.
struct Layout {
    channels: i64,
    rest: Vec<i64>,
    parts: Vec<Part>,
}

impl Layout {
    fn area(&self) -> i64 {
        self.rest.iter().product::<i64>().max(1)
    }

    fn carried(&self) -> i64 {
        self.parts.iter().map(|part| part.channels).sum()
    }
}

/// Whether numbers of this kind are real ones.
#[must_use]
pub fn is_real(kind: Kind) -> bool {
    use Kind::{BFloat16, Double, Float, Half};
    matches!(kind, Float | Double | Half | BFloat16)
}

impl Finder<'_> {
    /// Whether every value of `state` has its numbers in rows of the examples.
    pub fn can_carry(&self, state: &State) -> bool {
        state.is_pure() || self.layout(state, state.main).is_some()
    }

    /// The layout of `state` with `main` as its features.
    fn layout(&self, state: &State, main: Value) -> Option<Layout> {
        let shape = self.probe.each(main)?;
        if !is_real(self.probe.shape(main)?.kind) {
            return None;
        }
        let (&channels, rest) = shape.split_first()?;
        let area = rest.iter().product::<i64>().max(1);
        let part = |&value: &Value| {
            let shape = self.probe.shape(value)?;
            let (lengths, elements) = shape.by_rows()?;
            Some(Part {
                value,
                lengths,
                elements,
                channels: (elements + area - 1) / area,
                kind: shape.kind,
            })
        };
        Some(Layout {
            channels,
            rest: rest.to_vec(),
            parts: state.carried.iter().map(part).collect::<Option<_>>()?,
        })
    }

    fn layout_of(&self, state: &State, main: Value) -> Result<Layout, NetworkError> {
        self.layout(state, main).ok_or_else(|| {
            NetworkError::Architecture(
                "a value beside its blocks has no rows for its examples".into(),
            )
        })
    }

    /// The shape of `state` for one example, with `main` as its features.
    pub fn state_shape(&self, state: &State, main: Value) -> Result<Vec<i64>, NetworkError> {
        if state.is_pure() {
            return self.shape_of(main);
        }
        let layout = self.layout_of(state, main)?;
        let channels = layout.channels + layout.carried();
        Ok([vec![channels], layout.rest].concat())
    }

    /// Takes the values of `state` out of the piece's input.
    pub fn decode(&self, piece: &mut Piece, state: &State) -> Result<(), NetworkError> {
        if state.is_pure() {
            piece.insert(state.main, Value::Input);
            return Ok(());
        }
        let layout = self.layout_of(state, state.main)?;
        let area = layout.area();
        let mut first = layout.channels;
        let main = piece.slice(Value::Input, 0, layout.channels);
        piece.insert(state.main, main);
        for part in &layout.parts {
            let mut value = piece.slice(Value::Input, first, first + part.channels);
            first += part.channels;
            if part.channels * area != part.elements {
                let flat = Argument::rows([part.channels * area]);
                value = piece.push("aten::reshape", vec![Argument::Value(value), flat]);
                value = piece.slice(value, 0, part.elements);
            }
            let lengths = part.lengths.iter().map(|&length| Argument::Number(length));
            let size = Argument::List(lengths.collect());
            value = piece.push("aten::reshape", vec![Argument::Value(value), size]);
            if !is_real(part.kind) {
                let kind = Argument::fixed(pathscope_torch::number_of(part.kind));
                value = piece.push("aten::to.dtype", vec![Argument::Value(value), kind]);
            }
            // The features themselves are carried where they are needed again behind the block.
            if part.value != state.main {
                piece.insert(part.value, value);
            }
        }
        Ok(())
    }

    /// The piece's value `features`, of the shape of the graph's `main`, beside what `state`
    /// carries, as one value of the piece.
    pub fn encode(
        &self,
        piece: &mut Piece,
        state: &State,
        features: Value,
        main: Value,
    ) -> Result<Value, NetworkError> {
        if state.is_pure() {
            return Ok(features);
        }
        let layout = self.layout_of(state, main)?;
        let area = layout.area();
        let mut parts = vec![Argument::Value(features)];
        for part in &layout.parts {
            let mut value = piece.find(part.value)?;
            if !is_real(part.kind) {
                let to = vec![Argument::Value(value), Argument::WorkingKind];
                value = piece.push("aten::to.dtype", to);
            }
            let missing = part.channels * area - part.elements;
            if missing > 0 {
                let flat = vec![Argument::Value(value), Argument::rows([part.elements])];
                value = piece.push("aten::reshape", flat);
                value = piece.pad(value, 0, 0, missing);
            }
            let size = Argument::rows([&[part.channels], layout.rest.as_slice()].concat());
            value = piece.push("aten::reshape", vec![Argument::Value(value), size]);
            parts.push(Argument::Value(value));
        }
        Ok(piece.push("aten::cat", vec![Argument::List(parts), Argument::fixed(1)]))
    }

    /// The layers of a function of the sum `to` that adds `terms` to the features of `state`.
    pub fn function(
        &self,
        state: &State,
        to: Value,
        terms: &[Addend],
    ) -> Result<Vec<Layer>, NetworkError> {
        let values: Vec<Value> = terms.iter().map(|term| term.value).collect();
        let mut layers = Vec::new();
        let mut piece = Piece::new();
        let mut input = self.state_shape(state, state.main)?;
        let is_apart = |&value: &Value| self.needs_only(value, state.main);
        if values.iter().all(is_apart) {
            // What needs only the features is cut into layers of its own.
            let features = self.shape_of(state.main)?;
            if !state.is_pure() {
                let mut first = Piece::new();
                let channels = features.first().copied().ok_or_else(unclear)?;
                let sliced = first.slice(Value::Input, 0, channels);
                layers.push(self.layer(first, sliced, input, features)?);
            }
            let waists = self.waists_with_rows(&[state.main], &values);
            layers.extend(self.cut(&waists)?);
            let last = waists.last().copied().unwrap_or(state.main);
            piece.insert(last, Value::Input);
            input = self.shape_of(last)?;
        } else {
            self.decode(&mut piece, state)?;
        }
        self.copy(&mut piece, &values)?;
        let mut sum = None;
        for term in terms {
            let value = self.padded(&mut piece, *term)?;
            sum = Some(match sum {
                None => value,
                Some(sum) => {
                    let pair = [sum, value].map(Argument::Value).to_vec();
                    piece.push("aten::add.Tensor", pair)
                }
            });
        }
        let mut sum = sum.ok_or_else(unclear)?;
        if !state.is_pure() {
            let added = self.layout_of(state, to)?;
            sum = piece.pad(sum, added.rest.len(), 0, added.carried());
        }
        if sum != Value::Input {
            layers.push(self.layer(piece, sum, input, self.state_shape(state, to)?)?);
        }
        Ok(layers)
    }

    /// What stands for `term` in the piece.
    fn padded(&self, piece: &mut Piece, term: Addend) -> Result<Value, NetworkError> {
        let value = piece.find(term.value)?;
        Ok(match term.padding {
            Some(zeros) => piece.pad(value, zeros.behind, zeros.before, zeros.after),
            None => value,
        })
    }

    /// The layers of a skip that makes `term` the features of `state` for the sum `to`.
    pub fn skip(&self, state: &State, to: Value, term: Addend) -> Result<Vec<Layer>, NetworkError> {
        if state.is_pure() {
            return self.function(state, to, &[term]);
        }
        if term == Addend::whole(state.main) {
            return Ok(Vec::new());
        }
        let to = State {
            main: to,
            ..state.clone()
        };
        Ok(vec![self.transition(state, &to, term)?])
    }

    /// Waists that have rows for the examples, which a layer hands on.
    fn waists_with_rows(&self, sources: &[Value], targets: &[Value]) -> Vec<Value> {
        let mut waists = self.waists(sources, targets);
        let has_rows = |value: &Value| self.probe.each(*value).is_some();
        let trailing = waists.iter().rposition(has_rows);
        waists.truncate(trailing.map_or(0, |last| last + 1));
        let leading = waists.iter().position(has_rows);
        waists.drain(..leading.unwrap_or(0));
        waists
    }

    /// The layers that make state `to` out of state `from`.
    pub fn between_states(&self, from: &State, to: &State) -> Result<Vec<Layer>, NetworkError> {
        if from == to {
            return Ok(Vec::new());
        }
        let waists = self.waists_with_rows(&from.values(), &to.values());
        let (Some(&first), Some(&last)) = (waists.first(), waists.last()) else {
            return Ok(vec![self.transition(from, to, Addend::whole(to.main))?]);
        };
        let mut layers = Vec::new();
        if !from.is_pure() {
            layers.push(self.transition(from, &State::pure(first), Addend::whole(first))?);
        }
        layers.extend(self.cut(&waists)?);
        if !to.is_pure() || last != to.main {
            layers.push(self.transition(&State::pure(last), to, Addend::whole(to.main))?);
        }
        Ok(layers)
    }

    /// The layer that makes state `to` out of state `from`, with `main` as its features.
    fn transition(&self, from: &State, to: &State, main: Addend) -> Result<Layer, NetworkError> {
        let mut piece = Piece::new();
        self.decode(&mut piece, from)?;
        self.copy(&mut piece, &[&[main.value], to.carried.as_slice()].concat())?;
        let features = self.padded(&mut piece, main)?;
        let result = self.encode(&mut piece, to, features, to.main)?;
        let input = self.state_shape(from, from.main)?;
        self.layer(piece, result, input, self.state_shape(to, to.main)?)
    }
}
