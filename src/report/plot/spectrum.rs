use pathscope_analysis::record::{Header, Measure};
use pathscope_analysis::{Binomial, LengthLaw};

use crate::gradient::{GradientSummary, MeasuredGradient};
use crate::picture::{Axis, Chart, Content, Dash, Marker, Picture, Point, Series, Stretch};
use crate::quantity::{percent, significant};
use crate::theme::Colour;

/// The gradient by path length: the share of each length in each measure with its band, the
/// distribution of the paths themselves, that which a constant decay predicts, and the effective
/// range.
#[must_use]
pub fn spectrum(header: &Header, summary: &GradientSummary) -> Picture {
    let mut series = vec![all_paths(summary)];
    series.extend(summary.measures.iter().map(measure));
    series.extend(prediction(header, summary));
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
            stretches: range(summary).into_iter().collect(),
            references: Vec::new(),
            series,
        }),
    }
}

fn all_paths(summary: &GradientSummary) -> Series {
    let shares = summary.path_shares.iter().enumerate();
    let points = shares.map(|(length, share)| Point {
        hover: format!("{} of all paths have length {length}", percent(*share)),
        ..Point::at(length as f64, 100.0 * share)
    });
    Series {
        dash: Dash::Dotted,
        ..Series::line("all paths, by count", Colour::Ink, points.collect())
    }
}

fn measure(measured: &MeasuredGradient) -> Series {
    let (colour, marker) = style(measured.measure);
    let values = measured.shares.iter().zip(&measured.recorded);
    let points = values.enumerate().map(|(length, (share, recorded))| {
        let interval = measured.intervals.as_ref().and_then(|all| all.get(length));
        Point {
            interval: interval.map(|i| (100.0 * i.lower, 100.0 * i.upper)),
            hover: format!(
                "length {length}, {}: {} of the whole (recorded {})",
                measured.measure.name(),
                percent(*share),
                significant(*recorded, 3),
            ),
            ..Point::at(length as f64, 100.0 * share)
        }
    });
    Series {
        marker,
        band: true,
        ..Series::line(measured.measure.definition(), colour, points.collect())
    }
}

/// The colour and marker of a measure: the same one in every picture.
fn style(measure: Measure) -> (Colour, Marker) {
    let number = measure as usize;
    (Colour::of_series(number), Marker::of_series(number))
}

/// The distribution that a constant rho makes.
fn prediction(header: &Header, summary: &GradientSummary) -> Option<Series> {
    let (_, decay, predicted) = summary.decay.as_ref()?;
    let law = Binomial::new(header.model.blocks.len(), predicted.as_ref()?.probability).ok()?;
    let shares = law.probabilities().ok()?.into_iter().enumerate();
    let points = shares.map(|(length, share)| Point::at(length as f64, 100.0 * share));
    Some(Series {
        dash: Dash::Dashed,
        ..Series::line(
            format!(
                "binomial distribution for rho = {}",
                significant(decay.rho, 3)
            ),
            Colour::Purple,
            points.collect(),
        )
    })
}

/// The effective range by the first measure.
fn range(summary: &GradientSummary) -> Option<Stretch> {
    let measured = summary.measures.first()?;
    Some(Stretch {
        first: measured.range.first as f64 - 0.5,
        last: measured.range.last as f64 + 0.5,
        label: format!(
            "effective range, {} of {}: {} to {}",
            percent(summary.share),
            measured.measure.name(),
            measured.range.first,
            measured.range.last,
        ),
    })
}

/// Length of a block in layers, in words.
pub(super) fn layers(header: &Header) -> String {
    let blocks = &header.model.blocks;
    let Some(first) = blocks.first() else {
        return "in blocks".into();
    };
    if blocks.iter().all(|block| block.layers == first.layers) {
        format!("in blocks (1 block = {} layers)", first.layers)
    } else {
        "in blocks (their layers differ)".into()
    }
}
