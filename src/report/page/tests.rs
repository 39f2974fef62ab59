use std::collections::HashSet;

use super::*;
use crate::test_support;

fn run() -> Run {
    Run {
        journals: vec![
            test_support::lesions(),
            test_support::reorderings(),
            test_support::spectrum(),
        ],
        ..Run::default()
    }
}

fn all<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    let parts = text.split(before).skip(1);
    parts.filter_map(|part| part.split(after).next()).collect()
}

#[test]
fn the_page_is_whole_and_loads_nothing() {
    let text = page(&run(), 0.95).unwrap();
    for reference in all(&text, "href=\"", "\"") {
        let id = reference
            .strip_prefix('#')
            .unwrap_or_else(|| panic!("{reference}"));
        assert!(
            text.contains(&format!("id=\"{id}\"")),
            "{reference} leads nowhere"
        );
    }
    for outside in [
        "src=", "url(", "@import", "https://", "<link", "<iframe", "<img",
    ] {
        assert!(!text.contains(outside), "{outside} loads something");
    }
    assert_eq!(text, page(&run(), 0.95).unwrap());
    assert!(text.len() < 5 << 20);
}

#[test]
fn names_of_parts_are_unique() {
    let text = page(&run(), 0.95).unwrap();
    let ids = all(&text, " id=\"", "\"");
    let distinct: HashSet<&&str> = ids.iter().collect();
    assert!(ids.len() > 10);
    assert_eq!(ids.len(), distinct.len(), "{ids:?}");
}

#[test]
fn every_picture_has_words() {
    let text = page(&run(), 0.95).unwrap();
    let pictures = all(&text, "<svg", "</svg>");
    assert_eq!(pictures.len(), 1 + 3 + 3 + 3);
    for picture in pictures {
        let head = picture.split('>').next().unwrap();
        assert!(head.contains("role=\"img\""), "{head}");
        assert!(head.contains("aria-label"), "{head}");
        let words = all(picture, "<desc", "</desc>");
        assert!(words[0].len() > 60, "{words:?}");
    }
}

#[test]
fn strange_names_stay_text() {
    let text = page(&run(), 0.95).unwrap();
    assert!(!text.contains("<made up>") && !text.contains("<co>"));
    assert!(text.contains("resnet20 &lt;made up&gt;"));
    assert!(text.contains("model &amp; &lt;co&gt;.safetensors"));
}

#[test]
fn blocks_have_colours_and_values() {
    let text = page(&run(), 0.95).unwrap();
    let drawing = all(&text, "class=\"network\"", "</svg>")[0];
    assert_eq!(drawing.matches("<g><title>block ").count(), 9);
    // The worst block has the darkest colour; each carries its value as text.
    assert!(drawing.contains("fill=\"#6a1b0a\""));
    assert_eq!(drawing.matches("points of error</title>").count(), 9);
    assert!(drawing.contains("stroke-dasharray=\"5 4\""));
}

#[test]
fn two_networks_are_told_apart() {
    let mut other = test_support::lesions();
    other.header.model.title = "another".into();
    other.header.model.hash = "ef".repeat(32);
    let run = Run {
        journals: vec![test_support::lesions(), other],
        ..Run::default()
    };
    let text = page(&run, 0.95).unwrap();
    assert_eq!(text.matches("class=\"network\"").count(), 2);
    assert!(text.contains("<h2>another on made-up examples</h2>"));
}
