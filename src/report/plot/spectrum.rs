use pathscope_analysis::record::{Header, Measure};

use super::subject::Subject;
use crate::gradient::{GradientSummary, MeasuredGradient};
use crate::lesions::layers_per_block;
use crate::picture::{Axis, Chart, Content, Dash, Marker, Picture, Point, Series, Stretch};
use crate::quantity::{percent, significant};
use crate::theme::Colour;

/// The gradient by path length: the share of each length in the first measure with its band and the
/// effective range; of one network also the distribution of the paths themselves and that which a
/// constant decay predicts. None without networks.
pub fn spectrum(subjects: &[(Subject<'_>, GradientSummary)]) -> Option<Picture> {
    let (subject, summary) = subjects.first()?;
    let mut series = Vec::new();
    for (index, (subject, summary)) in subjects.iter().enumerate() {
        let measured = summary.measures.first()?;
        let name = subject.name.as_str();
        series.push(match subjects.len() {
            1 => {
                let measure = measured.measure;
                shares(measured, style(measure), measure.title(), "")
            }
            _ => Series {
                dash: Dash::of_series(index),
                ..shares(measured, of_series(index), name, name)
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
            y: Axis::new("share of the gradient (%)")
                .detail("95 % interval over mini-batches")
                .including(0.0),
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
            y: Axis::logarithmic("share of the sum over lengths (%)"),
            series,
            ..Chart::default()
        }),
    })
}

/// The axis of path lengths, with the length of a block in layers.
pub(super) fn lengths_axis(header: &Header) -> Axis {
    let layers = match layers_per_block(header) {
        Some(1) => "1 block = 1 layer".into(),
        Some(layers) => format!("1 block = {layers} layers"),
        None if header.model.blocks.is_empty() => String::new(),
        None => "their layers differ".into(),
    };
    Axis::whole("path length (blocks)").detail(layers)
}

fn all_paths(summary: &GradientSummary) -> Series {
    let shares = summary.path_shares.iter().enumerate();
    let points = shares.map(|(length, share)| Point {
        hover: format!("{} of all paths have length {length}", percent(*share)),
        ..Point::percent(length as f64, *share, None)
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
    let of = match network {
        "" => String::new(),
        network => format!(" ({network})"),
    };
    let points = values.enumerate().map(|(length, (share, recorded))| {
        let interval = measured.intervals.as_ref().and_then(|all| all.get(length));
        Point {
            hover: format!(
                "length {length}, {}: {} of the whole (recorded {}){of}",
                measured.measure.title(),
                percent(*share),
                significant(*recorded, 3),
            ),
            ..Point::percent(length as f64, *share, interval.copied())
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
    of_series(measure as usize)
}

fn of_series(index: usize) -> (Colour, Marker) {
    (Colour::of_series(index), Marker::of_series(index))
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
    let (share, range) = (percent(summary.share), measured.range);
    let label = format!(
        "effective range: {share} in {} to {}",
        range.first, range.last
    );
    Some(Stretch::around(range, label))
}
