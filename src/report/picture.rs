//! Pictures as data: what is to be seen, before it is drawn.

use pathscope_analysis::{Interval, LengthRange};

use super::theme::Colour;

/// Something to look at, with words for those who cannot.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// What it shows, as a name for files: `lesion`, `spectrum`, ...
    pub kind: &'static str,
    /// One line.
    pub title: String,
    /// What it says, for screen readers and captions.
    pub description: String,
    /// The data.
    pub content: Content,
}

/// What fills a picture.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a command makes a dozen pictures, most of them charts"
)]
pub enum Content {
    /// Quantities against a quantity.
    Chart(Chart),
    /// A quantity for each pair of blocks.
    Matrix(Matrix),
    /// Several pictures, each with a letter.
    Sheet(Vec<Picture>),
}

/// Quantities against a quantity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// What lies along it.
    pub x: Axis,
    /// What rises.
    pub y: Axis,
    /// Parts that follow each other along x, named above; the first word of a name is enough where
    /// there is little room.
    pub stages: Vec<Stretch>,
    /// Stretches of x to point out.
    pub stretches: Vec<Stretch>,
    /// Levels of y to compare with.
    pub references: Vec<ReferenceLine>,
    /// The data.
    pub series: Vec<Series>,
}

/// A quantity with its definition and unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// What else is good to know, where there is room for it.
    pub detail: String,
    /// Logarithmic where true; values of 0 and below are left out then.
    pub logarithmic: bool,
    /// Whether only whole numbers are possible.
    pub whole: bool,
    /// Values that must be within, in the axis' own units.
    pub include: Vec<f64>,
    /// Largest value to show, where more would be empty.
    pub limit: Option<f64>,
    /// A name for each whole value from 0, where the axis counts things.
    pub names: Vec<String>,
    /// The only values to label, where few are possible.
    pub ticks: Vec<f64>,
}

impl Axis {
    /// A linear axis without anything else.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..Self::default()
        }
    }

    /// An axis of whole numbers.
    pub fn whole(label: impl Into<String>) -> Self {
        Self {
            whole: true,
            ..Self::new(label)
        }
    }

    /// A logarithmic axis.
    pub fn logarithmic(label: impl Into<String>) -> Self {
        Self {
            logarithmic: true,
            ..Self::new(label)
        }
    }

    /// What else is good to know, where there is room for it.
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            ..self
        }
    }

    /// Holds `value`.
    pub fn including(self, value: f64) -> Self {
        Self {
            include: vec![value],
            ..self
        }
    }
}

/// A stretch of x to point out.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// Where it begins.
    pub first: f64,
    /// Where it ends.
    pub last: f64,
    /// What it is.
    pub label: String,
}

impl Stretch {
    /// Whole lengths with half of what lies between them and their neighbours.
    pub(super) fn around(range: LengthRange, label: String) -> Self {
        Self {
            first: range.first as f64 - 0.5,
            last: range.last as f64 + 0.5,
            label,
        }
    }
}

/// A level of y to compare with.
#[derive(Clone, Debug, PartialEq)]
pub struct ReferenceLine {
    /// The value.
    pub y: f64,
    /// What the value may be.
    pub interval: Option<(f64, f64)>,
    /// What it is.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
}

/// How a series looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Points joined by a line.
    #[default]
    Line,
    /// Points alone.
    Points,
    /// Boxes: the median, the quartiles and, as the interval, the range.
    Boxes,
}

/// How a line is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dash {
    /// Not at all.
    #[default]
    Solid,
    /// Long strokes.
    Dashed,
    /// Short strokes.
    Dotted,
    /// Long and short strokes in turn.
    DashDotted,
}

/// The sign at a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marker {
    /// None.
    #[default]
    None,
    /// A disc.
    Disc,
    /// A square.
    Square,
    /// A triangle on its side.
    Triangle,
    /// A square on its corner.
    Diamond,
    /// A triangle on its corner.
    Down,
    /// An oblique cross.
    Cross,
    /// An upright cross.
    Plus,
}

impl Marker {
    /// The sign of series `index`. There are seven, and six colours, so that the pair repeats
    /// after 42 series.
    pub fn of_series(index: usize) -> Self {
        use Marker::*;
        [Disc, Square, Triangle, Diamond, Down, Cross, Plus][index % 7]
    }
}

impl Dash {
    /// How the line of series `index` is broken: solid for the first six, which differ by colour.
    pub fn of_series(index: usize) -> Self {
        [Self::Solid, Self::Dashed, Self::DashDotted, Self::Dotted][index / 6 % 4]
    }
}

/// Values of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it is.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
    /// How it looks.
    pub shape: Shape,
    /// How its line is broken.
    pub dash: Dash,
    /// The sign at its points.
    pub marker: Marker,
    /// Whether intervals are one band instead of a whisker each.
    pub band: bool,
    /// Whether it stays behind the others: small and pale.
    pub faint: bool,
    /// Whether its signs are outlines.
    pub hollow: bool,
    /// The values.
    pub points: Vec<Point>,
}

impl Series {
    /// A solid line without markers.
    pub fn line(label: impl Into<String>, colour: Colour, points: Vec<Point>) -> Self {
        Self {
            label: label.into(),
            colour,
            shape: Shape::Line,
            dash: Dash::Solid,
            marker: Marker::None,
            band: false,
            faint: false,
            hollow: false,
            points,
        }
    }

    /// Points alone.
    pub fn points(
        label: impl Into<String>,
        colour: Colour,
        marker: Marker,
        points: Vec<Point>,
    ) -> Self {
        Self {
            shape: Shape::Points,
            marker,
            ..Self::line(label, colour, points)
        }
    }

    /// Faint discs, of single draws behind their means.
    pub fn draws(label: impl Into<String>, colour: Colour, points: Vec<Point>) -> Self {
        Self {
            faint: true,
            ..Self::points(label, colour, Marker::Disc, points)
        }
    }
}

/// One value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// Along.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// What the value may be.
    pub interval: Option<(f64, f64)>,
    /// What the pointer shows; nothing where empty.
    pub hover: String,
    /// Lower and upper quartile, of a box.
    pub quartiles: Option<(f64, f64)>,
}

impl Point {
    /// A share, in per cent, with its interval.
    pub fn percent(x: f64, share: f64, interval: impl Into<Option<Interval>>) -> Self {
        let interval = interval.into().map(in_percent);
        Self {
            interval,
            ..Self::at(x, 100.0 * share)
        }
    }

    /// A bare value.
    pub fn at(x: f64, y: f64) -> Self {
        Self {
            x,
            y,
            ..Self::default()
        }
    }
}

/// The ends of an interval of shares, in per cent.
pub(super) fn in_percent(interval: Interval) -> (f64, f64) {
    (100.0 * interval.lower, 100.0 * interval.upper)
}

/// A quantity for each pair of blocks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// What the rows and columns are.
    pub label: String,
    /// Number of the rows, and of the columns; they are named by their numbers from 0.
    pub size: usize,
    /// Definition and unit of the quantity.
    pub quantity: String,
    /// Whether values lie on both sides of 0.
    pub signed: bool,
    /// The pairs measured.
    pub entries: Vec<MatrixEntry>,
}

/// One pair.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MatrixEntry {
    /// Index of the row.
    pub row: usize,
    /// Index of the column.
    pub column: usize,
    /// The value.
    pub value: f64,
    /// What the pointer shows.
    pub hover: String,
}

impl MatrixEntry {
    /// The entries of an unordered pair, on both sides of the diagonal.
    pub fn of_pair(first: usize, second: usize, value: f64, hover: &str) -> [Self; 2] {
        [(first, second), (second, first)].map(|(row, column)| Self {
            row,
            column,
            value,
            hover: hover.to_owned(),
        })
    }
}
