use std::fmt::{self, Display};
use std::str::FromStr;

use thiserror::Error;

/// A length on paper or on a screen, of 96 pixels or 72 points to the inch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Length {
    number: f64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Inch,
    Centimetre,
    Millimetre,
    Point,
    Pixel,
}

impl Unit {
    const ALL: [Self; 5] = [
        Self::Inch,
        Self::Centimetre,
        Self::Millimetre,
        Self::Point,
        Self::Pixel,
    ];

    /// As SVG and CSS name it.
    fn name(self) -> &'static str {
        match self {
            Self::Inch => "in",
            Self::Centimetre => "cm",
            Self::Millimetre => "mm",
            Self::Point => "pt",
            Self::Pixel => "px",
        }
    }

    fn pixels(self) -> f64 {
        match self {
            Self::Inch => 96.0,
            Self::Centimetre => 96.0 / 2.54,
            Self::Millimetre => 9.6 / 2.54,
            Self::Point => 96.0 / 72.0,
            Self::Pixel => 1.0,
        }
    }
}

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
    #[must_use]
    pub fn of_pixels(number: f64) -> Self {
        Self {
            number,
            unit: Unit::Pixel,
        }
    }

    /// In pixels.
    #[must_use]
    pub fn pixels(self) -> f64 {
        self.number * self.unit.pixels()
    }
}

impl FromStr for Length {
    type Err = LengthError;

    fn from_str(words: &str) -> Result<Self, LengthError> {
        let refusal = || LengthError {
            words: words.to_owned(),
        };
        let (unit, number) = Unit::ALL
            .into_iter()
            .find_map(|unit| Some((unit, words.strip_suffix(unit.name())?)))
            .ok_or_else(refusal)?;
        let number: f64 = number.trim().parse().map_err(|_| refusal())?;
        let length = Self { number, unit };
        let possible = number > 0.0 && length.pixels() <= LONGEST;
        possible.then_some(length).ok_or_else(refusal)
    }
}

impl Display for Length {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.number, self.unit.name())
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
