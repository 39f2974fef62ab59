//! One file per picture: from records to what is to be seen.

mod commutators;
mod decay;
mod deletions;
mod distances;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod label_tests;
mod lesion;
mod multiplicity;
mod order;
mod removal;
mod scaling;
mod spectrum;
mod subject;
mod swaps;
mod synergy;
mod threshold;
mod training;
mod veit;

pub use commutators::commutators;
pub use decay::decay;
pub use deletions::deletions;
pub use distances::distances;
pub use lesion::lesion;
pub use multiplicity::multiplicity;
pub use order::order;
pub use removal::removal;
pub use scaling::scaling;
pub use spectrum::{measures, spectrum};
pub use subject::Subject;
pub use swaps::swaps;
pub use synergy::synergy;
pub use threshold::threshold;
pub use training::training;
pub use veit::veit;

use pathscope_analysis::record::{FamilyMember, Journal, Latency, Measure, TrainingLog};
use pathscope_analysis::{BootstrapOptions, EQUAL_PARAMETERS, PathCounts, thresholds};

use super::family::{FamilyError, Quantity, RangeMember, Size, growth};
use super::gradient::summarize;
use super::group::grouped;
use super::picture::Picture;
use super::source::Source;

/// Share of the gradient that effective ranges hold unless told otherwise.
pub const SHARE: f64 = 0.95;

/// Every [kind](Picture::kind) of picture.
pub const KINDS: [&str; 16] = [
    "commutator",
    "decay",
    "deletions",
    "distance",
    "lesion",
    "measures",
    "multiplicity",
    "order",
    "removal",
    "scaling",
    "spectrum",
    "swaps",
    "synergy",
    "threshold",
    "training",
    "veit",
];

/// A picture that may show several networks.
type OfNetworks = fn(&[Subject<'_>]) -> Option<Picture>;

/// Every picture that the records of some files allow: what was measured on the same data shares
/// axes, and so do all gradients.
pub fn pictures(journals: &[&Journal], share: f64) -> Vec<Picture> {
    let mut found = Vec::new();
    let of_error: [OfNetworks; 4] = [lesion, deletions, order, swaps];
    for data in by_data(journals) {
        for draw in of_error {
            // Names differ only among those that have something to show.
            let with: Vec<&Journal> = data
                .iter()
                .copied()
                .filter(|journal| draw(&Subject::all(&[journal])).is_some())
                .collect();
            found.extend(draw(&Subject::all(&with)));
        }
    }
    for journal in journals {
        let header = &journal.header;
        let latency = Latency::longest(&journal.records);
        found.extend(synergy(header, &journal.outcomes()));
        found.extend(removal(header, &journal.removals(), latency));
        found.extend(commutators(header, &journal.commutators()));
        found.extend(distances(header, &journal.distances()));
    }
    let (mut measured, mut summaries) = (Vec::new(), Vec::new());
    for &journal in journals {
        if let Some(summary) = summarize(&journal.header, &journal.spectra(), share) {
            measured.push(journal);
            summaries.push(summary);
        }
    }
    let gradients: Vec<_> = Subject::all(&measured).into_iter().zip(summaries).collect();
    found.extend(spectrum(&gradients));
    let each = gradients.iter();
    found.extend(each.filter_map(|(subject, summary)| measures(subject.header, summary)));
    found.extend(decay(&gradients));
    found
}

/// Files by the data that they are about, in their order.
fn by_data<'a>(journals: &[&'a Journal]) -> Vec<Vec<&'a Journal>> {
    let hashed = journals
        .iter()
        .map(|&journal| (&journal.header.data.hash, journal));
    grouped(hashed)
        .into_iter()
        .map(|(_, journals)| journals)
        .collect()
}

/// Every picture that files of any kind allow. Results of the same kind share a picture where they
/// can be compared; so do all trainings, all counts of paths and a whole family.
///
/// # Errors
/// Networks of a family from which nothing can be compared.
pub fn pictures_of(sources: &[Source], share: f64) -> Result<Vec<Picture>, FamilyError> {
    let mut journals: Vec<&Journal> = Vec::new();
    let mut logs: Vec<TrainingLog> = Vec::new();
    let mut counts: Vec<PathCounts> = Vec::new();
    let mut members: Vec<FamilyMember> = Vec::new();
    for source in sources {
        match source {
            Source::Results(journal) => journals.push(journal),
            Source::Training(log) => logs.push(log.clone()),
            Source::PathCounts(file) => counts.extend_from_slice(&file.networks),
            Source::Family(networks) => members.extend_from_slice(networks),
        }
    }
    let mut found = pictures(&journals, share);
    let spectra = journals.iter().filter_map(|journal| {
        let mut measures = Measure::ALL.into_iter();
        measures.find_map(|measure| RangeMember::new(journal, measure, share).ok())
    });
    let spectra: Vec<RangeMember> = spectra.collect();
    found.extend(training(&logs));
    found.extend(multiplicity(&counts));
    for size in [Size::Blocks, Size::Functions] {
        for quantity in [Quantity::Width, Quantity::Centre, Quantity::Rho] {
            // Families of one size, or with too few networks, have no such picture.
            let grown = growth(&spectra, quantity, size).ok();
            found.extend(grown.and_then(|growth| scaling(&spectra, &growth)));
        }
    }
    if !members.is_empty() {
        let crossings = thresholds(&members, EQUAL_PARAMETERS, &BootstrapOptions::default())?;
        found.extend(crossings.iter().map(threshold));
    }
    Ok(found)
}
