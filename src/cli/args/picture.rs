use clap::Args;

use crate::report::{Legend, Length, Look, Theme, Title};

/// How plots look.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Look of the plots")]
pub(crate) struct PictureArguments {
    /// Colours; paper: as light, without a grid
    #[arg(long, value_enum, default_value_t)]
    theme: Theme,
    /// Width, in in, cm, mm, pt or px [default: 960px; 720px for a matrix]
    #[arg(long, value_name = "LENGTH")]
    width: Option<Length>,
    /// Height [default: what suits the plot]
    #[arg(long, value_name = "LENGTH")]
    height: Option<Length>,
    /// Size of the letters [default: 8pt below a width of 6in, 10.5pt from there on]
    #[arg(long, value_name = "LENGTH")]
    font_size: Option<Length>,
    /// Title, or none [default: what the plot shows]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Place of the legend
    #[arg(long, value_enum, default_value_t)]
    legend: Legend,
    /// Pixels to the inch in .png files
    #[arg(long, value_name = "NUMBER", default_value_t = DENSITY,
          value_parser = clap::value_parser!(u16).range(1..=2400))]
    pub dpi: u16,
}

/// Pixels to the inch in PNG files, unless told otherwise: what print asks for.
pub(crate) const DENSITY: u16 = 300;

impl PictureArguments {
    /// How pictures are to look.
    pub fn look(&self) -> Look {
        Look {
            theme: self.theme,
            width: self.width,
            height: self.height,
            font_size: self.font_size,
            title: self.title.as_deref().map_or(Title::Own, Title::from),
            legend: self.legend,
        }
    }
}
