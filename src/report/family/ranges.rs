//! How the effective range grows over a family.

use std::collections::BTreeMap;

use pathscope_analysis::record::{Journal, Measure};
use pathscope_analysis::{
    CommonPowerLaw, Decay, Interval, LengthRange, Level, PowerLaw, ScalingError,
    fit_common_power_law, fit_power_law,
};
use serde::Serialize;

use super::FamilyError;
use crate::gradient::{summarize, uniform_functions};

/// The effective range of one network of a family.
#[derive(Clone, Debug, Serialize)]
pub struct RangeMember {
    /// What it is called.
    pub title: String,
    /// Blocks.
    pub blocks: usize,
    /// Functions per block.
    pub functions: usize,
    /// Its effective range, in blocks.
    pub range: LengthRange,
    /// Intervals of its first and its last length over mini-batches; none for a single one.
    pub ends: Option<(Interval, Interval)>,
    /// Number of lengths in it.
    pub width: usize,
    /// Mean length, weighted by the measure.
    pub centre: f64,
    /// How its paths fall with length.
    pub decay: Option<Decay>,
}

impl RangeMember {
    /// The member whose spectrum a file holds.
    ///
    /// # Errors
    /// A file without the measure, or a network without one k.
    pub fn new(journal: &Journal, measure: Measure, share: f64) -> Result<Self, FamilyError> {
        let blocks = &journal.header.model.blocks;
        let functions = uniform_functions(&journal.header)
            .ok_or_else(|| FamilyError::Unequal(journal.path.clone()))?;
        let missing = || FamilyError::NoSpectrum {
            path: journal.path.clone(),
            measure: measure.name(),
        };
        let summary = summarize(&journal.header, &journal.spectra(), share).ok_or_else(missing)?;
        let measured = summary
            .measures
            .iter()
            .find(|found| found.measure == measure)
            .ok_or_else(missing)?;
        let shares = measured.shares.iter().enumerate();
        Ok(Self {
            title: journal.header.model.title.clone(),
            blocks: blocks.len(),
            functions,
            range: measured.range,
            ends: measured.ends,
            width: measured.range.width(),
            centre: shares.map(|(length, share)| length as f64 * share).sum(),
            decay: summary.decay.map(|(_, decay, _)| decay),
        })
    }
}

/// What a quantity grows with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// Number of blocks n, at one k.
    Blocks,
    /// Functions per block k, at one n.
    Functions,
}

impl Size {
    /// The size of a member, and what is held fixed.
    pub fn of(self, member: &RangeMember) -> (usize, usize) {
        match self {
            Self::Blocks => (member.blocks, member.functions),
            Self::Functions => (member.functions, member.blocks),
        }
    }

    /// Its letter, and that of what is held fixed.
    pub fn letters(self) -> (&'static str, &'static str) {
        match self {
            Self::Blocks => ("n", "k"),
            Self::Functions => ("k", "n"),
        }
    }
}

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Number of lengths in the effective range.
    Width,
    /// Mean length.
    Centre,
    /// Factor of the decay.
    Rho,
}

impl Quantity {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Width => "width",
            Self::Centre => "centre",
            Self::Rho => "rho",
        }
    }

    /// Its value for a member.
    pub fn of(self, member: &RangeMember) -> Option<f64> {
        match self {
            Self::Width => Some(member.width as f64),
            Self::Centre => Some(member.centre),
            Self::Rho => member.decay.as_ref().map(|decay| decay.rho),
        }
    }

    /// In words.
    pub fn definition(self) -> &'static str {
        match self {
            Self::Width => "width of the effective range, blocks",
            Self::Centre => "centre of the gradient's lengths, blocks",
            Self::Rho => "rho: factor per function on a path",
        }
    }
}

/// A quantity over a family.
#[derive(Clone, Debug, Serialize)]
pub struct Growth {
    /// What grows.
    pub quantity: Quantity,
    /// With what.
    pub size: Size,
    /// The power law for each value of what is held fixed, where three networks or more allow it.
    pub laws: Vec<(usize, PowerLaw)>,
    /// Why other values of it have none.
    #[serde(skip)]
    pub refused: Vec<(usize, ScalingError)>,
    /// One exponent for all of them.
    pub common: Option<CommonPowerLaw>,
}

/// The values of a quantity grouped by what is held fixed: (fixed, [(size, value)]).
pub fn groups(
    members: &[RangeMember],
    quantity: Quantity,
    size: Size,
) -> BTreeMap<usize, Vec<(f64, f64)>> {
    let mut groups: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
    for member in members {
        let (along, fixed) = size.of(member);
        if let Some(value) = quantity.of(member) {
            groups.entry(fixed).or_default().push((along as f64, value));
        }
    }
    for points in groups.values_mut() {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    groups
}

type SizesAndValues = (Vec<f64>, Vec<f64>);

/// Fits power laws over a family.
///
/// # Errors
/// When no group of networks allows a fit.
pub fn growth(
    members: &[RangeMember],
    quantity: Quantity,
    size: Size,
) -> Result<Growth, ScalingError> {
    let groups = groups(members, quantity, size).into_iter();
    let split: Vec<(usize, SizesAndValues)> = groups
        .map(|(fixed, points)| (fixed, points.into_iter().unzip()))
        .collect();
    let (mut laws, mut refused) = (Vec::new(), Vec::new());
    for (fixed, (sizes, values)) in &split {
        match fit_power_law(sizes, values, Level::P95) {
            Ok(law) => laws.push((*fixed, law)),
            Err(error) => refused.push((*fixed, error)),
        }
    }
    let all: Vec<(&[f64], &[f64])> = split
        .iter()
        .map(|(_, (sizes, values))| (sizes.as_slice(), values.as_slice()))
        .collect();
    let common = fit_common_power_law(&all, Level::P95);
    match (laws.is_empty(), common) {
        (true, Err(error)) => Err(refused.pop().map_or(error, |(_, refusal)| refusal)),
        (_, common) => Ok(Growth {
            quantity,
            size,
            laws,
            refused,
            common: common.ok(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support;

    #[test]
    fn the_range_of_a_family_grows_as_it_was_made() {
        let journal = test_support::spectrum();
        let member = RangeMember::new(&journal, Measure::Sampled, 0.95).unwrap();
        assert_eq!((member.blocks, member.functions), (9, 1));
        let members: Vec<RangeMember> = [(9, 3), (18, 6), (27, 9), (54, 19)]
            .map(|(blocks, width)| RangeMember {
                blocks,
                width,
                ..member.clone()
            })
            .into();
        let found = growth(&members, Quantity::Width, Size::Blocks).unwrap();
        assert!((found.laws[0].1.exponent - 1.0).abs() < 0.05);
        assert!(growth(&members, Quantity::Width, Size::Functions).is_err());
        let doubled = [(9, 3), (18, 6), (27, 9)].map(|(blocks, width)| RangeMember {
            blocks,
            width,
            functions: 2,
            ..member.clone()
        });
        let both = [members, doubled.into()].concat();
        let found = growth(&both, Quantity::Width, Size::Blocks).unwrap();
        assert_eq!(found.laws.len(), 1);
        assert_eq!(found.refused, [(2, ScalingError::NoScatter)]);
    }
}
