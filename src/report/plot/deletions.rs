use pathscope_analysis::record::{Header, Outcome};

use super::intact_line;
use crate::error_rate::mean_error;
use crate::lesions::{hover, intact, lesion, random_lesions};
use crate::picture::{Axis, Chart, Content, Marker, Picture, Point, Series, Shape};
use crate::quantity::{count, percent, rate};
use crate::theme::Colour;

/// Error against the number of blocks or functions disabled together: each draw, and the
/// mean with its interval over draws. None without random draws.
#[must_use]
pub fn deletions(header: &Header, outcomes: &[&Outcome]) -> Option<Picture> {
    let methods = random_lesions(outcomes);
    if methods.is_empty() {
        return None;
    }
    let functions = outcomes
        .iter()
        .filter_map(|outcome| lesion(outcome))
        .any(|lesion| lesion.blocks.is_empty() && lesion.functions.len() > 1);
    let (one, many) = if functions {
        ("function", "functions")
    } else {
        ("block", "blocks")
    };
    let mut series = Vec::new();
    for (index, (method, sizes)) in methods.iter().enumerate() {
        let colour = Colour::of_series(index);
        let draws = sizes.iter().flat_map(|(&size, draws)| {
            draws.iter().map(move |outcome| Point {
                hover: hover(header, outcome, &outcome.key),
                ..Point::at(size as f64, 100.0 * outcome.error())
            })
        });
        let means = sizes.iter().map(|(&size, draws)| {
            let (mean, interval) = mean_error(draws);
            let mean = 100.0 * mean;
            Point {
                interval: interval.map(|i| (100.0 * i.lower, 100.0 * i.upper)),
                hover: format!(
                    "{} {method}: mean error {} over {}",
                    count(size, one, many),
                    percent(mean / 100.0),
                    count(draws.len(), "draw", "draws"),
                ),
                ..Point::at(size as f64, mean)
            }
        });
        series.push(Series {
            shape: Shape::Points,
            marker: Marker::Ring,
            ..Series::line("", Colour::Faint, draws.collect())
        });
        series.push(Series {
            marker: Marker::of_series(index),
            ..Series::line(
                format!("{method}: mean over draws"),
                colour,
                means.collect(),
            )
        });
    }
    let intact = intact(outcomes);
    let most = methods
        .iter()
        .filter_map(|(_, sizes)| sizes.last_key_value());
    let (size, draws) = most.max_by_key(|(size, _)| **size)?;
    Some(Picture {
        kind: "deletions",
        title: format!(
            "Error against the number of disabled {many}: {}",
            header.model.title
        ),
        description: format!(
            "Mean top-1 error over random draws, with 95 % intervals of that mean, rising to {} \
             for {}.{}",
            percent(mean_error(draws).0),
            count(*size, one, many),
            intact.map_or_else(String::new, |intact| {
                format!(" Intact: {}.", rate(intact.errors, intact.examples))
            }),
        ),
        content: Content::Chart(Chart {
            x: Axis {
                label: format!("number of {many} disabled together (rings: single draws)"),
                whole: true,
                include: vec![0.0],
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
            references: intact_line(intact, "intact"),
            stretches: Vec::new(),
            series,
        }),
    })
}
