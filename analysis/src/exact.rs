//! Exact integers of any size: ratios, logarithms and uniform draws without overflow.

use num_bigint::BigUint;
use num_traits::{ToPrimitive, Zero};
use rand::Rng;

/// `numerator / denominator` to the last bit or so, for integers of any size; `None` over zero.
pub(crate) fn ratio(numerator: &BigUint, denominator: &BigUint) -> Option<f64> {
    if denominator.is_zero() {
        return None;
    }
    if numerator.is_zero() {
        return Some(0.0);
    }
    // A quotient of at least 64 bits, so truncation is below the last bit of an f64.
    let shift = denominator.bits() as i64 - numerator.bits() as i64 + 65;
    let quotient = if shift >= 0 {
        (numerator << shift as u64) / denominator
    } else {
        numerator / (denominator << shift.unsigned_abs())
    };
    Some(scale(quotient.to_f64()?, -shift))
}

/// Base-10 logarithm; minus infinity for zero.
pub(crate) fn log10(value: &BigUint) -> f64 {
    let shift = value.bits().saturating_sub(64);
    let leading = (value >> shift).to_f64().unwrap_or(f64::NAN);
    leading.log10() + shift as f64 * std::f64::consts::LOG10_2
}

/// A uniform integer below `bound`; zero where `bound` is zero.
pub(crate) fn random_below<R: Rng + ?Sized>(bound: &BigUint, random: &mut R) -> BigUint {
    if bound.is_zero() {
        return BigUint::ZERO;
    }
    let bits = (bound - 1u32).bits();
    let mut words = vec![0u32; bits.div_ceil(32) as usize];
    loop {
        words.fill_with(|| random.next_u32());
        if let (Some(last), spare @ 1..) = (words.last_mut(), bits % 32) {
            *last &= (1 << spare) - 1;
        }
        let draw = BigUint::from_slice(&words);
        // Fewer than two draws on average: `bits` is the least number that can hold the bound.
        if &draw < bound {
            return draw;
        }
    }
}

/// `value * 2^exponent` in steps that neither overflow nor underflow early.
fn scale(mut value: f64, mut exponent: i64) -> f64 {
    while exponent != 0 && value != 0.0 && value.is_finite() {
        let step = exponent.clamp(-900, 900);
        value *= 2f64.powi(step as i32);
        exponent -= step;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ratio_and_logarithm_of_ordinary_numbers(a in 1u64..1 << 50, b in 1u64..1 << 50, power in 0u64..3_000) {
            let (big_a, big_b) = (BigUint::from(a) << power, BigUint::from(b) << power);
            let want = a as f64 / b as f64;
            prop_assert!((ratio(&big_a, &big_b).unwrap() / want - 1.0).abs() < 4e-16);
            let want = (a as f64).log10() + power as f64 * 2f64.log10();
            prop_assert!((log10(&big_a) - want).abs() < 1e-12 * (1.0 + want));
        }
    }

    #[test]
    fn ratios_at_the_edge() {
        let huge = BigUint::from(3u32) << 20_000u32;
        let larger = BigUint::from(4u32) << 20_000u32;
        assert_eq!(ratio(&huge, &larger), Some(0.75));
        assert_eq!(ratio(&BigUint::ZERO, &huge), Some(0.0));
        assert_eq!(ratio(&huge, &BigUint::ZERO), None);
        assert_eq!(ratio(&BigUint::from(1u32), &huge), Some(0.0));
    }

    #[test]
    fn draws_are_uniform() {
        let mut random = Seed(1).stream("test", 0);
        let mut counts = [0u32; 5];
        for _ in 0..50_000 {
            let draw = random_below(&BigUint::from(5u32), &mut random);
            counts[draw.to_usize().unwrap()] += 1;
        }
        // Chi-square with 4 degrees of freedom: 23.5 is its 0.9999 quantile.
        let terms = counts.map(|c| (f64::from(c) - 1e4).powi(2) / 1e4);
        let square: f64 = terms.iter().sum();
        assert!(square < 23.5, "{counts:?}");
        assert!(random_below(&BigUint::from(1u32), &mut random).is_zero());
    }
}
