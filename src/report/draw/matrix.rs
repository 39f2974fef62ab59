//! Draws a quantity for each pair of blocks.

use plotters::style::Color;

use super::letters::{width_of, wrap};
use super::pen::{Anchor, Pen, Refusal, Stroke, Words};
use super::title;
use crate::picture::Matrix;
use crate::quantity::significant;
use crate::theme::{Colour, Theme, diverging, is_pale, sequential};

/// Height of a line.
const LINE: f64 = 1.25;
/// Steps of the scale of colours.
const STEPS: u8 = 56;

/// What surrounds the square of cells, in pixels.
struct Margins {
    left: f64,
    right: f64,
    below: f64,
}

impl Margins {
    fn new(matrix: &Matrix, em: f64, width: f64) -> Self {
        let label = wrap(&matrix.label, em, width - 1.4 * em).len();
        let values = scale_values(matrix);
        let values = values.iter().map(|(_, text)| width_of(text, em));
        Self {
            left: (0.7 + 0.4) * em + widest_name(matrix, em),
            right: (1.0 + 1.2 + 0.4 + 0.5 + 2.0 * LINE + 0.4) * em + values.fold(0.0, f64::max),
            below: (0.4 + 1.0 + 0.5 + LINE * label as f64 + 0.5) * em,
        }
    }
}

fn widest_name(matrix: &Matrix, em: f64) -> f64 {
    let widths = (0..matrix.size).map(|index| width_of(&index.to_string(), em));
    widths.fold(0.0, f64::max)
}

/// Height of the picture below its title, where nothing else is asked for.
pub(super) fn height(matrix: &Matrix, em: f64, width: f64) -> f64 {
    let margins = Margins::new(matrix, em, width);
    (width - margins.left - margins.right).max(6.0 * em) + margins.below + em
}

/// Draws a matrix with its title over the whole of `pen`.
pub(super) fn draw(pen: &Pen, heading: Option<&str>, matrix: &Matrix) -> Result<(), Refusal> {
    let em = pen.em;
    let (width, height) = pen.size();
    let margins = Margins::new(matrix, em, width);
    let top = title::draw(pen, heading)?;
    let room = (height - top - margins.below).min(width - margins.left - margins.right);
    let side = room.max(em);
    let left = margins.left;
    cells(pen, matrix, (left, top), side)?;
    names(pen, matrix, (left, top), side)?;
    let label = wrap(&matrix.label, em, width - 1.4 * em);
    for (index, line) in label.iter().enumerate() {
        let half = width_of(line, em) / 2.0;
        let middle = (left + side / 2.0).max(half + 0.4 * em);
        let y = top + side + (0.4 + 1.0 + 0.5 + LINE * index as f64) * em;
        pen.text(line, (middle, y), pen.words(1.0, Anchor::TOP))?;
    }
    scale(pen, matrix, (left + side + em, top), side)
}

/// The greatest size of a value.
fn unit(matrix: &Matrix) -> f64 {
    let sizes = matrix.entries.iter().map(|entry| entry.value.abs());
    let largest = sizes.filter(|size| size.is_finite()).fold(0.0, f64::max);
    if largest > 0.0 { largest } else { 1.0 }
}

fn cells(pen: &Pen, matrix: &Matrix, (left, top): (f64, f64), side: f64) -> Result<(), Refusal> {
    let count = matrix.size.max(1);
    let edge = |index: usize| side * index as f64 / count as f64;
    let unit = unit(matrix);
    let ground = pen.colour(Colour::Grid);
    pen.rectangle((left, top), (left + side, top + side), ground)?;
    let entries = matrix.entries.iter();
    for entry in entries.filter(|entry| entry.row < count && entry.column < count) {
        let (x0, x1) = (left + edge(entry.column), left + edge(entry.column + 1));
        let (y0, y1) = (top + edge(entry.row), top + edge(entry.row + 1));
        let fill = match matrix.signed {
            true => diverging(entry.value / unit),
            false => sequential(entry.value / unit),
        };
        pen.rectangle((x0, y0), (x1, y1), fill)?;
        // In grey, both sides of 0 look alike: the negative one has a stroke.
        if matrix.signed && entry.value < -0.02 * unit && x1 - x0 >= 0.55 * pen.em {
            let ink = match is_pale(fill) {
                true => Colour::Ink,
                false => Colour::Paper,
            };
            let (middle, half) = ((y0 + y1) / 2.0, (x1 - x0) / 5.0);
            let across = (x0 + x1) / 2.0;
            let ends = [(across - half, middle), (across + half, middle)];
            let ink = ink.rgb(Theme::Light).to_rgba();
            pen.line(&ends, &Stroke::solid(ink, 0.13 * pen.em))?;
        }
        pen.hover((x0, y0), (x1 - x0, y1 - y0), &entry.hover);
    }
    Ok(())
}

fn names(pen: &Pen, matrix: &Matrix, (left, top): (f64, f64), side: f64) -> Result<(), Refusal> {
    let em = pen.em;
    let count = matrix.size.max(1);
    let room = (widest_name(matrix, em) + 0.5 * em).max(1.3 * em);
    let fits = |every: &usize| side * *every as f64 / count as f64 >= room;
    let every = [1, 2, 5, 10, 20, 50, 100].into_iter().find(fits);
    let every = every.unwrap_or(count);
    for index in (0..matrix.size).step_by(every) {
        let name = &index.to_string();
        let middle = side * (index as f64 + 0.5) / count as f64;
        let under = (left + middle, top + side + 0.4 * em);
        pen.text(name, under, pen.words(1.0, Anchor::TOP))?;
        let beside = (left - 0.4 * em, top + middle);
        pen.text(name, beside, pen.words(1.0, Anchor::RIGHT))?;
    }
    Ok(())
}

/// Values along the scale of colours, from its top, by the share of it above them.
fn scale_values(matrix: &Matrix) -> [(f64, String); 3] {
    let unit = unit(matrix);
    let least = if matrix.signed { -1.0 } else { 0.0 };
    [
        (0.0, unit),
        (0.5, unit * (1.0 + least) / 2.0),
        (1.0, unit * least),
    ]
    .map(|(share, value)| (share, significant(value, 3).replace('-', "\u{2212}")))
}

fn scale(pen: &Pen, matrix: &Matrix, (left, top): (f64, f64), side: f64) -> Result<(), Refusal> {
    let em = pen.em;
    let right = left + 1.2 * em;
    for step in 0..STEPS {
        let share = f64::from(step) / f64::from(STEPS - 1);
        let fill = match matrix.signed {
            true => diverging(1.0 - 2.0 * share),
            false => sequential(1.0 - share),
        };
        // Each covers all below it, so that no light falls between two of them.
        let upper = top + side * f64::from(step) / f64::from(STEPS);
        pen.rectangle((left, upper), (right, top + side), fill)?;
    }
    let mut widest = 0.0_f64;
    for (share, text) in scale_values(matrix) {
        // The outer ones stay beside the scale.
        let y = (top + share * side).clamp(top + 0.5 * em, top + side - 0.5 * em);
        pen.text(&text, (right + 0.4 * em, y), pen.words(1.0, Anchor::LEFT))?;
        widest = widest.max(width_of(&text, em));
    }
    let lines = wrap(&matrix.quantity, em, side);
    for (index, line) in lines.iter().take(2).enumerate() {
        let upright = Words {
            upright: true,
            ..pen.words(1.0, Anchor::TOP)
        };
        let x = right + 0.4 * em + widest + (0.5 + LINE * index as f64) * em;
        pen.text(line, (x, top + side / 2.0), upright)?;
    }
    Ok(())
}
