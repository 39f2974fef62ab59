use pathscope_analysis::record::{Header, Outcome, ReorderMethod};

use super::intact_line;
use crate::error_rate::mean_error;
use crate::lesions::{hover, intact, reordering};
use crate::picture::{Axis, Chart, Content, Marker, Picture, Point, Series, Shape};
use crate::quantity::{count, percent, rate, significant};
use crate::theme::Colour;

/// Error against Kendall's tau of the order in which blocks run. None without reorderings.
#[must_use]
pub fn order(header: &Header, outcomes: &[&Outcome]) -> Option<Picture> {
    let mut methods: Vec<(&str, Vec<Point>)> = Vec::new();
    let mut drawn: Vec<(&str, ReorderMethod, Vec<&Outcome>)> = Vec::new();
    let mut extremes: Option<(f64, f64)> = None;
    for &outcome in outcomes {
        let Some(reordering) = reordering(outcome) else {
            continue;
        };
        let name = match reordering.method {
            ReorderMethod::Swaps { .. } => "random swaps",
            ReorderMethod::Adjacent { .. } => "swaps of neighbours",
            ReorderMethod::Rotate { .. } => "rotated",
            ReorderMethod::Reverse => "reversed",
            ReorderMethod::Tau { .. } => "uniform at a tau",
            ReorderMethod::Exchange { .. } => "two blocks exchanged",
        };
        let tau = reordering.kendall_tau;
        let error = outcome.error();
        extremes = extremes.map_or(Some((tau, error)), |(least, at)| {
            Some(if tau < least {
                (tau, error)
            } else {
                (least, at)
            })
        });
        let point = Point {
            hover: hover(
                header,
                outcome,
                &format!("{}, tau {}", outcome.key, significant(tau, 3)),
            ),
            ..Point::at(tau, 100.0 * error)
        };
        if outcome.draw.is_some() {
            match drawn
                .iter_mut()
                .find(|(_, known, _)| *known == reordering.method)
            {
                Some((_, _, draws)) => draws.push(outcome),
                None => drawn.push((name, reordering.method, vec![outcome])),
            }
        }
        match methods.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push(point),
            None => methods.push((name, vec![point])),
        }
    }
    let (least, error) = extremes?;
    let draws: usize = methods.iter().map(|(_, points)| points.len()).sum();
    let intact = intact(outcomes);
    Some(Picture {
        kind: "order",
        title: format!("Error against the order of blocks: {}", header.model.title),
        description: format!(
            "Top-1 error of {draws} networks whose blocks run in another order, against Kendall's \
             tau between that order and the trained one. At the lowest tau, {}, the error is {}.{}",
            significant(least, 3),
            percent(error),
            intact.map_or_else(String::new, |intact| format!(
                " In the trained order it is {}.",
                rate(intact.errors, intact.examples)
            )),
        ),
        content: Content::Chart(Chart {
            x: Axis {
                label: "Kendall's tau against the trained order, over all pairs of blocks \
                        (1: trained order)"
                    .into(),
                include: vec![1.0],
                limit: Some(1.0),
                ..Axis::default()
            },
            y: Axis {
                label: format!(
                    "top-1 error, % of {} (95 % interval of the mean)",
                    header.data.unit()
                ),
                include: vec![0.0],
                ..Axis::default()
            },
            references: intact_line(intact, "trained order"),
            stretches: Vec::new(),
            series: methods
                .into_iter()
                .enumerate()
                .flat_map(|(index, (name, points))| series(index, name, points, &drawn))
                .collect(),
        }),
    })
}

/// The orders of one method; where they were drawn at random, the mean error of every number of
/// swaps or tau with its interval, and the single draws behind it.
fn series(
    index: usize,
    name: &str,
    points: Vec<Point>,
    drawn: &[(&str, ReorderMethod, Vec<&Outcome>)],
) -> Vec<Series> {
    let colour = Colour::of_series(index);
    let mut means: Vec<Point> = drawn
        .iter()
        .filter(|(method, _, _)| *method == name)
        .map(|(_, _, draws)| mean(draws))
        .collect();
    if means.is_empty() {
        return vec![Series {
            shape: Shape::Points,
            marker: Marker::of_series(index),
            ..Series::line(name, colour, points)
        }];
    }
    means.sort_by(|a, b| a.x.total_cmp(&b.x));
    let single = Series {
        shape: Shape::Points,
        marker: Marker::Ring,
        ..Series::line("", Colour::Faint, points)
    };
    let mean = Series {
        marker: Marker::of_series(index),
        ..Series::line(format!("{name}: mean over draws"), colour, means)
    };
    vec![single, mean]
}

/// Mean tau and error of draws by the same method.
fn mean(draws: &[&Outcome]) -> Point {
    let taus: Vec<f64> = draws
        .iter()
        .filter_map(|outcome| Some(reordering(outcome)?.kendall_tau))
        .collect();
    let tau = taus.iter().sum::<f64>() / taus.len().max(1) as f64;
    let (error, interval) = mean_error(draws);
    Point {
        interval: interval.map(|i| (100.0 * i.lower, 100.0 * i.upper)),
        hover: format!(
            "mean tau {}: mean error {} over {}",
            significant(tau, 3),
            percent(error),
            count(draws.len(), "draw", "draws"),
        ),
        ..Point::at(tau, 100.0 * error)
    }
}
