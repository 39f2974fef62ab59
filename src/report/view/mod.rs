//! One view of each kind of record: findings in sentences, tables and pictures.
//!
//! The terminal and the page render the same views. Each file holds the view of one kind of record;
//! [`view`] puts together what a results file holds.

mod change;
pub mod commutator;
pub mod difference;
pub mod distance;
pub mod draws;
pub mod ensemble;
pub mod family;
mod finding;
pub mod lesion;
pub mod multiplicity;
pub mod order;
pub mod outcome;
pub mod removal;
pub mod scores;
pub mod spectrum;
pub mod training;
pub mod verdict;

pub use change::{describe, reordered};
pub use finding::Finding;

use pathscope_analysis::record::{Journal, Latency};

use super::gradient::summarize;
use super::lesions::{intact, random_lesions, single_lesions};
use super::picture::Picture;
use super::plot::pictures;
use super::table::Table;

/// What the records of a file say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// The questions that they answer, with the answers.
    pub findings: Vec<Finding>,
    /// The numbers.
    pub tables: Vec<Table>,
    /// The pictures.
    pub pictures: Vec<Picture>,
}

/// The view of a results file; effective ranges hold `share` of the gradient.
pub fn view(journal: &Journal, share: f64) -> View {
    View {
        findings: findings(journal, share),
        tables: tables(journal, share),
        pictures: pictures(&[journal], share),
    }
}

/// Every question that the records of a file answer; effective ranges hold `share` of the
/// gradient.
pub fn findings(journal: &Journal, share: f64) -> Vec<Finding> {
    let header = &journal.header;
    let outcomes = journal.outcomes();
    let mut found = Vec::new();
    if let Some(intact) = intact(&outcomes) {
        for (method, lesions) in single_lesions(&outcomes) {
            found.extend(lesion::single_finding(header, intact, &method, &lesions));
        }
        for (method, sizes) in random_lesions(&outcomes) {
            found.extend(lesion::random_finding(intact, &method, &sizes));
        }
        found.extend(order::finding(intact, &outcomes));
    }
    found.extend(lesion::synergy_finding(header, &outcomes));
    found.extend(commutator::finding(header, &journal.commutators()));
    found.extend(distance::finding(header, &journal.distances()));
    if let Some(summary) = summarize(header, &journal.spectra(), share) {
        found.extend(spectrum::finding(header, &summary));
    }
    found.extend(journal.ensembles().into_iter().map(ensemble::finding));
    let latency = Latency::longest(&journal.records);
    found.extend(removal::finding(header, &journal.removals(), latency));
    found
}

/// Every table of the records of a file.
fn tables(journal: &Journal, share: f64) -> Vec<Table> {
    let header = &journal.header;
    let outcomes = journal.outcomes();
    let mut found = Vec::new();
    found.extend(lesion::tables(header, &outcomes));
    found.extend(order::table(header, &outcomes));
    found.extend(draws::table(&outcomes));
    found.extend(lesion::synergy_table(header, &outcomes));
    found.extend(commutator::table(header, &journal.commutators()));
    found.extend(distance::table(&journal.distances()));
    if let Some(summary) = summarize(header, &journal.spectra(), share) {
        found.extend(spectrum::ranges(header, &summary));
        found.extend(spectrum::lengths(header, &summary, 0.0));
    }
    found.extend(spectrum::grades(&journal.spectra()));
    found.extend(ensemble::table(&journal.ensembles(), intact(&outcomes)));
    let latency = Latency::longest(&journal.records);
    found.extend(removal::table(header, &journal.removals(), latency));
    found
}

#[cfg(test)]
mod tests;
