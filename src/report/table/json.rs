use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

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
        let mut list = serializer.serialize_seq(Some(self.0.rows.len()))?;
        for row in &self.0.rows {
            list.serialize_element(&OneRecord(self.0, row))?;
        }
        list.end()
    }
}

impl Serialize for OneRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (column, cell) in self.0.columns.iter().zip(&self.1.cells) {
            for (index, field) in column.fields.iter().enumerate() {
                object.serialize_entry(field, &cell.value(index))?;
            }
        }
        object.end()
    }
}
