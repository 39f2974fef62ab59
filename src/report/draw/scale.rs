//! From the values of an axis to places along it.

use crate::picture::Axis;
use crate::quantity::significant;

/// An axis with its ends decided.
#[derive(Clone, Debug)]
pub(super) struct Scale<'a> {
    axis: &'a Axis,
    /// Ends, as places.
    pub first: f64,
    pub last: f64,
}

impl<'a> Scale<'a> {
    /// Ends that hold `values`, with `padding` of the extent beyond them.
    pub fn new(axis: &'a Axis, values: impl Iterator<Item = f64>, padding: f64) -> Self {
        let within = |value: &f64| axis.limit.is_none_or(|limit| *value <= limit);
        let places = values
            .filter(within)
            .chain(axis.include.iter().copied())
            .filter_map(|value| place(axis, value));
        let (mut first, mut last) = places
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| {
                (low.min(place), high.max(place))
            });
        if first > last {
            (first, last) = (0.0, 1.0);
        }
        if axis.logarithmic {
            (first, last) = (first.floor(), last.ceil());
        }
        if last - first < 1e-9 * last.abs().max(1e-9) {
            let room = if first == 0.0 { 1.0 } else { 0.1 * first.abs() };
            // What starts at 0 keeps starting there.
            last += room;
            if first != 0.0 {
                first -= room;
            }
        }
        if !axis.logarithmic {
            let room = padding * (last - first);
            last += room;
            // Nothing that is never negative shows a stretch below 0.
            if first < 0.0 || axis.whole || first > room {
                first -= room;
            } else {
                first = 0.0;
            }
        }
        Self { axis, first, last }
    }

    /// Where a value lies; none where the axis cannot show it.
    pub fn place(&self, value: f64) -> Option<f64> {
        let place = place(self.axis, value)?;
        // A hair beyond is rounding, the rest is cut off at the end.
        Some(place.clamp(self.first, self.last))
    }

    /// How many ticks suit it at most.
    pub fn ticks(&self, room: usize) -> usize {
        let whole = self.axis.whole || self.axis.logarithmic || !self.axis.names.is_empty();
        if whole {
            room.min((self.last - self.first).floor() as usize + 1)
                .max(2)
        } else {
            room
        }
    }

    /// What stands at a tick.
    pub fn tick(&self, place: f64) -> String {
        let nearest = place.round();
        let between = (place - nearest).abs() > 1e-6;
        if !self.axis.names.is_empty() {
            let index = nearest.max(-1.0) as i64;
            let name = usize::try_from(index)
                .ok()
                .filter(|_| !between)
                .and_then(|index| self.axis.names.get(index));
            // Between the names there is no tick.
            return name.map_or_else(String::new, Clone::clone);
        }
        if self.axis.logarithmic {
            return match (between, nearest as i64) {
                (true, _) => String::new(),
                (_, exponent @ -3..=4) => significant(10f64.powi(exponent as i32), 6),
                (_, exponent) => format!("1e{exponent}"),
            };
        }
        if self.axis.whole && between {
            return String::new();
        }
        // Sums of steps leave a dust that is not 0.
        if place.abs() < 1e-9 * (self.last - self.first) {
            return "0".into();
        }
        significant(place, 6)
    }
}

fn place(axis: &Axis, value: f64) -> Option<f64> {
    let place = match axis.logarithmic {
        true if value <= 0.0 => return None,
        true => value.log10(),
        false => value,
    };
    place.is_finite().then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_holds_its_values_and_starts_at_0_where_they_are_near() {
        let axis = Axis::default();
        let scale = Scale::new(&axis, [1.0, 9.0, f64::NAN].into_iter(), 0.05);
        assert!(scale.first < 1.0 && scale.last > 9.0);
        let scale = Scale::new(&axis, [0.1, 9.0].into_iter(), 0.05);
        assert_eq!(scale.first, 0.0);
        let none = Scale::new(&axis, std::iter::empty(), 0.05);
        assert!(none.first < none.last);
    }

    #[test]
    fn a_logarithmic_axis_has_whole_powers_and_no_0() {
        let axis = Axis {
            logarithmic: true,
            ..Axis::default()
        };
        let scale = Scale::new(&axis, [0.0, 3e-7, 20.0].into_iter(), 0.05);
        assert_eq!((scale.first, scale.last), (-7.0, 2.0));
        assert_eq!(scale.place(0.0), None);
        assert_eq!(
            (scale.tick(-7.0).as_str(), scale.tick(0.0).as_str()),
            ("1e-7", "1")
        );
    }
}
