//! One operation of a graph and what it is given.

use serde::{Deserialize, Serialize};

use crate::NetworkError;

/// One operation of a fragment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its name in libtorch with its overload, such as `aten::add.Tensor` or `aten::gelu`.
    pub operation: String,
    /// Its arguments, in the order of libtorch's schema; those missing at the end have defaults.
    pub arguments: Vec<Argument>,
    /// Where it stands in the model it was exported from, such as `blocks.3.attn`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// What the graph that it was read from calls it; empty where it stands for no single operation
    /// there. Not written to files, which hold no such graph.
    #[serde(skip)]
    pub id: String,
}

/// A tensor (while a graph is read also a number) within a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// The fragment's input.
    Input,
    /// One of its parameters.
    Parameter(usize),
    /// Output `.1` of node `.0`.
    Output(usize, usize),
}

/// A whole number: fixed, or one that follows the number of examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Length {
    /// Always this many.
    Fixed(i64),
    /// `each` times the examples of the batch, and `plus` more.
    PerExample {
        /// For each example.
        each: i64,
        /// Beside these.
        #[serde(default)]
        plus: i64,
    },
}

/// What an operation is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Argument {
    /// Nothing.
    None,
    /// A tensor.
    Value(Value),
    /// A whole number.
    Number(Length),
    /// A real number.
    Real(#[serde(with = "number")] f64),
    /// A truth.
    Truth(bool),
    /// Text.
    Text(String),
    /// Several of one kind.
    List(Vec<Argument>),
    /// The kind of real numbers that the network computes with.
    WorkingKind,
    /// The device that the input is on.
    WorkingDevice,
}

impl Length {
    /// The number for a batch of `examples`.
    pub(super) fn of(self, examples: i64) -> i64 {
        match self {
            Self::Fixed(length) => length,
            Self::PerExample { each, plus } => each.saturating_mul(examples).saturating_add(plus),
        }
    }

    /// The length that is `two` for two examples and `three` for three.
    pub(super) fn through(two: i64, three: i64) -> Self {
        let each = three.saturating_sub(two);
        match each {
            0 => Self::Fixed(two),
            _ => Self::PerExample {
                each,
                plus: two.saturating_sub(each.saturating_mul(2)),
            },
        }
    }
}

impl Argument {
    /// A fixed whole number.
    #[must_use]
    pub fn fixed(number: i64) -> Self {
        Self::Number(Length::Fixed(number))
    }

    /// Fixed whole numbers.
    pub fn all_fixed(numbers: impl IntoIterator<Item = i64>) -> Self {
        Self::List(numbers.into_iter().map(Self::fixed).collect())
    }

    /// The lengths of a tensor that has a row with these `lengths` for each example.
    pub(super) fn rows(lengths: impl IntoIterator<Item = i64>) -> Self {
        let examples = Length::PerExample { each: 1, plus: 0 };
        let first = std::iter::once(Self::Number(examples));
        let lengths = lengths.into_iter().map(Self::fixed);
        Self::List(first.chain(lengths).collect())
    }

    /// The argument with every value in it replaced.
    fn with(
        &self,
        replace: &mut impl FnMut(Value) -> Result<Self, NetworkError>,
    ) -> Result<Self, NetworkError> {
        Ok(match self {
            Self::Value(value) => replace(*value)?,
            Self::List(list) => {
                let replaced = list.iter().map(|entry| entry.with(replace));
                Self::List(replaced.collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        })
    }

    /// The tensor that it is.
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        match self {
            Self::Value(value) => Some(*value),
            _ => None,
        }
    }

    /// The fixed whole number that it is.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Number(Length::Fixed(number)) => Some(*number),
            _ => None,
        }
    }

    fn collect_values(&self, found: &mut Vec<Value>) {
        match self {
            Self::Value(value) => found.push(*value),
            Self::List(list) => list.iter().for_each(|entry| entry.collect_values(found)),
            _ => {}
        }
    }
}

impl Value {
    /// The node that gives it.
    pub(super) fn node(self) -> Option<usize> {
        match self {
            Self::Output(node, _) => Some(node),
            _ => None,
        }
    }

    /// Another output of the same node.
    pub(super) fn output(self, place: usize) -> Self {
        match self {
            Self::Output(node, _) => Self::Output(node, place),
            value => value,
        }
    }
}

impl Node {
    /// An operation that stands for none of the graph that is read.
    pub(super) fn unnamed(operation: &str, arguments: Vec<Argument>) -> Self {
        Self {
            operation: operation.to_owned(),
            arguments,
            scope: String::new(),
            id: String::new(),
        }
    }

    /// The same with every value among its arguments replaced.
    pub(super) fn with(
        &self,
        replace: &mut impl FnMut(Value) -> Result<Argument, NetworkError>,
    ) -> Result<Self, NetworkError> {
        let arguments = self.arguments.iter();
        let arguments = arguments.map(|argument| argument.with(replace));
        Ok(Self {
            arguments: arguments.collect::<Result<_, _>>()?,
            ..self.clone()
        })
    }

    /// The values among its arguments.
    pub(crate) fn operands(&self) -> Vec<Value> {
        let mut found = Vec::new();
        for argument in &self.arguments {
            argument.collect_values(&mut found);
        }
        found
    }

    /// The name without namespace and overload, such as `add`.
    pub(super) fn name(&self) -> &str {
        split(&self.operation).1
    }

    /// Whether it computes with sizes only.
    pub(super) fn is_arithmetic(&self) -> bool {
        split(&self.operation).0 == "python"
    }

    pub(super) fn value(&self, place: usize) -> Option<Value> {
        self.arguments.get(place)?.value()
    }

    pub(super) fn integer(&self, place: usize) -> Option<i64> {
        self.arguments.get(place)?.integer()
    }

    pub(super) fn real(&self, place: usize) -> Option<f64> {
        match self.arguments.get(place)? {
            Argument::Real(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "as libtorch does")]
            argument => argument.integer().map(|number| number as f64),
        }
    }

    pub(super) fn truth(&self, place: usize) -> Option<bool> {
        match self.arguments.get(place)? {
            Argument::Truth(truth) => Some(*truth),
            _ => None,
        }
    }

    /// A list of fixed whole numbers; one number is a list of one.
    pub(super) fn integers(&self, place: usize) -> Option<Vec<i64>> {
        match self.arguments.get(place)? {
            Argument::List(list) => list.iter().map(Argument::integer).collect(),
            argument => Some(vec![argument.integer()?]),
        }
    }
}

/// Namespace, name and overload of an operation.
pub(super) fn split(operation: &str) -> (&str, &str, &str) {
    let (space, rest) = operation.split_once("::").unwrap_or(("", operation));
    let (name, overload) = rest.split_once('.').unwrap_or((rest, ""));
    (space, name, overload)
}

/// Numbers that may be infinite, which JSON cannot write: then as text.
mod number {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(f64),
        Text(String),
    }

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            serializer.serialize_f64(*value)
        } else {
            serializer.serialize_str(&value.to_string())
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Number(value) => Ok(value),
            Written::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}
