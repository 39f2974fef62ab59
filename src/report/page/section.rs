use serde::Serialize;

use super::table::Table;
use super::{PageError, figure, tables};
use crate::report::findings::{Finding, findings};
use crate::report::gradient::summarize;
use crate::report::journal::Journal;
use crate::report::picture::Picture;
use crate::report::plot::pictures;
use crate::report::quantity::thousands;

/// A picture with its words.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub svg: String,
    pub title: String,
    pub words: String,
}

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
    tables: Vec<Table>,
}

impl Section {
    pub fn new(
        id: impl Into<String>,
        heading: impl Into<String>,
        findings: Vec<Finding>,
        pictures: &[Picture],
        tables: Vec<Option<Table>>,
    ) -> Result<Self, PageError> {
        Ok(Self {
            id: id.into(),
            heading: heading.into(),
            about: None,
            source: None,
            findings,
            figures: pictures.iter().map(figure).collect::<Result<_, _>>()?,
            tables: tables.into_iter().flatten().collect(),
        })
    }
}

/// The section about the results in a file.
pub(super) fn of(id: String, journal: &Journal, share: f64) -> Result<Section, PageError> {
    let header = &journal.header;
    let outcomes = journal.outcomes();
    let summary = summarize(header, &journal.spectra(), share);
    let mut all: Vec<Option<Table>> = Vec::new();
    all.extend(tables::singles(header, &outcomes).into_iter().map(Some));
    all.extend(tables::random(&outcomes).into_iter().map(Some));
    all.push(tables::pairs(header, &outcomes));
    all.push(tables::orders(&outcomes));
    all.push(tables::commutators(header, &journal.commutators()));
    if let Some(summary) = &summary {
        all.push(tables::ranges(summary));
        all.push(tables::lengths(summary));
    }
    all.push(tables::ensembles(&journal.ensembles()));
    all.push(tables::removals(header, &journal.removals()));
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
        ..Section::new(
            id,
            heading(&header.experiment),
            findings(journal, share),
            &pictures(journal, share),
            all,
        )?
    })
}

/// An experiment as people call it.
fn heading(experiment: &str) -> String {
    match experiment {
        "lesion" => "Lesions: which blocks matter".into(),
        "reorder" => "Order: does the sequence of blocks matter".into(),
        "gradient-spectrum" => "Gradient by path length".into(),
        "ensemble" => "Ensembles of sub-networks".into(),
        "prune" => "Removing blocks for good".into(),
        other => {
            let mut letters = other.chars();
            let first = letters
                .next()
                .map(|letter| letter.to_uppercase().to_string());
            first.unwrap_or_default() + &letters.as_str().replace('-', " ")
        }
    }
}
