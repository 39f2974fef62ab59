//! The content of a page: lines, areas and words.

use pdf_writer::types::{LineCapStyle, LineJoinStyle};
use pdf_writer::{Content, Name, Str};
use resvg::tiny_skia::{PathSegment, Point, Transform};
use resvg::usvg::{
    Fill, FillRule, Group, LineCap, LineJoin, Node, Paint, Path, Stroke, Text, fontdb::Database,
    fontdb::ID, layout::PositionedGlyph, layout::Span,
};

use super::font::Font;
use super::tidy;
use crate::fonts::RenderError;

/// What is on the page so far.
pub(super) struct Sheet<'a> {
    pub content: Content,
    /// Pairs of opacities, of areas and of lines, that are set somewhere.
    pub opacities: Vec<(f32, f32)>,
    /// The pair that is set now: full opacity at first.
    opacity: Option<usize>,
    /// Fonts that words are in.
    pub fonts: Vec<Font>,
    /// Fonts that cannot be embedded.
    refused: Vec<ID>,
    database: &'a Database,
}

impl<'a> Sheet<'a> {
    pub fn new(database: &'a Database) -> Self {
        Self {
            content: Content::new(),
            opacities: Vec::new(),
            opacity: None,
            fonts: Vec::new(),
            refused: Vec::new(),
            database,
        }
    }

    pub fn group(&mut self, group: &Group) -> Result<(), RenderError> {
        if group.should_isolate() {
            return Err(RenderError::unusable(
                "PDF: the drawing has a mask, a filter or a clip path",
            ));
        }
        for node in group.children() {
            match node {
                Node::Group(group) => self.group(group)?,
                Node::Path(path) => self.path(path)?,
                Node::Text(text) if self.has_fonts(text) => self.text(text)?,
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
            self.content.set_parameters(Name(opacity(index).as_bytes()));
            self.opacity = Some(index);
        }
    }

    /// Whether the words are nothing but letters that can be embedded.
    fn has_fonts(&mut self, text: &Text) -> bool {
        text.layouted().iter().all(|span| {
            let plain = span.stroke.is_none()
                && span.underline.is_none()
                && span.overline.is_none()
                && span.line_through.is_none();
            let mut glyphs = span.positioned_glyphs.iter();
            // Files number glyphs with 16 bits.
            plain && glyphs.all(|glyph| number(glyph).is_some() && self.has_font(glyph.font))
        })
    }

    fn has_font(&mut self, id: ID) -> bool {
        if self.fonts.iter().any(|font| font.id == id) {
            return true;
        }
        if self.refused.contains(&id) {
            return false;
        }
        let font = Font::new(self.database, id);
        let found = font.is_some();
        match font {
            Some(font) => self.fonts.push(font),
            None => self.refused.push(id),
        }
        found
    }

    fn text(&mut self, text: &Text) -> Result<(), RenderError> {
        for span in text.layouted().iter().filter(|span| span.visible) {
            let fill = span.fill.as_ref();
            let Some(fill) = fill.filter(|fill| fill.opacity().get() > 0.0) else {
                continue;
            };
            self.set_opacity(fill.opacity().get(), 1.0);
            let [red, green, blue] = colour(fill.paint())?;
            self.content.set_fill_rgb(red, green, blue);
            self.content.begin_text();
            self.words(span, text.abs_transform());
            self.content.end_text();
        }
        Ok(())
    }

    /// Shows the glyphs of a span, as many at once as stand in a row of the same font.
    fn words(&mut self, span: &Span, transform: Transform) {
        let mut line: Option<TextLine> = None;
        for glyph in &span.positioned_glyphs {
            let mut fonts = self.fonts.iter_mut().enumerate();
            let font = fonts.find(|(_, font)| font.id == glyph.font);
            let (Some((index, font)), Some(number)) = (font, number(glyph)) else {
                continue;
            };
            let size = glyph.font_size();
            // Glyphs come in units of their font, text in pixels.
            let pixels = font.units / size;
            let place = transform
                .pre_concat(glyph.outline_transform())
                .pre_scale(pixels, pixels);
            let (code, width) = font.show(number, &glyph.text);
            let width = width * size / 1_000.0;
            match &mut line {
                Some(line) if line.font == index && line.continues(place, size) => {
                    line.show(code, place, width);
                }
                _ => {
                    line.take().inspect(|line| line.write(&mut self.content));
                    line = Some(TextLine::new(index, size, place, code, width));
                }
            }
        }
        line.inspect(|line| line.write(&mut self.content));
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

fn number(glyph: &PositionedGlyph) -> Option<u16> {
    u16::try_from(glyph.id.0).ok()
}

/// Glyphs of one font and size in a row.
struct TextLine {
    font: usize,
    size: f32,
    /// From the row to the page.
    place: Transform,
    /// Where the next glyph would stand.
    end: f32,
    /// Codes, and how far the next one stands back, in thousandths of the size.
    parts: Vec<(Vec<u8>, f32)>,
}

impl TextLine {
    fn new(font: usize, size: f32, place: Transform, code: u16, width: f32) -> Self {
        Self {
            font,
            size,
            place,
            end: width,
            parts: vec![(code.to_be_bytes().to_vec(), 0.0)],
        }
    }

    /// Whether a glyph at `place` stands in the row, right of those there are.
    fn continues(&self, place: Transform, size: f32) -> bool {
        let parts = |place: Transform| [place.sx, place.ky, place.kx, place.sy];
        let pairs = parts(place).into_iter().zip(parts(self.place));
        let near = |(a, b): (f32, f32)| (a - b).abs() < 1e-4;
        size == self.size
            && pairs.into_iter().all(near)
            && self.along(place).is_some_and(|(along, above)| {
                above.abs() < 1e-2 && (along - self.end).abs() < 2.0 * size
            })
    }

    /// Where in the row a glyph stands.
    fn along(&self, place: Transform) -> Option<(f32, f32)> {
        let mut origin = Point::from_xy(place.tx, place.ty);
        self.place.invert()?.map_point(&mut origin);
        Some((origin.x, origin.y))
    }

    fn show(&mut self, code: u16, place: Transform, width: f32) {
        let along = self.along(place).map_or(self.end, |(along, _)| along);
        let back = (1_000.0 * (self.end - along) / self.size).round();
        let bytes = code.to_be_bytes();
        match self.parts.last_mut() {
            Some((codes, _)) if back == 0.0 => codes.extend(bytes),
            Some((_, after)) => {
                *after = back;
                self.parts.push((bytes.to_vec(), 0.0));
            }
            None => {}
        }
        self.end += width - back * self.size / 1_000.0;
    }

    fn write(&self, content: &mut Content) {
        let Transform {
            sx,
            kx,
            ky,
            sy,
            tx,
            ty,
        } = self.place;
        content.set_font(Name(font(self.font).as_bytes()), tidy(self.size));
        content.set_text_matrix([tidy(sx), tidy(ky), tidy(kx), tidy(sy), tidy(tx), tidy(ty)]);
        let mut positioned = content.show_positioned();
        let mut items = positioned.items();
        for (codes, back) in &self.parts {
            items.show(Str(codes));
            if *back != 0.0 {
                items.adjust(*back);
            }
        }
    }
}

/// The name of a pair of opacities.
pub(super) fn opacity(index: usize) -> String {
    format!("o{index}")
}

/// The name of a font.
pub(super) fn font(index: usize) -> String {
    format!("f{index}")
}

/// How much longer lines become.
fn scale_of(transform: Transform) -> f32 {
    let (a, b) = transform.get_scale();
    (a * b).abs().sqrt()
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
