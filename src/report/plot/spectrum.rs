use pathscope_analysis::record::{Header, Measure};

use super::subject::Subject;
use crate::gradient::{GradientSummary, MeasuredGradient};
use crate::picture::{Axis, Chart, Content, Dash, Marker, Picture, Point, Series, Stretch};
use crate::quantity::{percent, significant};
use crate::theme::Colour;

/// The gradient by path length: the share of each length in the first measure with its band and the
/// effective range; of one network also the distribution of the paths themselves and that which a
/// constant decay predicts. None without networks.
#[must_use]
pub fn spectrum(subjects: &[(Subject<'_>, GradientSummary)]) -> Option<Picture> {
    let (subject, summary) = subjects.first()?;
    let mut series = Vec::new();
    for (index, (subject, summary)) in subjects.iter().enumerate() {
        let measured = summary.measures.first()?;
        series.push(match subjects.len() {
            1 => shares(
                measured,
                style(measured.measure),
                measured.measure.title(),
                "",
            ),
            _ => Series {
                dash: Dash::of_series(index),
                ..shares(
                    measured,
                    (Colour::of_series(index), Marker::of_series(index)),
                    &subject.name,
                    &subject.name,
                )
            },
        });
    }
    if subjects.len() == 1 {
        series.extend(prediction(summary));
        series.insert(0, all_paths(summary));
    }
    let named: Vec<&str> = subjects.iter().map(|(s, _)| s.name.as_str()).collect();
    let range = |(subject, summary): &(Subject<'_>, GradientSummary)| {
        let measured = summary.measures.first()?;
        Some(format!(
            "{}: {} of it lies in lengths {} to {}, which {} of all paths have ({} examples in {} \
             mini-batches)",
            subject.name,
            percent(summary.share),
            measured.range.first,
            measured.range.last,
            percent(measured.paths_in_range),
            summary.examples,
            summary.batches,
        ))
    };
    let ranges: Vec<String> = subjects.iter().filter_map(range).collect();
    let measure = summary.measures.first()?.measure;
    Some(Picture {
        kind: "spectrum",
        title: format!("Gradient by path length: {}", named.join(", ")),
        description: format!(
            "Share of the gradient at the input by length of path ({}); bands are 95 % bootstrap \
             intervals over mini-batches. {}.",
            measure.definition(),
            ranges.join("; "),
        ),
        content: Content::Chart(Chart {
            x: lengths_axis(subject.header),
            y: Axis {
                label: "share of the gradient (%)".into(),
                detail: "95 % interval over mini-batches".into(),
                include: vec![0.0],
                ..Axis::default()
            },
            stretches: match subjects.len() {
                1 => effective_range(summary).into_iter().collect(),
                _ => Vec::new(),
            },
            series,
            ..Chart::default()
        }),
    })
}

/// All measures of the gradient by path length, on a logarithmic scale. None where there is only
/// one.
#[must_use]
pub fn measures(header: &Header, summary: &GradientSummary) -> Option<Picture> {
    if summary.measures.len() < 2 {
        return None;
    }
    let mut series = vec![all_paths(summary)];
    series.extend(summary.measures.iter().map(|measured| {
        let title = measured.measure.title();
        shares(measured, style(measured.measure), title, "")
    }));
    let defined = summary.measures.iter().map(|m| m.measure.definition());
    let defined: Vec<&str> = defined.collect();
    Some(Picture {
        kind: "measures",
        title: format!(
            "Measures of the gradient by path length: {}",
            header.model.title
        ),
        description: format!(
            "Share of each path length in several measures of the gradient at the input, on a \
             logarithmic scale: {}; bands are 95 % bootstrap intervals over {} mini-batches.",
            defined.join("; "),
            summary.batches,
        ),
        content: Content::Chart(Chart {
            x: lengths_axis(header),
            y: Axis {
                label: "share of the sum over lengths (%)".into(),
                logarithmic: true,
                ..Axis::default()
            },
            series,
            ..Chart::default()
        }),
    })
}

fn lengths_axis(header: &Header) -> Axis {
    Axis {
        label: "path length (blocks)".into(),
        detail: layers(header),
        whole: true,
        ..Axis::default()
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

fn shares(
    measured: &MeasuredGradient,
    (colour, marker): (Colour, Marker),
    label: &str,
    network: &str,
) -> Series {
    let values = measured.shares.iter().zip(&measured.recorded);
    let of = if network.is_empty() {
        String::new()
    } else {
        format!(" ({network})")
    };
    let points = values.enumerate().map(|(length, (share, recorded))| {
        let interval = measured.intervals.as_ref().and_then(|all| all.get(length));
        Point {
            interval: interval.map(|i| (100.0 * i.lower, 100.0 * i.upper)),
            hover: format!(
                "length {length}, {}: {} of the whole (recorded {}){of}",
                measured.measure.title(),
                percent(*share),
                significant(*recorded, 3),
            ),
            ..Point::at(length as f64, 100.0 * share)
        }
    });
    Series {
        marker,
        band: true,
        ..Series::line(label, colour, points.collect())
    }
}

/// The colour and marker of a measure: the same one in every picture.
fn style(measure: Measure) -> (Colour, Marker) {
    let number = measure as usize;
    (Colour::of_series(number), Marker::of_series(number))
}

/// The distribution that a constant rho makes.
fn prediction(summary: &GradientSummary) -> Option<Series> {
    let (_, decay, predicted) = summary.decay.as_ref()?;
    let predicted = predicted.as_ref()?;
    let name = match predicted.probability {
        Some(_) => "binomial",
        None => "predicted",
    };
    let shares = predicted.shares.iter().enumerate();
    let points = shares.map(|(length, share)| Point::at(length as f64, 100.0 * share));
    Some(Series {
        dash: Dash::Dashed,
        ..Series::line(
            format!("{name}, \u{3c1} = {}", significant(decay.rho, 3)),
            Colour::Purple,
            points.collect(),
        )
    })
}

/// The effective range by the first measure.
fn effective_range(summary: &GradientSummary) -> Option<Stretch> {
    let measured = summary.measures.first()?;
    Some(Stretch {
        first: measured.range.first as f64 - 0.5,
        last: measured.range.last as f64 + 0.5,
        label: format!(
            "effective range: {} in {} to {}",
            percent(summary.share),
            measured.range.first,
            measured.range.last,
        ),
    })
}

/// Length of a block in layers, in words.
pub(super) fn layers(header: &Header) -> String {
    let blocks = &header.model.blocks;
    let Some(first) = blocks.first() else {
        return String::new();
    };
    if blocks.iter().all(|block| block.layers == first.layers) {
        match first.layers {
            1 => "1 block = 1 layer".into(),
            layers => format!("1 block = {layers} layers"),
        }
    } else {
        "their layers differ".into()
    }
}
