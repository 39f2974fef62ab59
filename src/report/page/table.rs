use serde::Serialize;

/// Rows beyond these make a page slow and are left in the file.
const MOST_ROWS: usize = 1_000;

/// A table that a reader can sort.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    caption: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    /// Rows that are not shown.
    left_out: usize,
}

#[derive(Debug, Serialize)]
struct Column {
    title: String,
    number: bool,
}

/// One cell: what is read, and what it is sorted by.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cell {
    text: String,
    value: Option<f64>,
}

/// Words.
pub(super) fn words(text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        value: None,
    }
}

/// A number, as it is read.
pub(super) fn number(text: impl Into<String>, value: f64) -> Cell {
    Cell {
        text: text.into(),
        value: value.is_finite().then_some(value),
    }
}

/// A whole number.
pub(super) fn whole(value: usize) -> Cell {
    number(value.to_string(), value as f64)
}

impl Table {
    /// A table; none without rows.
    pub fn new(
        caption: impl Into<String>,
        titles: &[&str],
        mut rows: Vec<Vec<Cell>>,
    ) -> Option<Self> {
        let first = rows.first()?;
        let number = |place: usize| first.get(place).is_some_and(|cell| cell.value.is_some());
        let columns = titles
            .iter()
            .enumerate()
            .map(|(place, title)| Column {
                title: (*title).to_owned(),
                number: number(place),
            })
            .collect();
        let left_out = rows.len().saturating_sub(MOST_ROWS);
        rows.truncate(MOST_ROWS);
        Some(Self {
            caption: caption.into(),
            columns,
            rows,
            left_out,
        })
    }
}
