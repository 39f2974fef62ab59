//! Values that are alive beside a block, carried past it in the tensor that the blocks hand on.
//!
//! The values are laid out per example, padded to whole channels of the features' shape, and
//! concatenated with the features along the first axis behind that of the examples. A function
//! adds zeros to them. Nothing is approximated: each value is the one that the graph computes, so
//! outputs and gradients stay what they were.

use tch::Kind;

use super::blocks::Finder;
use super::layers::{Piece, unclear};
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

fn per_example() -> Argument {
    Argument::Number(Length::PerExample { each: 1, plus: 0 })
}

fn sized(lengths: impl IntoIterator<Item = i64>) -> Argument {
    let lengths = lengths.into_iter().map(Argument::fixed);
    Argument::List(std::iter::once(per_example()).chain(lengths).collect())
}

impl Finder<'_> {
    /// Whether every value of `state` has its numbers in rows of the examples.
    pub fn can_carry(&self, state: &State) -> bool {
        state.is_pure() || self.layout(state, state.main).is_some()
    }

    /// The layout of `state` with `main` as its features.
    fn layout(&self, state: &State, main: Value) -> Option<Layout> {
        let shape = self.probe.each(main)?;
        if !self.is_real(self.probe.shape(main)?.kind) {
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

    fn is_real(&self, kind: Kind) -> bool {
        matches!(
            kind,
            Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16
        )
    }

    fn layout_of(&self, state: &State, main: Value) -> Result<Layout, NetworkError> {
        self.layout(state, main)
            .ok_or_else(|| NetworkError::Architecture {
                reason: "a value beside its blocks has no rows for its examples".into(),
            })
    }

    /// The shape of `state` for one example, with `main` as its features.
    pub fn state_shape(&self, state: &State, main: Value) -> Result<Vec<i64>, NetworkError> {
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
                let flat = sized([part.channels * area]);
                value = piece.push("aten::reshape", vec![Argument::Value(value), flat]);
                value = piece.slice(value, 0, part.elements);
            }
            let lengths = part.lengths.iter().map(|&length| Argument::Number(length));
            let size = Argument::List(lengths.collect());
            value = piece.push("aten::reshape", vec![Argument::Value(value), size]);
            if !self.is_real(part.kind) {
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

    /// The features `main` beside what `state` carries, as one value of the piece.
    pub fn encode(
        &self,
        piece: &mut Piece,
        state: &State,
        main: Value,
    ) -> Result<Value, NetworkError> {
        let layout = self.layout_of(state, main)?;
        let area = layout.area();
        let mut parts = vec![Argument::Value(piece.find(main)?)];
        for part in &layout.parts {
            let mut value = piece.find(part.value)?;
            if !self.is_real(part.kind) {
                let to = vec![Argument::Value(value), Argument::WorkingKind];
                value = piece.push("aten::to.dtype", to);
            }
            let missing = part.channels * area - part.elements;
            if missing > 0 {
                let flat = vec![Argument::Value(value), sized([part.elements])];
                value = piece.push("aten::reshape", flat);
                let pad = Argument::all_fixed([0, missing]);
                value = piece.push("aten::constant_pad_nd", vec![Argument::Value(value), pad]);
            }
            let size = sized(
                [part.channels]
                    .into_iter()
                    .chain(layout.rest.iter().copied()),
            );
            value = piece.push("aten::reshape", vec![Argument::Value(value), size]);
            parts.push(Argument::Value(value));
        }
        Ok(piece.push("aten::cat", vec![Argument::List(parts), Argument::fixed(1)]))
    }

    /// The layers of a function that adds the sum of `terms` to the features of `state`.
    pub fn function(&self, state: &State, terms: &[Value]) -> Result<Vec<Layer>, NetworkError> {
        let (&term, others) = terms.split_first().ok_or_else(unclear)?;
        if state.is_pure() && others.is_empty() {
            return self.pieces(state.main, term);
        }
        let mut layers = Vec::new();
        // What needs only the features is cut into layers of its own.
        let alone = others.is_empty() && self.needs_only(term, state.main);
        let mut piece = Piece::new();
        self.decode(&mut piece, state)?;
        if alone {
            let features = piece.find(state.main)?;
            let input = self.state_shape(state, state.main)?;
            layers.push(self.layer(piece, features, input, self.shape_of(state.main)?)?);
            layers.extend(self.pieces(state.main, term)?);
            piece = Piece::new();
            piece.insert(term, Value::Input);
        } else {
            self.copy(&mut piece, terms)?;
        }
        let mut sum = piece.find(term)?;
        for &other in others {
            let pair = [sum, piece.find(other)?].map(Argument::Value).to_vec();
            sum = piece.push("aten::add.Tensor", pair);
        }
        if state.is_pure() {
            let (input, output) = (self.shape_of(state.main)?, self.shape_of(term)?);
            return Ok(vec![self.layer(piece, sum, input, output)?]);
        }
        let added = self.layout_of(state, term)?;
        let mut lengths = vec![0; 2 * added.rest.len()];
        lengths.extend([0, added.carried()]);
        let pad = vec![Argument::Value(sum), Argument::all_fixed(lengths)];
        let wide = piece.push("aten::constant_pad_nd", pad);
        let input = match alone {
            true => self.shape_of(term)?,
            false => self.state_shape(state, state.main)?,
        };
        layers.push(self.layer(piece, wide, input, self.state_shape(state, term)?)?);
        Ok(layers)
    }

    /// The layers of a skip that makes `term` the features of `state`.
    pub fn skip(&self, state: &State, term: Value) -> Result<Vec<Layer>, NetworkError> {
        if state.is_pure() {
            return self.pieces(state.main, term);
        }
        if term == state.main {
            return Ok(Vec::new());
        }
        let mut piece = Piece::new();
        self.decode(&mut piece, state)?;
        self.copy(&mut piece, &[term])?;
        let wide = self.encode(&mut piece, state, term)?;
        let (input, output) = (
            self.state_shape(state, state.main)?,
            self.state_shape(state, term)?,
        );
        Ok(vec![self.layer(piece, wide, input, output)?])
    }

    /// The layers that make state `to` out of state `from`.
    pub fn between_states(&self, from: &State, to: &State) -> Result<Vec<Layer>, NetworkError> {
        if from == to {
            return Ok(Vec::new());
        }
        let (sources, targets) = (from.values(), to.values());
        let mut waists = self.waists(&sources, &targets);
        // A layer hands on rows of the examples.
        let has_rows = |value: &Value| self.probe.each(*value).is_some();
        let trailing = waists.iter().rposition(has_rows);
        waists.truncate(trailing.map_or(0, |last| last + 1));
        let leading = waists.iter().position(has_rows);
        waists.drain(..leading.unwrap_or(0));
        let (Some(&first), Some(&last)) = (waists.first(), waists.last()) else {
            return Ok(vec![self.transition(from, to)?]);
        };
        let mut layers = Vec::new();
        if !from.is_pure() {
            layers.push(self.transition(from, &State::pure(first))?);
        }
        layers.extend(self.cut(&waists)?);
        if !to.is_pure() || last != to.main {
            layers.push(self.transition(&State::pure(last), to)?);
        }
        Ok(layers)
    }

    fn transition(&self, from: &State, to: &State) -> Result<Layer, NetworkError> {
        let mut piece = Piece::new();
        self.decode(&mut piece, from)?;
        let input = match from.is_pure() {
            true => self.shape_of(from.main)?,
            false => self.state_shape(from, from.main)?,
        };
        self.copy(&mut piece, &to.values())?;
        let (result, output) = if to.is_pure() {
            (piece.find(to.main)?, self.shape_of(to.main)?)
        } else {
            let result = self.encode(&mut piece, to, to.main)?;
            (result, self.state_shape(to, to.main)?)
        };
        self.layer(piece, result, input, output)
    }
}
