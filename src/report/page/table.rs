use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;

use super::error::PageError;
use crate::table::{Alignment, Cell, Column, Datum, Mark, Priority, Row, Table};

/// Rows beyond these make a page large and slow; nobody reads them, and the CSV has them.
const MOST_ROWS: usize = 250;
/// Rows that differ from the intact network are sorted by this, worst first.
const HARM: &str = "difference_points";

/// A table that a reader can sort.
#[derive(Debug, Serialize)]
pub(super) struct SortableTable {
    caption: String,
    columns: Vec<Heading>,
    rows: Vec<SortableRow>,
    legend: Vec<(&'static str, String)>,
    notes: Vec<String>,
    /// Rows that are not shown.
    left_out: usize,
    /// Whether some columns are left out where there is little room.
    has_lesser: bool,
    /// Every value, percent-encoded, and a name for the file.
    csv: String,
    file: String,
}

#[derive(Debug, Serialize)]
struct Heading {
    title: String,
    class: &'static str,
    sorted: bool,
    /// Whether the least is what a reader looks for.
    least_first: bool,
}

#[derive(Debug, Serialize)]
struct SortableRow {
    cells: Vec<Entry>,
    mark: Option<&'static str>,
    /// The block that it is about.
    block: Option<usize>,
    /// Whether the map leads here.
    is_target: bool,
}

/// What is read.
#[derive(Debug, Serialize)]
struct Entry {
    text: String,
    class: &'static str,
    /// What the row is sorted by, where the text is no number.
    value: Option<f64>,
    /// Length of its bar in per cent of the longest.
    bar: Option<String>,
}

/// The printed columns of a table from the file `source`; blocks that get their first row join
/// `rows`.
pub(super) fn sortable(
    table: &Table,
    source: &str,
    rows: &mut BTreeSet<usize>,
) -> Result<SortableTable, PageError> {
    let mut table = table.clone();
    table.sort_descending(HARM);
    let harm = table.column(HARM);
    let mut shown: Vec<(usize, &Column)> = table.printed().collect();
    // What matters least is what has to be scrolled to.
    shown.sort_by_key(|&(index, column)| index > 0 && is_lesser(column));
    let longest: Vec<Option<f64>> = shown
        .iter()
        .map(|&(index, column)| longest(&table, index, column))
        .collect();
    let block_column = table.column("block");
    let row = |row: &Row| {
        let cells = shown.iter().zip(&longest);
        let block = block_column.and_then(|column| block(row.cells.get(column)?));
        SortableRow {
            cells: cells
                .filter_map(|(&(index, column), longest)| {
                    let cell = row.cells.get(index)?;
                    Some(Entry {
                        text: cell.text.clone(),
                        class: class(column),
                        value: cell
                            .number_value()
                            .filter(|_| !begins_with_number(&cell.text)),
                        bar: longest.and_then(|longest| bar(cell, longest)),
                    })
                })
                .collect(),
            mark: row.mark.map(mark_class),
            is_target: block.is_some_and(|block| rows.insert(block)),
            block,
        }
    };
    let rows = table.rows.iter().take(MOST_ROWS).map(row).collect();
    let csv = table.csv()?;
    Ok(SortableTable {
        caption: table.title.clone(),
        columns: shown
            .iter()
            .map(|&(index, column)| Heading {
                title: column.title(),
                class: class(column),
                sorted: Some(index) == harm,
                least_first: column.fields.first().is_some_and(|field| field == "p"),
            })
            .collect(),
        rows,
        legend: table
            .used_legend()
            .map(|(mark, meaning)| (mark_class(mark), meaning.to_owned()))
            .collect(),
        notes: table.notes.clone(),
        left_out: table.rows.len().saturating_sub(MOST_ROWS),
        has_lesser: shown.iter().any(|(_, column)| is_lesser(column)),
        csv: percent_encoded(&csv),
        file: format!("{}.csv", file_name(&[source, &table.title].join("-"))),
    })
}

/// Whether a text begins with a number as JavaScript reads it, after thousands are joined.
fn begins_with_number(text: &str) -> bool {
    let first = text.split([' ', '%']).next().unwrap_or_default();
    first
        .replace(',', "")
        .parse::<f64>()
        .is_ok_and(f64::is_finite)
}

/// What style sheets call a column: words or numbers, and whether it can be left out.
fn class(column: &Column) -> &'static str {
    match (column.alignment, is_lesser(column)) {
        (Alignment::Left, false) => "text",
        (Alignment::Left, true) => "text lesser",
        (Alignment::Right, false) => "",
        (Alignment::Right, true) => "lesser",
    }
}

/// Whether a column is left out where there is little room.
fn is_lesser(column: &Column) -> bool {
    column.priority < Priority::High
}

/// What style sheets call a mark.
fn mark_class(mark: Mark) -> &'static str {
    match mark {
        Mark::Significant => "significant",
        Mark::Needed => "needed",
        Mark::Removable => "removable",
        Mark::Intact => "intact",
    }
}

/// The block that a cell names.
fn block(cell: &Cell) -> Option<usize> {
    match cell.values.first()? {
        Datum::Integer(block) => usize::try_from(*block).ok(),
        _ => None,
    }
}

/// The largest size of the values in a column of amounts that can be compared by eye; none in other
/// columns.
fn longest(table: &Table, index: usize, column: &Column) -> Option<f64> {
    let compared = matches!(column.unit, Some("%" | "points" | "nats"));
    let is_interval = column.fields.len() > 1;
    if !compared || is_interval {
        return None;
    }
    let cells = table.rows.iter().filter_map(|row| row.cells.get(index));
    let sizes = cells.filter_map(Cell::number_value).map(f64::abs);
    Some(sizes.fold(0.0, f64::max)).filter(|longest| *longest > 0.0)
}

fn bar(cell: &Cell, longest: f64) -> Option<String> {
    let size = cell.number_value()?.abs() / longest;
    Some(format!("{:.0}", 100.0 * size))
}

/// A text as an address holds it.
fn percent_encoded(csv: &str) -> String {
    let mut out = String::with_capacity(csv.len());
    for byte in csv.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b',' | b';' => {
                out.push(byte.into());
            }
            // Writing to a string does not fail.
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// Letters and digits of a title, joined by hyphens.
fn file_name(title: &str) -> String {
    let words = title.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_any_text() {
        assert_eq!(percent_encoded("a,\"é/\"\n"), "a,%22%C3%A9%2F%22%0A");
        assert_eq!(
            file_name("lesion-One block (deleted)"),
            "lesion-one-block-deleted"
        );
    }
}
