use super::letters::wrap;
use super::pen::{Anchor, Pen, Refusal};

/// Size of a title.
const SIZE: f64 = 1.15;
/// Height of one of its lines.
const LINE: f64 = 1.3 * SIZE;

/// Draws the title at the top; returns where the picture below it may begin.
pub(super) fn draw(pen: &Pen, heading: Option<&str>) -> Result<f64, Refusal> {
    let em = pen.em;
    let (width, _) = pen.size();
    let mut top = 0.5 * em;
    for line in wrap(heading.unwrap_or_default(), SIZE * em, width - 1.4 * em) {
        pen.text(&line, (0.7 * em, top), pen.words(SIZE, Anchor::TOP_LEFT))?;
        top += LINE * em;
    }
    Ok(top + if heading.is_some() { 0.3 * em } else { 0.0 })
}

/// Height of a title of a picture so wide.
pub(super) fn height(heading: Option<&str>, em: f64, width: f64) -> f64 {
    let lines = wrap(heading.unwrap_or_default(), SIZE * em, width - 1.4 * em);
    LINE * em * lines.len() as f64
}
