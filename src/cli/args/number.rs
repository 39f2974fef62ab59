//! Numbers as people write them.

use std::str::FromStr;
use std::time::Duration;

/// `500M`, `2G`, `65536`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim_end_matches(['B', 'b']).trim_end_matches('i');
    let (number, unit) = match text.char_indices().last() {
        Some((end, 'k' | 'K')) => (&text[..end], 1 << 10),
        Some((end, 'm' | 'M')) => (&text[..end], 1 << 20),
        Some((end, 'g' | 'G')) => (&text[..end], 1 << 30),
        _ => (text, 1),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "give a size such as 500M or 2G".to_owned())?;
    number
        .checked_mul(unit)
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| "out of range".to_owned())
}

/// A number that `holds`; where there is none, `advice` says what to give.
fn number<T: FromStr>(
    text: &str,
    holds: impl FnOnce(&T) -> bool,
    advice: &str,
) -> Result<T, String> {
    let number = text.parse().ok().filter(holds);
    number.ok_or_else(|| advice.to_owned())
}

/// A share strictly between 0 and 1.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let holds = |share: &f64| *share > 0.0 && *share < 1.0;
    number(text, holds, "give a share between 0 and 1, such as 0.95")
}

/// A share from 0 to 1, both included.
pub(crate) fn tolerance(text: &str) -> Result<f64, String> {
    let holds = |share: &f64| (0.0..=1.0).contains(share);
    number(text, holds, "give a share from 0 to 1, such as 0.2")
}

/// A count of at least 1.
pub(crate) fn positive(text: &str) -> Result<usize, String> {
    number(
        text,
        |&count| count > 0,
        "give a whole number of at least 1",
    )
}

/// The width of an interval, in percentage points.
pub(crate) fn points(text: &str) -> Result<f64, String> {
    let text = text.trim_end_matches('%').trim();
    let holds = |width: &f64| *width > 0.0 && *width <= 200.0;
    number(text, holds, "give a number of percentage points, such as 4")
}

/// A difference of error rates, in percentage points: `1pt`, `+0.5pt`, `2`.
pub(crate) fn margin(text: &str) -> Result<f64, String> {
    let text = text.trim_start_matches('+').trim_end_matches("pt").trim();
    let holds = |points: &f64| *points > 0.0 && *points < 100.0;
    number(
        text,
        holds,
        "give a number of percentage points above 0, such as 1pt",
    )
}

/// `90s`, `10m`, `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let refused = || "give a time such as 90s, 10m or 1h30m".to_owned();
    let mut seconds: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .find(|letter: char| !letter.is_ascii_digit())
            .ok_or_else(refused)?;
        let (number, unit) = rest.split_at(end);
        let number: u64 = number.parse().map_err(|_| refused())?;
        let (unit, after) = unit.split_at_checked(1).ok_or_else(refused)?;
        let each = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(refused()),
        };
        let more = number.checked_mul(each).ok_or_else(refused)?;
        seconds = seconds.checked_add(more).ok_or_else(refused)?;
        rest = after;
    }
    match seconds {
        0 => Err(refused()),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

/// Seeds of several runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seeds(pub Vec<u64>);

/// Most seeds in a list.
const MOST_SEEDS: usize = 1_000;

/// `1-5`, `3`, `1,3,7-9`.
pub(crate) fn seeds(text: &str) -> Result<Seeds, String> {
    let refuse = || "give different seeds, such as 1-5 or 1,3".to_owned();
    let mut seeds = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let [first, last] = [first, last].map(|end| end.trim().parse::<u64>());
        let range = first.map_err(|_| refuse())?..=last.map_err(|_| refuse())?;
        seeds.extend(range.take(MOST_SEEDS + 1));
        if seeds.len() > MOST_SEEDS {
            return Err(format!("{MOST_SEEDS} seeds are the most"));
        }
    }
    let mut different = seeds.clone();
    different.sort_unstable();
    different.dedup();
    match seeds.is_empty() || different.len() < seeds.len() {
        true => Err(refuse()),
        false => Ok(Seeds(seeds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_as_people_write_them() {
        assert_eq!(margin("1pt"), Ok(1.0));
        assert_eq!(margin("+0.5 pt"), Ok(0.5));
        assert_eq!(margin("2"), Ok(2.0));
        for text in ["0pt", "-1pt", "100pt", "NaN", "pt", ""] {
            assert!(margin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_as_people_write_them() {
        let seconds = |text| duration(text).map(|found| found.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("1h30m"), Ok(5_400));
        for text in [
            "",
            "10",
            "m",
            "10d",
            "-1s",
            "0s",
            "1.5m",
            "99999999999999999999s",
            "5é",
        ] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn seeds_as_people_write_them() {
        assert_eq!(seeds("1-5"), Ok(Seeds(vec![1, 2, 3, 4, 5])));
        assert_eq!(seeds("3,1, 7-8"), Ok(Seeds(vec![3, 1, 7, 8])));
        assert_eq!(seeds("18446744073709551615").unwrap().0, [u64::MAX]);
        for text in [
            "",
            "5-1",
            "1,1",
            "2,1-3",
            "a",
            "-1",
            "1-",
            "0-18446744073709551615",
        ] {
            assert!(seeds(text).is_err(), "{text}");
        }
    }
}
