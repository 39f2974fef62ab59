use serde::Serialize;

use crate::table::{Alignment, Column, Priority, Row, Table};

/// Rows beyond these make a page slow and are left in the file.
const MOST_ROWS: usize = 1_000;

/// A table that a reader can sort.
#[derive(Debug, Serialize)]
pub(super) struct SortableTable {
    caption: String,
    columns: Vec<Heading>,
    rows: Vec<SortableRow>,
    notes: Vec<String>,
    /// Rows that are not shown.
    left_out: usize,
}

#[derive(Debug, Serialize)]
struct Heading {
    title: String,
    number: bool,
}

#[derive(Debug, Serialize)]
struct SortableRow {
    cells: Vec<Entry>,
    marked: bool,
}

/// What is read, and what the row is sorted by.
#[derive(Debug, Serialize)]
struct Entry {
    text: String,
    number: bool,
    value: Option<f64>,
}

/// The printed columns of a table.
pub(super) fn sortable(table: &Table) -> SortableTable {
    let shown: Vec<(usize, &Column)> = table
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.priority > Priority::FileOnly)
        .collect();
    let number = |column: &Column| column.alignment == Alignment::Right;
    let row = |row: &Row| SortableRow {
        cells: shown
            .iter()
            .filter_map(|&(index, column)| {
                let cell = row.cells.get(index)?;
                Some(Entry {
                    text: cell.text.clone(),
                    number: number(column),
                    value: cell.number_value(),
                })
            })
            .collect(),
        marked: row.mark.is_some(),
    };
    let legend = table.legend.iter().filter(|(mark, _)| {
        let mut rows = table.rows.iter();
        rows.any(|row| row.mark == Some(*mark))
    });
    let legend = legend.map(|(_, meaning)| format!("Highlighted: {meaning}"));
    SortableTable {
        caption: table.title.clone(),
        columns: shown
            .iter()
            .map(|(_, column)| Heading {
                title: column.title(),
                number: number(column),
            })
            .collect(),
        rows: table.rows.iter().take(MOST_ROWS).map(row).collect(),
        notes: legend.chain(table.notes.iter().cloned()).collect(),
        left_out: table.rows.len().saturating_sub(MOST_ROWS),
    }
}
