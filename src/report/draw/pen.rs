//! Draws lines, words and signs at places in pixels, through plotters.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBAColor, RGBColor, ShapeStyle,
    TextStyle,
};

use super::canvas::{Canvas, UNITS, units};
use super::svg::Hover;
use crate::picture::Marker;
use crate::theme::{Colour, Theme};

/// What the drawing library says where it refuses.
pub(super) type Refusal = DrawingAreaErrorKind<Infallible>;

/// A place in pixels, from the left and from the top.
pub(super) type Place = (f64, f64);

/// A rectangular part of a picture to draw on.
pub(super) struct Pen {
    canvas: Canvas,
    area: DrawingArea<Canvas, Shift>,
    hovers: Rc<RefCell<Vec<Hover>>>,
    /// Colours.
    pub theme: Theme,
    /// Size of the letters of axes and legends; all else is measured by it.
    pub em: f64,
}

/// Which side of words stands at their place.
#[derive(Clone, Copy)]
pub(super) struct Anchor(pub HPos, pub VPos);

impl Anchor {
    pub const LEFT: Self = Self(HPos::Left, VPos::Center);
    pub const RIGHT: Self = Self(HPos::Right, VPos::Center);
    pub const TOP: Self = Self(HPos::Center, VPos::Top);
    pub const TOP_LEFT: Self = Self(HPos::Left, VPos::Top);
    pub const BOTTOM: Self = Self(HPos::Center, VPos::Bottom);
}

/// How words are written.
#[derive(Clone, Copy)]
pub(super) struct Words {
    /// In pixels.
    pub size: f64,
    pub colour: RGBColor,
    pub anchor: Anchor,
    /// Whether they run upwards.
    pub upright: bool,
}

/// How lines are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke<'a> {
    pub colour: RGBAColor,
    /// In pixels.
    pub width: f64,
    /// Lengths of strokes and gaps in pixels; solid where empty.
    pub dashes: &'a [f64],
}

impl Pen {
    pub fn new(size: Place, em: f64, theme: Theme) -> Self {
        let canvas = Canvas::new(size);
        Self {
            area: canvas.clone().into_drawing_area(),
            canvas,
            hovers: Rc::default(),
            theme,
            em,
        }
    }

    /// A part of the picture, with places of its own.
    pub fn within(&self, (left, top): Place, (width, height): Place) -> Self {
        let corner = (units(left), units(top));
        Self {
            canvas: self.canvas.clone(),
            area: self
                .area
                .clone()
                .shrink(corner, (units(width), units(height))),
            hovers: Rc::clone(&self.hovers),
            ..*self
        }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> Place {
        let (width, height) = self.area.dim_in_pixel();
        (f64::from(width) / UNITS, f64::from(height) / UNITS)
    }

    /// Everything drawn by this and all parts: elements, and what the pointer shows.
    pub fn finish(&self) -> (String, Vec<Hover>) {
        (self.canvas.finish(), self.hovers.take())
    }

    pub fn colour(&self, colour: Colour) -> RGBColor {
        colour.rgb(self.theme)
    }

    /// A solid line.
    pub fn stroke(&self, colour: Colour, width: f64) -> Stroke<'static> {
        Stroke {
            colour: self.colour(colour).to_rgba(),
            width,
            dashes: &[],
        }
    }

    /// Words about as large as those of axes.
    pub fn words(&self, scale: f64, anchor: Anchor) -> Words {
        Words {
            size: scale * self.em,
            colour: self.colour(Colour::Ink),
            anchor,
            upright: false,
        }
    }

    pub fn line(&self, places: &[Place], stroke: &Stroke<'_>) -> Result<(), Refusal> {
        let style = line_style(stroke.colour, stroke.width);
        let points: Vec<(i32, i32)> = places.iter().copied().map(point).collect();
        self.canvas.set_dashes(stroke.dashes);
        let drawn = self.area.draw(&PathElement::new(points, style));
        self.canvas.set_dashes(&[]);
        drawn
    }

    pub fn rectangle(
        &self,
        from: Place,
        to: Place,
        colour: impl Into<RGBAColor>,
    ) -> Result<(), Refusal> {
        let corners = [point(from), point(to)];
        let fill = colour.into().filled();
        self.area.draw(&Rectangle::new(corners, fill))
    }

    pub fn polygon(&self, places: &[Place], colour: RGBAColor) -> Result<(), Refusal> {
        let points: Vec<(i32, i32)> = places.iter().copied().map(point).collect();
        self.area.draw(&Polygon::new(points, colour.filled()))
    }

    pub fn text(&self, text: &str, place: Place, words: Words) -> Result<(), Refusal> {
        let turned = if words.upright {
            FontTransform::Rotate270
        } else {
            FontTransform::None
        };
        let Anchor(across, down) = words.anchor;
        let font = FontDesc::new(FontFamily::SansSerif, words.size * UNITS, FontStyle::Normal);
        let style = TextStyle::from(font.transform(turned))
            .color(&words.colour)
            .pos(Pos::new(across, down));
        self.area
            .draw(&Text::new(text.to_owned(), point(place), style))
    }

    /// A filled sign of about `radius`.
    pub fn sign(
        &self,
        marker: Marker,
        place: Place,
        radius: f64,
        colour: RGBAColor,
    ) -> Result<(), Refusal> {
        match marker {
            Marker::None => Ok(()),
            Marker::Disc => {
                let disc = Circle::new(point(place), units(radius), colour.filled());
                self.area.draw(&disc)
            }
            Marker::Cross | Marker::Plus => {
                let stroke = Stroke {
                    colour,
                    width: 0.55 * radius,
                    dashes: &[],
                };
                let reach = if marker == Marker::Cross { 0.8 } else { 1.1 };
                for turn in [0.0, 0.25] {
                    let turn = turn + if marker == Marker::Cross { 0.125 } else { 0.0 };
                    let ends = [turn, turn + 0.5].map(|turn| around(place, reach * radius, turn));
                    self.line(&ends, &stroke)?;
                }
                Ok(())
            }
            _ => self.polygon(&outline(marker, place, radius), colour),
        }
    }

    /// The outline of a sign; crosses have none, and are drawn as they are.
    pub fn hollow_sign(
        &self,
        marker: Marker,
        place: Place,
        radius: f64,
        colour: RGBAColor,
    ) -> Result<(), Refusal> {
        let width = 0.4 * radius;
        let inner = radius - width / 2.0;
        match marker {
            Marker::None => Ok(()),
            Marker::Cross | Marker::Plus => self.sign(marker, place, radius, colour),
            Marker::Disc => {
                let ring = Circle::new(point(place), units(inner), line_style(colour, width));
                self.area.draw(&ring)
            }
            _ => {
                let mut corners = outline(marker, place, inner);
                corners.extend_from_within(..2);
                let stroke = Stroke {
                    colour,
                    width,
                    dashes: &[],
                };
                self.line(&corners, &stroke)
            }
        }
    }

    /// Lets the pointer show `text` over a rectangle.
    pub fn hover(&self, (left, top): Place, (width, height): Place, text: &str) {
        if text.is_empty() {
            return;
        }
        let (x, y) = self.area.get_base_pixel();
        self.hovers.borrow_mut().push(Hover {
            place: [
                left + f64::from(x) / UNITS,
                top + f64::from(y) / UNITS,
                width,
                height,
            ],
            text: text.to_owned(),
        });
    }
}

fn point((x, y): Place) -> (i32, i32) {
    (units(x), units(y))
}

fn line_style(colour: RGBAColor, width: f64) -> ShapeStyle {
    ShapeStyle {
        color: colour,
        filled: false,
        stroke_width: units(width).max(1) as u32,
    }
}

/// The corners of a sign.
fn outline(marker: Marker, place: Place, radius: f64) -> Vec<Place> {
    let (count, first, reach): (u8, f64, f64) = match marker {
        Marker::Square => (4, 0.125, 1.25),
        Marker::Triangle => (3, -0.25, 1.3),
        Marker::Down => (3, 0.25, 1.3),
        _ => (4, 0.0, 1.3),
    };
    (0..count)
        .map(|corner| {
            let turn = first + f64::from(corner) / f64::from(count);
            around(place, reach * radius, turn)
        })
        .collect()
}

/// A place on a circle, `turn` of a whole turn clockwise from the right.
fn around((x, y): Place, radius: f64, turn: f64) -> Place {
    let angle = std::f64::consts::TAU * turn;
    (x + radius * angle.cos(), y + radius * angle.sin())
}
