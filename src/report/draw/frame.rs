//! Axes, stages and levels of a chart: what its series are drawn on.

use plotters::style::Color;

use super::letters::{shorten, width_of, wrap};
use super::pen::{Anchor, Pen, Place, Refusal, Stroke, Words};
use super::scale::{Scale, Tick};
use crate::picture::{Axis, Chart, Point, Shape};
use crate::theme::{Colour, Theme};

/// Height of a line of an axis label.
const LINE: f64 = 1.25;
/// Length of a tick, and what lies between it and its label.
const TICK: f64 = 0.3;
const GAP: f64 = 0.3;

/// The part of a chart where data are drawn.
pub(super) struct Plot<'a> {
    pub pen: &'a Pen,
    x: Scale<'a>,
    y: Scale<'a>,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    /// Whether x counts things, so that no two points of a series are at one place.
    pub is_row: bool,
    /// Pixels from one whole value of x to the next.
    pub step: f64,
    /// Series of boxes, which stand side by side.
    pub boxes: usize,
}

impl<'a> Plot<'a> {
    /// Finds room for axes and labels below `top`.
    pub fn new(pen: &'a Pen, chart: &'a Chart, top: f64) -> Self {
        let em = pen.em;
        let (width, height) = pen.size();
        let (x, y) = scales(chart);
        let top = top + stage_height(chart, em) + 0.35 * em;
        let bottom = height - foot_height(chart, em, width);
        let mut plot = Self {
            pen,
            x,
            y,
            left: 0.0,
            right: width - 1.2 * em,
            top,
            bottom: bottom.max(top + em),
            is_row: !chart.x.names.is_empty(),
            step: 0.0,
            boxes: boxes(chart),
        };
        let widest = plot
            .y_ticks()
            .iter()
            .filter_map(|tick| Some(width_of(tick.label.as_deref()?, em)))
            .fold(0.0, f64::max);
        let beside = label_lines(&chart.y, em, plot.bottom - plot.top).len() as f64;
        plot.left = (0.5 + LINE * beside + 0.5 + GAP + TICK) * em + widest;
        plot.right = plot.right.max(plot.left + em);
        let last = plot.x_ticks().into_iter().rev().find_map(|tick| tick.label);
        let half = last.map_or(0.0, |label| width_of(&label, em) / 2.0);
        plot.right = plot.right.min(width - half - 0.5 * em).max(plot.left + em);
        plot.step = (plot.right - plot.left) / (plot.x.last - plot.x.first);
        plot
    }

    /// Where a point lies; none where the axes cannot show it.
    pub fn place(&self, x: f64, y: f64) -> Option<Place> {
        Some((self.along(x)?, self.up(y)?))
    }

    /// Where a value of y lies; one without a logarithm lies at the bottom.
    pub fn height(&self, y: f64) -> f64 {
        self.up(y).unwrap_or(self.bottom)
    }

    /// Width and height in pixels.
    pub fn extent(&self) -> Place {
        (self.right - self.left, self.bottom - self.top)
    }

    /// The corners at the top left and at the bottom right.
    pub fn corners(&self) -> (Place, Place) {
        ((self.left, self.top), (self.right, self.bottom))
    }

    fn along(&self, x: f64) -> Option<f64> {
        Some(self.left + (self.right - self.left) * self.x.share(x)?)
    }

    fn up(&self, y: f64) -> Option<f64> {
        Some(self.bottom - (self.bottom - self.top) * self.y.share(y)?)
    }

    fn x_ticks(&self) -> Vec<Tick> {
        let em = self.pen.em;
        let extent = |label: &str| width_of(label, em);
        // Names stand as close as they can be read.
        let most = if self.is_row { 60 } else { 12 };
        self.x
            .ticks(self.right - self.left, 0.9 * em, &extent, most)
    }

    fn y_ticks(&self) -> Vec<Tick> {
        let em = self.pen.em;
        self.y.ticks(self.bottom - self.top, 0.8 * em, &|_| em, 8)
    }

    /// Everything behind the data.
    pub fn draw(&self, chart: &Chart) -> Result<(), Refusal> {
        self.stages(chart)?;
        self.stretches(chart)?;
        self.axes(chart)?;
        self.levels(chart)
    }

    fn stages(&self, chart: &Chart) -> Result<(), Refusal> {
        let (pen, em) = (self.pen, STAGE * self.pen.em);
        let placed: Vec<(f64, f64, &str)> = chart
            .stages
            .iter()
            .filter_map(|stage| {
                let ends = (self.along(stage.first)?, self.along(stage.last)?);
                Some((ends.0, ends.1, stage.label.as_str()))
            })
            .collect();
        let fit = |name: &dyn Fn(&str) -> String| {
            let names = placed.iter();
            names
                .map(|&(from, to, label)| (name(label), to - from - 0.4 * em))
                .all(|(name, room)| width_of(&name, em) <= room)
        };
        let whole = |label: &str| label.to_owned();
        let word = |label: &str| label.split(' ').next().unwrap_or_default().to_owned();
        let in_full = fit(&whole);
        for (index, &(from, to, label)) in placed.iter().enumerate() {
            if index % 2 == 1 {
                let fill = pen.colour(Colour::Grid).mix(0.45);
                pen.rectangle((from, self.top), (to, self.bottom), fill)?;
            }
            let name = if in_full { whole(label) } else { word(label) };
            let name = shorten(&name, em, to - from - 0.2 * em);
            let place = ((from + to) / 2.0, self.top - 0.15 * em);
            if name.chars().count() > 1 {
                let words = Words {
                    colour: pen.colour(Colour::Faint),
                    ..pen.words(STAGE, Anchor::BOTTOM)
                };
                pen.text(&name, place, words)?;
            }
        }
        Ok(())
    }

    fn stretches(&self, chart: &Chart) -> Result<(), Refusal> {
        for stretch in &chart.stretches {
            let ends = (self.along(stretch.first), self.along(stretch.last));
            if let (Some(first), Some(last)) = ends {
                let fill = self.pen.colour(Colour::Orange).mix(0.16);
                self.pen
                    .rectangle((first, self.top), (last, self.bottom), fill)?;
            }
        }
        Ok(())
    }

    fn axes(&self, chart: &Chart) -> Result<(), Refusal> {
        let (pen, em) = (self.pen, self.pen.em);
        let (x_ticks, y_ticks) = (self.x_ticks(), self.y_ticks());
        let at_x = |tick: &Tick| self.left + (self.right - self.left) * tick.share;
        let at_y = |tick: &Tick| self.bottom - (self.bottom - self.top) * tick.share;
        if pen.theme != Theme::Paper {
            let grid = pen.stroke(Colour::Grid, 0.06 * em);
            for tick in y_ticks.iter().filter(|tick| tick.label.is_some()) {
                let y = at_y(tick);
                pen.line(&[(self.left, y), (self.right, y)], &grid)?;
            }
            let plain = chart.x.names.is_empty() && chart.stages.is_empty();
            for tick in x_ticks.iter().filter(|tick| plain && tick.label.is_some()) {
                let x = at_x(tick);
                pen.line(&[(x, self.top), (x, self.bottom)], &grid)?;
            }
        }
        let ink = pen.stroke(Colour::Ink, 0.075 * em);
        let corner = (self.left, self.bottom);
        pen.line(
            &[(self.left, self.top), corner, (self.right, self.bottom)],
            &ink,
        )?;
        let reach = |tick: &Tick| if tick.label.is_some() { TICK } else { 0.6 * TICK } * em;
        for tick in &x_ticks {
            let x = at_x(tick);
            pen.line(&[(x, self.bottom), (x, self.bottom + reach(tick))], &ink)?;
        }
        for tick in &y_ticks {
            let y = at_y(tick);
            pen.line(&[(self.left - reach(tick), y), (self.left, y)], &ink)?;
        }
        let foot = self.bottom + (TICK + GAP) * em;
        for tick in &x_ticks {
            if let Some(label) = &tick.label {
                pen.text(label, (at_x(tick), foot), pen.words(1.0, Anchor::TOP))?;
            }
        }
        for tick in &y_ticks {
            if let Some(label) = &tick.label {
                let place = (self.left - (TICK + GAP) * em, at_y(tick));
                pen.text(label, place, pen.words(1.0, Anchor::RIGHT))?;
            }
        }
        self.labels(chart, foot)
    }

    /// What the axes are; `foot` is the upper side of the tick labels of x.
    fn labels(&self, chart: &Chart, foot: f64) -> Result<(), Refusal> {
        let (pen, em) = (self.pen, self.pen.em);
        let (width, height) = pen.size();
        let lines = label_lines(&chart.x, em, width - 8.0 * em);
        for (index, line) in lines.iter().enumerate() {
            // Beside the middle of the plot where the picture ends too early.
            let half = width_of(line, em) / 2.0;
            let middle = (self.left + self.right) / 2.0;
            let middle = middle.min(width - half - 0.3 * em).max(half + 0.3 * em);
            let y = foot + (1.0 + 0.5 + LINE * index as f64) * em;
            pen.text(line, (middle, y), pen.words(1.0, Anchor::TOP))?;
        }
        let lines = label_lines(&chart.y, em, self.bottom - self.top);
        for (index, line) in lines.iter().enumerate() {
            let half = width_of(line, em) / 2.0;
            let middle = (self.top + self.bottom) / 2.0;
            let middle = middle.max(half + 0.3 * em).min(height - half - 0.3 * em);
            let x = (0.5 + LINE * index as f64) * em;
            let upright = Words {
                upright: true,
                ..pen.words(1.0, Anchor::TOP)
            };
            pen.text(line, (x, middle), upright)?;
        }
        Ok(())
    }

    fn levels(&self, chart: &Chart) -> Result<(), Refusal> {
        let (pen, em) = (self.pen, self.pen.em);
        for level in &chart.references {
            if let Some((lower, upper)) = level.interval {
                let fill = pen.colour(level.colour).mix(0.18);
                let (lower, upper) = (self.height(lower), self.height(upper));
                pen.rectangle((self.left, upper), (self.right, lower), fill)?;
            }
            if let Some(y) = self.up(level.y) {
                let stroke = Stroke {
                    dashes: &[0.45 * em, 0.3 * em],
                    ..pen.stroke(level.colour, 0.11 * em)
                };
                pen.line(&[(self.left, y), (self.right, y)], &stroke)?;
            }
        }
        Ok(())
    }
}

/// Size of the names of stages.
const STAGE: f64 = 0.88;

/// Height of axes and labels, without the plot.
pub(super) fn height(chart: &Chart, em: f64, width: f64) -> f64 {
    stage_height(chart, em) + foot_height(chart, em, width) + 0.9 * em
}

/// Height below the plot.
fn foot_height(chart: &Chart, em: f64, width: f64) -> f64 {
    // The label of x has hardly less room than the whole picture.
    let lines = label_lines(&chart.x, em, width - 8.0 * em).len() as f64;
    (TICK + GAP + 1.0 + 0.5 + LINE * lines + 0.4) * em
}

fn stage_height(chart: &Chart, em: f64) -> f64 {
    match chart.stages.is_empty() {
        true => 0.0,
        false => 1.2 * STAGE * em,
    }
}

/// The label of an axis in lines of at most `room`, with the detail where that takes no more lines.
fn label_lines(axis: &Axis, em: f64, room: f64) -> Vec<String> {
    let short = wrap(&axis.label, em, room);
    if axis.detail.is_empty() {
        return short;
    }
    let whole = match axis.label.strip_suffix(')') {
        Some(open) => format!("{open}; {})", axis.detail),
        None => format!("{} ({})", axis.label, axis.detail),
    };
    let long = wrap(&whole, em, room);
    if long.len() <= 1 { long } else { short }
}

fn boxes(chart: &Chart) -> usize {
    let series = chart.series.iter();
    series.filter(|series| series.shape == Shape::Boxes).count()
}

/// Axes that hold all that is drawn.
fn scales(chart: &Chart) -> (Scale<'_>, Scale<'_>) {
    let ends = |point: &Point| {
        let (lower, upper) = point.interval.unwrap_or((point.y, point.y));
        [point.y, lower, upper]
    };
    let points = || chart.series.iter().flat_map(|series| &series.points);
    let stretched = chart.stretches.iter().chain(&chart.stages);
    let stretched = stretched.flat_map(|s| [s.first, s.last]);
    let along = points().map(|p| p.x).chain(stretched);
    let padding = if chart.stages.is_empty() { 0.03 } else { 0.0 };
    let mut x = Scale::new(&chart.x, along, padding);
    if !chart.x.names.is_empty() && chart.stages.is_empty() {
        (x.first, x.last) = (-0.6, chart.x.names.len() as f64 - 0.4);
    }
    if boxes(chart) > 0 {
        (x.first, x.last) = (x.first.round() - 0.6, x.last.floor() + 0.6);
    }
    let levels = chart.references.iter().map(|line| line.y);
    let bands = chart.references.iter().filter_map(|line| line.interval);
    let levels = levels.chain(bands.flat_map(|(lower, upper)| [lower, upper]));
    let values = points().flat_map(ends).chain(levels);
    (x, Scale::new(&chart.y, values, 0.05))
}
