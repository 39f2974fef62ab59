//! How a picture is to look: colours, size, font, title and legend.

use super::length::Length;
use super::theme::Theme;

/// How a picture is to look. The default suits a screen; [`Look::from`] a theme changes its
/// colours only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Colours.
    pub theme: Theme,
    /// Width [default: what suits the picture: 960 pixels, which are 10 inches, or 720 of a matrix].
    pub width: Option<Length>,
    /// Height [default: what suits the picture].
    pub height: Option<Length>,
    /// Size of the letters [default: 8 points on less than 6 inches, 10.5 points on more].
    pub font_size: Option<Length>,
    /// What stands above the picture.
    pub title: Title,
    /// Where the legend is.
    pub legend: Legend,
}

/// What stands above a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Title {
    /// The title that the picture brings.
    #[default]
    Own,
    /// Nothing.
    None,
    /// Other words.
    Words(String),
}

impl From<&str> for Title {
    /// `none`, or the words.
    fn from(text: &str) -> Self {
        match text {
            "none" => Self::None,
            words => Self::Words(words.to_owned()),
        }
    }
}

/// Where the legend of a picture is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Legend {
    /// Nowhere.
    None,
    /// In the corner of the plot with the fewest points.
    Inside,
    /// Above the plot.
    #[default]
    Outside,
}

impl Look {
    /// Size of the letters in pixels, in a picture so wide.
    pub(super) fn letters(&self, width: f64) -> f64 {
        let suits = if width < 576.0 {
            8.0 * 96.0 / 72.0
        } else {
            14.0
        };
        self.font_size.map_or(suits, Length::pixels)
    }

    /// What stands above a picture whose own title is `own`.
    pub(super) fn title<'a>(&'a self, own: &'a str) -> Option<&'a str> {
        match &self.title {
            Title::Own => Some(own),
            Title::None => None,
            Title::Words(words) => Some(words),
        }
    }
}

impl From<Theme> for Look {
    fn from(theme: Theme) -> Self {
        Self {
            theme,
            ..Self::default()
        }
    }
}
