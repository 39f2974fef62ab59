//! The legend of a chart.

use super::letters::{width_of, wrap};
use super::marks::dashes;
use super::pen::{Anchor, Pen, Place, Refusal, Stroke};
use crate::picture::{Chart, Series, Shape};
use crate::theme::Colour;

use plotters::style::Color;

/// Height of a line of words.
const LINE: f64 = 1.35;
/// Width of a sample, and of what lies between it and its words.
const SAMPLE: f64 = 2.0;
const GAP: f64 = 0.5;
/// Between an entry and the next one.
const BETWEEN: f64 = 1.4;

/// The entries of a legend at their places.
pub(super) struct Entries<'a> {
    entries: Vec<(LegendEntry<'a>, Place)>,
    /// Width and height in pixels.
    pub size: Place,
}

struct LegendEntry<'a> {
    sample: Sample<'a>,
    lines: Vec<String>,
}

#[derive(Clone, Copy)]
enum Sample<'a> {
    Series(&'a Series),
    Stretch,
    Level(Colour),
}

impl<'a> Entries<'a> {
    /// Lays the entries of a chart out in rows, or below each other where `column` says so. None
    /// where there is nothing to explain.
    pub fn new(chart: &'a Chart, em: f64, width: f64, column: bool) -> Option<Self> {
        let series = chart.series.iter().map(|s| (Sample::Series(s), &s.label));
        let stretches = chart.stretches.iter().map(|s| (Sample::Stretch, &s.label));
        let levels = chart.references.iter();
        let levels = levels.map(|level| (Sample::Level(level.colour), &level.label));
        let all = series.chain(stretches).chain(levels);
        let (mut left, mut top, mut deep, mut wide) = (0.0, 0.0, 0.0_f64, 0.0_f64);
        let mut entries = Vec::new();
        for (sample, label) in all.filter(|(_, label)| !label.is_empty()) {
            let lines = wrap(label, em, width - (SAMPLE + GAP) * em);
            let longest = lines.iter().map(|line| width_of(line, em));
            let across = (SAMPLE + GAP) * em + longest.fold(0.0, f64::max);
            if left > 0.0 && (column || left + across > width) {
                (left, top, deep) = (0.0, top + deep, 0.0);
            }
            deep = deep.max(LINE * em * lines.len() as f64);
            entries.push((LegendEntry { sample, lines }, (left, top)));
            wide = wide.max(left + across);
            left += across + BETWEEN * em;
        }
        (!entries.is_empty()).then_some(Self {
            entries,
            size: (wide, top + deep),
        })
    }

    /// Draws them below and to the right of a place.
    pub fn draw(&self, pen: &Pen, (left, top): Place) -> Result<(), Refusal> {
        let em = pen.em;
        for (entry, (x, y)) in &self.entries {
            let (x, y) = (left + x, top + y + LINE * em / 2.0);
            entry.sample.draw(pen, (x, y))?;
            for (index, line) in entry.lines.iter().enumerate() {
                let place = (x + (SAMPLE + GAP) * em, y + LINE * em * index as f64);
                pen.text(line, place, pen.words(1.0, Anchor::LEFT))?;
            }
        }
        Ok(())
    }
}

impl Sample<'_> {
    /// From the middle of its left side.
    fn draw(self, pen: &Pen, (x, y): Place) -> Result<(), Refusal> {
        let em = pen.em;
        let (end, half) = (x + SAMPLE * em, 0.4 * em);
        match self {
            Self::Stretch => {
                let fill = pen.colour(Colour::Orange).mix(0.3);
                pen.rectangle((x, y - half), (end, y + half), fill)
            }
            Self::Level(colour) => {
                let stroke = Stroke {
                    dashes: &[0.45 * em, 0.3 * em],
                    ..pen.stroke(colour, 0.11 * em)
                };
                pen.line(&[(x, y), (end, y)], &stroke)
            }
            Self::Series(series) => {
                let colour = pen.colour(series.colour);
                let middle = (x + SAMPLE * em / 2.0, y);
                if series.band {
                    pen.rectangle((x, y - half), (end, y + half), colour.mix(0.2))?;
                }
                if series.shape == Shape::Boxes {
                    let from = (middle.0 - 0.5 * em, y - half);
                    let to = (middle.0 + 0.5 * em, y + half);
                    pen.rectangle(from, to, colour.mix(0.3))?;
                    let median = [(from.0, y), (to.0, y)];
                    pen.line(&median, &pen.stroke(series.colour, 0.13 * em))?;
                }
                if series.shape == Shape::Line {
                    let dashes = dashes(series.dash, em);
                    let stroke = Stroke {
                        dashes: &dashes,
                        ..pen.stroke(series.colour, 0.13 * em)
                    };
                    pen.line(&[(x, y), (end, y)], &stroke)?;
                }
                let size = if series.faint { 0.14 } else { 0.27 } * em;
                let opacity = if series.faint { 0.5 } else { 1.0 };
                pen.sign(
                    series.marker,
                    middle,
                    size,
                    colour.mix(opacity),
                    series.hollow,
                )
            }
        }
    }
}
