use crate::report::picture::{Axis, Chart, Content, Dash, Marker, Picture, Point, Series, Stretch};
use crate::report::quantity::percent;
use crate::report::theme::Colour;

/// The laws of length of one network.
#[derive(Clone, Debug, PartialEq)]
pub struct LengthLaws {
    /// What it is called.
    pub name: String,
    /// Share of all paths at each length.
    pub paths: Vec<f64>,
    /// Share of all configurations with each number of functions.
    pub configurations: Vec<f64>,
}

/// How many paths have each length, and how many configurations each number of functions; with
/// the range of lengths asked about. None without networks.
#[must_use]
pub fn multiplicity(networks: &[LengthLaws], range: Option<(usize, usize)>) -> Option<Picture> {
    let named: Vec<&str> = networks.iter().map(|laws| laws.name.as_str()).collect();
    networks.first()?;
    let mut series = Vec::new();
    for (index, laws) in networks.iter().enumerate() {
        let points = |shares: &[f64], what: &str| {
            let visible = shares.iter().enumerate().map(|(length, share)| Point {
                hover: format!("{}: {} of {what} at {length}", laws.name, percent(*share)),
                ..Point::at(length as f64, 100.0 * share)
            });
            visible.collect::<Vec<_>>()
        };
        let colour = Colour::of_series(index);
        let marker = if laws.paths.len() <= 80 {
            Marker::of_series(index)
        } else {
            Marker::None
        };
        series.push(Series {
            marker,
            ..Series::line(
                format!("{}: paths", laws.name),
                colour,
                points(&laws.paths, "paths"),
            )
        });
        // With one function per block the two laws are the same line.
        if laws.configurations != laws.paths {
            series.push(Series {
                dash: Dash::Dashed,
                ..Series::line(
                    format!("{}: configurations", laws.name),
                    colour,
                    points(&laws.configurations, "configurations"),
                )
            });
        }
    }
    Some(Picture {
        kind: "multiplicity",
        title: format!("Laws of path length: {}", named.join(", ")),
        description: format!(
            "Share of all paths by their length in modules, and of all configurations by their \
             number of functions, for {}. The lengths of paths follow the binomial law with \
             p = k / (k + 1) where all blocks have k functions, those of configurations the one \
             with p = 1/2 over all functions.",
            named.join(", "),
        ),
        content: Content::Chart(Chart {
            x: Axis {
                label: "length: residual functions on the path, or in the configuration".into(),
                whole: true,
                ..Axis::default()
            },
            y: Axis {
                label: "share of all paths or configurations, %".into(),
                include: vec![0.0],
                ..Axis::default()
            },
            stretches: range
                .map(|(first, last)| Stretch {
                    first: first as f64 - 0.5,
                    last: last as f64 + 0.5,
                    label: format!("{first} to {last} modules"),
                })
                .into_iter()
                .collect(),
            levels: Vec::new(),
            series,
        }),
    })
}
