use pathscope_analysis::{Crossing, WidthAgainstDepth};

use crate::family::answer;
use crate::picture::{Axis, Chart, Content, Dash, Marker, Picture, Point, Series, Stretch};
use crate::quantity::{percent, significant};
use crate::theme::Colour;

/// Error against depth for one function per block and for k of them at equal parameters, with the
/// interval of the depth where they cross.
pub fn threshold(found: &WidthAgainstDepth) -> Picture {
    let curve = |runs: &[Vec<f64>], label: &str, colour, marker, dash, depths: &[usize]| {
        let points = found.depths.iter().enumerate().map(|(index, &depth)| {
            let errors: Vec<f64> = runs
                .iter()
                .filter_map(|run| run.get(index).copied())
                .collect();
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            let least = errors.iter().copied().fold(f64::INFINITY, f64::min);
            let most = errors.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            Point {
                interval: (errors.len() > 1).then_some((100.0 * least, 100.0 * most)),
                hover: format!(
                    "{label}, {} layers: mean error {} over {} run(s)",
                    depths.get(index).copied().unwrap_or(depth),
                    percent(mean),
                    errors.len(),
                ),
                ..Point::at(depth as f64, 100.0 * mean)
            }
        });
        Series {
            marker,
            dash,
            ..Series::line(label, colour, points.collect())
        }
    };
    let k = found.k;
    let crossing = answer(found);
    let result = &found.threshold;
    let stretch = match (result.crossing, found.depths.first(), found.depths.last()) {
        (Crossing::At { depth }, Some(&first), Some(&last)) => Some(Stretch {
            first: result.lower.unwrap_or(first as f64),
            last: result.upper.unwrap_or(last as f64),
            label: format!("95 % interval of the crossing ({})", significant(depth, 3)),
        }),
        _ => None,
    };
    Picture {
        kind: "threshold",
        title: format!("Width against depth at equal parameters: {k} functions per block or 1"),
        description: format!(
            "Mean held-out error against the depth of the network with one function per block; \
             each is compared with the network of {k} functions per block that has as many \
             parameters. {crossing}"
        ),
        content: Content::Chart(Chart {
            x: Axis::whole("layers of the network with 1 function per block"),
            y: Axis::new("held-out top-1 error (%)").detail("whiskers: all runs"),
            stretches: stretch.into_iter().collect(),
            series: vec![
                curve(
                    &found.deeper,
                    "1 function per block, more blocks",
                    Colour::Blue,
                    Marker::Disc,
                    Dash::Solid,
                    &found.depths,
                ),
                curve(
                    &found.wider,
                    &format!("{k} functions per block, fewer blocks"),
                    Colour::Vermilion,
                    Marker::Square,
                    Dash::Dashed,
                    &found.wider_depths,
                ),
            ],
            ..Chart::default()
        }),
    }
}
