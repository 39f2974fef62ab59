use pathscope_analysis::Interval;
use pathscope_file::printable;
use serde::Serialize;

use crate::quantity::thousands;

/// A value as files hold it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Datum {
    /// Words.
    Text(String),
    /// A count.
    Integer(u64),
    /// A measured number; one that is not finite is written as missing.
    Number(f64),
}

impl Datum {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Text(_) => None,
            Self::Integer(value) => Some(*value as f64),
            Self::Number(value) => value.is_finite().then_some(*value),
        }
    }
}

/// One cell: the text that people read, and a value for each field of its column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// As it is printed.
    pub text: String,
    /// The values behind it; none where they are missing.
    pub values: Vec<Datum>,
}

impl Cell {
    /// Words.
    #[must_use]
    pub fn words(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            values: vec![Datum::Text(text.clone())],
            text: printable(&text).into_owned(),
        }
    }

    /// A number, with the text that stands for it.
    #[must_use]
    pub fn number(text: impl Into<String>, value: f64) -> Self {
        Self {
            text: text.into(),
            values: vec![Datum::Number(value)],
        }
    }

    /// A count.
    #[must_use]
    pub fn count(value: usize) -> Self {
        Self::integer(thousands(value as u64), value as u64)
    }

    /// A whole number, with the text that stands for it.
    #[must_use]
    pub fn integer(text: impl Into<String>, value: u64) -> Self {
        Self {
            text: text.into(),
            values: vec![Datum::Integer(value)],
        }
    }

    /// Both ends of an interval, with the text that stands for them.
    #[must_use]
    pub fn interval(text: impl Into<String>, interval: Interval) -> Self {
        Self {
            text: text.into(),
            values: vec![Datum::Number(interval.lower), Datum::Number(interval.upper)],
        }
    }

    /// Nothing: the value was not measured or does not apply.
    #[must_use]
    pub fn missing() -> Self {
        Self::default()
    }

    /// The first value as a number: what the row is sorted by.
    #[must_use]
    pub fn number_value(&self) -> Option<f64> {
        self.values.first().and_then(Datum::number)
    }

    /// Value of the field at `index`; none where it is missing or not finite.
    pub(super) fn value(&self, index: usize) -> Option<&Datum> {
        let finite =
            |value: &&Datum| !matches!(value, Datum::Number(number) if !number.is_finite());
        self.values.get(index).filter(finite)
    }
}
