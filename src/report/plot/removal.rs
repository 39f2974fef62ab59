use pathscope_analysis::Level;
use pathscope_analysis::record::{Header, Latency, Removal};

use crate::error_rate::error_axis;
use crate::lesions::block_name;
use crate::picture::{
    Axis, Chart, Content, Marker, Picture, Point, ReferenceLine, Series, in_percent,
};
use crate::quantity::{count, percent, rate};
use crate::theme::Colour;

/// Error against what is left of the network while the least harmful block is removed again and
/// again: parameters, multiply-adds and latency, each as a share of the intact network's. None
/// without two steps.
pub fn removal(
    header: &Header,
    removals: &[&Removal],
    latency: Option<&Latency>,
) -> Option<Picture> {
    let (&intact, rest) = removals.split_first()?;
    let &last = rest.last()?;
    let of_all = |size: fn(&Removal) -> u64| -> Vec<f64> {
        removals.iter().map(|step| size(step) as f64).collect()
    };
    let times = latency.map(|latency| {
        let medians = latency.networks.iter().map(|time| time.median);
        ("latency of one image, measured", medians.collect())
    });
    let sizes = [
        ("parameters", of_all(|step| step.parameters)),
        ("multiply-adds", of_all(|step| step.multiply_adds)),
    ];
    let sizes: Vec<(&str, Vec<f64>)> = sizes.into_iter().chain(times).collect();
    let share = |sizes: &[f64]| {
        let both = sizes.first().zip(sizes.last());
        both.map_or(f64::NAN, |(intact, last)| last / intact)
    };
    let left: Vec<String> = sizes
        .iter()
        .map(|(name, sizes)| format!("{} of the {name}", percent(share(sizes))))
        .collect();
    let series = sizes.iter().enumerate().map(|(index, (name, sizes))| {
        let whole = sizes.first().copied().unwrap_or(f64::NAN);
        let points = removals.iter().zip(sizes).map(|(step, size)| {
            // One whisker a step is enough.
            let interval = step.error_interval(Level::P95).filter(|_| index == 0);
            Point {
                interval: interval.map(in_percent),
                hover: hover(header, step),
                ..Point::at(100.0 * size / whole, error(step))
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
            "Error while the least harmful block is removed each time: {}",
            header.model.title
        ),
        description: format!(
            "Top-1 error while blocks are removed one by one, all that are left re-measured \
             each time. Intact: {}. After {}: {}, with {}.",
            rate(intact.errors, intact.examples),
            count(last.removed.len(), "removal", "removals"),
            rate(last.errors, last.examples),
            left.join(", "),
        ),
        content: Content::Chart(Chart {
            x: Axis::new("left of the intact network (%)").including(100.0),
            y: error_axis(header, "95 % Wilson interval").including(0.0),
            references: vec![ReferenceLine {
                y: error(intact),
                interval: None,
                label: format!("intact: {}", rate(intact.errors, intact.examples)),
                colour: Colour::Faint,
            }],
            series: series.collect(),
            ..Chart::default()
        }),
    })
}

fn error(step: &Removal) -> f64 {
    100.0 * step.errors as f64 / step.examples.max(1) as f64
}

fn hover(header: &Header, step: &Removal) -> String {
    let last = step.removed.last();
    format!(
        "{}: error {}, {} parameters, {} multiply-adds",
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
    )
}
