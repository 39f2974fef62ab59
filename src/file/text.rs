use std::borrow::Cow;

/// A text from a file as one line of a message: line breaks, control characters and characters that
/// change the direction of writing are escaped, so that a name can neither colour a terminal nor
/// pretend to be another line.
///
/// ```
/// assert_eq!(pathscope_file::printable("layer1.0"), "layer1.0");
/// assert_eq!(pathscope_file::printable("a\nerror: \u{1b}[31m"), r"a\nerror: \u{1b}[31m");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_unsafe(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// At most 80 characters of a text from a file, [`printable`].
pub fn shortened(text: &str) -> String {
    const LIMIT: usize = 80;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}...", printable(&text[..end])),
        None => printable(text).into_owned(),
    }
}

/// A message as one [`printable`] line of at most 400 characters: what it quotes from a file is not
/// bounded otherwise.
pub fn sentence(message: &impl ToString) -> String {
    const LIMIT: usize = 400;
    let message = message.to_string();
    let mut shown: String = printable(&message).into_owned();
    if let Some((end, _)) = shown.char_indices().nth(LIMIT) {
        shown.truncate(end);
        shown.push_str("...");
    }
    shown
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Separators of lines and paragraphs; marks, embeddings, overrides and isolates of
            // direction.
            '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}'
                | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::{printable, shortened};

    #[test]
    fn nothing_that_moves_the_cursor_or_turns_the_text_remains() {
        for (raw, shown) in [
            ("a\rb", r"a\rb"),
            ("\u{7}\u{8}", r"\u{7}\u{8}"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("abc\u{202e}fdp", r"abc\u{202e}fdp"),
            ("\u{2066}x\u{2069}", r"\u{2066}x\u{2069}"),
            ("größe 层", "größe 层"),
        ] {
            assert_eq!(printable(raw), shown);
        }
        assert_eq!(shortened(&"x".repeat(5_000)).len(), 83);
        assert_eq!(shortened(&"é".repeat(80)), "é".repeat(80));
    }
}
