use csv::Writer;

use super::{Datum, Table, TableError};

impl Table {
    /// The values as CSV with a header line; missing ones are empty.
    ///
    /// # Errors
    /// None that an input can cause.
    pub fn csv(&self) -> Result<String, TableError> {
        self.write_csv().map_err(|fault| TableError {
            format: "CSV",
            fault,
        })
    }

    fn write_csv(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let mut writer = Writer::from_writer(Vec::new());
        writer.write_record(self.columns.iter().flat_map(|column| &column.fields))?;
        for row in &self.rows {
            let values = self
                .columns
                .iter()
                .zip(&row.cells)
                .flat_map(|(column, cell)| {
                    (0..column.fields.len())
                        .map(|index| cell.value(index).map_or_else(String::new, text))
                });
            writer.write_record(values)?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }
}

fn text(value: &Datum) -> String {
    match value {
        Datum::Truth(value) => value.to_string(),
        Datum::Text(text) => text.clone(),
        Datum::Integer(value) => value.to_string(),
        Datum::Number(value) if *value != 0.0 && value.abs() < 1e-4 => format!("{value:e}"),
        Datum::Number(value) => value.to_string(),
    }
}
