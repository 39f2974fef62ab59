use pathscope_analysis::Level as Confidence;
use pathscope_analysis::record::{Header, Removal};

use crate::report::lesions::block_name;
use crate::report::picture::{Axis, Chart, Content, Level, Marker, Picture, Point, Series};
use crate::report::quantity::{count, percent, rate, significant};
use crate::report::theme::Colour;

/// What is left of a network, as a number.
type Size = fn(&Removal) -> f64;

/// Error against what is left of the network while the least harmful block is removed again and
/// again: parameters, multiply-adds and latency, each as a share of the intact network's. None
/// without two steps.
#[must_use]
pub fn removal(header: &Header, removals: &[&Removal]) -> Option<Picture> {
    let (&intact, rest) = removals.split_first()?;
    let &last = rest.last()?;
    let sizes: [(&str, Size); 3] = [
        ("parameters", |step| step.parameters as f64),
        ("multiply-adds", |step| step.multiply_adds as f64),
        ("latency of one image, measured", |step| step.latency),
    ];
    let series = sizes.iter().enumerate().map(|(index, (name, size))| {
        let points = removals.iter().map(|step| {
            let interval = step.error_interval(Confidence::P95);
            Point {
                // One whisker a step is enough.
                interval: interval
                    .filter(|_| index == 0)
                    .map(|i| (100.0 * i.lower, 100.0 * i.upper)),
                hover: hover(header, step),
                ..Point::at(100.0 * size(step) / size(intact), error(step))
            }
        });
        Series {
            marker: Marker::of_series(index),
            ..Series::line(*name, Colour::of_series(index), points.collect())
        }
    });
    Some(Picture {
        kind: "removal",
        title: format!(
            "Error against what is left, removing the least harmful block each time: {}",
            header.model.title
        ),
        description: format!(
            "Top-1 error while blocks are removed one by one, all that are left measured anew \
             each time. Intact: {}. After {}: {}, with {} of the parameters, {} of the \
             multiply-adds and {} of the latency.",
            rate(intact.errors, intact.examples),
            count(last.removed.len(), "removal", "removals"),
            rate(last.errors, last.examples),
            percent(last.parameters as f64 / intact.parameters as f64),
            percent(last.multiply_adds as f64 / intact.multiply_adds as f64),
            percent(last.latency / intact.latency),
        ),
        content: Content::Chart(Chart {
            x: Axis {
                label: "left of the intact network, %".into(),
                include: vec![100.0],
                ..Axis::default()
            },
            y: Axis {
                label: format!(
                    "top-1 error, % of {} (95 % Wilson interval)",
                    header.data.unit()
                ),
                include: vec![0.0],
                ..Axis::default()
            },
            levels: vec![Level {
                y: error(intact),
                label: format!("intact: {}", rate(intact.errors, intact.examples)),
            }],
            stretches: Vec::new(),
            series: series.collect(),
        }),
    })
}

fn error(step: &Removal) -> f64 {
    100.0 * step.errors as f64 / step.examples.max(1) as f64
}

fn hover(header: &Header, step: &Removal) -> String {
    let last = step.removed.last();
    format!(
        "{}: error {}, {} parameters, {} multiply-adds, {} ms an image",
        last.map_or_else(
            || "intact".to_owned(),
            |&block| format!(
                "{}, the last of block {}",
                count(step.removed.len(), "removal", "removals"),
                block_name(header, block)
            )
        ),
        rate(step.errors, step.examples),
        step.parameters,
        step.multiply_adds,
        significant(1e3 * step.latency, 3),
    )
}
