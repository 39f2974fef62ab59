//! From vector pictures to a page of a PDF file.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{LineCapStyle, LineJoinStyle};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, TextStr};
use resvg::tiny_skia::{PathSegment, Point, Transform};
use resvg::usvg::{Fill, FillRule, Group, LineCap, LineJoin, Node, Paint, Path, Stroke};

use super::fonts::{self, RenderError};

/// Points of a page to the pixel of a drawing.
const POINTS: f32 = 0.75;

/// Draws SVG on a page of its size. Words become outlines in the font that [`super::png`] takes,
/// so the file needs no font; everything else stays lines and areas. The same bytes for the same
/// picture and fonts.
///
/// # Errors
/// No font, or a picture that cannot be read.
pub fn pdf(svg: &str, title: &str) -> Result<Vec<u8>, RenderError> {
    let tree = fonts::read(svg)?;
    // Hundredths are finer than any printer.
    let points = |pixels: f32| (100.0 * POINTS * pixels).round() / 100.0;
    let (width, height) = (points(tree.size().width()), points(tree.size().height()));
    let mut page = Page {
        content: Content::new(),
        opacities: Vec::new(),
        opacity: None,
    };
    // PDF counts from the bottom, in points.
    page.content
        .transform([POINTS, 0.0, 0.0, -POINTS, 0.0, height]);
    page.group(tree.root())?;
    let Page {
        content, opacities, ..
    } = page;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let compressed = encoder
        .write_all(&content.finish())
        .and_then(|()| encoder.finish())
        .map_err(RenderError::unusable)?;
    let [catalog, pages, page, stream, info] = [1, 2, 3, 4, 5].map(Ref::new);
    let mut file = Pdf::new();
    file.catalog(catalog).pages(pages);
    file.pages(pages).kids([page]).count(1);
    let mut sheet = file.page(page);
    sheet.media_box(Rect::new(0.0, 0.0, width, height));
    sheet.parent(pages).contents(stream);
    let mut resources = sheet.resources();
    let mut states = resources.ext_g_states();
    for (index, (fill, stroke)) in opacities.iter().enumerate() {
        let mut state = states
            .insert(Name(name(index).as_bytes()))
            .start::<pdf_writer::writers::ExtGraphicsState<'_>>();
        state.non_stroking_alpha(*fill).stroking_alpha(*stroke);
    }
    states.finish();
    resources.finish();
    sheet.finish();
    file.stream(stream, &compressed).filter(Filter::FlateDecode);
    file.document_info(info)
        .title(TextStr(title))
        .producer(TextStr(concat!("pathscope ", env!("CARGO_PKG_VERSION"))));
    Ok(file.finish())
}

/// What is on the page so far.
struct Page {
    content: Content,
    /// Pairs of opacities, of areas and of lines, that are set somewhere.
    opacities: Vec<(f32, f32)>,
    /// The pair that is set now: full opacity at first.
    opacity: Option<usize>,
}

impl Page {
    fn group(&mut self, group: &Group) -> Result<(), RenderError> {
        if group.should_isolate() {
            return Err(RenderError::unusable(
                "PDF: the drawing has a mask, a filter or a clip path",
            ));
        }
        for node in group.children() {
            match node {
                Node::Group(group) => self.group(group)?,
                Node::Path(path) => self.path(path)?,
                Node::Text(text) => self.group(text.flattened())?,
                Node::Image(_) => {
                    return Err(RenderError::unusable("PDF: the drawing has an image"));
                }
            }
        }
        Ok(())
    }

    fn path(&mut self, path: &Path) -> Result<(), RenderError> {
        let visible = |opacity: f32| opacity > 0.0;
        let fill = path.fill().filter(|fill| visible(fill.opacity().get()));
        let stroke = path
            .stroke()
            .filter(|stroke| visible(stroke.opacity().get()));
        if (fill.is_none() && stroke.is_none()) || !path.is_visible() {
            return Ok(());
        }
        self.set_opacity(
            fill.map_or(1.0, |fill| fill.opacity().get()),
            stroke.map_or(1.0, |stroke| stroke.opacity().get()),
        );
        let transform = path.abs_transform();
        if let Some(fill) = fill {
            let [red, green, blue] = colour(fill.paint())?;
            self.content.set_fill_rgb(red, green, blue);
        }
        if let Some(stroke) = stroke {
            self.stroke(stroke, scale_of(transform))?;
        }
        self.outline(path, transform);
        match (fill.map(Fill::rule), stroke) {
            (Some(FillRule::NonZero), Some(_)) => self.content.fill_nonzero_and_stroke(),
            (Some(FillRule::EvenOdd), Some(_)) => self.content.fill_even_odd_and_stroke(),
            (Some(FillRule::NonZero), None) => self.content.fill_nonzero(),
            (Some(FillRule::EvenOdd), None) => self.content.fill_even_odd(),
            (None, _) => self.content.stroke(),
        };
        Ok(())
    }

    fn set_opacity(&mut self, fill: f32, stroke: f32) {
        let pair = (fill, stroke);
        if self.opacity.is_none() && pair == (1.0, 1.0) {
            return;
        }
        let known = self.opacities.iter().position(|known| *known == pair);
        let index = known.unwrap_or_else(|| {
            self.opacities.push(pair);
            self.opacities.len() - 1
        });
        if self.opacity != Some(index) {
            self.content.set_parameters(Name(name(index).as_bytes()));
            self.opacity = Some(index);
        }
    }

    fn stroke(&mut self, stroke: &Stroke, scale: f32) -> Result<(), RenderError> {
        let [red, green, blue] = colour(stroke.paint())?;
        self.content.set_stroke_rgb(red, green, blue);
        self.content
            .set_line_width(tidy(scale * stroke.width().get()));
        self.content.set_line_cap(match stroke.linecap() {
            LineCap::Butt => LineCapStyle::ButtCap,
            LineCap::Round => LineCapStyle::RoundCap,
            LineCap::Square => LineCapStyle::ProjectingSquareCap,
        });
        self.content.set_line_join(match stroke.linejoin() {
            LineJoin::Miter | LineJoin::MiterClip => LineJoinStyle::MiterJoin,
            LineJoin::Round => LineJoinStyle::RoundJoin,
            LineJoin::Bevel => LineJoinStyle::BevelJoin,
        });
        let dashes = stroke.dasharray().unwrap_or_default();
        let dashes = dashes.iter().map(|length| tidy(scale * length));
        self.content
            .set_dash_pattern(dashes, scale * stroke.dashoffset());
        Ok(())
    }

    fn outline(&mut self, path: &Path, transform: Transform) {
        let map = |mut point: Point| {
            transform.map_point(&mut point);
            (tidy(point.x), tidy(point.y))
        };
        let mut last = Point::zero();
        for segment in path.data().segments() {
            match segment {
                PathSegment::MoveTo(to) => {
                    let (x, y) = map(to);
                    self.content.move_to(x, y);
                    last = to;
                }
                PathSegment::LineTo(to) => {
                    let (x, y) = map(to);
                    self.content.line_to(x, y);
                    last = to;
                }
                // PDF has cubic curves only.
                PathSegment::QuadTo(control, to) => {
                    let near = |end: Point| {
                        let part = |end: f32, control: f32| end + (control - end) * 2.0 / 3.0;
                        Point::from_xy(part(end.x, control.x), part(end.y, control.y))
                    };
                    self.cubic(map(near(last)), map(near(to)), map(to));
                    last = to;
                }
                PathSegment::CubicTo(first, second, to) => {
                    self.cubic(map(first), map(second), map(to));
                    last = to;
                }
                PathSegment::Close => {
                    self.content.close_path();
                }
            }
        }
    }

    fn cubic(&mut self, first: (f32, f32), second: (f32, f32), to: (f32, f32)) {
        self.content
            .cubic_to(first.0, first.1, second.0, second.1, to.0, to.1);
    }
}

/// The name of a pair of opacities.
fn name(index: usize) -> String {
    format!("o{index}")
}

/// How much longer lines become.
fn scale_of(transform: Transform) -> f32 {
    let (a, b) = transform.get_scale();
    (a * b).abs().sqrt()
}

/// Thousandths of a pixel are enough.
fn tidy(value: f32) -> f32 {
    (1_000.0 * value).round() / 1_000.0
}

fn colour(paint: &Paint) -> Result<[f32; 3], RenderError> {
    match paint {
        Paint::Color(colour) => {
            let part = |byte: u8| tidy(f32::from(byte) / 255.0);
            Ok([part(colour.red), part(colour.green), part(colour.blue)])
        }
        _ => Err(RenderError::unusable("PDF: the drawing has a gradient")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_size_of_the_drawing_and_no_font() {
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"2in\" height=\"1in\" \
                   viewBox=\"0 0 192 96\"><text x=\"9\" y=\"20\" font-family=\"sans-serif\" \
                   font-size=\"10\">words</text><path d=\"M0 0L9 9\" stroke=\"#123456\" \
                   stroke-opacity=\"0.5\" stroke-dasharray=\"3 2\"/></svg>";
        let bytes = pdf(svg, "a title").unwrap();
        assert_eq!(bytes, pdf(svg, "a title").unwrap());
        assert!(bytes.starts_with(b"%PDF-1."));
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("/MediaBox [0 0 144 72]"), "{text}");
        assert!(
            text.contains("a title") && !text.contains("/Font"),
            "{text}"
        );
        assert!(text.contains("/CA 0.5"), "{text}");
        let gradient = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\">\
                        <linearGradient id=\"g\"><stop stop-color=\"red\"/><stop offset=\"1\"/>\
                        </linearGradient><path d=\"M0 0H9V9Z\" fill=\"url(#g)\"/></svg>";
        assert!(pdf(gradient, "").is_err());
    }
}
