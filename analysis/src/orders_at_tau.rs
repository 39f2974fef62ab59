//! Orders at a given Kendall tau, drawn uniformly through their inversion tables.

use num_bigint::BigUint;
use num_traits::{One, Zero};
use rand::Rng;

use crate::exact::random_below;
use crate::permutation::{BlockOrder, OrderSpace, PermutationError};

/// All orders with a number of inversions in a band, drawn uniformly and exactly.
///
/// An order of `m` blocks is a list of digits `e_i` in `0..=i`, its inversion table; the inversions
/// are their sum. Orders with a given sum are counted by the Mahonian numbers, so digits can be
/// drawn one by one, each with its exact share: nothing is rejected, nothing is approximate.
#[derive(Clone, Debug)]
pub struct OrdersAtTau {
    space: OrderSpace,
    /// Greatest value of each digit.
    bounds: Vec<usize>,
    /// `counts[j][s]`: ways in which the first `j` digits sum to `s`.
    counts: Vec<Vec<BigUint>>,
    /// Sums in the band, as counted in `counts`.
    band: std::ops::RangeInclusive<usize>,
    /// Whether digits stand for their complement, which halves the table beyond the middle.
    reflected: bool,
}

impl OrdersAtTau {
    pub(crate) fn new(
        space: &OrderSpace,
        first: usize,
        last: usize,
    ) -> Result<Self, PermutationError> {
        const MEMORY: usize = 1 << 30;
        let bounds: Vec<usize> = space
            .places
            .iter()
            .flat_map(|class| 1..class.len())
            .collect();
        let movable = space.movable_pairs();
        let reflected = first > movable - last;
        let (first, last) = if reflected {
            (movable - last, movable - first)
        } else {
            (first, last)
        };
        // Bytes of the number of all orders, from above: m! is at most m^m.
        let bits = |class: &Vec<usize>| class.len() as f64 * (class.len() as f64).log2();
        let bytes_each = (space.places.iter().map(bits).sum::<f64>() / 8.0) as usize + 32;
        let bytes = bounds
            .len()
            .saturating_mul(last + 1)
            .saturating_mul(bytes_each);
        if bytes > MEMORY {
            return Err(PermutationError::TooLarge {
                blocks: space.blocks,
                inversions: last,
                bytes,
            });
        }
        let mut row = vec![BigUint::zero(); last + 1];
        if let Some(none) = row.first_mut() {
            *none = BigUint::one();
        }
        let mut counts = vec![row];
        for &bound in &bounds {
            let mut window = BigUint::zero();
            let next = counts.last().map_or(&[][..], Vec::as_slice);
            let next = next.iter().enumerate().map(|(sum, entering)| {
                window += entering;
                if let Some(leaving) = sum.checked_sub(bound + 1).and_then(|s| next.get(s)) {
                    window -= leaving;
                }
                window.clone()
            });
            let next = next.collect();
            counts.push(next);
        }
        Ok(Self {
            space: space.clone(),
            bounds,
            counts,
            band: first..=last,
            reflected,
        })
    }

    /// Number of these orders.
    pub fn count(&self) -> BigUint {
        let ways = self
            .counts
            .last()
            .and_then(|row| row.get(self.band.clone()));
        ways.map_or(BigUint::ZERO, |ways| ways.iter().sum())
    }

    /// One of these orders, each equally likely.
    pub fn sample<R: Rng + ?Sized>(&self, random: &mut R) -> BlockOrder {
        let ways = self.counts.last().map_or(&[][..], Vec::as_slice);
        let in_band = self.band.clone().map(|sum| (sum, ways.get(sum)));
        let mut rest = draw(&self.count(), in_band, random);
        let mut digits = vec![0; self.bounds.len()];
        // `counts` starts with the empty sum, so row `j` holds what remains for the digits before.
        for ((digit, &bound), before) in digits.iter_mut().zip(&self.bounds).zip(&self.counts).rev()
        {
            let values = (0..=bound.min(rest)).map(|value| (value, before.get(rest - value)));
            let total = values.clone().filter_map(|(_, ways)| ways).sum();
            let value = draw(&total, values, random);
            rest -= value;
            *digit = if self.reflected { bound - value } else { value };
        }
        let mut digits = digits.into_iter();
        self.space.arrange(|class| {
            let mut built: Vec<usize> = Vec::with_capacity(class.len());
            // Later blocks that pass `digit` earlier ones make exactly `digit` inversions.
            let digits = std::iter::once(0).chain(&mut digits);
            for ((index, &block), digit) in class.iter().enumerate().zip(digits) {
                built.insert(index.saturating_sub(digit), block);
            }
            class.copy_from_slice(&built);
        })
    }
}

/// A value drawn with its weight.
fn draw<'a, R: Rng + ?Sized>(
    total: &BigUint,
    values: impl Iterator<Item = (usize, Option<&'a BigUint>)>,
    random: &mut R,
) -> usize {
    let mut point = random_below(total, random);
    let mut last = 0;
    for (value, ways) in values {
        let Some(ways) = ways else { continue };
        if point < *ways {
            return value;
        }
        point -= ways;
        last = value;
    }
    last
}
