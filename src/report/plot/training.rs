use pathscope_analysis::record::{EpochRecord, TrainingLog};

use crate::picture::{Axis, Chart, Content, Dash, Marker, Picture, Point, Series};
use crate::quantity::rate;
use crate::theme::Colour;

/// Error by epoch, in training and on held-out examples. None where no log has an epoch.
pub fn training(logs: &[TrainingLog]) -> Option<Picture> {
    let last = logs.iter().find_map(|log| log.epochs.last())?;
    let mut series = Vec::new();
    for (index, log) in logs.iter().enumerate() {
        let colour = Colour::of_series(index);
        let name = |what: &str, leading: bool| match (logs.len(), leading) {
            (1, _) => format!("{what} examples"),
            (_, true) => format!("{} ({what})", log.name),
            (_, false) => String::new(),
        };
        let points = |counts: fn(&EpochRecord) -> Option<(usize, usize)>, what: &str| {
            let points = log.epochs.iter().filter_map(|epoch| {
                let (errors, examples) = counts(epoch)?;
                let number = epoch.epoch + 1;
                Some(Point {
                    hover: format!("epoch {number}, {what}: error {}", rate(errors, examples)),
                    ..Point::at(
                        number as f64,
                        100.0 * errors as f64 / examples.max(1) as f64,
                    )
                })
            });
            points.collect::<Vec<_>>()
        };
        let trained = points(
            |epoch| Some((epoch.errors, epoch.examples)),
            "training examples as they were met",
        );
        let held_out = points(EpochRecord::held_out, "held-out examples");
        // Runs differ by colour and sign, what they are tested on by the line.
        let mut run = vec![(trained, "training", held_out.is_empty())];
        if !held_out.is_empty() {
            run.push((held_out, "held out", true));
        }
        for (points, what, leading) in run {
            let (marker, dash) = match leading {
                true => (Marker::of_series(index), Dash::Solid),
                false => (Marker::None, Dash::Dashed),
            };
            series.push(Series {
                marker,
                dash,
                ..Series::line(name(what, leading), colour, points)
            });
        }
    }
    let broken = series.iter().any(|series| series.dash == Dash::Dashed);
    if logs.len() > 1 && broken {
        series.push(Series {
            dash: Dash::Dashed,
            ..Series::line("training examples", Colour::Faint, Vec::new())
        });
    }
    Some(Picture {
        kind: "training",
        title: "Error while training".into(),
        description: format!(
            "Top-1 error by epoch for {}; after the last epoch of the first, {} of the training \
             examples as they were met{}.",
            match logs.len() {
                1 => "one network".into(),
                networks => format!("{networks} networks"),
            },
            rate(last.errors, last.examples),
            last.held_out()
                .map_or_else(String::new, |(errors, examples)| {
                    format!(" and {} of the held-out ones", rate(errors, examples))
                }),
        ),
        content: Content::Chart(Chart {
            x: Axis::whole("epoch"),
            y: Axis::new("top-1 error (%)").including(0.0),
            series,
            ..Chart::default()
        }),
    })
}
