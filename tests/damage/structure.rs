//! Text, JSON and headers that say something else, but say it well.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::place;

/// Numbers as text that many readers mishandle.
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1",
    "4294967296",
    "9223372036854775807",
    "18446744073709551616",
    "1e308",
    "1e999",
    "-0.0",
    "1e-320",
    "nan",
    "00",
];

/// What stands in names and colours terminals, pretends to be lines, or never ends.
fn names(random: &mut ChaCha8Rng) -> String {
    match random.random_range(0..6) {
        0 => "\u{1b}[31m\u{1b}]0;x\u{7}".into(),
        1 => "a\nerror: fake".into(),
        2 => "\u{202e}\u{2066}\u{9b}31m".into(),
        3 => "x".repeat(100_000),
        4 => "../../../etc/passwd".into(),
        _ => String::new(),
    }
}

/// A value that stands where another one is expected.
fn odd(random: &mut ChaCha8Rng) -> Value {
    match random.random_range(0..16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(0),
        3 => json!(-1),
        4 => json!(1_u64 << 32),
        5 => json!(u64::MAX),
        6 => json!(i64::MIN),
        7 => json!(1e308),
        8 => json!(0.5),
        9 => json!([]),
        10 => json!({}),
        11 => json!("NaN"),
        12 => (0..100).fold(Value::Null, |inner, _| json!([inner])),
        13 => json!(vec![0; 10_000]),
        _ => names(random).into(),
    }
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => fields.values().map(size).sum(),
        _ => 0,
    }
}

/// The value at place `at` of a walk through all.
fn nth<'a>(value: &'a mut Value, at: &mut usize) -> Option<&'a mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, at)),
        Value::Object(fields) => fields.values_mut().find_map(|field| nth(field, at)),
        _ => None,
    }
}

/// One to three places of `value` changed.
fn change(value: &mut Value, random: &mut ChaCha8Rng) {
    for _ in 0..random.random_range(1..4) {
        let all = size(value);
        let lent = nth(value, &mut place(all, random)).cloned();
        let Some(found) = nth(value, &mut place(all, random)) else {
            continue;
        };
        match (random.random_range(0..6), &mut *found) {
            (0, Value::Array(items)) if !items.is_empty() => {
                let at = place(items.len(), random);
                let again = items[at].clone();
                items.insert(at, again);
            }
            (1, Value::Array(items)) if !items.is_empty() => {
                items.remove(place(items.len(), random));
            }
            (0 | 1, Value::Object(fields)) if !fields.is_empty() => {
                let at = place(fields.len(), random);
                let key = fields.keys().nth(at).cloned();
                let taken = key.and_then(|key| fields.remove(&key));
                if random.random() {
                    fields.insert(names(random), taken.unwrap_or_default());
                }
            }
            (0..3, Value::Number(number)) => {
                let near = number.as_f64().unwrap_or(0.0);
                *found = match random.random_range(0..3) {
                    0 => json!(number.as_i64().unwrap_or(0).wrapping_add(1)),
                    1 => json!(number.as_i64().unwrap_or(0).wrapping_neg()),
                    _ => json!(near * 1.5),
                };
            }
            (3, _) => *found = lent.unwrap_or_default(),
            _ => *found = odd(random),
        }
    }
}

pub fn json(text: &str, random: &mut ChaCha8Rng) -> Option<String> {
    if random.random_bool(0.2) {
        return Some(self::text(text, random));
    }
    let mut value = serde_json::from_str(text).ok()?;
    change(&mut value, random);
    Some(value.to_string())
}

/// One line changed, or lines in another order.
pub fn json_lines(all: &str, random: &mut ChaCha8Rng) -> Option<String> {
    let mut lines: Vec<String> = all.lines().map(str::to_owned).collect();
    let at = place(lines.len(), random);
    match random.random_range(0..8) {
        0 => return Some(text(all, random)),
        1 => {
            let other = place(lines.len(), random);
            lines.swap(at, other);
        }
        _ => {
            // The header decides most.
            let at = if random.random_bool(0.3) { 0 } else { at };
            lines[at] = json(&lines[at], random)?;
        }
    }
    Some(lines.join("\n") + "\n")
}

/// Text with other numbers, deep brackets, and lines doubled, left out or changed.
pub fn text(whole: &str, random: &mut ChaCha8Rng) -> String {
    let at = floor(whole, place(whole.len(), random));
    let (before, after) = whole.split_at(at);
    match random.random_range(0..7) {
        // The next number becomes another one.
        0..=2 => {
            let digit = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
            let start = after.find(|c: char| c.is_ascii_digit());
            let start = start.unwrap_or(after.len());
            let rest = after[start..].trim_start_matches(digit);
            let number = NUMBERS[place(NUMBERS.len(), random)];
            format!("{before}{}{number}{rest}", &after[..start])
        }
        3 => {
            let open = ["[", "{\"a\":", "(", "[{", "[["][place(5, random)];
            format!(
                "{before}{}{after}",
                open.repeat(random.random_range(1..4000))
            )
        }
        4 => format!("{before}{}{after}", names(random)),
        5 => {
            let end = after.find('\n').unwrap_or(after.len());
            format!("{before}{}{after}", &after[..end])
        }
        _ => {
            let end = floor(after, place(after.len().min(200), random));
            format!("{before}{}", &after[end..])
        }
    }
}

/// The beginning of the character at `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0)
}

/// Another header, or another description of the network in it, before the same numbers.
pub fn safetensors(bytes: &[u8], random: &mut ChaCha8Rng) -> Option<Vec<u8>> {
    let length = usize::try_from(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?)).ok()?;
    let end = length.checked_add(8)?;
    let (header, numbers) = (bytes.get(8..end)?, bytes.get(end..)?);
    let mut header: Value = serde_json::from_slice(header).ok()?;
    let cards = header
        .get_mut("__metadata__")
        .and_then(Value::as_object_mut);
    let card = cards.and_then(|cards| cards.values_mut().next());
    match card {
        Some(Value::String(text)) if random.random_bool(0.8) => *text = json(text, random)?,
        _ => change(&mut header, random),
    }
    let header = header.to_string().into_bytes();
    let length = (header.len() as u64).to_le_bytes();
    Some([&length[..], &header, numbers].concat())
}

/// A NumPy array whose header says something else.
pub fn npy(bytes: &[u8], random: &mut ChaCha8Rng) -> Option<Vec<u8>> {
    const KINDS: [&str; 6] = ["'<f8'", "'<i8'", "'>i2'", "'|b1'", "'<U9'", "'|O'"];
    let length = u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?);
    let end = 10 + usize::from(length);
    let header = std::str::from_utf8(bytes.get(10..end)?).ok()?;
    let mut header = match random.random_range(0..4) {
        0 => header.replace("'|u1'", KINDS[place(KINDS.len(), random)]),
        1 => header.replace("False", ["True", "None", "1"][place(3, random)]),
        _ => text(header, random),
    };
    header.truncate(floor(&header, 60_000.min(header.len())));
    let length = u16::try_from(header.len()).ok()?.to_le_bytes();
    Some([&bytes[..8], &length, header.as_bytes(), bytes.get(end..)?].concat())
}
