//! Draws quantities against a quantity.

use plotters::style::Color;

use super::frame::{self, Plot};
use super::legend::Entries;
use super::marks;
use super::pen::{Pen, Place, Refusal};
use super::title;
use crate::look::Legend;
use crate::picture::Chart;
use crate::theme::Colour;

/// Part of a picture's width that a legend inside the plot may take.
const INSIDE: f64 = 0.7;

/// Height below the title, where nothing else is asked for.
pub(super) fn height(chart: &Chart, em: f64, width: f64, legend: Legend) -> f64 {
    // A long row of points is read along.
    let plot = if chart.x.names.len() > 12 { 0.4 } else { 0.48 };
    let inside = || {
        let entries = Entries::new(chart, em, INSIDE * width, true)?;
        // About as wide as the plot will be.
        fits(entries.size, (width - 6.0 * em, plot * width)).then_some(0.0)
    };
    let outside = || above(chart, em, width).map_or(0.0, |entries| entries.size.1);
    let above = match legend {
        Legend::None => 0.0,
        Legend::Inside => inside().unwrap_or_else(outside),
        Legend::Outside => outside(),
    };
    plot * width + above + frame::height(chart, em, width)
}

/// The legend above the plot.
fn above(chart: &Chart, em: f64, width: f64) -> Option<Entries<'_>> {
    Entries::new(chart, em, width - 1.4 * em, false)
}

/// Draws a chart with its title over the whole of `pen`.
pub(super) fn draw(
    pen: &Pen,
    heading: Option<&str>,
    chart: &Chart,
    legend: Legend,
) -> Result<(), Refusal> {
    let em = pen.em;
    let (width, _) = pen.size();
    let mut top = title::draw(pen, heading)?;
    let inside = match legend {
        Legend::Inside => Entries::new(chart, em, INSIDE * width, true),
        _ => None,
    };
    let plot = Plot::new(pen, chart, top);
    let corner = inside.and_then(|entries| Some((corner(&plot, chart, entries.size)?, entries)));
    let plot = match (&corner, legend) {
        (Some(_), _) | (_, Legend::None) => plot,
        // Inside, there is no room for it.
        (None, Legend::Inside | Legend::Outside) => {
            if let Some(entries) = above(chart, em, width) {
                entries.draw(pen, (0.7 * em, top))?;
                top += entries.size.1 + 0.25 * em;
            }
            Plot::new(pen, chart, top)
        }
    };
    plot.draw(chart)?;
    for (index, series) in chart.series.iter().enumerate() {
        marks::draw(&plot, series, index)?;
    }
    if let Some(((left, top), entries)) = corner {
        let (from, to) = (
            (left - 0.3 * em, top),
            (left + entries.size.0 + 0.3 * em, top + entries.size.1),
        );
        pen.rectangle(from, to, pen.colour(Colour::Paper).mix(0.85))?;
        entries.draw(pen, (left, top))?;
    }
    Ok(())
}

/// Whether a legend leaves most of a plot free.
fn fits(legend: Place, plot: Place) -> bool {
    legend.0 <= 0.8 * plot.0 && legend.1 <= 0.6 * plot.1
}

/// The corner of the plot where a legend of `size` hides the fewest points; none where it hides
/// most of the plot.
fn corner(plot: &Plot<'_>, chart: &Chart, size: Place) -> Option<Place> {
    let gap = 0.6 * plot.pen.em;
    let ((left, top), (right, bottom)) = plot.corners();
    if !fits(size, (right - left, bottom - top)) {
        return None;
    }
    let lefts = [right - gap - size.0, left + gap];
    let tops = [top + gap, bottom - gap - size.1];
    let corners = tops
        .into_iter()
        .flat_map(|top| lefts.map(|left| (left, top)));
    let hidden = |(left, top): &Place| {
        let points = chart.series.iter().flat_map(|series| &series.points);
        points
            .filter_map(|point| plot.place(point.x, point.y))
            .filter(|(x, y)| {
                (left - gap..=left + size.0 + gap).contains(x)
                    && (top - gap..=top + size.1 + gap).contains(y)
            })
            .count()
    };
    corners.min_by_key(hidden)
}
