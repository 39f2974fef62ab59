//! Draws pictures: from data to SVG.

mod canvas;
mod chart;
mod frame;
mod legend;
mod letters;
mod marks;
mod matrix;
mod pen;
mod scale;
mod sheet;
mod svg;
mod title;

#[cfg(test)]
pub(crate) use letters::width_of;
pub use svg::DrawError;

use super::length::Length;
use super::look::{Legend, Look};
use super::picture::{Content, Picture};
use super::theme::{Colour, Theme};
use pen::{Pen, Refusal};

/// The least picture, in sizes of its letters.
const LEAST: f64 = 12.0;

impl Picture {
    /// Draws it as SVG: the same bytes for the same data.
    ///
    /// # Errors
    /// When the drawing library refuses, which no finite data make it do.
    pub fn svg(&self, look: impl Into<Look>) -> Result<String, DrawError> {
        let look = look.into();
        let heading = look.title(&self.title);
        let across = look.width.unwrap_or(Length::of_pixels(match self.content {
            Content::Matrix(_) => 720.0,
            Content::Chart(_) | Content::Sheet(_) => 960.0,
        }));
        let width = across.pixels();
        let em = look.letters(width);
        let suits =
            height_of(&self.content, em, width, look.legend) + title::height(heading, em, width);
        let down = look.height.unwrap_or(Length::of_pixels(suits.round()));
        let size = (width.max(LEAST * em), down.pixels().max(LEAST * em));
        let pen = Pen::new(size, em, look.theme);
        let drawn = pen
            .rectangle((0.0, 0.0), size, pen.colour(Colour::Paper))
            .and_then(|()| panel(&pen, heading, self, look.legend));
        drawn.map_err(|refusal| DrawError(refusal.to_string()))?;
        let (elements, mut hovers) = pen.finish();
        if look.theme == Theme::Paper {
            hovers.clear();
        }
        Ok(svg::finish(
            self,
            &look,
            (across, down),
            size,
            &elements,
            &hovers,
        ))
    }
}

/// Height below the title that suits a picture so wide.
fn height_of(content: &Content, em: f64, width: f64, legend: Legend) -> f64 {
    match content {
        Content::Chart(chart) => chart::height(chart, em, width, legend),
        Content::Matrix(matrix) => matrix::height(matrix, em, width),
        Content::Sheet(panels) => sheet::height(panels, em, width, legend),
    }
}

/// Draws a picture over the whole of `pen`.
fn panel(
    pen: &Pen,
    heading: Option<&str>,
    picture: &Picture,
    legend: Legend,
) -> Result<(), Refusal> {
    match &picture.content {
        Content::Chart(chart) => chart::draw(pen, heading, chart, legend),
        Content::Matrix(matrix) => matrix::draw(pen, heading, matrix),
        Content::Sheet(panels) => sheet::draw(pen, heading, panels, legend),
    }
}
