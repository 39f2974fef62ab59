//! Numbers as people read them.

use num_bigint::BigUint;
use pathscope_analysis::Interval;

/// `7.28 %`.
pub fn percent(share: f64) -> String {
    let value = 100.0 * share;
    match value.abs() {
        0.0 => "0 %".into(),
        0.01.. => format!("{} %", significant(value, 3)),
        _ => format!("{value:.1e} %"),
    }
}

/// `7.28 % (74 of 1,017)`.
pub fn rate(errors: usize, examples: usize) -> String {
    format!(
        "{} ({} of {})",
        percent(errors as f64 / examples.max(1) as f64),
        thousands(errors as u64),
        thousands(examples as u64)
    )
}

/// `A to B`: both ends of an interval, each as `end` writes it.
pub fn span(interval: Interval, end: impl Fn(f64) -> String) -> String {
    format!("{} to {}", end(interval.lower), end(interval.upper))
}

/// Both ends of an interval times a factor.
pub fn scaled(interval: Interval, factor: f64) -> Interval {
    Interval {
        lower: factor * interval.lower,
        upper: factor * interval.upper,
    }
}

/// `5.8 % to 9.0 %`.
pub fn percent_interval(interval: Interval) -> String {
    span(interval, percent)
}

/// `0.38 to 0.42`: both ends with so many significant digits.
pub fn significant_interval(interval: Interval, digits: usize) -> String {
    span(interval, |end| significant(end, digits))
}

/// `1,017`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with so many significant digits, without an exponent where that reads well.
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let magnitude = value.abs().log10().floor();
    if !(-4.0..9.0).contains(&magnitude) {
        return format!("{value:.*e}", digits.saturating_sub(1));
    }
    let decimals = (digits as f64 - 1.0 - magnitude).max(0.0) as usize;
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// The same with the sign of a positive one.
pub fn signed(value: f64, digits: usize) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    format!("{sign}{}", significant(value, digits))
}

/// A p-value: `0.03`, `< 0.0001`.
pub fn p_value(p: f64) -> String {
    if p < 1e-4 {
        "< 0.0001".into()
    } else {
        significant(p, 2)
    }
}

/// Per cent with two decimals, as columns of tables hold it: `7.28`.
pub fn hundredths(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}

/// A difference in percentage points with its sign: `+1.25`; 0 has none.
pub fn points(points: f64) -> String {
    let text = format!("{points:+.2}");
    match text.as_str() {
        "+0.00" | "-0.00" => "0.00".into(),
        _ => text,
    }
}

/// A decimal number of any size: digits up to six of them, beyond that a power where it is one of a
/// small number (`2^54`), or else the power of ten (`10^16.26`).
pub fn large(digits: &str) -> String {
    let Ok(number) = digits.parse::<BigUint>() else {
        return digits.to_owned();
    };
    match u64::try_from(&number) {
        Ok(small) if small < 1_000_000 => return thousands(small),
        _ => {}
    }
    let exact = (2..=16_u32).find_map(|base| {
        let exponent = (number.bits() as f64 / f64::from(base).log2()).round() as u32;
        [exponent.saturating_sub(1), exponent]
            .into_iter()
            .find(|&exponent| BigUint::from(base).pow(exponent) == number)
            .map(|exponent| format!("{base}^{exponent}"))
    });
    exact.unwrap_or_else(|| {
        // The highest 64 bits decide the first decimals of the logarithm.
        let shift = number.bits().saturating_sub(64);
        let leading = (number >> shift)
            .iter_u64_digits()
            .next()
            .map(|top| top as f64);
        let log10 = leading.map(|top| top.log10() + shift as f64 * std::f64::consts::LOG10_2);
        log10.map_or_else(|| digits.to_owned(), |log10| format!("10^{log10:.2}"))
    })
}

/// `one block`, `3 blocks`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{} {many}", thousands(number as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!(rate(74, 1_017), "7.28 % (74 of 1,017)");
        assert_eq!(rate(0, 10), "0 % (0 of 10)");
        assert_eq!(percent(0.00454), "0.454 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(1.5e-9), "1.5e-7 %");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(significant(123_456.0, 3), "123456");
        assert_eq!(significant(0.012_345, 3), "0.0123");
        assert_eq!(significant(-2.5e-9, 2), "-2.5e-9");
        assert_eq!(p_value(1e-9), "< 0.0001");
        assert_eq!(
            (points(1.25), points(-0.001)),
            ("+1.25".into(), "0.00".into())
        );
        assert_eq!(hundredths(0.0728), "7.28");
    }

    #[test]
    fn large_counts_are_powers() {
        assert_eq!(large("512"), "512");
        assert_eq!(large("134217728"), "2^27");
        assert_eq!(large("18014398509481984"), "2^54");
        assert_eq!(large("7625597484987"), "3^27");
        assert_eq!(large("18014398509481985"), "10^16.26");
        assert_eq!(large(&format!("1{}", "0".repeat(40))), "10^40");
    }
}
