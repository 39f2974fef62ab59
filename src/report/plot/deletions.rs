use super::subject::{Subject, intact_entry, intact_levels, intact_points, intact_words, names};
use crate::error_rate::{error_axis, mean_error};
use crate::lesions::{hover, lesion, random_lesions};
use crate::picture::{Axis, Chart, Content, Dash, Marker, Picture, Point, Series};
use crate::quantity::{count, percent};
use crate::theme::Colour;

/// Error against the number of blocks or functions disabled together: each draw, and the
/// mean with its interval over draws. None without random draws.
pub fn deletions(subjects: &[Subject<'_>]) -> Option<Picture> {
    let mut drawn = Vec::new();
    for subject in subjects {
        let methods = random_lesions(&subject.outcomes).into_iter();
        drawn.extend(methods.map(|(method, sizes)| (subject, method, sizes)));
    }
    let header = drawn.first()?.0.header;
    let outcomes = subjects.iter().flat_map(|subject| &subject.outcomes);
    let functions = outcomes
        .filter_map(|outcome| lesion(outcome))
        .any(|lesion| lesion.blocks.is_empty() && lesion.functions.len() > 1);
    let (one, many) = match functions {
        true => ("function", "functions"),
        false => ("block", "blocks"),
    };
    let mut series = Vec::new();
    let mut means_of = Vec::new();
    for (index, (subject, method, sizes)) in drawn.iter().enumerate() {
        let colour = Colour::of_series(index);
        let draws = sizes.iter().flat_map(|(&size, draws)| {
            draws.iter().map(move |outcome| Point {
                hover: hover(subject.header, outcome, &outcome.key),
                ..Point::percent(size as f64, outcome.error(), None)
            })
        });
        let means = sizes.iter().map(|(&size, draws)| {
            let (mean, interval) = mean_error(draws);
            Point {
                hover: format!(
                    "{} {method}: mean error {} over {} ({})",
                    count(size, one, many),
                    percent(mean),
                    count(draws.len(), "draw", "draws"),
                    subject.name,
                ),
                ..Point::percent(size as f64, mean, interval)
            }
        });
        let label = match subjects.len() {
            1 => format!("{method}, mean"),
            _ if drawn.len() == subjects.len() => subject.name.clone(),
            _ => format!("{}, {method}", subject.name),
        };
        series.push(Series::draws("", colour, draws.collect()));
        means_of.push(Series {
            marker: Marker::of_series(index),
            dash: Dash::of_series(index),
            ..Series::line(label, colour, means.collect())
        });
    }
    series.append(&mut means_of);
    series.push(Series::draws("single draws", Colour::Faint, Vec::new()));
    series.extend(intact_points(subjects, 0.0, "intact"));
    series.extend(intact_entry(subjects, "intact"));
    let most = drawn
        .iter()
        .filter_map(|(_, _, sizes)| sizes.last_key_value());
    let (size, draws) = most.max_by_key(|(size, _)| **size)?;
    Some(Picture {
        kind: "deletions",
        title: format!(
            "Error against the number of disabled {many}: {}",
            names(subjects)
        ),
        description: format!(
            "Mean top-1 error over random draws, with 95 % intervals of that mean, rising to {} \
             for {}.{}",
            percent(mean_error(draws).0),
            count(*size, one, many),
            intact_words(subjects, "Intact"),
        ),
        content: Content::Chart(Chart {
            x: Axis::whole(format!("number of {many} disabled together")).including(0.0),
            y: error_axis(header, "95 % interval of the mean").including(0.0),
            references: intact_levels(subjects, "intact"),
            series,
            ..Chart::default()
        }),
    })
}
