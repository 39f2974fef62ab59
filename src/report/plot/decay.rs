use pathscope_analysis::DecayShape;
use pathscope_analysis::record::{Header, Meaning};

use super::spectrum::layers;
use crate::gradient::GradientSummary;
use crate::picture::{Axis, Chart, Content, Dash, Marker, Picture, Point, Series, Shape};
use crate::quantity::{percent, significant};
use crate::theme::Colour;

/// How the norm of one path changes with its length, and the fitted factor per function. None where
/// no measure tells of single paths, or too few lengths were measured.
#[must_use]
pub fn decay(header: &Header, summary: &GradientSummary) -> Option<Picture> {
    let (source, fit, _) = summary.decay.as_ref()?;
    let what = match source.meaning() {
        Meaning::SquaredNorms => "root mean square over all paths of the length, from the energy",
        _ => "mean over paths drawn at random",
    };
    let measured = Series {
        shape: Shape::Points,
        marker: Marker::Disc,
        ..Series::line(
            format!("measured: {what}"),
            Colour::Blue,
            summary
                .path_norms
                .iter()
                .map(|&(length, norm)| Point {
                    hover: format!("length {length}: norm of a path {}", significant(norm, 3)),
                    ..Point::at(length as f64, norm)
                })
                .collect(),
        )
    };
    let line = Series {
        dash: Dash::Dashed,
        ..Series::line(
            format!(
                "fit: rho = {} (95 % interval {} to {})",
                significant(fit.rho, 3),
                significant(fit.rho_interval.lower, 3),
                significant(fit.rho_interval.upper, 3),
            ),
            Colour::Vermilion,
            summary
                .path_norms
                .iter()
                .map(|&(length, _)| {
                    Point::at(
                        length as f64,
                        (fit.intercept + length as f64 * fit.ln_rho).exp(),
                    )
                })
                .collect(),
        )
    };
    Some(Picture {
        kind: "decay",
        title: format!(
            "How the gradient of one path changes with its length: {}",
            header.model.title
        ),
        description: format!(
            "Norm of the gradient of one path against its length, on a logarithmic scale ({what}). \
             One more function multiplies it by rho = {}, 95 % interval {} to {}; the line explains \
             {} of the variance of the logarithms, and {}.",
            significant(fit.rho, 3),
            significant(fit.rho_interval.lower, 3),
            significant(fit.rho_interval.upper, 3),
            percent(fit.r_squared),
            shape(fit.shape),
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
                label: "L2 norm of one path's gradient".into(),
                logarithmic: true,
                ..Axis::default()
            },
            stretches: Vec::new(),
            references: Vec::new(),
            series: vec![measured, line],
        }),
    })
}

/// What the tests of the fit say, in words.
pub(crate) fn shape(shape: DecayShape) -> &'static str {
    match shape {
        DecayShape::Exponential => "the points are consistent with an exponential decay",
        DecayShape::Steepening => "the fall steepens with length, so one rho is an approximation",
        DecayShape::Flattening => "the fall flattens with length, so one rho is an approximation",
        DecayShape::Irregular => "the points scatter more than their errors allow",
        _ => "there are too few lengths to test the shape",
    }
}
