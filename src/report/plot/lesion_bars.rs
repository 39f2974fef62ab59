use pathscope_analysis::Level as Confidence;
use pathscope_analysis::record::{Header, Outcome};

use super::intact_level;
use crate::report::lesions::{Target, block_name, changes_shape, hover, intact, single_lesions};
use crate::report::picture::{Axis, Chart, Content, Marker, Picture, Point, Series, Shape};
use crate::report::quantity::{p_value, rate};
use crate::report::theme::Colour;

/// Error after putting each block or function out of action, with Wilson's intervals; bars of
/// blocks that change the shape are hatched. None without single lesions.
#[must_use]
pub fn lesion_bars(header: &Header, outcomes: &[&Outcome]) -> Option<Picture> {
    let methods = single_lesions(outcomes);
    let mut targets: Vec<Target> = methods
        .iter()
        .flat_map(|(_, list)| list.iter().map(|single| single.target))
        .collect();
    targets.sort_unstable();
    targets.dedup();
    if targets.is_empty() {
        return None;
    }
    let mut hatched = false;
    let series: Vec<Series> = methods
        .iter()
        .enumerate()
        .map(|(index, (method, list))| {
            let points = list.iter().filter_map(|single| {
                let place = targets.binary_search(&single.target).ok()?;
                let changes = changes_shape(header, single.target.block());
                hatched |= changes;
                let what = match single.target {
                    Target::Block(block) => {
                        format!("block {}, {method}", block_name(header, block))
                    }
                    Target::Function(block, function) => format!(
                        "function {function} of block {}, {method}",
                        block_name(header, block)
                    ),
                };
                let shape = if changes { " (changes the shape)" } else { "" };
                let p = single
                    .adjusted_p
                    .map(|p| format!(", Holm-adjusted p {}", p_value(p)))
                    .unwrap_or_default();
                let interval = single.outcome.error_interval(Confidence::P95);
                Some(Point {
                    x: place as f64,
                    y: 100.0 * single.outcome.error(),
                    interval: interval.map(|i| (100.0 * i.lower, 100.0 * i.upper)),
                    hover: hover(header, single.outcome, &format!("{what}{shape}")) + &p,
                    hatched: changes,
                })
            });
            Series {
                label: method.clone(),
                shape: Shape::Bars,
                marker: Marker::None,
                points: points.collect(),
                ..Series::line("", Colour::of_series(index), Vec::new())
            }
        })
        .collect();
    let intact = intact(outcomes);
    let worst = methods
        .iter()
        .flat_map(|(_, list)| list)
        .max_by(|a, b| a.outcome.error().total_cmp(&b.outcome.error()))?;
    let functions = targets.iter().any(|t| matches!(t, Target::Function(..)));
    let what = if functions { "function" } else { "block" };
    let note = if hatched {
        " (hatched bar: the skip changes the shape and stays)"
    } else {
        ""
    };
    let intact_words = intact
        .map(|intact| {
            format!(
                " The intact network errs on {}.",
                rate(intact.errors, intact.examples)
            )
        })
        .unwrap_or_default();
    Some(Picture {
        kind: "lesion",
        title: format!(
            "Error after putting one {what} out of action: {}",
            header.model.title
        ),
        description: format!(
            "Bars of top-1 error over {} {what}s with 95 % Wilson intervals.{intact_words} The \
             largest error, {}, is that without {what} {}.",
            targets.len(),
            rate(worst.outcome.errors, worst.outcome.examples),
            worst.target.name(),
        ),
        content: Content::Chart(Chart {
            x: Axis {
                label: format!("{what}, numbered from 0 in the order of the data{note}"),
                whole: true,
                names: targets.iter().map(|target| target.name()).collect(),
                ..Axis::default()
            },
            y: Axis {
                label: format!(
                    "top-1 error, % of {} (95 % Wilson interval)",
                    header.data.unit()
                ),
                ..Axis::default()
            },
            levels: intact_level(intact, "intact"),
            stretches: Vec::new(),
            series,
        }),
    })
}
