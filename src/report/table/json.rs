use serde::ser::{Serialize, Serializer};

use super::{Row, Table, TableError};

impl Table {
    /// The values as a JSON array with an object for each row; missing ones are `null`.
    ///
    /// # Errors
    /// None that an input can cause.
    pub fn json(&self) -> Result<String, TableError> {
        let text = serde_json::to_string_pretty(&Records(self)).map_err(|fault| TableError {
            format: "JSON",
            fault: Box::new(fault),
        })?;
        Ok(text + "\n")
    }
}

/// The rows of a table as objects whose keys keep the order of the columns.
struct Records<'a>(&'a Table);

struct OneRecord<'a>(&'a Table, &'a Row);

impl Serialize for Records<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.0.rows.iter();
        serializer.collect_seq(rows.map(|row| OneRecord(self.0, row)))
    }
}

impl Serialize for OneRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let columns = self.0.columns.iter().zip(&self.1.cells);
        serializer.collect_map(columns.flat_map(|(column, cell)| {
            let fields = column.fields.iter().enumerate();
            fields.map(|(index, field)| (field, cell.value(index)))
        }))
    }
}
