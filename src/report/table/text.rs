//! Tables as lines of text that fit a width.

use textwrap::core::display_width;

use super::{Alignment, Cell, Mark, Priority, Row, Table};

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
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    textwrap::wrap(text, width.max(1))
        .into_iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// The columns that are printed, each with its width.
struct Layout {
    columns: Vec<(usize, usize)>,
    margin: usize,
}

impl Table {
    /// The table as text: no line is wider than `width`, columns of low priority are left out where
    /// there is no room for all, and what is still too wide is wrapped at words.
    #[must_use]
    pub fn lines(&self, width: usize) -> Vec<Line> {
        let layout = self.layout(width);
        let line = |text: String, kind| Line { text, kind };
        let mut lines: Vec<Line> = wrap(&self.title, width)
            .into_iter()
            .map(|text| line(text, LineKind::Title))
            .collect();
        let headings: Vec<Vec<String>> = layout
            .columns
            .iter()
            .map(|&(index, width)| self.heading(index, width))
            .collect();
        lines.extend(
            self.side_by_side(&layout, &bottom_aligned(headings), None)
                .into_iter()
                .map(|text| line(text, LineKind::Heading)),
        );
        lines.push(line("─".repeat(layout.width()), LineKind::Rule));
        for row in &self.rows {
            let kind = LineKind::Row(row.mark);
            let texts = self.row(&layout, row);
            lines.extend(texts.into_iter().map(|text| line(text, kind)));
        }
        for (mark, meaning) in &self.legend {
            if self.rows.iter().any(|row| row.mark == Some(*mark)) {
                let text = format!("{} {meaning}", mark.symbol());
                let kind = LineKind::Legend(*mark);
                lines.extend(wrap(&text, width).into_iter().map(|text| line(text, kind)));
            }
        }
        for note in &self.notes {
            let texts = wrap(note, width).into_iter();
            lines.extend(texts.map(|text| line(text, LineKind::Note)));
        }
        lines
    }

    /// The lines of the table as one text.
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        let lines = self.lines(width);
        lines.into_iter().map(|line| line.text + "\n").collect()
    }

    /// Headings of the columns for which `width` has no room.
    #[must_use]
    pub fn left_out(&self, width: usize) -> Vec<&str> {
        let layout = self.layout(width);
        self.columns
            .iter()
            .enumerate()
            .filter(|(index, column)| {
                column.priority > Priority::FileOnly
                    && layout.columns.iter().all(|(shown, _)| shown != index)
            })
            .map(|(_, column)| column.heading.as_str())
            .collect()
    }

    fn layout(&self, width: usize) -> Layout {
        let marked = self.rows.iter().any(|row| row.mark.is_some());
        let mut layout = Layout {
            columns: (0..self.columns.len())
                .filter(|&index| self.priority(index) > Priority::FileOnly)
                .map(|index| (index, self.width(index, usize::MAX)))
                .collect(),
            margin: if marked { 2 } else { 0 },
        };
        // Headings of several lines come before fewer columns.
        if layout.width() > width {
            for (index, wide) in &mut layout.columns {
                *wide = self.width(*index, 1);
            }
        }
        while layout.width() > width {
            let least = layout
                .columns
                .iter()
                .enumerate()
                .rev()
                .min_by_key(|(_, (index, _))| self.priority(*index));
            match least {
                Some((place, (index, _))) if self.priority(*index) < Priority::Essential => {
                    layout.columns.remove(place);
                }
                _ => break,
            }
        }
        while layout.width() > width {
            let widest = layout.columns.iter_mut().max_by_key(|(_, wide)| *wide);
            match widest {
                Some((_, wide)) if *wide > 1 => *wide -= 1,
                _ => break,
            }
        }
        layout
    }

    fn priority(&self, index: usize) -> Priority {
        let column = self.columns.get(index);
        column.map_or(Priority::FileOnly, |column| column.priority)
    }

    /// The width that a column needs if its heading is wrapped to `heading` columns.
    fn width(&self, index: usize, heading: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.cells.get(index));
        let cells = cells.flat_map(|cell| cell.text.lines()).map(display_width);
        let Some(column) = self.columns.get(index) else {
            return 0;
        };
        let words = match heading {
            1 => column.heading.split(' ').map(display_width).max(),
            _ => Some(display_width(&column.heading)),
        };
        let unit = column.unit.map(display_width);
        cells.chain(words).chain(unit).fold(1, usize::max)
    }

    /// The heading of a column and, where any has one, its unit in a line of its own.
    fn heading(&self, index: usize, width: usize) -> Vec<String> {
        let Some(column) = self.columns.get(index) else {
            return Vec::new();
        };
        let mut lines = wrap(&column.heading, width);
        lines.extend(column.unit.into_iter().flat_map(|unit| wrap(unit, width)));
        lines
    }

    fn row(&self, layout: &Layout, row: &Row) -> Vec<String> {
        let cells: Vec<Vec<String>> = layout
            .columns
            .iter()
            .map(|&(index, width)| {
                let cell = row.cells.get(index);
                cell.map_or_else(Vec::new, |Cell { text, .. }| wrap(text, width))
            })
            .collect();
        self.side_by_side(layout, &cells, row.mark)
    }

    /// Cells of one or several lines next to each other.
    fn side_by_side(
        &self,
        layout: &Layout,
        cells: &[Vec<String>],
        mark: Option<Mark>,
    ) -> Vec<String> {
        let height = cells.iter().map(Vec::len).fold(1, usize::max);
        let line = |number: usize| {
            let mut text = match mark {
                Some(mark) if number == 0 => mark.symbol().to_string(),
                _ => String::new(),
            };
            text += &" ".repeat(layout.margin.saturating_sub(text.len()));
            for (place, (&(index, width), lines)) in layout.columns.iter().zip(cells).enumerate() {
                let content = lines.get(number).map_or("", String::as_str);
                let blanks = " ".repeat(width.saturating_sub(display_width(content)));
                if place > 0 {
                    text += &" ".repeat(GAP);
                }
                let right = self
                    .columns
                    .get(index)
                    .is_some_and(|column| column.alignment == Alignment::Right);
                text += &match right {
                    true => blanks + content,
                    false => content.to_owned() + &blanks,
                };
            }
            text.trim_end().to_owned()
        };
        (0..height).map(line).collect()
    }
}

impl Layout {
    fn width(&self) -> usize {
        let columns: usize = self.columns.iter().map(|(_, width)| width).sum();
        self.margin + columns + GAP * self.columns.len().saturating_sub(1)
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
