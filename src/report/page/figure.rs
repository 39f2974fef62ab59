use std::fmt::Write;

use serde::Serialize;

use super::error::PageError;
use crate::length::Length;
use crate::look::Look;
use crate::picture::Picture;
use crate::theme::Theme;

/// A picture with its words.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub svg: String,
    /// The same for the screen of a phone.
    pub narrow: String,
    pub title: String,
    pub words: String,
}

/// Width of a picture on a phone, which shows its letters about as large as they are.
const NARROW: f64 = 360.0;

/// A picture as the page holds it; its parts about a block of network `subject` can be found by it.
pub(super) fn figure(picture: &Picture, subject: usize) -> Result<Figure, PageError> {
    // Phones have no pointer to show anything.
    let narrow = Look {
        width: Some(Length::of_pixels(NARROW)),
        ..Look::from(Theme::Paper)
    };
    Ok(Figure {
        svg: with_blocks(&picture.svg(Theme::Light)?, subject),
        narrow: picture.svg(narrow)?,
        title: picture.title.clone(),
        words: picture.description.clone(),
    })
}

/// A drawing in which every part whose title is about a block has the attribute
/// `data-block="SUBJECT-BLOCK"`.
fn with_blocks(svg: &str, subject: usize) -> String {
    const TITLE: &str = "<title>";
    let mut out = String::with_capacity(svg.len());
    let mut rest = svg;
    while let Some((before, after)) = rest.split_once(TITLE) {
        match (before.trim_end().strip_suffix('>'), block(after)) {
            // The title is the first thing in its part.
            (Some(part), Some(block)) if !part.ends_with(['/', '-']) => {
                out.push_str(part);
                // Writing to a string does not fail.
                let _ = write!(out, " data-block=\"{subject}-{block}\">");
            }
            _ => out.push_str(before),
        }
        out.push_str(TITLE);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The block that a title is about: 17 of `block 17 (layer3.8), deleted` and of `function 2 of block
/// 17`.
fn block(title: &str) -> Option<usize> {
    let function = title.strip_prefix("function ");
    let of = function.and_then(|rest| rest.split_once(" of "));
    let named = of.map_or(title, |(_, rest)| rest).strip_prefix("block ")?;
    let digits = named.split(|letter: char| !letter.is_ascii_digit()).next();
    digits?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_about_a_block_are_named() {
        let svg = "<svg><title>block of text</title><rect x=\"1\"><title>block 17 (a), deleted\
                   </title></rect><g><title>function 1 of block 4</title></g><rect/>\
                   <title>block 3</title></svg>";
        let expected = svg
            .replace("x=\"1\"", "x=\"1\" data-block=\"2-17\"")
            .replace("<g>", "<g data-block=\"2-4\">");
        assert_eq!(with_blocks(svg, 2), expected);
    }
}
