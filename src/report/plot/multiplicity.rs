use pathscope_analysis::{LengthRange, PathCounts, ShareByLength};

use crate::picture::{Axis, Chart, Content, Dash, Marker, Picture, Point, Series, Stretch};
use crate::quantity::percent;
use crate::theme::Colour;

/// Shares below this part of the greatest one are not to be seen.
const VISIBLE: f64 = 1e-4;

/// How many paths have each length, and how many configurations each number of functions; with
/// the range of lengths asked about. None without networks.
pub fn multiplicity(networks: &[PathCounts]) -> Option<Picture> {
    let named: Vec<&str> = networks.iter().map(|counts| counts.name.as_str()).collect();
    let between = networks.first()?.between.as_ref();
    let mut series = Vec::new();
    for (index, counts) in networks.iter().enumerate() {
        let colour = Colour::of_series(index);
        let paths = points(&counts.name, "paths", &counts.modules.law);
        let marker = match paths.len() {
            ..=80 => Marker::of_series(index),
            _ => Marker::None,
        };
        let both = points(&counts.name, "configurations", &counts.configuration_law);
        // With one function per block the two laws are the same line.
        let same = counts.functions.iter().all(|&functions| functions <= 1);
        let what = if same {
            "paths = configurations"
        } else {
            "paths"
        };
        series.push(Series {
            marker,
            ..Series::line(format!("{}: {what}", counts.name), colour, paths)
        });
        if !same {
            let label = format!("{}: configurations", counts.name);
            series.push(Series {
                dash: Dash::Dashed,
                ..Series::line(label, colour, both)
            });
        }
    }
    Some(Picture {
        kind: "multiplicity",
        title: format!("Paths by their length: {}", named.join(", ")),
        description: description(networks),
        content: Content::Chart(Chart {
            x: Axis::whole("path length (blocks)")
                .detail("functions on the path, or in the configuration"),
            y: Axis::new("share of all paths (%)").including(0.0),
            stretches: between
                .iter()
                .map(|between| stretch(between.range))
                .collect(),
            series,
            ..Chart::default()
        }),
    })
}

fn points(name: &str, what: &str, law: &ShareByLength) -> Vec<Point> {
    let greatest = law.shares.iter().copied().fold(0.0, f64::max);
    let visible = law.shares.iter().enumerate();
    visible
        .filter(|(_, share)| **share >= VISIBLE * greatest)
        .map(|(length, share)| Point {
            hover: format!("{name}: {} of {what} at {length}", percent(*share)),
            ..Point::percent(length as f64, *share, None)
        })
        .collect()
}

fn stretch(range: LengthRange) -> Stretch {
    Stretch::around(range, format!("{} to {} blocks", range.first, range.last))
}

fn description(networks: &[PathCounts]) -> String {
    let mut text = "Share of all paths by their length in blocks, and of all configurations by \
                    their number of functions. The lengths of paths follow the binomial law with \
                    p = k / (k + 1) where all blocks have k functions, the numbers of functions \
                    of configurations the one with p = 1/2."
        .to_owned();
    for counts in networks {
        let law = &counts.modules.law;
        text += &format!(
            " {}: 10^{:.1} paths of {:.1} blocks on average, 95 % of them of {} to {}.",
            counts.name, counts.log10_paths, law.mean, law.shortest_95.first, law.shortest_95.last
        );
        if let Some(between) = &counts.between {
            text += &format!(
                " {} of them have {} to {}.",
                percent(between.share),
                between.range.first,
                between.range.last
            );
        }
    }
    text
}
