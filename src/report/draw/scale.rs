//! From the values of an axis to places along it, and its ticks.

use crate::picture::Axis;
use crate::quantity::significant;

/// An axis with its ends decided.
#[derive(Clone, Debug)]
pub(super) struct Scale<'a> {
    axis: &'a Axis,
    /// Ends, as places: logarithms where the axis is logarithmic.
    pub first: f64,
    pub last: f64,
}

/// A mark along an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// Share of the axis before it.
    pub share: f64,
    /// What stands at it; minor ticks have no words.
    pub label: Option<String>,
}

/// Narrower logarithmic axes than this, in powers of ten, label values between the powers.
const FEW_DECADES: f64 = 1.7;

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
        if last - first < 1e-9 * last.abs().max(1e-9) {
            let room = if first == 0.0 { 1.0 } else { 0.1 * first.abs() };
            // What starts at 0 keeps starting there.
            last += room;
            if first != 0.0 {
                first -= room;
            }
        }
        let room = padding * (last - first);
        last += room;
        // Nothing that is never negative shows a stretch below 0.
        if axis.logarithmic || first < 0.0 || axis.whole || first > room {
            first -= room;
        } else {
            first = 0.0;
        }
        Self { axis, first, last }
    }

    /// The share of the axis before a value; none where the axis cannot show it.
    pub fn share(&self, value: f64) -> Option<f64> {
        // What lies beyond is cut off at the end.
        Some(self.share_of(place(self.axis, value)?).clamp(0.0, 1.0))
    }

    fn share_of(&self, place: f64) -> f64 {
        (place - self.first) / (self.last - self.first)
    }

    /// Ticks for an axis of `length`, with at most `most` labels that keep `gap` between them;
    /// `extent` is how much of the axis a label takes.
    pub fn ticks(
        &self,
        length: f64,
        gap: f64,
        extent: &dyn Fn(&str) -> f64,
        most: usize,
    ) -> Vec<Tick> {
        let fits = |ticks: &[Tick]| {
            let ends = ticks.iter().filter_map(|tick| {
                let half = extent(tick.label.as_deref()?) / 2.0;
                Some((length * tick.share - half, length * tick.share + half))
            });
            let ends: Vec<(f64, f64)> = ends.collect();
            let enough = ends.len() <= most || !self.axis.ticks.is_empty();
            enough
                && ends
                    .windows(2)
                    .all(|pair| matches!(pair, [a, b] if b.0 - a.1 >= gap))
        };
        let mut choices = self.choices(length, gap);
        let chosen = choices.iter().position(|choice| fits(choice));
        match chosen {
            Some(index) => choices.swap_remove(index),
            None => choices.pop().unwrap_or_default(),
        }
    }

    /// Sets of ticks, from many labels to few.
    fn choices(&self, length: f64, gap: f64) -> Vec<Vec<Tick>> {
        if !self.axis.ticks.is_empty() {
            return self.given();
        }
        if self.axis.logarithmic {
            return match self.last - self.first < FEW_DECADES {
                true => self.between_powers(),
                false => self.powers(),
            };
        }
        // A finer step than one label for its gap is out of the question.
        let least = (self.last - self.first) * gap / length.max(1.0);
        let whole = self.axis.whole || !self.axis.names.is_empty();
        steps(least)
            .filter(|step| !whole || *step >= 1.0)
            .take(16)
            .map(|step| self.linear(step))
            .collect()
    }

    fn tick(&self, place: f64, label: Option<String>) -> Option<Tick> {
        let share = self.share_of(place);
        (-1e-9..=1.0 + 1e-9)
            .contains(&share)
            .then_some(Tick { share, label })
    }

    fn linear(&self, step: f64) -> Vec<Tick> {
        let decimals = (-(step * 1.000_001).log10().floor()).max(0.0) as usize;
        let (first, last) = ((self.first / step).ceil(), (self.last / step).floor());
        let count = (last - first).clamp(-1.0, 1_000.0) as i64;
        let places = (0..=count).map(|index| (first + index as f64) * step);
        places
            .filter_map(|place| {
                let label = match self.axis.names.len() {
                    0 if decimals > 6 => signed(significant(place, 3)),
                    // Not a negative 0.
                    0 => signed(format!("{:.decimals$}", place + 0.0)),
                    _ => self.name(place)?,
                };
                self.tick(place, Some(label))
            })
            .collect()
    }

    fn name(&self, place: f64) -> Option<String> {
        let index = place.round();
        (index >= 0.0).then(|| self.axis.names.get(index as usize).cloned())?
    }

    /// The values that the axis names, every one, every second one, and so on.
    fn given(&self) -> Vec<Vec<Tick>> {
        let of = |every: usize| {
            let values = self.axis.ticks.iter().enumerate();
            values
                .filter_map(|(index, &value)| {
                    let label = (index % every == 0).then(|| signed(format!("{value}")));
                    self.tick(place(self.axis, value)?, label)
                })
                .collect()
        };
        (1..=self.axis.ticks.len()).map(of).collect()
    }

    /// Powers of ten, with minor ticks between them.
    fn powers(&self) -> Vec<Vec<Tick>> {
        let (first, last) = (self.first.ceil() as i32, self.last.floor() as i32);
        let plain = first >= -3 && last <= 4;
        let label = |exponent: i32| match exponent {
            0 if plain => "1".to_owned(),
            _ if !plain => format!("10^{{{}}}", signed(exponent.to_string())),
            1.. => 10_i64.pow(exponent.unsigned_abs()).to_string(),
            _ => format!(
                "{:.*}",
                exponent.unsigned_abs() as usize,
                10f64.powi(exponent)
            ),
        };
        let of = |every: i32| {
            let mut ticks = Vec::new();
            for exponent in first - 1..=last {
                let whole = exponent.rem_euclid(every) == 0;
                let words = whole.then(|| label(exponent));
                ticks.extend(self.tick(f64::from(exponent), words));
                if every == 1 {
                    let minor = (2..10).map(|digit| f64::from(exponent) + f64::from(digit).log10());
                    ticks.extend(minor.filter_map(|place| self.tick(place, None)));
                }
            }
            ticks
        };
        [1, 2, 3, 5, 10, 20, 50, 100].map(of).into()
    }

    /// Whole multiples of powers of ten on an axis that holds hardly two of them.
    fn between_powers(&self) -> Vec<Vec<Tick>> {
        let of = |labelled: &[u32]| {
            let mut ticks = Vec::new();
            for exponent in self.first.floor() as i32..=self.last.ceil() as i32 {
                for digit in 1..10_u32 {
                    let decimals = (-exponent).max(0) as usize;
                    let value = f64::from(digit) * 10f64.powi(exponent);
                    let label = labelled
                        .contains(&digit)
                        .then(|| format!("{value:.decimals$}"));
                    let place = f64::from(exponent) + f64::from(digit).log10();
                    ticks.extend(self.tick(place, label));
                }
            }
            ticks
        };
        let digits: [&[u32]; 5] = [
            &[1, 2, 3, 4, 5, 6, 7, 8, 9],
            &[1, 2, 3, 4, 6, 8],
            &[1, 2, 3, 5],
            &[1, 2, 5],
            &[1],
        ];
        digits.into_iter().map(of).collect()
    }
}

/// 1, 2 and 5 times powers of ten, from `least` on.
fn steps(least: f64) -> impl Iterator<Item = f64> {
    let exponent = least.max(1e-300).log10().floor() as i32;
    (exponent..=308)
        .flat_map(|exponent| [1.0, 2.0, 5.0].map(|digit| (digit, exponent)))
        .map(|(digit, exponent)| match exponent {
            // Powers of negative exponents are not exact.
            ..0 => digit / 10f64.powi(-exponent),
            _ => digit * 10f64.powi(exponent),
        })
        .filter(move |step| *step >= least)
}

/// A number with a minus sign in place of the hyphen.
fn signed(number: String) -> String {
    number.replace('-', "\u{2212}")
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

    fn labels(scale: &Scale<'_>, length: f64) -> Vec<String> {
        let ticks = scale.ticks(length, 10.0, &|label| 6.0 * label.len() as f64, 12);
        ticks.into_iter().filter_map(|tick| tick.label).collect()
    }

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
    fn labels_are_as_dense_as_there_is_room() {
        let axis = Axis {
            whole: true,
            ..Axis::default()
        };
        let scale = Scale::new(&axis, [0.0, 20.0].into_iter(), 0.0);
        assert_eq!(labels(&scale, 200.0), ["0", "5", "10", "15", "20"]);
        assert_eq!(labels(&scale, 60.0), ["0", "10", "20"]);
        let scale = Scale::new(&axis, [0.0, 2.0].into_iter(), 0.0);
        assert_eq!(labels(&scale, 900.0), ["0", "1", "2"]);
        let axis = Axis::default();
        let scale = Scale::new(&axis, [-0.1, 0.2].into_iter(), 0.0);
        let expected = ["\u{2212}0.1", "0.0", "0.1", "0.2"];
        assert_eq!(labels(&scale, 150.0), expected);
    }

    #[test]
    fn a_logarithmic_axis_labels_powers_or_what_lies_between_them() {
        let axis = Axis {
            logarithmic: true,
            ..Axis::default()
        };
        let scale = Scale::new(&axis, [0.0, 3e-7, 20.0].into_iter(), 0.05);
        assert_eq!(scale.share(0.0), None);
        let powers = labels(&scale, 400.0);
        assert!(powers.contains(&"10^{\u{2212}6}".to_owned()), "{powers:?}");
        let scale = Scale::new(&axis, [3.0, 24.0].into_iter(), 0.05);
        assert_eq!(labels(&scale, 100.0), ["3", "5", "10", "20"]);
        let axis = Axis {
            logarithmic: true,
            ticks: vec![1.0, 2.0, 4.0],
            ..Axis::default()
        };
        let scale = Scale::new(&axis, [1.0, 4.0].into_iter(), 0.05);
        assert_eq!(labels(&scale, 100.0), ["1", "2", "4"]);
    }
}
