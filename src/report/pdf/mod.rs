//! From vector pictures to a page of a PDF file.

mod font;
mod page;

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::{Filter, Finish, Name, Pdf, Rect, Ref, TextStr};

use super::fonts::{self, RenderError};
use page::Sheet;

/// Points of a page to the pixel of a drawing.
const POINTS: f32 = 0.75;

/// Draws SVG on a page of its size. Words stay words in the fonts that [`super::png`] takes, and the
/// file holds those letters of the fonts that it shows; words in a font whose licence or kind does not
/// allow that become outlines. Everything else stays lines and areas. The same bytes for the same
/// picture and fonts.
///
/// # Errors
/// No font, or a picture that cannot be read.
pub fn pdf(svg: &str, title: &str) -> Result<Vec<u8>, RenderError> {
    let tree = fonts::read(svg)?;
    // Hundredths are finer than any printer.
    let points = |pixels: f32| (100.0 * POINTS * pixels).round() / 100.0;
    let (width, height) = (points(tree.size().width()), points(tree.size().height()));
    let mut page = Sheet::new(tree.fontdb());
    // PDF counts from the bottom, in points.
    page.content
        .transform([POINTS, 0.0, 0.0, -POINTS, 0.0, height]);
    page.group(tree.root())?;
    let Sheet {
        content,
        opacities,
        fonts,
        ..
    } = page;
    let content = compressed(&content.finish())?;
    let mut next = Ref::new(1);
    let [catalog, pages, page, stream, info] = [(); 5].map(|()| next.bump());
    let mut file = Pdf::new();
    file.catalog(catalog).pages(pages);
    file.pages(pages).kids([page]).count(1);
    let mut written = Vec::with_capacity(fonts.len());
    for font in &fonts {
        written.push(next);
        next = font.write(&mut file, next)?;
    }
    let mut sheet = file.page(page);
    sheet.media_box(Rect::new(0.0, 0.0, width, height));
    sheet.parent(pages).contents(stream);
    let mut resources = sheet.resources();
    let mut states = resources.ext_g_states();
    for (index, (fill, stroke)) in opacities.iter().enumerate() {
        let mut state = states
            .insert(Name(page::opacity(index).as_bytes()))
            .start::<pdf_writer::writers::ExtGraphicsState<'_>>();
        state.non_stroking_alpha(*fill).stroking_alpha(*stroke);
    }
    states.finish();
    let mut named = resources.fonts();
    for (index, font) in written.into_iter().enumerate() {
        named.pair(Name(page::font(index).as_bytes()), font);
    }
    named.finish();
    resources.finish();
    sheet.finish();
    file.stream(stream, &content).filter(Filter::FlateDecode);
    file.document_info(info)
        .title(TextStr(title))
        .producer(TextStr(concat!("pathscope ", env!("CARGO_PKG_VERSION"))));
    Ok(file.finish())
}

fn compressed(bytes: &[u8]) -> Result<Vec<u8>, RenderError> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(RenderError::unusable)
}

/// Thousandths of a pixel are enough.
fn tidy(value: f32) -> f32 {
    (1_000.0 * value).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_size_of_the_drawing_and_its_letters() {
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"2in\" height=\"1in\" \
                   viewBox=\"0 0 192 96\"><text x=\"9\" y=\"20\" font-family=\"sans-serif\" \
                   font-size=\"10\">words</text><path d=\"M0 0L9 9\" stroke=\"#123456\" \
                   stroke-opacity=\"0.5\" stroke-dasharray=\"3 2\"/></svg>";
        let bytes = pdf(svg, "a title").unwrap();
        assert_eq!(bytes, pdf(svg, "a title").unwrap());
        assert!(bytes.starts_with(b"%PDF-1."));
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("/MediaBox [0 0 144 72]"), "{text}");
        for part in ["a title", "/Identity-H", "/ToUnicode", "/FontFile"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("/CA 0.5"), "{text}");
        let gradient = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\">\
                        <linearGradient id=\"g\"><stop stop-color=\"red\"/><stop offset=\"1\"/>\
                        </linearGradient><path d=\"M0 0H9V9Z\" fill=\"url(#g)\"/></svg>";
        assert!(pdf(gradient, "").is_err());
    }
}
