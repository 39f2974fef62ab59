use std::collections::BTreeSet;

use pathscope_analysis::record::{Journal, Options};
use serde::Serialize;

use super::error::PageError;
use super::figure::{Figure, figure};
use super::names::data_name;
use super::table::{SortableTable, sortable};
use crate::quantity::thousands;
use crate::view::{Finding, View, view};

/// What one file of results says.
#[derive(Debug, Serialize)]
pub(super) struct Section {
    pub id: String,
    /// File that it comes from.
    source: Option<String>,
    findings: Vec<Finding>,
    figures: Vec<Figure>,
    tables: Vec<SortableTable>,
}

/// What is known of a network from its sections.
#[derive(Debug, Default)]
pub(super) struct PageSubject {
    /// Number of the network on the page.
    pub number: usize,
    /// Blocks that have a row in a table.
    pub rows: BTreeSet<usize>,
}

impl Section {
    /// What a view of the file `name` says.
    pub fn new(
        id: String,
        name: &str,
        view: View,
        subject: &mut PageSubject,
    ) -> Result<Self, PageError> {
        let number = subject.number;
        let figures = view.pictures.iter().map(|found| figure(found, number));
        let tables = view.tables.iter();
        let tables = tables.map(|table| sortable(table, name, &mut subject.rows));
        Ok(Self {
            id,
            source: None,
            figures: figures.collect::<Result<_, _>>()?,
            tables: tables.collect::<Result<_, _>>()?,
            findings: view.findings,
        })
    }

    /// The section about the results in a file.
    pub fn of(
        id: String,
        journal: &Journal,
        share: f64,
        subject: &mut PageSubject,
    ) -> Result<Self, PageError> {
        let data = &journal.header.data;
        let examples = thousands(data.examples as u64);
        let name = journal.path.file_stem().unwrap_or_default();
        let file = journal.path.file_name().map(|name| {
            let name = name.to_string_lossy();
            format!("From {name}: {examples} examples, {}.", data_name(data))
        });
        Ok(Self {
            source: file,
            ..Self::new(id, &name.to_string_lossy(), view(journal, share), subject)?
        })
    }
}

/// Everything about one question.
#[derive(Debug, Serialize)]
pub(super) struct Chapter {
    pub id: &'static str,
    pub heading: &'static str,
    /// The networks side by side.
    pub columns: Vec<Side>,
}

/// What a chapter says of one network.
#[derive(Debug, Serialize)]
pub(super) struct Side {
    pub subject: usize,
    pub title: String,
    pub sections: Vec<Section>,
}

impl Chapter {
    /// The chapter for results with these options, without columns.
    pub fn about(options: &Options) -> Self {
        let (id, heading) = match options {
            Options::Lesion(_) => ("lesions", "Lesions: which blocks matter"),
            Options::Reorder(_) => ("order", "Order: does the sequence of blocks matter"),
            Options::GradientSpectrum(_) => ("gradient", "Gradient by path length"),
            Options::Ensemble(_) => ("ensembles", "Ensembles of sub-networks"),
        };
        Self {
            id,
            heading,
            columns: Vec::new(),
        }
    }

    /// A chapter that a view fills and that is about no single network.
    pub fn of(id: &'static str, heading: &'static str, view: View) -> Result<Self, PageError> {
        let name = format!("results-{id}");
        let section = Section::new(name, id, view, &mut PageSubject::default())?;
        let mut chapter = Self {
            id,
            heading,
            columns: Vec::new(),
        };
        chapter.push(0, "", section);
        Ok(chapter)
    }

    /// Appends a section about network `subject`.
    pub fn push(&mut self, subject: usize, title: &str, section: Section) {
        match self.columns.last_mut() {
            Some(column) if column.subject == subject => column.sections.push(section),
            _ => self.columns.push(Side {
                subject,
                title: title.to_owned(),
                sections: vec![section],
            }),
        }
    }
}
