//! The tables of the paper, beside what is built here.

use crate::cli::Problem;
use crate::report::table::{Cell, Column, Table};
use crate::training::{PaperTable, QuotedRow};

/// What the columns of the tables mean.
pub(crate) const LEGEND: &str = "Parameters and results as Abdi & Nahavandi print them (arXiv 1609.05672). \
     Here: the network that pathscope builds for the row. w: factor on the channels.";

/// Tables I to V, each with its key in JSON; `results` holds test errors by the name of their
/// recipe. Errors: a network of a row that cannot be built.
pub(crate) fn tables(results: &[(&str, String)]) -> Result<Vec<(String, Table)>, Problem> {
    let tables = PaperTable::all().map_err(Problem::internal)?;
    let shown = |paper: &PaperTable| {
        let key = format!("table_{}", paper.number.to_lowercase());
        Ok((key, table(paper, results)?))
    };
    tables.iter().map(shown).collect()
}

fn table(paper: &PaperTable, results: &[(&str, String)]) -> Result<Table, Problem> {
    let mut columns = vec![
        Column::words("method", "method"),
        Column::number("depth", "depth"),
        Column::number("k", "k"),
        Column::number("widening", "w").low(),
        Column::words("parameters_paper", "parameters"),
        Column::number("parameters_here", "here"),
    ];
    for (number, heading) in (1..).zip(&paper.results) {
        let column = Column::words(&format!("paper_{number}"), heading);
        columns.push(if number == 1 { column } else { column.high() });
    }
    columns.push(Column::words("trained_here", "trained here").medium());
    let mut shown = Table::new(format!("Table {}. {}", paper.number, paper.about), columns);
    for row in &paper.rows {
        shown.push(cells(row, results)?);
    }
    Ok(shown)
}

fn cells(row: &QuotedRow, results: &[(&str, String)]) -> Result<Vec<Cell>, Problem> {
    let count = |value: Option<usize>| {
        let cell = |value: usize| Cell::integer(value.to_string(), value as u64);
        value.map_or_else(Cell::missing, cell)
    };
    let here = row.parameters_here().map_err(Problem::internal)?;
    let here = here.and_then(|here| u64::try_from(here).ok());
    let trained: Vec<&str> = row
        .recipes
        .iter()
        .flat_map(|recipe| results.iter().filter(move |(name, _)| name == recipe))
        .map(|(_, error)| error.as_str())
        .collect();
    let mut cells = vec![
        Cell::words(&row.method),
        count(row.depth),
        count(row.k),
        count(row.widening),
        row.parameters
            .as_ref()
            .map_or_else(Cell::missing, Cell::words),
        here.map_or_else(Cell::missing, |here| {
            Cell::integer(format!("{:.2}M", here as f64 / 1e6), here)
        }),
    ];
    cells.extend(row.results.iter().map(Cell::words));
    cells.push(match trained.as_slice() {
        [] => Cell::missing(),
        trained => Cell::words(trained.join("; ")),
    });
    Ok(cells)
}
