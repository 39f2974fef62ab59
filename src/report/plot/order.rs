use pathscope_analysis::record::{Outcome, ReorderMethod};

use super::subject::{Subject, intact_entry, intact_levels, intact_points, intact_words, names};
use crate::error_rate::{error_axis, mean_error};
use crate::group::grouped;
use crate::lesions::{hover, reordering};
use crate::picture::{Axis, Chart, Content, Marker, Picture, Point, Series};
use crate::quantity::{count, percent, significant};
use crate::theme::Colour;

/// Orders with their tau.
type Orders<'a> = Vec<(f64, &'a Outcome)>;

/// Width of the bins of tau over which errors are averaged: about eight of them.
fn bin_width(least: f64) -> f64 {
    match 1.0 - least {
        ..0.2 => 0.02,
        ..0.5 => 0.05,
        ..1.0 => 0.1,
        _ => 0.2,
    }
}

/// Error against Kendall's tau of the order in which blocks run: each order, and the mean of the
/// random ones in bins of tau. None without reorderings.
pub fn order(subjects: &[Subject<'_>]) -> Option<Picture> {
    let mut methods: Vec<(&Subject<'_>, &str, Orders<'_>)> = Vec::new();
    for subject in subjects {
        let orders = subject.outcomes.iter().filter_map(|&outcome| {
            let reordering = reordering(outcome)?;
            Some((name(&reordering.method), (reordering.kendall_tau, outcome)))
        });
        methods.extend(
            grouped(orders)
                .into_iter()
                .map(|(name, orders)| (subject, name, orders)),
        );
    }
    let all = || methods.iter().flat_map(|(_, _, orders)| orders);
    let (least, farthest) = all().min_by(|a, b| a.0.total_cmp(&b.0))?;
    let header = methods.first()?.0.header;
    let width = bin_width(*least);
    let mut series: Vec<Series> = Vec::new();
    let mut means = Vec::new();
    for (index, (subject, method, orders)) in methods.iter().enumerate() {
        let label = match (subjects.len(), methods.len() == subjects.len()) {
            (1, _) => (*method).to_owned(),
            (_, true) => subject.name.clone(),
            _ => format!("{}, {method}", subject.name),
        };
        let random = orders.iter().any(|(_, outcome)| outcome.draw.is_some());
        let colour = Colour::of_series(index);
        let points = orders.iter().map(|(tau, outcome)| Point {
            hover: hover(
                subject.header,
                outcome,
                &format!("{}, tau {}", outcome.key, significant(*tau, 3)),
            ),
            ..Point::percent(*tau, outcome.error(), None)
        });
        let points = points.collect();
        let marker = Marker::of_series(index);
        series.push(match random {
            true => Series::draws("", colour, points),
            false => Series::points(label.clone(), colour, marker, points),
        });
        if random {
            let label = match subjects.len() {
                1 => format!("{label}: mean"),
                _ => label,
            };
            means.push(Series::points(label, colour, marker, binned(orders, width)));
        }
    }
    let random = !means.is_empty();
    series.append(&mut means);
    if random {
        series.push(Series::draws("single orders", Colour::Faint, Vec::new()));
    }
    series.extend(intact_points(subjects, 1.0, "the trained order, tau 1"));
    series.extend(intact_entry(subjects, "trained order"));
    Some(Picture {
        kind: "order",
        title: format!("Error against the order of blocks: {}", names(subjects)),
        description: format!(
            "Top-1 error of {} networks whose blocks run in another order, against Kendall's tau \
             between that order and the trained one, and means over bins of tau {width} wide with \
             95 % intervals. At the lowest tau, {}, the error is {}.{}",
            all().count(),
            significant(*least, 3),
            percent(farthest.error()),
            intact_words(subjects, "In the trained order"),
        ),
        content: Content::Chart(Chart {
            x: Axis {
                limit: Some(1.0),
                ..Axis::new("Kendall's tau with the trained order")
                    .detail("over all pairs of blocks; 1: trained order")
                    .including(1.0)
            },
            y: error_axis(header, "95 % interval of the mean").including(0.0),
            references: intact_levels(subjects, "trained order"),
            series,
            ..Chart::default()
        }),
    })
}

fn name(method: &ReorderMethod) -> &'static str {
    match method {
        ReorderMethod::Swaps { .. } => "random swaps",
        ReorderMethod::Adjacent { .. } => "swaps of neighbours",
        ReorderMethod::Rotate { .. } => "rotated",
        ReorderMethod::Reverse => "reversed",
        ReorderMethod::Tau { .. } => "uniform at a tau",
        ReorderMethod::Exchange { .. } => "two blocks exchanged",
    }
}

/// The mean error of the orders in each bin of tau, at their mean tau.
fn binned(orders: &[(f64, &Outcome)], width: f64) -> Vec<Point> {
    // A hair below an edge is rounding.
    let bin = |tau: f64| (tau / width + 1e-9).floor() as i64;
    let mut bins = grouped(
        orders
            .iter()
            .map(|&(tau, outcome)| (bin(tau), (tau, outcome))),
    );
    bins.sort_by_key(|(bin, _)| *bin);
    let point = |(bin, list): &(i64, Vec<(f64, &Outcome)>)| {
        let outcomes: Vec<&Outcome> = list.iter().map(|(_, outcome)| *outcome).collect();
        let tau = list.iter().map(|(tau, _)| tau).sum::<f64>() / list.len() as f64;
        let (error, interval) = mean_error(&outcomes);
        let first = *bin as f64 * width;
        Point {
            hover: format!(
                "tau {} to {}: mean error {} over {}",
                significant(first, 2),
                significant(first + width, 2),
                percent(error),
                count(list.len(), "order", "orders"),
            ),
            ..Point::percent(tau, error, interval)
        }
    };
    bins.iter().map(point).collect()
}
