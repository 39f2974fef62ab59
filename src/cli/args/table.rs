use clap::Args;

use super::number::positive;
use crate::cli::Problem;
use crate::report::table::Table;

/// Which rows and columns of the first table are printed.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TableArguments {
    /// Order of the rows: effect (largest increase of the error first), block, or a column, largest
    /// first [default: block]
    #[arg(long, value_name = "COLUMN")]
    sort: Option<String>,
    /// Number of rows to print, by --sort or else by effect [default: all]
    #[arg(long, value_name = "N", value_parser = positive)]
    top: Option<usize>,
    /// Columns to print, as CSV calls them; CSV and JSON hold all [default: as many as fit]
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    columns: Vec<String>,
}

/// What the name of a column stands for.
fn field(name: &str) -> &str {
    match name {
        "effect" => "difference_points",
        name => name,
    }
}

impl TableArguments {
    /// Arranges `table` as asked for. Errors: a column that it lacks.
    pub fn arrange(&self, table: &mut Table) -> Result<(), Problem> {
        let sort = self.sort.as_deref().or(self.top.map(|_| "effect"));
        let columns = self.columns.iter().map(String::as_str);
        for name in sort.into_iter().chain(columns.clone()) {
            if table.column(field(name)).is_none() {
                let columns = table.columns.iter();
                let known = columns.filter_map(|column| column.fields.first());
                let known: Vec<&str> = known.map(String::as_str).collect();
                return Err(Problem::BadInput(format!(
                    "there is no column `{name}`; the columns are {}",
                    known.join(", ")
                )));
            }
        }
        match sort {
            // As they are.
            None | Some("block") => {}
            Some(name) => table.sort_descending(field(name)),
        }
        if let Some(top) = self.top {
            table.rows.truncate(top);
        }
        if !self.columns.is_empty() {
            table.print_only(&columns.map(field).collect::<Vec<_>>());
        }
        Ok(())
    }
}
