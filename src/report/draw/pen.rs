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

impl Stroke<'_> {
    /// A solid line.
    pub fn solid(colour: RGBAColor, width: f64) -> Self {
        let dashes = &[];
        Self {
            colour,
            width,
            dashes,
        }
    }
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
        Stroke::solid(self.colour(colour).to_rgba(), width)
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
        let turned = match words.upright {
            true => FontTransform::Rotate270,
            false => FontTransform::None,
        };
        let Anchor(across, down) = words.anchor;
        let font = FontDesc::new(FontFamily::SansSerif, words.size * UNITS, FontStyle::Normal);
        let style = TextStyle::from(font.transform(turned))
            .color(&words.colour)
            .pos(Pos::new(across, down));
        self.area
            .draw(&Text::new(text.to_owned(), point(place), style))
    }

    /// A sign of about `radius`, filled or `hollow`; crosses have no outline, and are drawn as they are.
    pub fn sign(
        &self,
        marker: Marker,
        place: Place,
        radius: f64,
        colour: RGBAColor,
        hollow: bool,
    ) -> Result<(), Refusal> {
        let width = 0.4 * radius;
        let inner = radius - width / 2.0;
        match (marker, hollow) {
            (Marker::None, _) => Ok(()),
            (Marker::Disc, false) => {
                let disc = Circle::new(point(place), units(radius), colour.filled());
                self.area.draw(&disc)
            }
            (Marker::Disc, true) => {
                let ring = Circle::new(point(place), units(inner), line_style(colour, width));
                self.area.draw(&ring)
            }
            (Marker::Cross | Marker::Plus, _) => {
                let stroke = Stroke::solid(colour, 0.55 * radius);
                let (reach, first) = match marker {
                    Marker::Cross => (0.8, 0.125),
                    _ => (1.1, 0.0),
                };
                for turn in [0.0, 0.25] {
                    let turn = turn + first;
                    let ends = [turn, turn + 0.5].map(|turn| around(place, reach * radius, turn));
                    self.line(&ends, &stroke)?;
                }
                Ok(())
            }
            (_, false) => self.polygon(&outline(marker, place, radius), colour),
            (_, true) => {
                let mut corners = outline(marker, place, inner);
                corners.extend_from_within(..2);
                self.line(&corners, &Stroke::solid(colour, width))
            }
        }
    }

    /// Lets the pointer show `text` over a rectangle.
    pub fn hover(&self, (left, top): Place, (width, height): Place, text: &str) {
        if text.is_empty() {
            return;
        }
        let (x, y) = self.area.get_base_pixel();
        let (left, top) = (left + f64::from(x) / UNITS, top + f64::from(y) / UNITS);
        self.hovers.borrow_mut().push(Hover {
            place: [left, top, width, height],
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
