//! How wide words are. No font of the system is measured, so drawings are the same everywhere.

/// Advance widths of the letters from U+0020 to U+007E in DejaVu Sans, in hundredths of the size.
/// It is wider than Arial, Helvetica and Liberation Sans, so what fits in it fits in them.
const WIDTHS: [u8; 95] = [
    32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 34, 34, 84, 84, 84, 54, 100, 69, 69, 70, 77, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75,
    79, 61, 79, 70, 64, 62, 74, 69, 99, 69, 62, 69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36,
    64, 64, 28, 28, 58, 28, 98, 64, 62, 64, 64, 42, 53, 40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84,
];

/// Any other letter.
const OTHER: f64 = 84.0;

/// Size of a superscript, as a part of that of the words around it: 6 points where these have 8.
pub(super) const SUPERSCRIPT: f64 = 0.75;

/// Words, and the superscript that `^{...}` at their end stands for.
pub(super) fn superscript(text: &str) -> (&str, Option<&str>) {
    match text.split_once("^{") {
        Some((words, rest)) => (words, rest.strip_suffix('}')),
        None => (text, None),
    }
}

/// How wide words of `size` are at most.
pub(crate) fn width_of(text: &str, size: f64) -> f64 {
    let wide = |text: &str| text.chars().map(letter).sum::<f64>() / 100.0;
    let (words, raised) = superscript(text);
    size * (wide(words) + raised.map_or(0.0, |raised| SUPERSCRIPT * wide(raised)))
}

fn letter(letter: char) -> f64 {
    let index = u32::from(letter)
        .checked_sub(32)
        .map(|index| index as usize);
    let known = index.and_then(|index| WIDTHS.get(index));
    known.map_or(OTHER, |&width| f64::from(width))
}

/// Lines of at most `width`, where single words are not wider.
pub(super) fn wrap(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width_of(line, size) + width_of(word, size) + 0.32 * size <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `text`, or as much of it as fits into `width`, with an ellipsis.
pub(super) fn shorten(text: &str, size: f64, width: f64) -> String {
    if width_of(text, size) <= width {
        return text.to_owned();
    }
    let mut short = text.to_owned();
    while short.pop().is_some() {
        let whole = format!("{}\u{2026}", short.trim_end());
        if width_of(&whole, size) <= width {
            return whole;
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_shortened_by_their_width() {
        assert!(width_of("WWW", 10.0) > width_of("iii", 10.0));
        assert!(width_of("10^{-14}", 10.0) < width_of("10-14", 10.0));
        let lines = wrap("one two three", 10.0, 50.0);
        assert_eq!(lines, ["one two", "three"]);
        assert_eq!(shorten("layer1", 10.0, 100.0), "layer1");
        assert_eq!(shorten("layer1", 10.0, 30.0), "laye\u{2026}");
        assert_eq!(shorten("layer1", 10.0, 3.0), "");
    }
}
