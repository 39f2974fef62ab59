use pathscope_analysis::record::Options;
use serde::Serialize;

use super::error::PageError;
use super::figure::{Figure, figure};
use super::table::{SortableTable, sortable};
use crate::journal::Journal;
use crate::quantity::thousands;
use crate::view::{Finding, View, view};

/// What one file of results says.
#[derive(Debug, Serialize)]
pub(super) struct Section {
    id: String,
    heading: String,
    /// Network that it is about.
    about: Option<String>,
    /// File that it comes from.
    source: Option<String>,
    findings: Vec<Finding>,
    figures: Vec<Figure>,
    tables: Vec<SortableTable>,
}

impl Section {
    pub fn new(
        id: impl Into<String>,
        heading: impl Into<String>,
        view: View,
    ) -> Result<Self, PageError> {
        Ok(Self {
            id: id.into(),
            heading: heading.into(),
            about: None,
            source: None,
            figures: view.pictures.iter().map(figure).collect::<Result<_, _>>()?,
            tables: view.tables.iter().map(sortable).collect(),
            findings: view.findings,
        })
    }
}

/// The section about the results in a file.
pub(super) fn of(id: String, journal: &Journal, share: f64) -> Result<Section, PageError> {
    let header = &journal.header;
    let name = journal.path.file_name();
    let examples = thousands(header.data.examples as u64);
    Ok(Section {
        about: Some(format!(
            "{} on {}",
            header.model.title, header.data.description
        )),
        source: name.map(|name| {
            let (name, data) = (name.to_string_lossy(), &header.data.description);
            format!("From {name}: {examples} examples, {data}.")
        }),
        ..Section::new(id, heading(&header.options), view(journal, share))?
    })
}

/// An experiment as people call it.
fn heading(options: &Options) -> &'static str {
    match options {
        Options::Lesion(_) => "Lesions: which blocks matter",
        Options::Reorder(_) => "Order: does the sequence of blocks matter",
        Options::GradientSpectrum(_) => "Gradient by path length",
        Options::Ensemble(_) => "Ensembles of sub-networks",
    }
}
