use pathscope_analysis::record::Header;
use pathscope_analysis::{Binomial, LengthLaw};

use crate::report::gradient::{GradientSummary, Measure};
use crate::report::picture::{Axis, Chart, Content, Dash, Marker, Picture, Point, Series, Stretch};
use crate::report::quantity::{percent, significant};
use crate::report::theme::Colour;

/// The gradient by path length: the share of each length in each measure with its band, the law
/// of the paths themselves, the law that a constant decay predicts, and the effective range.
#[must_use]
pub fn spectrum(header: &Header, summary: &GradientSummary) -> Picture {
    let mut series = vec![Series {
        dash: Dash::Dotted,
        ..Series::line(
            "all paths, by count",
            Colour::Ink,
            summary
                .path_shares
                .iter()
                .enumerate()
                .map(|(length, share)| Point {
                    hover: format!("{} of all paths have length {length}", percent(*share)),
                    ..Point::at(length as f64, 100.0 * share)
                })
                .collect(),
        )
    }];
    for measured in &summary.measures {
        let (colour, marker) = match measured.measure {
            Measure::Coherent => (Colour::Blue, Marker::Disc),
            Measure::Energy => (Colour::Vermilion, Marker::Square),
            Measure::Sampled => (Colour::Green, Marker::Triangle),
        };
        let points = measured.shares.iter().enumerate().map(|(length, share)| {
            let interval = measured.intervals.as_ref().and_then(|all| all.get(length));
            let recorded = measured.recorded.get(length).copied().unwrap_or(0.0);
            Point {
                interval: interval.map(|i| (100.0 * i.lower, 100.0 * i.upper)),
                hover: format!(
                    "length {length}, {}: {} of the whole (recorded {})",
                    measured.measure.name(),
                    percent(*share),
                    significant(recorded, 3),
                ),
                ..Point::at(length as f64, 100.0 * share)
            }
        });
        series.push(Series {
            marker,
            band: true,
            ..Series::line(measured.measure.definition(), colour, points.collect())
        });
    }
    let predicted = summary.decay.as_ref().and_then(|(_, decay, predicted)| {
        let law = Binomial::new(header.model.blocks.len(), predicted.as_ref()?.probability).ok()?;
        let points = law.probabilities().ok()?.into_iter().enumerate();
        Some(Series {
            dash: Dash::Dashed,
            ..Series::line(
                format!("binomial law for rho = {}", significant(decay.rho, 3)),
                Colour::Purple,
                points
                    .map(|(length, share)| Point::at(length as f64, 100.0 * share))
                    .collect(),
            )
        })
    });
    series.extend(predicted);
    let first = summary.measures.first();
    let stretches = first.map(|measured| Stretch {
        first: measured.range.first as f64 - 0.5,
        last: measured.range.last as f64 + 0.5,
        label: format!(
            "effective range, {} of {}: {} to {}",
            percent(summary.share),
            measured.measure.name(),
            measured.range.first,
            measured.range.last,
        ),
    });
    let ranges: Vec<String> = summary
        .measures
        .iter()
        .map(|measured| {
            format!(
                "{} lies in lengths {} to {}, which {} of all paths have",
                measured.measure.name(),
                measured.range.first,
                measured.range.last,
                percent(measured.paths_in_range),
            )
        })
        .collect();
    Picture {
        kind: "spectrum",
        title: format!("The gradient by path length: {}", header.model.title),
        description: format!(
            "Share of the gradient at the input by length of path, over {} examples in {} \
             mini-batches; bands are 95 % bootstrap intervals over mini-batches. {} of {}.",
            summary.examples,
            summary.batches,
            percent(summary.share),
            ranges.join("; of "),
        ),
        content: Content::Chart(Chart {
            x: Axis {
                label: format!(
                    "path length: residual functions on the path, {}",
                    layers(header)
                ),
                whole: true,
                ..Axis::default()
            },
            y: Axis {
                label: "share of the sum over lengths, %".into(),
                include: vec![0.0],
                ..Axis::default()
            },
            stretches: stretches.into_iter().collect(),
            levels: Vec::new(),
            series,
        }),
    }
}

/// A module's length in layers, in words.
pub(super) fn layers(header: &Header) -> String {
    let blocks = &header.model.blocks;
    let Some(first) = blocks.first() else {
        return "in modules".into();
    };
    if blocks.iter().all(|block| block.layers == first.layers) {
        format!("in modules (1 module = {} convolutions)", first.layers)
    } else {
        "in modules (their convolutions differ)".into()
    }
}
