//! Numbers as people read them.

use pathscope_analysis::Interval;

/// `7.28 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    let value = 100.0 * share;
    let size = value.abs();
    if size == 0.0 {
        "0 %".into()
    } else if size >= 0.01 {
        format!("{} %", significant(value, 3))
    } else {
        format!("{value:.1e} %")
    }
}

/// `7.28 % (74 of 1,017)`.
#[must_use]
pub fn rate(errors: usize, examples: usize) -> String {
    format!(
        "{} ({} of {})",
        percent(errors as f64 / examples.max(1) as f64),
        thousands(errors as u64),
        thousands(examples as u64)
    )
}

/// `5.8 % to 9.0 %`.
#[must_use]
pub fn percent_interval(interval: Interval) -> String {
    format!("{} to {}", percent(interval.lower), percent(interval.upper))
}

/// `1,017`.
#[must_use]
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
#[must_use]
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
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A p-value: `0.03`, `< 0.0001`.
#[must_use]
pub fn p_value(p: f64) -> String {
    if p < 1e-4 {
        "< 0.0001".into()
    } else {
        significant(p, 2)
    }
}

/// `one block`, `3 blocks`.
#[must_use]
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
    }
}
