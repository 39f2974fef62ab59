use crate::family::{Growth, RangeMember, groups};
use crate::picture::{Axis, Chart, Content, Dash, Marker, Picture, Point, Series};
use crate::quantity::{significant, significant_interval};
use crate::theme::Colour;

/// A quantity of the effective range over a family, on logarithmic axes, with its power laws.
/// None without networks.
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
        let label = format!("{fixed_letter} = {fixed}{exponent}");
        let marker = Marker::of_series(index);
        series.push(Series::points(label, colour, marker, measured.collect()));
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
                "{} (95 % interval {}) at {fixed_letter} = {fixed}",
                significant(law.exponent, 3),
                significant_interval(law.exponent_interval, 3),
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
            match exponents.is_empty() {
                true => "none can be fitted".into(),
                false => exponents.join("; "),
            },
        ),
        content: Content::Chart(Chart {
            x: Axis {
                ticks: sizes,
                ..Axis::logarithmic(along)
            },
            y: Axis::logarithmic(growth.quantity.definition()),
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
