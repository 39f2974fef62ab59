//! One table for the terminal, the page and files.
//!
//! A [`Table`] is data: each [`Cell`] holds the text that people read and the values behind it, so
//! that every rendering shows the same numbers. The renderings are [`Table::lines`] (text of a given
//! width), [`Table::csv`], [`Table::json`] and [`Table::markdown`].

mod cell;
mod column;
mod csv;
mod json;
mod markdown;
mod text;

pub use cell::{Cell, Datum};
pub use column::{Alignment, Column, Priority};
pub use text::{Line, LineKind, wrap};

use thiserror::Error;

/// Why a table has no rendering: a fault of the program, since every table has one.
#[derive(Debug, Error)]
#[error("internal error: writing a table as {format}: {fault}; please report this")]
pub struct TableError {
    /// The format.
    format: &'static str,
    /// What the writer says.
    #[source]
    fault: Box<dyn std::error::Error + Send + Sync>,
}

/// Rows that stand out, each by a symbol and, on a terminal, a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// A significant difference.
    Significant,
    /// A block that is needed.
    Needed,
    /// A block that can be removed.
    Removable,
    /// The unchanged network, for reference.
    Intact,
}

impl Mark {
    /// The symbol in front of the row.
    pub fn symbol(self) -> char {
        match self {
            Self::Significant => '*',
            Self::Needed => '!',
            Self::Removable => '-',
            Self::Intact => '=',
        }
    }
}

/// One row: a cell for each column.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its cells, in the order of the columns.
    pub cells: Vec<Cell>,
    /// What makes it stand out.
    pub mark: Option<Mark>,
}

/// A table of results.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What the rows are.
    pub title: String,
    /// The columns, including those that only files hold.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
    /// What each mark means, in the order of the legend.
    pub legend: Vec<(Mark, String)>,
    /// Remarks on symbols and methods, printed below the table.
    pub notes: Vec<String>,
}

impl Table {
    /// A table without rows.
    pub fn new(title: impl Into<String>, columns: Vec<Column>) -> Self {
        Self {
            title: title.into(),
            columns,
            rows: Vec::new(),
            legend: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Appends a row.
    pub fn push(&mut self, cells: Vec<Cell>) {
        self.push_marked(cells, None);
    }

    /// Appends a row that may stand out.
    pub fn push_marked(&mut self, cells: Vec<Cell>, mark: Option<Mark>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "{}", self.title);
        self.rows.push(Row { cells, mark });
    }

    /// The table, unless it has no rows.
    #[must_use]
    pub fn unless_empty(self) -> Option<Self> {
        (!self.rows.is_empty()).then_some(self)
    }

    /// Index of the column that holds `field`.
    pub fn column(&self, field: &str) -> Option<usize> {
        let holds = |column: &Column| column.fields.iter().any(|name| name == field);
        self.columns.iter().position(holds)
    }

    /// The columns that are not in files only, with their indices.
    pub(crate) fn printed(&self) -> impl Iterator<Item = (usize, &Column)> {
        let columns = self.columns.iter().enumerate();
        columns.filter(|(_, column)| column.priority > Priority::FileOnly)
    }

    /// The meaning of those marks that a row has.
    pub(crate) fn used_legend(&self) -> impl Iterator<Item = (Mark, &str)> {
        let is_used = |mark| self.rows.iter().any(|row| row.mark == Some(mark));
        let legend = self.legend.iter().filter(move |(mark, _)| is_used(*mark));
        legend.map(|(mark, meaning)| (*mark, meaning.as_str()))
    }

    /// Prints the columns that hold `fields` and no others; files hold all.
    pub fn print_only(&mut self, fields: &[&str]) {
        for column in &mut self.columns {
            let asked = column
                .fields
                .iter()
                .any(|field| fields.contains(&field.as_str()));
            column.priority = match asked {
                true => Priority::Essential,
                false => Priority::FileOnly,
            };
        }
    }

    /// Sorts the rows by the number in `field`, greatest first; rows without it come last.
    pub fn sort_descending(&mut self, field: &str) {
        let Some(column) = self.column(field) else {
            return;
        };
        let number = |row: &Row| row.cells.get(column).and_then(Cell::number_value);
        self.rows.sort_by(|a, b| match (number(a), number(b)) {
            (Some(a), Some(b)) => b.total_cmp(&a),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
    }
}

#[cfg(test)]
mod tests;
