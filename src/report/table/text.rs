//! Tables as lines of text that fit a width.

use textwrap::core::display_width;

use super::{Alignment, Cell, Column, Mark, Priority, Row, Table};

/// Blanks between two columns.
const GAP: usize = 2;

/// One line of a printed table, without trailing blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line.
    pub text: String,
    /// What it is.
    pub kind: LineKind,
}

/// What a line of a printed table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// The title.
    Title,
    /// The headings of the columns.
    Heading,
    /// The rule below the headings.
    Rule,
    /// A row, or a part of one that needs several lines.
    Row(Option<Mark>),
    /// The meaning of a mark.
    Legend(Mark),
    /// A remark.
    Note,
}

/// `text` in lines of at most `width` columns, broken at words.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    textwrap::wrap(text, width.max(1))
        .into_iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// A column that is printed.
struct Printed<'a> {
    index: usize,
    column: &'a Column,
    width: usize,
}

/// The columns that are printed, behind a margin.
struct Layout<'a> {
    columns: Vec<Printed<'a>>,
    margin: usize,
}

impl Table {
    /// The table as text: no line is wider than `width`, columns of low priority are left out where
    /// there is no room for all, and what is still too wide is wrapped at words.
    pub fn lines(&self, width: usize) -> Vec<Line> {
        let layout = self.layout(width);
        let mut lines = Vec::new();
        let mut add = |texts: Vec<String>, kind| {
            lines.extend(texts.into_iter().map(|text| Line { text, kind }));
        };
        add(wrap(&self.title, width), LineKind::Title);
        let headings = layout.columns.iter().map(Printed::heading).collect();
        let headings = bottom_aligned(headings);
        add(layout.side_by_side(&headings, None), LineKind::Heading);
        add(vec!["─".repeat(layout.width())], LineKind::Rule);
        for row in &self.rows {
            add(layout.row(row), LineKind::Row(row.mark));
        }
        for (mark, meaning) in self.used_legend() {
            let text = format!("{} {meaning}", mark.symbol());
            add(wrap(&text, width), LineKind::Legend(mark));
        }
        for note in &self.notes {
            add(wrap(note, width), LineKind::Note);
        }
        lines
    }

    /// The lines of the table as one text.
    pub fn text(&self, width: usize) -> String {
        let lines = self.lines(width);
        lines.into_iter().map(|line| line.text + "\n").collect()
    }

    /// Headings of the columns for which `width` has no room.
    pub fn left_out(&self, width: usize) -> Vec<&str> {
        let layout = self.layout(width);
        let left_out = |index| layout.columns.iter().all(|shown| shown.index != index);
        self.printed()
            .filter(|&(index, _)| left_out(index))
            .map(|(_, column)| column.heading.as_str())
            .collect()
    }

    fn layout(&self, width: usize) -> Layout<'_> {
        let marked = self.rows.iter().any(|row| row.mark.is_some());
        let printed = |(index, column)| Printed {
            index,
            column,
            width: self.width(index, column, usize::MAX),
        };
        let mut layout = Layout {
            columns: self.printed().map(printed).collect(),
            margin: if marked { 2 } else { 0 },
        };
        // Headings of several lines come before fewer columns.
        if layout.width() > width {
            for shown in &mut layout.columns {
                shown.width = self.width(shown.index, shown.column, 1);
            }
        }
        while layout.width() > width {
            let columns = layout.columns.iter().enumerate().rev();
            match columns.min_by_key(|(_, shown)| shown.column.priority) {
                Some((place, shown)) if shown.column.priority < Priority::Essential => {
                    layout.columns.remove(place);
                }
                _ => break,
            }
        }
        while layout.width() > width {
            let widest = layout.columns.iter_mut().max_by_key(|shown| shown.width);
            match widest {
                Some(shown) if shown.width > 1 => shown.width -= 1,
                _ => break,
            }
        }
        layout
    }

    /// The width that a column needs if its heading is wrapped to `heading` columns.
    fn width(&self, index: usize, column: &Column, heading: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.cells.get(index));
        let cells = cells.flat_map(|cell| cell.text.lines()).map(display_width);
        let words = match heading {
            1 => column.heading.split(' ').map(display_width).max(),
            _ => Some(display_width(&column.heading)),
        };
        let unit = column.unit.map(display_width);
        cells.chain(words).chain(unit).fold(1, usize::max)
    }
}

impl Printed<'_> {
    /// The heading and, where the column has one, its unit in a line of its own.
    fn heading(&self) -> Vec<String> {
        let mut lines = wrap(&self.column.heading, self.width);
        let unit = self.column.unit.into_iter();
        lines.extend(unit.flat_map(|unit| wrap(unit, self.width)));
        lines
    }
}

impl Layout<'_> {
    fn width(&self) -> usize {
        let columns: usize = self.columns.iter().map(|shown| shown.width).sum();
        self.margin + columns + GAP * self.columns.len().saturating_sub(1)
    }

    fn row(&self, row: &Row) -> Vec<String> {
        let wrapped = |shown: &Printed<'_>| {
            let cell = row.cells.get(shown.index);
            cell.map_or_else(Vec::new, |Cell { text, .. }| wrap(text, shown.width))
        };
        let cells: Vec<Vec<String>> = self.columns.iter().map(wrapped).collect();
        self.side_by_side(&cells, row.mark)
    }

    /// Cells of one or several lines next to each other.
    fn side_by_side(&self, cells: &[Vec<String>], mark: Option<Mark>) -> Vec<String> {
        let height = cells.iter().map(Vec::len).fold(1, usize::max);
        let line = |number: usize| {
            let mut text = match mark {
                Some(mark) if number == 0 => mark.symbol().to_string(),
                _ => String::new(),
            };
            text += &" ".repeat(self.margin.saturating_sub(text.len()));
            for (place, (shown, lines)) in self.columns.iter().zip(cells).enumerate() {
                let content = lines.get(number).map_or("", String::as_str);
                let blanks = " ".repeat(shown.width.saturating_sub(display_width(content)));
                if place > 0 {
                    text += &" ".repeat(GAP);
                }
                text += &match shown.column.alignment {
                    Alignment::Right => blanks + content,
                    Alignment::Left => content.to_owned() + &blanks,
                };
            }
            text.trim_end().to_owned()
        };
        (0..height).map(line).collect()
    }
}

/// Headings of one line stand right above the rule.
fn bottom_aligned(headings: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let height = headings.iter().map(Vec::len).fold(0, usize::max);
    let align = |mut lines: Vec<String>| {
        let above = height - lines.len();
        lines.splice(0..0, std::iter::repeat_n(String::new(), above));
        lines
    };
    headings.into_iter().map(align).collect()
}
