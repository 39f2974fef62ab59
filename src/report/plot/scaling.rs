use crate::family::{Growth, RangeMember, groups};
use crate::picture::{Axis, Chart, Content, Dash, Marker, Picture, Point, Series, Shape};
use crate::quantity::significant;
use crate::theme::Colour;

/// A quantity of the effective range over a family, on logarithmic axes, with its power laws.
/// None without networks.
#[must_use]
pub fn scaling(members: &[RangeMember], growth: &Growth) -> Option<Picture> {
    let (letter, fixed_letter) = growth.size.letters();
    let groups = groups(members, growth.quantity, growth.size);
    if groups.is_empty() {
        return None;
    }
    let mut series = Vec::new();
    for (index, (fixed, points)) in groups.iter().enumerate() {
        let colour = Colour::of_series(index);
        let law = growth.laws.iter().find(|(known, _)| known == fixed);
        let exponent = law.map_or_else(String::new, |(_, law)| {
            let exponent = significant(law.exponent, 2).replace('-', "\u{2212}");
            format!(", {letter}^{{{exponent}}}")
        });
        let measured = points.iter().map(|&(size, value)| Point {
            hover: format!(
                "{letter} = {size}, {fixed_letter} = {fixed}: {}",
                significant(value, 3)
            ),
            ..Point::at(size, value)
        });
        series.push(Series {
            shape: Shape::Points,
            marker: Marker::of_series(index),
            ..Series::line(
                format!("{fixed_letter} = {fixed}{exponent}"),
                colour,
                measured.collect(),
            )
        });
        if let (Some((_, law)), Some(first), Some(last)) = (law, points.first(), points.last()) {
            let at = |size: f64| Point::at(size, law.factor * size.powf(law.exponent));
            series.push(Series {
                dash: Dash::Dashed,
                ..Series::line("", colour, vec![at(first.0), at(last.0)])
            });
        }
    }
    let exponents: Vec<String> = growth
        .laws
        .iter()
        .map(|(fixed, law)| {
            format!(
                "{} (95 % interval {} to {}) at {fixed_letter} = {fixed}",
                significant(law.exponent, 3),
                significant(law.exponent_interval.lower, 3),
                significant(law.exponent_interval.upper, 3),
            )
        })
        .collect();
    let along = match letter {
        "n" => "number of blocks n",
        _ => "functions per block k",
    };
    let mut sizes: Vec<f64> = groups
        .values()
        .flat_map(|points| points.iter().map(|&(size, _)| size))
        .collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    Some(Picture {
        kind: "scaling",
        title: format!(
            "{} against {along}",
            capitalized(growth.quantity.definition())
        ),
        description: format!(
            "{} networks on two logarithmic axes; a straight line is a power law, an exponent of 1 \
             is proportional growth. Exponents: {}.",
            members.len(),
            if exponents.is_empty() {
                "none can be fitted".into()
            } else {
                exponents.join("; ")
            },
        ),
        content: Content::Chart(Chart {
            x: Axis {
                label: along.into(),
                logarithmic: true,
                ticks: sizes,
                ..Axis::default()
            },
            y: Axis {
                label: growth.quantity.definition().into(),
                logarithmic: true,
                ..Axis::default()
            },
            series,
            ..Chart::default()
        }),
    })
}

/// Words at the beginning of a title.
fn capitalized(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}
