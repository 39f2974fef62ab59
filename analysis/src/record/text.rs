use serde_json::Value;

/// Whether a line may hold a text with a character that [`is_unsafe`]: control characters stand in
/// JSON as escapes only, the others as themselves or as escapes.
pub(super) fn may_be_unsafe(line: &[u8]) -> bool {
    let escape = line.contains(&b'\\');
    escape || std::str::from_utf8(line).is_ok_and(|text| text.chars().any(is_unsafe))
}

/// Escapes every text in `value`, so that none can break a line, colour a terminal or change the
/// direction of writing, whoever wrote the file.
pub(super) fn escape(value: &mut Value) {
    match value {
        Value::String(text) => {
            if text.chars().any(is_unsafe) {
                *text = text.chars().map(shown).collect();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(escape),
        Value::Object(fields) => fields.values_mut().for_each(escape),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A message as one line of at most 300 characters: what it quotes from a file may have any length.
pub(super) fn sentence(message: &str) -> String {
    const LIMIT: usize = 300;
    let mut sentence: String = message.chars().take(LIMIT).map(shown).collect();
    if message.chars().nth(LIMIT).is_some() {
        sentence.push_str("...");
    }
    sentence
}

fn shown(character: char) -> String {
    match is_unsafe(character) {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    }
}

/// Line breaks and other control characters, and marks that turn the direction of writing.
fn is_unsafe(character: char) -> bool {
    let turns = |character| {
        matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
    };
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') || turns(character)
}
