//! One file per picture: from records to what is to be seen.

mod commutators;
mod decay;
mod deletions;
#[cfg(test)]
mod golden_tests;
mod lesion_bars;
mod multiplicity;
mod order;
mod removal;
mod scaling;
mod spectrum;
mod synergy;
mod threshold;
mod training;

pub use commutators::commutators;
pub use decay::decay;
pub(crate) use decay::shape as decay_shape;
pub use deletions::deletions;
pub use lesion_bars::lesion_bars;
pub use multiplicity::multiplicity;
pub use order::order;
pub use removal::removal;
pub use scaling::scaling;
pub use spectrum::spectrum;
pub use synergy::synergy;
pub use threshold::threshold;
pub use training::training;

use pathscope_analysis::record::{FamilyMember, Latency, Measure, Outcome};
use pathscope_analysis::{BootstrapOptions, EQUAL_PARAMETERS, PathCounts, thresholds};

use super::family::{FamilyError, Quantity, RangeMember, Size, growth};
use super::gradient::summarize;
use super::journal::Journal;
use super::picture::{Picture, ReferenceLine};
use super::quantity::rate;
use super::source::Source;
use super::training_log::TrainingLog;

/// Share of the gradient that effective ranges hold unless told otherwise.
pub const SHARE: f64 = 0.95;

/// Every picture that the records of a file allow.
#[must_use]
pub fn pictures(journal: &Journal, share: f64) -> Vec<Picture> {
    let header = &journal.header;
    let outcomes = journal.outcomes();
    let spectra = journal.spectra();
    let summary = summarize(header, &spectra, share);
    let gradient = summary.as_ref();
    [
        lesion_bars(header, &outcomes),
        deletions(header, &outcomes),
        synergy(header, &outcomes),
        removal(
            header,
            &journal.removals(),
            Latency::longest(&journal.records),
        ),
        order(header, &outcomes),
        commutators(header, &journal.commutators()),
        gradient.map(|summary| spectrum(header, summary)),
        gradient.and_then(|summary| decay(header, summary)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Every picture that files of any kind allow: those of each results file, and those of all
/// trainings, of all counts of paths and of a whole family together.
///
/// # Errors
/// Networks of a family from which nothing can be compared.
pub fn pictures_of(sources: &[Source], share: f64) -> Result<Vec<Picture>, FamilyError> {
    let mut found = Vec::new();
    let mut logs: Vec<TrainingLog> = Vec::new();
    let mut counts: Vec<PathCounts> = Vec::new();
    let mut members: Vec<FamilyMember> = Vec::new();
    let mut spectra = Vec::new();
    for source in sources {
        match source {
            Source::Results(journal) => {
                found.extend(pictures(journal, share));
                let member = Measure::ALL
                    .into_iter()
                    .find_map(|measure| RangeMember::new(journal, measure, share).ok());
                spectra.extend(member);
            }
            Source::Training(log) => logs.push(log.clone()),
            Source::PathCounts(file) => counts.extend_from_slice(&file.networks),
            Source::Family(networks) => members.extend_from_slice(networks),
        }
    }
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

/// The line that the error of the network as it was trained makes in a chart.
fn intact_line(intact: Option<&Outcome>, name: &str) -> Vec<ReferenceLine> {
    let level = |intact: &Outcome| ReferenceLine {
        y: 100.0 * intact.error(),
        label: format!("{name}: {}", rate(intact.errors, intact.examples)),
    };
    intact.map(level).into_iter().collect()
}
