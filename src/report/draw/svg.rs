//! What every drawing has in common: its text alternative, what the pointer shows, its words.

use std::fmt::Write;

use plotters::coord::Shift;
use plotters::prelude::*;
use thiserror::Error;

use crate::picture::Picture;
use crate::theme::{Colour, Theme};

/// What is drawn on.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What the drawing library says where it refuses.
pub(super) type Refusal<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

/// The drawing library refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DrawError {
    /// With its own words.
    #[error("drawing a picture: {reason}; report this with the file that was drawn")]
    Refused {
        /// What it says.
        reason: String,
    },
}

impl DrawError {
    pub(super) fn from_display(reason: impl std::fmt::Display) -> Self {
        Self::Refused {
            reason: reason.to_string(),
        }
    }
}

/// A place on the drawing that tells its value to the pointer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hover {
    /// Left, top, width and height in pixels.
    pub place: (i32, i32, i32, i32),
    /// What it tells.
    pub text: String,
}

/// More hovers than these cost more than they tell.
const MOST_HOVERS: usize = 2_000;

/// Adds the text alternative and the hovers to what the drawing library wrote.
pub(super) fn finish(picture: &Picture, drawing: &str, hovers: &[Hover]) -> String {
    let identity = identity(picture);
    let (head, body) = drawing.split_once('>').unwrap_or((drawing, ""));
    let body = body.trim_end().strip_suffix("</svg>").unwrap_or(body);
    let mut out = format!(
        "{head} role=\"img\" aria-labelledby=\"{identity}-title {identity}-desc\">\n\
         <title id=\"{identity}-title\">{}</title>\n<desc id=\"{identity}-desc\">{}</desc>",
        escape(&picture.title),
        escape(&picture.description),
    );
    out.push_str(body);
    if hovers.len() <= MOST_HOVERS {
        for Hover { place, text } in hovers {
            let (x, y, width, height) = place;
            // Writing to a string does not fail.
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
                 fill-opacity=\"0\"><title>{}</title></rect>",
                escape(text)
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

/// A name that no other picture on a page has: FNV-1a over its words.
fn identity(picture: &Picture) -> String {
    let words = picture.title.bytes().chain(picture.description.bytes());
    let hash = words.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{}-{hash:08x}", picture.kind)
}

/// Text as XML holds it.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // XML has no other control characters.
            letter if letter.is_control() && letter != '\n' => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

/// A style for words of `size` pixels.
pub(super) fn words(size: u32, colour: Colour, theme: Theme) -> TextStyle<'static> {
    // The backend divides by this; with it, `size` is the size in pixels.
    let size = f64::from(size) * 1.24;
    ("sans-serif", size).into_font().color(&colour.rgb(theme))
}

/// About how wide words of `size` pixels are: no font is measured, so drawings are the same
/// everywhere.
pub(super) fn width_of(text: &str, size: u32) -> i32 {
    (text.chars().count() as f64 * f64::from(size) * 0.56).ceil() as i32
}

/// Lines of at most `width` pixels.
pub(super) fn wrap(text: &str, size: u32, width: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width_of(line, size) + width_of(word, size) < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
