use thiserror::Error;

use crate::draw::DrawError;
use crate::table::TableError;

/// Why there is no page.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PageError {
    /// A picture of it cannot be drawn.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// A table of it cannot be written as CSV.
    #[error(transparent)]
    Csv(#[from] TableError),
    /// The template does not take what it is given.
    #[error("filling in the report: {0}; report this with the results that it was made from")]
    Template(#[from] minijinja::Error),
    /// The options of a results file are not JSON.
    #[error("options of a results file: {0}; report this with the file")]
    Options(#[from] serde_json::Error),
}
