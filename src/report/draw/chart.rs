//! Draws quantities against a quantity.

use plotters::coord::types::RangedCoordf64;
use plotters::element::{DashedPathElement, DynElement, IntoDynElement};
use plotters::prelude::*;

use super::scale::Scale;
use super::svg::{Area, DrawError, Hover, Refusal, width_of, words, wrap};
use crate::picture::{Chart, Dash, Marker, Point, Series, Shape};
use crate::theme::{Colour, Theme};

const WIDTH: u32 = 960;
const HEIGHT: u32 = 560;
const MARGIN: i32 = 16;
const TITLE: u32 = 19;
const WORDS: u32 = 14;

type Backend<'a> = SVGBackend<'a>;
type Context<'a, 'b> = ChartContext<'a, Backend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Sign<'a> = DynElement<'static, Backend<'a>, (i32, i32)>;

/// The drawing, and what it tells the pointer.
pub(super) fn draw(
    title: &str,
    chart: &Chart,
    theme: Theme,
) -> Result<(String, Vec<Hover>), DrawError> {
    let mut drawing = String::new();
    let hovers = on(
        &Backend::with_string(&mut drawing, (WIDTH, HEIGHT)).into_drawing_area(),
        title,
        chart,
        theme,
    )
    .map_err(DrawError::from_display)?;
    Ok((drawing, hovers))
}

fn on<'b>(
    root: &Area<'b>,
    title: &str,
    chart: &Chart,
    theme: Theme,
) -> Result<Vec<Hover>, Refusal<'b>> {
    root.fill(&Colour::Paper.rgb(theme))?;
    let header = header(root, title, chart, theme)?;
    let (x, y) = scales(chart);
    let mut context = ChartBuilder::on(root)
        .margin_top(header)
        .margin_right(MARGIN + 8)
        .margin_left(8)
        .margin_bottom(8)
        .x_label_area_size(52)
        .y_label_area_size(74)
        .build_cartesian_2d(x.first..x.last, y.first..y.last)?;
    stretches(&mut context, chart, (&x, &y), theme)?;
    axes(&mut context, chart, (&x, &y), theme)?;
    references(&mut context, chart, (&x, &y), theme)?;
    let mut hovers = Vec::new();
    let is_bars = |series: &&Series| series.shape == Shape::Bars;
    let count = chart.series.iter().filter(is_bars).count();
    let mut bar = 0;
    for series in &chart.series {
        let scales = (&x, &y);
        match series.shape {
            Shape::Bars => {
                let place = (bar, count);
                bars_of(
                    root,
                    &mut context,
                    series,
                    place,
                    scales,
                    theme,
                    &mut hovers,
                )?;
                bar += 1;
            }
            Shape::Line | Shape::Points => {
                line_of(root, &mut context, series, scales, theme, &mut hovers)?;
            }
        }
    }
    root.present()?;
    Ok(hovers)
}

/// Axes that hold all that is drawn.
fn scales(chart: &Chart) -> (Scale<'_>, Scale<'_>) {
    let ends = |point: &Point| {
        let (lower, upper) = point.interval.unwrap_or((point.y, point.y));
        [point.y, lower, upper]
    };
    let points = || chart.series.iter().flat_map(|series| &series.points);
    let mut series = chart.series.iter();
    let bars = series.any(|series| series.shape == Shape::Bars);
    let stretched = chart.stretches.iter().flat_map(|s| [s.first, s.last]);
    let mut x = Scale::new(&chart.x, points().map(|p| p.x).chain(stretched), 0.02);
    let references = chart.references.iter().map(|line| line.y);
    let foot = bars.then_some(0.0);
    let values = points().flat_map(ends).chain(references).chain(foot);
    let y = Scale::new(&chart.y, values, 0.06);
    if bars {
        (x.first, x.last) = (x.first.round() - 0.6, x.last.round() + 0.6);
    }
    (x, y)
}

fn stretches<'b>(
    context: &mut Context<'_, 'b>,
    chart: &Chart,
    (x, y): (&Scale<'_>, &Scale<'_>),
    theme: Theme,
) -> Result<(), Refusal<'b>> {
    for stretch in &chart.stretches {
        let ends = (x.place(stretch.first), x.place(stretch.last));
        if let (Some(first), Some(last)) = ends {
            let corners = [(first, y.first), (last, y.last)];
            let fill = Colour::Orange.rgb(theme).mix(0.16).filled();
            context.draw_series([Rectangle::new(corners, fill)])?;
        }
    }
    Ok(())
}

fn axes<'b>(
    context: &mut Context<'_, 'b>,
    chart: &Chart,
    (x, y): (&Scale<'_>, &Scale<'_>),
    theme: Theme,
) -> Result<(), Refusal<'b>> {
    let ticks = match chart.x.names.len() {
        0 => 12,
        1..=60 => 60,
        _ => 28,
    };
    let size = if chart.x.names.len() > 40 { 11 } else { 13 };
    context
        .configure_mesh()
        .max_light_lines(0)
        .bold_line_style(Colour::Grid.rgb(theme))
        .axis_style(Colour::Ink.rgb(theme))
        .x_labels(x.ticks(ticks))
        .y_labels(y.ticks(9))
        .x_label_formatter(&|place| x.tick(*place))
        .y_label_formatter(&|place| y.tick(*place))
        .label_style(words(size, Colour::Ink, theme))
        .x_desc(&chart.x.label)
        .y_desc(&chart.y.label)
        .axis_desc_style(words(WORDS, Colour::Ink, theme))
        .draw()
}

fn references<'b>(
    context: &mut Context<'_, 'b>,
    chart: &Chart,
    (x, y): (&Scale<'_>, &Scale<'_>),
    theme: Theme,
) -> Result<(), Refusal<'b>> {
    for line in &chart.references {
        if let Some(place) = y.place(line.y) {
            let ends = [(x.first, place), (x.last, place)];
            let line = DashedPathElement::new(ends, 2, 5, Colour::Faint.rgb(theme).stroke_width(2));
            context.draw_series([line])?;
        }
    }
    Ok(())
}

/// Title and legend; returns where they end.
fn header<'b>(
    root: &Area<'b>,
    title: &str,
    chart: &Chart,
    theme: Theme,
) -> Result<i32, Refusal<'b>> {
    let mut top = MARGIN;
    for line in wrap(title, TITLE, WIDTH as i32 - 2 * MARGIN) {
        root.draw(&Text::new(
            line,
            (MARGIN, top),
            words(TITLE, Colour::Ink, theme),
        ))?;
        top += 26;
    }
    let mut left = MARGIN;
    let sample = 34;
    let mut entry = |label: &str, top: &mut i32| {
        let width = sample + width_of(label, WORDS) + 26;
        if left > MARGIN && left + width > WIDTH as i32 {
            left = MARGIN;
            *top += 22;
        }
        let place = (left, *top + 8);
        left += width;
        place
    };
    let style = words(WORDS, Colour::Ink, theme);
    for series in chart
        .series
        .iter()
        .filter(|series| !series.label.is_empty())
    {
        let (x, y) = entry(&series.label, &mut top);
        let colour = series.colour.rgb(theme);
        if series.shape == Shape::Bars {
            root.draw(&Rectangle::new(
                [(x + 4, y - 6), (x + 28, y + 6)],
                colour.filled(),
            ))?;
        } else {
            if series.shape == Shape::Line {
                stroke(root, [(x, y), (x + 30, y)], series, theme)?;
            }
            if series.band {
                root.draw(&Rectangle::new(
                    [(x, y - 6), (x + 30, y + 6)],
                    colour.mix(0.2).filled(),
                ))?;
            }
            if let Some(sign) = sign(series.marker, (x + 15, y), 4, series.colour, theme) {
                root.draw(&sign)?;
            }
        }
        root.draw(&Text::new(
            series.label.clone(),
            (x + sample, y - 6),
            style.clone(),
        ))?;
    }
    for stretch in chart
        .stretches
        .iter()
        .filter(|stretch| !stretch.label.is_empty())
    {
        let (x, y) = entry(&stretch.label, &mut top);
        let fill = Colour::Orange.rgb(theme).mix(0.3).filled();
        root.draw(&Rectangle::new([(x, y - 7), (x + 30, y + 7)], fill))?;
        root.draw(&Text::new(
            stretch.label.clone(),
            (x + sample, y - 6),
            style.clone(),
        ))?;
    }
    for level in chart
        .references
        .iter()
        .filter(|level| !level.label.is_empty())
    {
        let (x, y) = entry(&level.label, &mut top);
        let line = Colour::Faint.rgb(theme).stroke_width(2);
        root.draw(&DashedPathElement::new([(x, y), (x + 26, y)], 2, 5, line))?;
        root.draw(&Text::new(
            level.label.clone(),
            (x + sample, y - 6),
            style.clone(),
        ))?;
    }
    Ok(top + 34)
}

fn stroke<'b>(
    root: &Area<'b>,
    ends: [(i32, i32); 2],
    series: &Series,
    theme: Theme,
) -> Result<(), Refusal<'b>> {
    let style = series.colour.rgb(theme).stroke_width(2);
    match series.dash {
        Dash::Solid => root.draw(&PathElement::new(ends.to_vec(), style)),
        Dash::Dashed => root.draw(&DashedPathElement::new(ends, 9, 6, style)),
        Dash::Dotted => root.draw(&DashedPathElement::new(ends, 3, 5, style)),
    }
}

fn line_of<'b>(
    root: &Area<'b>,
    context: &mut Context<'_, 'b>,
    series: &Series,
    (x, y): (&Scale<'_>, &Scale<'_>),
    theme: Theme,
    hovers: &mut Vec<Hover>,
) -> Result<(), Refusal<'b>> {
    let colour = series.colour.rgb(theme);
    let placed: Vec<(&Point, (f64, f64))> = series
        .points
        .iter()
        .filter_map(|point| Some((point, (x.place(point.x)?, y.place(point.y)?))))
        .collect();
    // What has no logarithm lies below the picture.
    let low = |value: f64| y.place(value).unwrap_or(y.first);
    if series.band {
        let upper = placed
            .iter()
            .filter_map(|(point, (place, _))| Some((*place, low(point.interval?.1))));
        let lower = placed
            .iter()
            .rev()
            .filter_map(|(point, (place, _))| Some((*place, low(point.interval?.0))));
        let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
        if outline.len() > 2 {
            context.draw_series([Polygon::new(outline, colour.mix(0.2).filled())])?;
        }
    }
    if series.shape == Shape::Line && placed.len() > 1 {
        let style = colour.stroke_width(2);
        let line: Vec<(f64, f64)> = placed.iter().map(|(_, place)| *place).collect();
        match series.dash {
            Dash::Solid => context.draw_series([PathElement::new(line, style)])?,
            Dash::Dashed => context.draw_series([DashedPathElement::new(line, 9, 6, style)])?,
            Dash::Dotted => context.draw_series([DashedPathElement::new(line, 3, 5, style)])?,
        };
    }
    for (point, place) in placed {
        if let (Some((lower, upper)), false) = (point.interval, series.band) {
            let ends = vec![(place.0, low(lower)), (place.0, low(upper))];
            context.draw_series([PathElement::new(ends, colour.stroke_width(1))])?;
        }
        let pixel = context.backend_coord(&place);
        if let Some(sign) = sign(series.marker, pixel, 4, series.colour, theme) {
            root.draw(&sign)?;
        }
        if !point.hover.is_empty() {
            hovers.push(Hover {
                place: (pixel.0 - 7, pixel.1 - 7, 14, 14),
                text: point.hover.clone(),
            });
        }
    }
    Ok(())
}

fn bars_of<'b>(
    root: &Area<'b>,
    context: &mut Context<'_, 'b>,
    series: &Series,
    (index, count): (usize, usize),
    (x, y): (&Scale<'_>, &Scale<'_>),
    theme: Theme,
    hovers: &mut Vec<Hover>,
) -> Result<(), Refusal<'b>> {
    let width = 0.8 / count as f64;
    let colour = series.colour.rgb(theme);
    for point in &series.points {
        let (Some(foot), Some(top)) = (y.place(0.0).or(Some(y.first)), y.place(point.y)) else {
            continue;
        };
        if !(x.first..=x.last).contains(&point.x) {
            continue;
        }
        let left = point.x - 0.4 + width * index as f64;
        let corners = [(left, foot), (left + width, top)];
        let fill = if point.hatched {
            colour.mix(0.45).filled()
        } else {
            colour.filled()
        };
        context.draw_series([Rectangle::new(corners, fill)])?;
        let (one, other) = (
            context.backend_coord(&corners[0]),
            context.backend_coord(&corners[1]),
        );
        let (low, high) = (one.1.max(other.1), one.1.min(other.1));
        if point.hatched {
            hatch(root, (one.0, high, other.0, low), colour)?;
        }
        if let Some((lower, upper)) = point.interval {
            let ends = (y.place(lower), y.place(upper));
            if let (Some(lower), Some(upper)) = ends {
                let middle = left + width / 2.0;
                let whisker = vec![(middle, lower), (middle, upper)];
                let style = Colour::Ink.rgb(theme).stroke_width(2);
                context.draw_series([PathElement::new(whisker, style)])?;
            }
        }
        if !point.hover.is_empty() {
            let ceiling = context.backend_coord(&(left, y.last)).1;
            hovers.push(Hover {
                place: (one.0, ceiling, other.0 - one.0, low - ceiling),
                text: point.hover.clone(),
            });
        }
    }
    Ok(())
}

/// Oblique lines within a rectangle `(left, top, right, bottom)`.
fn hatch<'b>(
    root: &Area<'b>,
    (left, top, right, bottom): (i32, i32, i32, i32),
    colour: RGBColor,
) -> Result<(), Refusal<'b>> {
    let outline = Rectangle::new([(left, top), (right, bottom)], colour.stroke_width(1));
    root.draw(&outline)?;
    // The lines x + y = sum that cross the rectangle.
    for sum in (left + top..right + bottom).step_by(6) {
        let from = (left.max(sum - bottom), bottom.min(sum - left));
        let to = (right.min(sum - top), top.max(sum - right));
        root.draw(&PathElement::new(vec![from, to], colour.stroke_width(1)))?;
    }
    Ok(())
}

/// The sign at a pixel.
fn sign<'b>(
    marker: Marker,
    (x, y): (i32, i32),
    size: i32,
    colour: Colour,
    theme: Theme,
) -> Option<Sign<'b>> {
    let rgb = colour.rgb(theme);
    let sign = match marker {
        Marker::None => return None,
        Marker::Disc => Circle::new((x, y), size, rgb.filled()).into_dyn(),
        Marker::Ring => Circle::new((x, y), size, rgb.stroke_width(2)).into_dyn(),
        Marker::Square => {
            Rectangle::new([(x - size, y - size), (x + size, y + size)], rgb.filled()).into_dyn()
        }
        Marker::Triangle => TriangleMarker::new((x, y), size + 2, rgb.filled()).into_dyn(),
        Marker::Cross => Cross::new((x, y), size, rgb.stroke_width(2)).into_dyn(),
    };
    Some(sign)
}
