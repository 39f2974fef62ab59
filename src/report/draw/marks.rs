//! Draws the series of a chart.

use plotters::style::Color;

use super::frame::Plot;
use super::pen::{Place, Refusal, Stroke};
use crate::picture::{Dash, Marker, Point, Series, Shape};

/// Lengths of strokes and gaps of a line, in pixels.
pub(super) fn dashes(dash: Dash, em: f64) -> Vec<f64> {
    let lengths: &[f64] = match dash {
        Dash::Solid => &[],
        Dash::Dashed => &[0.6, 0.35],
        Dash::Dotted => &[0.16, 0.26],
        Dash::DashDotted => &[0.75, 0.28, 0.16, 0.28],
    };
    lengths.iter().map(|length| length * em).collect()
}

/// Draws one series; `index` is its number in the chart.
pub(super) fn draw(plot: &Plot<'_>, series: &Series, index: usize) -> Result<(), Refusal> {
    let placed: Vec<(&Point, Place)> = series
        .points
        .iter()
        .filter_map(|point| Some((point, plot.place(point.x, point.y)?)))
        .collect();
    if series.shape == Shape::Boxes {
        boxes(plot, series, &placed)?;
    } else {
        intervals(plot, series, &placed)?;
        if series.shape == Shape::Line && placed.len() > 1 {
            let places: Vec<Place> = placed.iter().map(|(_, place)| *place).collect();
            let dashes = dashes(series.dash, plot.pen.em);
            let stroke = Stroke {
                dashes: &dashes,
                ..plot.pen.stroke(series.colour, 0.13 * plot.pen.em)
            };
            plot.pen.line(&places, &stroke)?;
        }
        signs(plot, series, &placed, index)?;
    }
    let reach = 0.5 * plot.pen.em;
    for (point, (x, y)) in placed {
        let corner = (x - reach, y - reach);
        plot.pen
            .hover(corner, (2.0 * reach, 2.0 * reach), &point.hover);
    }
    Ok(())
}

fn intervals(plot: &Plot<'_>, series: &Series, placed: &[(&Point, Place)]) -> Result<(), Refusal> {
    let pen = plot.pen;
    let ends = placed.iter().filter_map(|(point, (x, _))| {
        let (lower, upper) = point.interval?;
        Some(((*x, plot.height(lower)), (*x, plot.height(upper))))
    });
    if series.band {
        let ends: Vec<(Place, Place)> = ends.collect();
        let upper = ends.iter().map(|(_, upper)| *upper);
        let lower = ends.iter().rev().map(|(lower, _)| *lower);
        let outline: Vec<Place> = upper.chain(lower).collect();
        if ends.len() > 1 {
            pen.polygon(&outline, pen.colour(series.colour).mix(0.2))?;
        }
        return Ok(());
    }
    let width = (0.45 * radius(plot, series)).min(0.085 * pen.em);
    let whisker = Stroke::solid(pen.colour(series.colour).mix(0.75), width);
    for (lower, upper) in ends {
        pen.line(&[lower, upper], &whisker)?;
    }
    Ok(())
}

/// Smaller the closer points are to each other.
fn radius(plot: &Plot<'_>, series: &Series) -> f64 {
    let em = plot.pen.em;
    let size = if series.faint { 0.14 } else { 0.27 } * em;
    if series.shape == Shape::Line {
        return size;
    }
    // A cloud covers itself, a row of points lies side by side.
    let (across, down) = plot.extent();
    let room = match plot.is_row {
        true => 0.42 * plot.step,
        false => 0.4 * (across * down / series.points.len().max(1) as f64).sqrt(),
    };
    size.min(room).max(0.07 * em)
}

fn signs(
    plot: &Plot<'_>,
    series: &Series,
    placed: &[(&Point, Place)],
    index: usize,
) -> Result<(), Refusal> {
    let pen = plot.pen;
    if series.marker == Marker::None {
        return Ok(());
    }
    let size = radius(plot, series);
    let colour = pen.colour(series.colour);
    let fill = colour.mix(if series.faint { 0.45 } else { 1.0 });
    let paper = pen.colour(crate::theme::Colour::Paper).to_rgba();
    // Along a line, signs that would touch are left out, at other points for each series.
    let distance = match (series.shape, placed) {
        (Shape::Line, [(_, first), .., (_, last)]) => {
            (last.0 - first.0).abs() / (placed.len() - 1) as f64
        }
        _ => f64::INFINITY,
    };
    let every = (1.3 * pen.em / distance.max(0.01)).ceil().max(1.0) as usize;
    let shown = || {
        let places = placed.iter().enumerate();
        places.filter(move |(number, _)| (number + index).is_multiple_of(every))
    };
    if series.hollow {
        for (_, (_, place)) in shown() {
            pen.sign(series.marker, *place, size, paper, false)?;
        }
    }
    for (_, (_, place)) in shown() {
        pen.sign(series.marker, *place, size, fill, series.hollow)?;
    }
    Ok(())
}

fn boxes(plot: &Plot<'_>, series: &Series, placed: &[(&Point, Place)]) -> Result<(), Refusal> {
    let pen = plot.pen;
    let half = (0.35 * plot.step / plot.boxes as f64).min(0.8 * pen.em);
    let thin = pen.stroke(series.colour, 0.08 * pen.em);
    for (point, (x, y)) in placed {
        let Some((lower, upper)) = point.quartiles else {
            continue;
        };
        let (lower, upper) = (plot.height(lower), plot.height(upper));
        let fill = pen.colour(series.colour).mix(0.3);
        pen.rectangle((x - half, upper), (x + half, lower), fill)?;
        if let Some((least, most)) = point.interval {
            pen.line(&[(*x, lower), (*x, plot.height(least))], &thin)?;
            pen.line(&[(*x, upper), (*x, plot.height(most))], &thin)?;
        }
        let median = pen.stroke(series.colour, 0.15 * pen.em);
        pen.line(&[(x - half, *y), (x + half, *y)], &median)?;
    }
    Ok(())
}
