//! Draws several pictures as the panels of one.

use super::letters::width_of;
use super::pen::{Anchor, Pen, Refusal};
use super::{height_of, panel, title};
use crate::look::Legend;
use crate::picture::Picture;

/// Narrower panels than this, in sizes of letters, are below each other.
const NARROWEST: f64 = 28.0;

fn columns(width: f64, em: f64, panels: usize) -> usize {
    let fit = (width / (NARROWEST * em)).floor() as usize;
    fit.clamp(1, panels.clamp(1, 3))
}

/// Height of all rows, where nothing else is asked for.
pub(super) fn height(panels: &[Picture], em: f64, width: f64, legend: Legend) -> f64 {
    heights(panels, em, width, legend).iter().sum()
}

fn heights(panels: &[Picture], em: f64, width: f64, legend: Legend) -> Vec<f64> {
    let columns = columns(width, em, panels.len());
    let one = width / columns as f64;
    let row = |row: &[Picture]| {
        let heights = row.iter().map(|picture| {
            let heading = caption(0, picture);
            height_of(&picture.content, em, one, legend) + title::height(Some(&heading), em, one)
        });
        heights.fold(0.0, f64::max)
    };
    panels.chunks(columns).map(row).collect()
}

/// Draws `panels` with letters, in rows, over the whole of `pen`.
pub(super) fn draw(
    pen: &Pen,
    heading: Option<&str>,
    panels: &[Picture],
    legend: Legend,
) -> Result<(), Refusal> {
    let (width, height) = pen.size();
    let mut top = match heading {
        Some(_) => title::draw(pen, heading)?,
        None => 0.0,
    };
    let columns = columns(width, pen.em, panels.len());
    let natural = heights(panels, pen.em, width, legend);
    let stretch = (height - top) / natural.iter().sum::<f64>().max(1.0);
    let one = width / columns as f64;
    for (row, (panels, natural)) in panels.chunks(columns).zip(natural).enumerate() {
        let tall = stretch * natural;
        for (column, picture) in panels.iter().enumerate() {
            let part = pen.within((one * column as f64, top), (one, tall));
            let number = row * columns + column;
            panel(&part, Some(&caption(number, picture)), picture, legend)?;
        }
        top += tall;
    }
    // A sheet without panels says so.
    if panels.is_empty() {
        let words = "nothing to show";
        let place = ((width - width_of(words, pen.em)) / 2.0, height / 2.0);
        pen.text(words, place, pen.words(1.0, Anchor::LEFT))?;
    }
    Ok(())
}

/// `(a) What it shows`: the network is named above all panels.
fn caption(number: usize, picture: &Picture) -> String {
    let letter = (b'a'..=b'z').nth(number).map_or('z', char::from);
    let words = picture.title.split(": ").next().unwrap_or_default();
    format!("({letter}) {words}")
}
