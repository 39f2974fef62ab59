use pathscope_analysis::Interval;
use pathscope_file::printable;
use serde::Serialize;

use crate::quantity::{hundredths, large, p_value, significant, span, thousands};

/// A value as files hold it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Datum {
    /// Yes or no.
    Truth(bool),
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
            Self::Truth(_) | Self::Text(_) => None,
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
    pub fn words(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            values: vec![Datum::Text(text.clone())],
            text: printable(&text).into_owned(),
        }
    }

    /// Yes or no, for files.
    pub fn truth(value: bool) -> Self {
        Self {
            text: value.to_string(),
            values: vec![Datum::Truth(value)],
        }
    }

    /// A number, with the text that stands for it.
    pub fn number(text: impl Into<String>, value: f64) -> Self {
        Self {
            text: text.into(),
            values: vec![Datum::Number(value)],
        }
    }

    /// A number with so many significant digits.
    pub fn significant(value: f64, digits: usize) -> Self {
        Self::number(significant(value, digits), value)
    }

    /// A number with so many decimals.
    pub fn decimals(value: f64, decimals: usize) -> Self {
        Self::number(format!("{value:.decimals$}"), value)
    }

    /// A share, in per cent.
    pub fn share(share: f64) -> Self {
        Self::number(hundredths(share), share)
    }

    /// A p-value.
    pub fn p(p: f64) -> Self {
        Self::number(p_value(p), p)
    }

    /// A count.
    pub fn count(value: usize) -> Self {
        Self::thousands(value as u64)
    }

    /// A large whole number.
    pub fn thousands(value: u64) -> Self {
        Self::integer(thousands(value), value)
    }

    /// A whole number of any size: a power for people, its digits for files.
    pub fn large(digits: &str) -> Self {
        Self {
            text: large(digits),
            values: vec![Datum::Text(digits.to_owned())],
        }
    }

    /// A whole number, with the text that stands for it.
    pub fn integer(text: impl Into<String>, value: u64) -> Self {
        Self {
            text: text.into(),
            values: vec![Datum::Integer(value)],
        }
    }

    /// Both ends of an interval, each as `end` writes it; missing where there is none.
    pub fn interval(interval: impl Into<Option<Interval>>, end: impl Fn(f64) -> String) -> Self {
        interval.into().map_or_else(Self::missing, |interval| Self {
            text: span(interval, end),
            values: vec![Datum::Number(interval.lower), Datum::Number(interval.upper)],
        })
    }

    /// Nothing: the value was not measured or does not apply.
    pub fn missing() -> Self {
        Self::default()
    }

    /// The first value as a number: what the row is sorted by.
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
