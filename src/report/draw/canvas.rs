//! What plotters draws on: SVG in hundredths of a pixel.
//!
//! Plotters counts in whole units, and its own SVG backend takes them for pixels. Here 100 of them
//! are one pixel, neighbours of the same style share their attributes, a broken line is one path,
//! and numbers have two decimals at most.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt::{self, Write};
use std::mem;
use std::rc::Rc;

use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontTransform,
};

use super::letters::{SUPERSCRIPT, superscript, width_of};
use super::svg::escape;

/// Units of the drawing library in a pixel.
pub(super) const UNITS: f64 = 100.0;

/// Pixels as units.
pub(super) fn units(pixels: f64) -> i32 {
    (pixels * UNITS).round() as i32
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// A backend of plotters.
#[derive(Clone, Debug)]
pub(super) struct Canvas {
    size: (u32, u32),
    elements: Rc<RefCell<Elements>>,
}

#[derive(Debug, Default)]
struct Elements {
    finished: String,
    /// Attributes that the elements of `open` share.
    style: String,
    open: Open,
    /// Lengths of strokes and gaps of the lines to come, in pixels.
    dashes: Vec<f64>,
}

#[derive(Debug, Default)]
enum Open {
    #[default]
    Nothing,
    /// Data of a path.
    Path(String),
    /// Elements, and how many.
    Group(String, usize),
}

impl Canvas {
    pub fn new((width, height): (f64, f64)) -> Self {
        Self {
            size: (units(width) as u32, units(height) as u32),
            elements: Rc::default(),
        }
    }

    /// Breaks the lines to come into strokes and gaps of these lengths in pixels.
    pub fn set_dashes(&self, dashes: &[f64]) {
        self.elements.borrow_mut().dashes = dashes.to_vec();
    }

    /// All elements that were drawn.
    pub fn finish(&self) -> String {
        let mut elements = self.elements.borrow_mut();
        elements.close();
        mem::take(&mut elements.finished)
    }

    fn stroke(&self, style: &impl BackendStyle, points: impl IntoIterator<Item = BackendCoord>) {
        let elements = &mut *self.elements.borrow_mut();
        let mut attributes = outline(style);
        if !elements.dashes.is_empty() {
            let dashes = elements.dashes.iter();
            let lengths: Vec<String> = dashes
                .map(|&length| Number(units(length)).to_string())
                .collect();
            attributes += &format!(" stroke-dasharray=\"{}\"", lengths.join(" "));
        }
        elements.begin(attributes);
        if matches!(elements.open, Open::Nothing) {
            elements.open = Open::Path(String::new());
        }
        if let Open::Path(data) = &mut elements.open {
            path(data, points);
        }
    }

    fn fill(&self, color: BackendColor, element: &str) {
        self.add(paint("fill", color), element);
    }

    fn add(&self, attributes: String, element: &str) {
        let elements = &mut *self.elements.borrow_mut();
        elements.begin(attributes);
        if matches!(elements.open, Open::Nothing) {
            elements.open = Open::Group(String::new(), 0);
        }
        if let Open::Group(group, members) = &mut elements.open {
            group.push_str(element);
            group.push('\n');
            *members += 1;
        }
    }
}

impl Elements {
    /// Elements of another style begin a group of their own.
    fn begin(&mut self, style: String) {
        if style != self.style {
            self.close();
            self.style = style;
        }
    }

    fn close(&mut self) {
        let (out, style) = (&mut self.finished, &self.style);
        // Writing to a string does not fail.
        let _ = match mem::take(&mut self.open) {
            Open::Nothing => Ok(()),
            Open::Path(data) => writeln!(out, "<path {style} d=\"{data}\"/>"),
            Open::Group(element, 1) => match element.split_once(' ') {
                Some((name, rest)) => write!(out, "{name} {style} {rest}"),
                None => Ok(()),
            },
            Open::Group(elements, _) => writeln!(out, "<g {style}>\n{elements}</g>"),
        };
    }
}

/// An attribute and, where it is not opaque, its opacity.
fn paint(what: &str, color: BackendColor) -> String {
    let (red, green, blue) = color.rgb;
    let mut attributes = format!("{what}=\"#{red:02X}{green:02X}{blue:02X}\"");
    if color.alpha < 1.0 {
        let alpha = (100.0 * color.alpha).round() / 100.0;
        attributes += &format!(" {what}-opacity=\"{alpha}\"");
    }
    attributes
}

/// Attributes of what is not filled.
fn outline(style: &impl BackendStyle) -> String {
    let width = attributes(&[("stroke-width", style.stroke_width() as i32)]);
    format!("fill=\"none\" {}{width}", paint("stroke", style.color()))
}

/// Hundredths of pixels, written as pixels.
struct Number(i32);

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let hundredths = self.0.unsigned_abs();
        match (hundredths / 100, hundredths % 100) {
            (0, 0) => formatter.write_str("0"),
            (whole, 0) => write!(formatter, "{sign}{whole}"),
            (whole, rest) if rest % 10 == 0 => write!(formatter, "{sign}{whole}.{}", rest / 10),
            (whole, rest) => write!(formatter, "{sign}{whole}.{rest:02}"),
        }
    }
}

fn path(data: &mut String, points: impl IntoIterator<Item = BackendCoord>) {
    for (index, (x, y)) in points.into_iter().enumerate() {
        let step = if index == 0 { 'M' } else { 'L' };
        // Writing to a string does not fail.
        let _ = write!(data, "{step}{} {}", Number(x), Number(y));
    }
}

/// `name="number"` for each pair.
fn attributes(pairs: &[(&str, i32)]) -> String {
    let attribute = |(name, value): &(&str, i32)| format!(" {name}=\"{}\"", Number(*value));
    pairs.iter().map(attribute).collect()
}

impl DrawingBackend for Canvas {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        let place = attributes(&[("x", x), ("y", y), ("width", 1), ("height", 1)]);
        self.fill(color, &format!("<rect{place}/>"));
        Ok(())
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        self.stroke(style, [from, to]);
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        if fill {
            let place = attributes(&[
                ("x", left),
                ("y", top),
                ("width", right - left),
                ("height", bottom - top),
            ]);
            self.fill(style.color(), &format!("<rect{place}/>"));
        } else {
            let corners = [
                (left, top),
                (right, top),
                (right, bottom),
                (left, bottom),
                (left, top),
            ];
            self.stroke(style, corners);
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.stroke(style, path);
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let place = attributes(&[("cx", x), ("cy", y), ("r", radius as i32)]);
        let element = format!("<circle{place}/>");
        if fill {
            self.fill(style.color(), &element);
        } else {
            self.add(outline(style), &element);
        }
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        let mut data = String::new();
        path(&mut data, corners);
        self.fill(style.color(), &format!("<path d=\"{data}Z\"/>"));
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Drawn {
        let size = style.size();
        // From the side that stands at `y` to the line that letters stand on.
        let shift = match style.anchor().v_pos {
            VPos::Top => 0.76,
            VPos::Center => 0.36,
            VPos::Bottom => -0.24,
        };
        let mut shared = paint("fill", style.color());
        shared += &attributes(&[("font-size", size.round() as i32)]);
        match style.anchor().h_pos {
            HPos::Left => {}
            HPos::Center => shared.push_str(" text-anchor=\"middle\""),
            HPos::Right => shared.push_str(" text-anchor=\"end\""),
        }
        let mut place = attributes(&[("x", x), ("y", y + (shift * size).round() as i32)]);
        let degrees = match style.transform() {
            FontTransform::None => None,
            FontTransform::Rotate90 => Some(90),
            FontTransform::Rotate180 => Some(180),
            FontTransform::Rotate270 => Some(-90),
        };
        if let Some(degrees) = degrees {
            place += &format!(
                " transform=\"rotate({degrees} {} {})\"",
                Number(x),
                Number(y)
            );
        }
        let (words, raised) = superscript(text);
        let raised = raised.map_or_else(String::new, |raised| {
            let shift = attributes(&[
                ("dy", (-0.35 * size).round() as i32),
                ("font-size", (SUPERSCRIPT * size).round() as i32),
            ]);
            format!("<tspan{shift}>{}</tspan>", escape(raised))
        });
        let element = format!("<text{place}>{}{raised}</text>", escape(words));
        self.add(shared, &element);
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let size = style.size();
        Ok((width_of(text, size).ceil() as u32, size.ceil() as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_tidy() {
        let written = [0, 1300, 1350, 1305, -5, -100].map(|number| Number(number).to_string());
        assert_eq!(written, ["0", "13", "13.5", "13.05", "-0.05", "-1"]);
    }

    #[test]
    fn a_broken_line_is_one_path_and_equal_neighbours_share_their_style() {
        let mut canvas = Canvas::new((10.0, 10.0));
        let color = BackendColor {
            alpha: 1.0,
            rgb: (0, 0, 0),
        };
        canvas.set_dashes(&[4.0, 2.5]);
        canvas
            .draw_path([(0, 0), (50, 250), (1000, 0)], &color)
            .unwrap();
        canvas.set_dashes(&[]);
        for x in [100, 200] {
            canvas.draw_circle((x, 100), 50, &color, true).unwrap();
        }
        assert_eq!(
            canvas.finish(),
            "<path fill=\"none\" stroke=\"#000000\" stroke-width=\"0.01\" \
             stroke-dasharray=\"4 2.5\" d=\"M0 0L0.5 2.5L10 0\"/>\n\
             <g fill=\"#000000\">\n<circle cx=\"1\" cy=\"1\" r=\"0.5\"/>\n\
             <circle cx=\"2\" cy=\"1\" r=\"0.5\"/>\n</g>\n"
        );
    }
}
