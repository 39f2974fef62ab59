//! Draws pictures: from data to SVG.

mod chart;
mod matrix;
mod scale;
mod svg;

pub use svg::DrawError;

use super::picture::{Content, Picture};
use super::theme::Theme;

impl Picture {
    /// Draws it as SVG: the same bytes for the same data.
    ///
    /// # Errors
    /// When the drawing library refuses, which no finite data make it do.
    pub fn svg(&self, theme: Theme) -> Result<String, DrawError> {
        let (drawing, hovers) = match &self.content {
            Content::Chart(chart) => chart::draw(&self.title, chart, theme)?,
            Content::Matrix(matrix) => matrix::draw(&self.title, matrix, theme)?,
        };
        Ok(svg::finish(self, &drawing, &hovers))
    }
}
