use pathscope_analysis::record::Meaning;

use super::spectrum::lengths_axis;
use super::subject::Subject;
use crate::gradient::{GradientSummary, decay_shape};
use crate::picture::{Axis, Chart, Content, Dash, Marker, Picture, Point, Series};
use crate::quantity::{percent, significant, significant_interval};
use crate::theme::Colour;

/// How the norm of one path changes with its length, and the fitted factor per function. None where
/// no measure tells of single paths, or too few lengths were measured.
pub fn decay(subjects: &[(Subject<'_>, GradientSummary)]) -> Option<Picture> {
    let mut series = Vec::new();
    let mut words = Vec::new();
    let mut shown = Vec::new();
    for (index, (subject, summary)) in subjects.iter().enumerate() {
        let Some((source, fit, _)) = summary.decay.as_ref() else {
            continue;
        };
        let what = match source.meaning() {
            Meaning::SquaredNorms => "root mean square over all paths of the length",
            _ => "mean over paths drawn at random",
        };
        let fitted = format!(
            "\u{3c1} = {} ({})",
            significant(fit.rho, 3),
            significant_interval(fit.rho_interval, 3),
        );
        let (label, line, colours) = match subjects.len() {
            1 => {
                let line = format!("fit: {fitted}");
                (what.to_owned(), line, [Colour::Blue, Colour::Vermilion])
            }
            _ => {
                let label = format!("{}: {fitted}", subject.name);
                (label, String::new(), [Colour::of_series(index); 2])
            }
        };
        let measured = summary.path_norms.iter().map(|&(length, norm)| Point {
            hover: format!(
                "length {length}: norm of a path {} ({})",
                significant(norm, 3),
                subject.name
            ),
            ..Point::at(length as f64, norm)
        });
        let marker = Marker::of_series(index);
        series.push(Series::points(
            label,
            colours[0],
            marker,
            measured.collect(),
        ));
        let ends = [summary.path_norms.first(), summary.path_norms.last()];
        let ends = ends.into_iter().flatten().map(|&(length, _)| {
            let length = length as f64;
            Point::at(length, (fit.intercept + length * fit.ln_rho).exp())
        });
        series.push(Series {
            dash: Dash::Dashed,
            ..Series::line(line, colours[1], ends.collect())
        });
        words.push(format!(
            "{} ({what}): one more function multiplies it by rho = {}, 95 % interval {}; the \
             line explains {} of the variance of the logarithms, and {}",
            subject.name,
            significant(fit.rho, 3),
            significant_interval(fit.rho_interval, 3),
            percent(fit.r_squared),
            decay_shape(fit.shape),
        ));
        shown.push(subject);
    }
    let header = shown.first()?.header;
    let names: Vec<&str> = shown.iter().map(|subject| subject.name.as_str()).collect();
    Some(Picture {
        kind: "decay",
        title: format!(
            "Gradient of one path against its length: {}",
            names.join(", ")
        ),
        description: format!(
            "Norm of the gradient of one path against its length, on a logarithmic scale. {}.",
            words.join(". "),
        ),
        content: Content::Chart(Chart {
            x: lengths_axis(header),
            y: Axis::logarithmic("norm of one path's gradient"),
            series,
            ..Chart::default()
        }),
    })
}
