use pathscope_analysis::Level;
use pathscope_analysis::record::{Header, Outcome};

use super::intact_line;
use crate::lesions::{
    SingleLesion, Target, block_name, changes_shape, hover, intact, single_lesions,
};
use crate::picture::{Axis, Chart, Content, Marker, Picture, Point, Series, Shape};
use crate::quantity::{p_value, rate};
use crate::theme::Colour;

/// Error after disabling each block or function, with Wilson's intervals; bars of blocks that
/// change the shape are hatched. None without single lesions.
#[must_use]
pub fn lesion_bars(header: &Header, outcomes: &[&Outcome]) -> Option<Picture> {
    let methods = single_lesions(outcomes);
    let all = || methods.iter().flat_map(|(_, list)| list);
    let mut targets: Vec<Target> = all().map(|single| single.target).collect();
    targets.sort_unstable();
    targets.dedup();
    let worst = all().max_by(|a, b| a.outcome.error().total_cmp(&b.outcome.error()))?;
    let functions = targets.iter().any(|t| matches!(t, Target::Function(..)));
    let what = if functions { "function" } else { "block" };
    let intact = intact(outcomes);
    let intact_words = intact.map_or_else(String::new, |intact| {
        let rate = rate(intact.errors, intact.examples);
        format!(" The error of the intact network is {rate}.")
    });
    Some(Picture {
        kind: "lesion",
        title: format!("Error after disabling one {what}: {}", header.model.title),
        description: format!(
            "Bars of top-1 error over {} {what}s with 95 % Wilson intervals.{intact_words} The \
             largest error, {}, is that without {what} {}.",
            targets.len(),
            rate(worst.outcome.errors, worst.outcome.examples),
            worst.target.name(),
        ),
        content: Content::Chart(Chart {
            x: targets_axis(header, &targets, what),
            y: Axis {
                label: format!(
                    "top-1 error, % of {} (95 % Wilson interval)",
                    header.data.unit()
                ),
                ..Axis::default()
            },
            references: intact_line(intact, "intact"),
            stretches: Vec::new(),
            series: methods
                .iter()
                .enumerate()
                .map(|(index, (method, list))| bars(header, &targets, index, method, list))
                .collect(),
        }),
    })
}

fn targets_axis(header: &Header, targets: &[Target], what: &str) -> Axis {
    let hatched = targets
        .iter()
        .any(|target| changes_shape(header, target.block()));
    let note = if hatched {
        " (hatched bar: the skip changes the shape and stays)"
    } else {
        ""
    };
    Axis {
        label: format!("{what}, numbered from 0 in the order of the data{note}"),
        whole: true,
        names: targets.iter().map(|target| target.name()).collect(),
        ..Axis::default()
    }
}

/// The bars of one method, at the places of their targets.
fn bars(
    header: &Header,
    targets: &[Target],
    index: usize,
    method: &str,
    lesions: &[SingleLesion<'_>],
) -> Series {
    let points = lesions.iter().filter_map(|single| {
        let place = targets.binary_search(&single.target).ok()?;
        let interval = single.outcome.error_interval(Level::P95);
        Some(Point {
            x: place as f64,
            y: 100.0 * single.outcome.error(),
            interval: interval.map(|i| (100.0 * i.lower, 100.0 * i.upper)),
            hover: words(header, method, single),
            hatched: changes_shape(header, single.target.block()),
        })
    });
    Series {
        label: method.to_owned(),
        shape: Shape::Bars,
        marker: Marker::None,
        ..Series::line("", Colour::of_series(index), points.collect())
    }
}

/// What the pointer shows of a bar.
fn words(header: &Header, method: &str, single: &SingleLesion<'_>) -> String {
    let what = match single.target {
        Target::Block(block) => format!("block {}, {method}", block_name(header, block)),
        Target::Function(block, function) => format!(
            "function {function} of block {}, {method}",
            block_name(header, block)
        ),
    };
    let shape = match changes_shape(header, single.target.block()) {
        true => " (changes the shape)",
        false => "",
    };
    let mut text = hover(header, single.outcome, &format!("{what}{shape}"));
    if let Some(p) = single.adjusted_p {
        text += &format!(", Holm-adjusted p {}", p_value(p));
    }
    text
}
