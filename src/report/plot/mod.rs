//! One file per picture: from records to what is to be seen.

mod commutators;
mod decay;
mod deletions;
mod lesion_bars;
mod multiplicity;
mod order;
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
pub use multiplicity::{LengthLaws, multiplicity};
pub use order::order;
pub use scaling::scaling;
pub use spectrum::spectrum;
pub use synergy::synergy;
pub use threshold::threshold;
pub use training::training;

use super::gradient::summarize;
use super::journal::Journal;
use super::picture::Picture;

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
        order(header, &outcomes),
        commutators(header, &journal.commutators()),
        gradient.map(|summary| spectrum(header, summary)),
        gradient.and_then(|summary| decay(header, summary)),
    ]
    .into_iter()
    .flatten()
    .collect()
}
