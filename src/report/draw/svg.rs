//! What every drawing has in common: its size, its text alternative, what the pointer shows.

use std::fmt::Write;

use thiserror::Error;

use crate::length::Length;
use crate::look::Look;
use crate::picture::Picture;

/// The drawing library refused, with its own words.
#[derive(Debug, Error)]
#[error("drawing a picture: {0}; report this with the file that was drawn")]
pub struct DrawError(pub(super) String);

/// A place on the drawing that tells its value to the pointer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hover {
    /// Left, top, width and height in pixels.
    pub place: [f64; 4],
    /// What it tells.
    pub text: String,
}

/// More hovers than these cost more than they tell.
const MOST_HOVERS: usize = 2_000;

/// A whole file: `elements` with the text alternative and the hovers of `picture`. Its size on
/// paper is `width` by `height` in the units that were asked for; its coordinates are pixels, of
/// which `size` are drawn.
pub(super) fn finish(
    picture: &Picture,
    look: &Look,
    (width, height): (Length, Length),
    size: (f64, f64),
    elements: &str,
    hovers: &[Hover],
) -> String {
    let identity = identity(picture, look.width);
    let (across, down) = (tidy(size.0), tidy(size.1));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" \
         viewBox=\"0 0 {across} {down}\" font-family=\"Helvetica, Arial, sans-serif\" role=\"img\" \
         aria-labelledby=\"{identity}-title {identity}-desc\">\n\
         <title id=\"{identity}-title\">{}</title>\n<desc id=\"{identity}-desc\">{}</desc>\n",
        bare(width),
        bare(height),
        escape(&picture.title),
        escape(&picture.description),
    );
    out.push_str(elements);
    if !hovers.is_empty() && hovers.len() <= MOST_HOVERS {
        out.push_str("<g fill-opacity=\"0\">\n");
        for Hover { place, text } in hovers {
            let [x, y, width, height] = place.map(tidy);
            // Writing to a string does not fail.
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\">\
                 <title>{}</title></rect>",
                escape(text)
            );
        }
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

/// Two decimals at most.
fn tidy(pixels: f64) -> f64 {
    (100.0 * pixels).round() / 100.0
}

/// A length as attributes hold it: pixels have no unit.
fn bare(length: Length) -> String {
    let text = length.to_string();
    text.strip_suffix("px").map_or(text.clone(), str::to_owned)
}

/// A name that no other picture on a page has: FNV-1a over its words, and over the width where one
/// was asked for.
fn identity(picture: &Picture, width: Option<Length>) -> String {
    let words = picture.title.bytes().chain(picture.description.bytes());
    let width = width.map_or_else(String::new, |width| width.to_string());
    let hash = words
        .chain(width.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
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
