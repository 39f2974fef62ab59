use crate::picture::{Axis, Chart, Content, Dash, Marker, Picture, Point, Series};
use crate::quantity::rate;
use crate::theme::Colour;
use crate::training_log::TrainingLog;

/// Error by epoch, in training and on held-out examples. None where no log has an epoch.
#[must_use]
pub fn training(logs: &[TrainingLog]) -> Option<Picture> {
    let last = logs.iter().find_map(|log| log.epochs.last())?;
    let mut series = Vec::new();
    for (index, log) in logs.iter().enumerate() {
        let colour = Colour::of_series(index);
        let name = |what: &str| match logs.len() {
            1 => what.to_owned(),
            _ => format!("{}: {what}", log.name),
        };
        let points = |counts: &dyn Fn(usize) -> Option<(usize, usize)>, what: &str| {
            let epochs = log.epochs.iter().enumerate();
            let points = epochs.filter_map(|(index, epoch)| {
                let (errors, examples) = counts(index)?;
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
            &|index| {
                log.epochs
                    .get(index)
                    .map(|epoch| (epoch.errors, epoch.examples))
            },
            "training examples as they were met",
        );
        series.push(Series {
            dash: Dash::Dashed,
            ..Series::line(name("training examples, as met"), colour, trained)
        });
        let held_out = points(
            &|index| log.epochs.get(index)?.held_out(),
            "held-out examples",
        );
        if !held_out.is_empty() {
            series.push(Series {
                marker: Marker::of_series(index),
                ..Series::line(name("held-out examples"), colour, held_out)
            });
        }
    }
    Some(Picture {
        kind: "training",
        title: "Error while training".into(),
        description: format!(
            "Top-1 error by epoch for {}; after the last epoch of the first, {} of the training \
             examples as they were met{}.",
            if logs.len() == 1 {
                "one network".into()
            } else {
                format!("{} networks", logs.len())
            },
            rate(last.errors, last.examples),
            last.held_out()
                .map_or_else(String::new, |(errors, examples)| {
                    format!(" and {} of the held-out ones", rate(errors, examples))
                }),
        ),
        content: Content::Chart(Chart {
            x: Axis {
                label: "epochs completed".into(),
                whole: true,
                ..Axis::default()
            },
            y: Axis {
                label: "top-1 error, % of examples".into(),
                include: vec![0.0],
                ..Axis::default()
            },
            stretches: Vec::new(),
            references: Vec::new(),
            series,
        }),
    })
}
