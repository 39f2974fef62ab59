//! What changed from one network to another.

mod condition;
mod errors;
mod gradient;

use std::collections::BTreeMap;

use pathscope_analysis::holm;
use pathscope_analysis::record::{BlockIdentity, DataIdentity, Journal, ModelIdentity};
use serde::Serialize;
use thiserror::Error;

use super::run::Run;
use crate::ALPHA;
pub use condition::{Condition, ConditionError};
pub use errors::{BlockDifference, ErrorDifference};
pub use gradient::{DecayDifference, RangeDifference};

/// Why two runs cannot be compared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DifferenceError {
    /// A run without results of experiments, or of several networks.
    #[error(
        "the {which} run holds results of {found} networks; give a folder or file with those of \
         exactly one"
    )]
    NotOneNetwork {
        /// `first` or `second`.
        which: &'static str,
        /// How many.
        found: usize,
    },
    /// Nothing that both runs measured.
    #[error(
        "the runs have nothing in common to compare: give both the intact network (`pathscope \
         lesion`) or the gradient (`pathscope gradient-spectrum`)"
    )]
    NothingInCommon,
}

/// What changed from a first network to a second. Every difference is second less first; every
/// p-value of a change is corrected by Holm's method over all tests of the comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The first and the second network.
    pub models: [ModelIdentity; 2],
    /// What they were measured on.
    pub data: [DataIdentity; 2],
    /// The error of the intact networks.
    pub error: Option<ErrorDifference>,
    /// What single lesions do, where blocks correspond.
    pub blocks: Vec<BlockDifference>,
    /// The effective ranges.
    pub effective_ranges: Vec<RangeDifference>,
    /// How the gradient of a path falls with its length.
    pub rho: Option<DecayDifference>,
    /// What could not be compared or tested, and why.
    pub notes: Vec<String>,
}

impl Difference {
    /// Compares two runs, each of one network; effective ranges hold `share` of the gradient.
    ///
    /// # Errors
    /// Runs of several networks, or with nothing in common.
    pub fn new(first: &Run, second: &Run, share: f64) -> Result<Self, DifferenceError> {
        let headers = [one_network(first, "first")?, one_network(second, "second")?];
        let [a, b] = headers.map(|journal| &journal.header);
        let mut notes = Vec::new();
        let shape = |block: &BlockIdentity| (block.name.clone(), block.functions);
        let [ours, theirs] = [a, b].map(|header| header.model.blocks.iter().map(shape));
        let same_blocks = ours.eq(theirs);
        if !same_blocks {
            notes.push("the networks have different blocks, which are not compared".to_owned());
        }
        let error = errors::intact(first, second, &mut notes);
        let blocks = match same_blocks {
            true => errors::blocks(first, second, &mut notes),
            false => Vec::new(),
        };
        let (effective_ranges, rho) = gradient::compare(first, second, share, &mut notes);
        if error.is_none() && effective_ranges.is_empty() {
            return Err(DifferenceError::NothingInCommon);
        }
        let mut difference = Self {
            models: [a.model.clone(), b.model.clone()],
            data: [a.data.clone(), b.data.clone()],
            error,
            blocks,
            effective_ranges,
            rho,
            notes,
        };
        difference.correct();
        Ok(difference)
    }

    /// Corrects all p-values together.
    fn correct(&mut self) {
        let error = self.error.iter_mut().map(|found| &mut found.p_value);
        let blocks = self.blocks.iter_mut().map(|found| &mut found.p_value);
        let ranges = self
            .effective_ranges
            .iter_mut()
            .map(|found| &mut found.p_value);
        let rho = self.rho.iter_mut().map(|found| &mut found.p_value);
        let all = error.chain(blocks).chain(ranges).chain(rho);
        let mut tested: Vec<&mut f64> = all.filter_map(Option::as_mut).collect();
        let raw: Vec<f64> = tested.iter().map(|p| **p).collect();
        if let Ok(corrected) = holm(&raw) {
            for (place, p) in tested.iter_mut().zip(corrected) {
                **place = p;
            }
        }
    }

    /// Blocks and functions whose effect changed significantly.
    pub fn changed_blocks(&self) -> usize {
        let changed = |found: &&BlockDifference| found.p_value.is_some_and(|p| p < ALPHA);
        self.blocks.iter().filter(changed).count()
    }

    /// Every number that a condition can name, in the order of their names.
    pub fn quantities(&self) -> BTreeMap<String, f64> {
        let mut all = BTreeMap::new();
        let mut add = |name: &str, value: Option<f64>| {
            if let Some(value) = value {
                all.insert(name.to_owned(), value);
            }
        };
        if let Some(error) = &self.error {
            add("error.change", Some(error.change));
            add("error.p", error.p_value);
        }
        if !self.blocks.is_empty() {
            let changes = self.blocks.iter().map(|found| found.effect_change.abs());
            add("blocks.changed", Some(self.changed_blocks() as f64));
            add("blocks.largest_change", Some(changes.fold(0.0, f64::max)));
        }
        for block in &self.blocks {
            let name = format!("block.{}", block.target);
            add(&format!("{name}.change"), Some(block.effect_change));
            add(&format!("{name}.p"), block.p_value);
        }
        for (place, range) in self.effective_ranges.iter().enumerate() {
            let measured = format!("effective_range.{}", range.measure);
            // Without a measure, a name means the first one.
            let names = [
                Some(measured),
                (place == 0).then(|| "effective_range".to_owned()),
            ];
            for name in names.into_iter().flatten() {
                add(&format!("{name}.shift"), Some(range.shift as f64));
                add(&format!("{name}.first"), Some(range.first_change as f64));
                add(&format!("{name}.last"), Some(range.last_change as f64));
                let width = range.last_change - range.first_change;
                add(&format!("{name}.width"), Some(width as f64));
                add(&format!("{name}.p"), range.p_value);
            }
        }
        if let Some(rho) = &self.rho {
            add("rho.change", Some(rho.change));
            add("rho.ratio", Some(rho.second / rho.first));
            add("rho.p", rho.p_value);
        }
        all
    }
}

/// Any result of the one network that a run is about.
fn one_network<'a>(run: &'a Run, which: &'static str) -> Result<&'a Journal, DifferenceError> {
    let mut hashes: Vec<&str> = run
        .journals
        .iter()
        .map(|journal| journal.header.model.hash.as_str())
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    match (run.journals.first(), hashes.as_slice()) {
        (Some(journal), [_]) => Ok(journal),
        (_, hashes) => Err(DifferenceError::NotOneNetwork {
            which,
            found: hashes.len(),
        }),
    }
}

#[cfg(test)]
mod tests;
