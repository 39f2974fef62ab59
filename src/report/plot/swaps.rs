use std::collections::BTreeMap;

use pathscope_analysis::record::{Outcome, ReorderMethod};

use super::subject::{Subject, intact_entry, intact_levels, intact_points, intact_words, names};
use crate::error_rate::error_axis;
use crate::lesions::reordering;
use crate::picture::{Axis, Chart, Content, Picture, Point, Series, Shape};
use crate::quantity::{count, percent};
use crate::theme::Colour;

/// Fewer orders than these make no box.
const FEWEST: usize = 3;

/// Error against the number of random swaps of blocks: the quartiles and the range of the orders
/// with so many, as in figure 5b of Veit et al. None without enough orders of one number.
pub fn swaps(subjects: &[Subject<'_>]) -> Option<Picture> {
    let mut series = Vec::new();
    let mut most: Option<(usize, f64)> = None;
    let drawn: Vec<_> = subjects.iter().map(by_swaps).collect();
    let shown = drawn.iter().filter(|swaps| !swaps.is_empty()).count();
    for (index, (subject, swaps)) in subjects.iter().zip(&drawn).enumerate() {
        let shift = (index as f64 - (shown as f64 - 1.0) / 2.0) * 0.7 / shown.max(1) as f64;
        let boxes: Vec<Point> = swaps
            .iter()
            .filter(|(_, orders)| orders.len() >= FEWEST)
            .map(|(&swaps, orders)| {
                let mut errors: Vec<f64> = orders.iter().map(|o| 100.0 * o.error()).collect();
                errors.sort_by(f64::total_cmp);
                let median = quantile(&errors, 0.5);
                if most.is_none_or(|(known, _)| swaps > known) {
                    most = Some((swaps, median));
                }
                Point {
                    interval: Some((quantile(&errors, 0.0), quantile(&errors, 1.0))),
                    quartiles: Some((quantile(&errors, 0.25), quantile(&errors, 0.75))),
                    hover: format!(
                        "{}: median error {} over {} ({})",
                        count(swaps, "swap", "swaps"),
                        percent(median / 100.0),
                        count(orders.len(), "order", "orders"),
                        subject.name,
                    ),
                    ..Point::at(swaps as f64 + shift, median)
                }
            })
            .collect();
        if boxes.is_empty() {
            continue;
        }
        let label = match shown {
            1 => "median, quartiles and range".to_owned(),
            _ => subject.name.clone(),
        };
        series.push(Series {
            shape: Shape::Boxes,
            ..Series::line(label, Colour::of_series(index), boxes)
        });
    }
    let (largest, median) = most?;
    let header = subjects.first()?.header;
    series.extend(intact_points(subjects, 0.0, "the trained order"));
    series.extend(intact_entry(subjects, "trained order"));
    Some(Picture {
        kind: "swaps",
        title: format!(
            "Error against the number of swapped blocks: {}",
            names(subjects)
        ),
        description: format!(
            "Boxes of top-1 error over random orders by their number of swaps: median, quartiles \
             and range. The median rises to {} after {}.{}",
            percent(median / 100.0),
            count(largest, "swap", "swaps"),
            intact_words(subjects, "In the trained order"),
        ),
        content: Content::Chart(Chart {
            x: Axis::whole("number of random swaps")
                .detail("0: the trained order")
                .including(0.0),
            y: error_axis(header, "").including(0.0),
            references: intact_levels(subjects, "trained order"),
            series,
            ..Chart::default()
        }),
    })
}

/// The orders by their number of random swaps.
fn by_swaps<'a>(subject: &Subject<'a>) -> BTreeMap<usize, Vec<&'a Outcome>> {
    let mut found: BTreeMap<usize, Vec<&Outcome>> = BTreeMap::new();
    for &outcome in &subject.outcomes {
        let method = reordering(outcome).map(|reordering| reordering.method);
        if let (Some(ReorderMethod::Swaps { swaps }), Some(_)) = (method, outcome.draw) {
            found.entry(swaps).or_default().push(outcome);
        }
    }
    found
}

/// Between the values nearest to a share of them; `sorted` is not empty.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let at = |index: f64| sorted.get(index as usize).copied().unwrap_or(f64::NAN);
    let (low, high) = (at(place.floor()), at(place.ceil()));
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_values() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        let found = [0.0, 0.25, 0.5, 1.0].map(|share| quantile(&sorted, share));
        assert_eq!(found, [1.0, 1.75, 2.5, 4.0]);
        assert_eq!(quantile(&[7.0], 0.75), 7.0);
    }
}
