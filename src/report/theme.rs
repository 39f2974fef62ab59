//! Colours that people with any colour vision, and paper without colours, tell apart.

use plotters::style::RGBColor;

/// Whether pictures are dark on light or light on dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Theme {
    /// Dark ink on white.
    #[default]
    Light,
    /// Light ink on black.
    Dark,
    /// For print: as light, without a grid and without what the pointer shows.
    Paper,
}

/// What a colour is for. The hues are those of Okabe and Ito (2008); each has another lightness,
/// and pictures add dashes and markers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Text and axes.
    Ink,
    /// Second-rank text and reference lines.
    Faint,
    /// Lines of the grid.
    Grid,
    /// What lies behind everything.
    Paper,
    /// The first series.
    Blue,
    /// The second.
    Vermilion,
    /// The third.
    Green,
    /// The fourth.
    Purple,
    /// The fifth.
    Orange,
    /// The sixth.
    Sky,
}

impl Colour {
    /// Every colour.
    pub const ALL: [Self; 10] = {
        use Colour::*;
        [
            Ink, Faint, Grid, Paper, Blue, Vermilion, Green, Purple, Orange, Sky,
        ]
    };

    /// The colour of series `index`; they repeat after six.
    pub fn of_series(index: usize) -> Self {
        use Colour::*;
        [Blue, Vermilion, Green, Purple, Orange, Sky][index % 6]
    }

    /// Its red, green and blue in a theme.
    pub fn rgb(self, theme: Theme) -> RGBColor {
        let (light, dark) = match self {
            Self::Ink => (0x1A1A1A, 0xE8E8E8),
            Self::Faint => (0x666666, 0xA6A6A6),
            Self::Grid => (0xDDDDDD, 0x3A3A3A),
            Self::Paper => (0xFFFFFF, 0x16181C),
            Self::Blue => (0x0072B2, 0x56B4E9),
            Self::Vermilion => (0xD55E00, 0xF0803C),
            Self::Green => (0x009E73, 0x2CC79B),
            Self::Purple => (0xAA4499, 0xDDA0CC),
            Self::Orange => (0xE69F00, 0xF5C04A),
            Self::Sky => (0x56B4E9, 0xA6DCFF),
        };
        let value: u32 = match theme {
            Theme::Light | Theme::Paper => light,
            Theme::Dark => dark,
        };
        let [_, red, green, blue] = value.to_be_bytes();
        RGBColor(red, green, blue)
    }

    /// As SVG and CSS write it.
    pub fn hex(self, theme: Theme) -> String {
        let RGBColor(red, green, blue) = self.rgb(theme);
        format!("#{red:02X}{green:02X}{blue:02X}")
    }
}

/// Between two colours; `share` 0 is the first.
pub(super) fn blend(first: RGBColor, second: RGBColor, share: f64) -> RGBColor {
    let mix = |a: u8, b: u8| {
        let value = f64::from(a) + (f64::from(b) - f64::from(a)) * share.clamp(0.0, 1.0);
        value.round() as u8
    };
    let RGBColor(red, green, blue) = second;
    RGBColor(mix(first.0, red), mix(first.1, green), mix(first.2, blue))
}

/// Colour of an effect of `share` in [0, 1]: the more, the darker, in colour and in grey.
pub(super) fn sequential(share: f64) -> RGBColor {
    let middle = RGBColor(0xE6, 0x9F, 0x00);
    match share < 0.5 {
        true => blend(RGBColor(0xF3, 0xF1, 0xE6), middle, 2.0 * share),
        false => blend(middle, RGBColor(0x6A, 0x1B, 0x0A), 2.0 * share - 1.0),
    }
}

/// Colour of a value in [-1, 1] about a pale zero.
pub(super) fn diverging(value: f64) -> RGBColor {
    let end = match value < 0.0 {
        true => RGBColor(0x00, 0x4C, 0x8C),
        false => RGBColor(0xC2, 0x4A, 0x00),
    };
    blend(RGBColor(0xF4, 0xF4, 0xF4), end, value.abs())
}

/// Whether text on the colour is to be dark.
pub(super) fn is_pale(colour: RGBColor) -> bool {
    let RGBColor(red, green, blue) = colour;
    0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue) > 140.0
}
