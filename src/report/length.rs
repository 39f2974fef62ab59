use std::fmt::{self, Display};
use std::str::FromStr;

use thiserror::Error;

/// A length on paper or on a screen, of 96 pixels or 72 points to the inch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Length {
    number: f64,
    unit: Unit,
}

/// The name of a unit, as SVG and CSS have it, and its pixels.
type Unit = (&'static str, f64);

const PIXEL: Unit = ("px", 1.0);
const UNITS: [Unit; 5] = [
    ("in", 96.0),
    ("cm", 96.0 / 2.54),
    ("mm", 9.6 / 2.54),
    ("pt", 96.0 / 72.0),
    PIXEL,
];

/// Words that are no length.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{words:?} is not a length; give a number with in, cm, mm, pt or px, such as 3.3in")]
pub struct LengthError {
    words: String,
}

/// Longer pictures than this, in pixels, are a slip of the pen: 20 m.
const LONGEST: f64 = 76_000.0;

impl Length {
    /// So many pixels.
    pub fn of_pixels(number: f64) -> Self {
        Self {
            number,
            unit: PIXEL,
        }
    }

    /// In pixels.
    pub fn pixels(self) -> f64 {
        self.number * self.unit.1
    }
}

impl FromStr for Length {
    type Err = LengthError;

    fn from_str(words: &str) -> Result<Self, LengthError> {
        let refusal = || LengthError {
            words: words.to_owned(),
        };
        let (unit, number) = UNITS
            .into_iter()
            .find_map(|unit| Some((unit, words.strip_suffix(unit.0)?)))
            .ok_or_else(refusal)?;
        let number: f64 = number.trim().parse().map_err(|_| refusal())?;
        let length = Self { number, unit };
        let possible = number > 0.0 && length.pixels() <= LONGEST;
        possible.then_some(length).ok_or_else(refusal)
    }
}

impl Display for Length {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.number, self.unit.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_a_unit() {
        let pixels = |words: &str| words.parse::<Length>().map(Length::pixels);
        assert_eq!(pixels("3.5in"), Ok(336.0));
        assert_eq!(pixels("72 pt"), Ok(96.0));
        assert_eq!(pixels("640px"), Ok(640.0));
        assert!((pixels("2.54cm").unwrap() - 96.0).abs() < 1e-9);
        assert!((pixels("25.4mm").unwrap() - 96.0).abs() < 1e-9);
        for words in ["3.3", "in", "0in", "-1cm", "nanpx", "infpx", "1e9in", "3em"] {
            assert!(pixels(words).is_err(), "{words}");
        }
        let length: Length = "3.30in".parse().unwrap();
        assert_eq!(length.to_string(), "3.3in");
    }
}
