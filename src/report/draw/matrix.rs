//! Draws a quantity for each pair of blocks.

use plotters::prelude::*;

use super::svg::{Area, DrawError, Hover, Refusal, words, wrap};
use crate::picture::Matrix;
use crate::quantity::significant;
use crate::theme::{Colour, Theme, diverging, is_pale, sequential};

const WIDTH: i32 = 760;
const LEFT: i32 = 76;
const SIDE: i32 = 560;

/// The drawing, and what it tells the pointer.
pub(super) fn draw(
    title: &str,
    matrix: &Matrix,
    theme: Theme,
) -> Result<(String, Vec<Hover>), DrawError> {
    let lines = wrap(title, 19, WIDTH - 32);
    let top = 30 + 26 * lines.len() as i32;
    let height = top + SIDE + 64;
    let mut drawing = String::new();
    let root =
        SVGBackend::with_string(&mut drawing, (WIDTH as u32, height as u32)).into_drawing_area();
    let hovers = on(&root, &lines, top, matrix, theme).map_err(DrawError::from_display)?;
    drop(root);
    Ok((drawing, hovers))
}

fn on<'b>(
    root: &Area<'b>,
    title: &[String],
    top: i32,
    matrix: &Matrix,
    theme: Theme,
) -> Result<Vec<Hover>, Refusal<'b>> {
    root.fill(&Colour::Paper.rgb(theme))?;
    let style = words(13, Colour::Ink, theme);
    for (line, text) in title.iter().enumerate() {
        let place = (16, 16 + 26 * line as i32);
        root.draw(&Text::new(
            text.clone(),
            place,
            words(19, Colour::Ink, theme),
        ))?;
    }
    let count = matrix.names.len().max(1);
    let edge = |index: usize| (f64::from(SIDE) * index as f64 / count as f64).round() as i32;
    let largest = matrix
        .entries
        .iter()
        .map(|entry| entry.value.abs())
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    let unit = if largest > 0.0 { largest } else { 1.0 };
    let colour = |value: f64| match matrix.signed {
        true => diverging(value / unit),
        false => sequential(value / unit),
    };
    let frame = Rectangle::new(
        [(LEFT, top), (LEFT + SIDE, top + SIDE)],
        Colour::Grid.rgb(theme).filled(),
    );
    root.draw(&frame)?;
    let mut hovers = Vec::new();
    for entry in &matrix.entries {
        if entry.row >= count || entry.column >= count {
            continue;
        }
        let (x0, x1) = (LEFT + edge(entry.column), LEFT + edge(entry.column + 1));
        let (y0, y1) = (top + edge(entry.row), top + edge(entry.row + 1));
        let fill = colour(entry.value);
        root.draw(&Rectangle::new([(x0, y0), (x1, y1)], fill.filled()))?;
        // In grey, both sides of 0 look alike: the negative one has a stroke.
        if matrix.signed && entry.value < -0.02 * unit && x1 - x0 >= 8 {
            let pen = if is_pale(fill) {
                Colour::Ink
            } else {
                Colour::Paper
            };
            let (middle, half) = ((y0 + y1) / 2, (x1 - x0) / 5);
            let ends = vec![
                ((x0 + x1) / 2 - half, middle),
                ((x0 + x1) / 2 + half, middle),
            ];
            root.draw(&PathElement::new(
                ends,
                pen.rgb(Theme::Light).stroke_width(2),
            ))?;
        }
        hovers.push(Hover {
            place: (x0, y0, x1 - x0, y1 - y0),
            text: entry.hover.clone(),
        });
    }
    names(root, matrix, top, &edge, theme)?;
    let centre = words(14, Colour::Ink, theme);
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    let middle = Pos::new(HPos::Center, VPos::Top);
    let below = (LEFT + SIDE / 2, top + SIDE + 36);
    root.draw(&Text::new(matrix.label.clone(), below, centre.pos(middle)))?;
    // The scale of colours.
    let (bar, steps) = (LEFT + SIDE + 24, 56);
    let least = if matrix.signed { -1.0 } else { 0.0 };
    for step in 0..steps {
        let share = f64::from(step) / f64::from(steps - 1);
        let fill = colour(unit * (1.0 - share * (1.0 - least)));
        let y = top + step * SIDE / steps;
        let corners = [(bar, y), (bar + 18, top + (step + 1) * SIDE / steps)];
        root.draw(&Rectangle::new(corners, fill.filled()))?;
    }
    for (share, value) in [
        (0.0, unit),
        (0.5, unit * (1.0 + least) / 2.0),
        (1.0, unit * least),
    ] {
        let y = top + (share * f64::from(SIDE)) as i32;
        let text = significant(value, 3);
        root.draw(&Text::new(text, (bar + 24, y - 6), style.clone()))?;
    }
    let upright = words(14, Colour::Ink, theme)
        .transform(FontTransform::Rotate270)
        .pos(middle);
    let beside = (bar + 82, top + SIDE / 2);
    root.draw(&Text::new(matrix.quantity.clone(), beside, upright))?;
    root.present()?;
    Ok(hovers)
}

fn names<'b>(
    root: &Area<'b>,
    matrix: &Matrix,
    top: i32,
    edge: &impl Fn(usize) -> i32,
    theme: Theme,
) -> Result<(), Refusal<'b>> {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    let every = matrix.names.len().div_ceil(28).max(1);
    let style = words(12, Colour::Ink, theme);
    for (index, name) in matrix.names.iter().enumerate().step_by(every) {
        let middle = (edge(index) + edge(index + 1)) / 2;
        let under = style.pos(Pos::new(HPos::Center, VPos::Top));
        let place = (LEFT + middle, top + SIDE + 8);
        root.draw(&Text::new(name.clone(), place, under))?;
        let beside = style.pos(Pos::new(HPos::Right, VPos::Center));
        root.draw(&Text::new(name.clone(), (LEFT - 8, top + middle), beside))?;
    }
    Ok(())
}
