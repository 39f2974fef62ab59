//! Files of exact path counts, which need no measurement.

use std::fs;
use std::path::Path;

use pathscope_analysis::PathCounts;
use pathscope_analysis::record::{JournalError, SCHEMA_VERSION};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `pathscope multiplicity --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename = "multiplicity")]
pub struct PathCountsFile {
    /// Version of the records.
    pub schema: u32,
    /// The networks.
    pub networks: Vec<PathCounts>,
}

impl PathCountsFile {
    /// A file of these networks.
    pub fn new(networks: Vec<PathCounts>) -> Self {
        Self {
            schema: SCHEMA_VERSION,
            networks,
        }
    }

    /// Reads a file; none where it holds something else.
    ///
    /// # Errors
    /// An unreadable file, or one of a later version.
    pub fn read(path: &Path) -> Result<Option<Self>, JournalError> {
        let text = fs::read_to_string(path).map_err(|source| JournalError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        match serde_json::from_str::<Self>(&text) {
            Ok(file) if file.schema > SCHEMA_VERSION => Err(JournalError::Later {
                path: path.to_owned(),
                found: file.schema,
            }),
            Ok(file) => Ok(Some(file)),
            Err(_) => Ok(None),
        }
    }
}
