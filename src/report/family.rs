//! Families of networks: how the effective range grows, and where width begins to beat depth.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use pathscope_analysis::record::FamilyMember;
use pathscope_analysis::{
    BootstrapOptions, CommonPowerLaw, Decay, DepthThreshold, DepthThresholdError, LengthRange,
    Level, PowerLaw, ScalingError, depth_threshold, fit_common_power_law, fit_power_law,
};
use serde::Serialize;
use thiserror::Error;

use super::gradient::{Measure, summarize};
use super::journal::{Journal, JournalError};
use super::lesions::intact;

/// Why a family has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FamilyError {
    /// A file that cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Results without the measure asked for.
    #[error("{}: no spectrum with the measure `{measure}`; measure it with `pathscope gradient-spectrum --measure {measure}`", path.display())]
    NoSpectrum {
        /// The file.
        path: PathBuf,
        /// The measure.
        measure: &'static str,
    },
    /// A network whose blocks have different numbers of functions.
    #[error("{}: its blocks have different numbers of functions, so it has no k; leave it out", path.display())]
    Unequal {
        /// The file.
        path: PathBuf,
    },
    /// A line that is no network of a family.
    #[error("{}, line {line}: {problem}; give depth, k, parameters, errors, examples and seed as CSV with these names or as JSON Lines", path.display())]
    NotAMember {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Results of an experiment without the intact network.
    #[error("{}: the intact network was not measured; give results with it", path.display())]
    NoIntact {
        /// The file.
        path: PathBuf,
    },
    /// No pairs of designs to compare.
    #[error("depth threshold: for k = {k}, {pairs} depth(s) of k = 1 have a network of equal parameters (within {} %); train at least two such pairs", 100.0 * tolerance)]
    NoPairs {
        /// Functions per block of the wider family.
        k: usize,
        /// Pairs found.
        pairs: usize,
        /// What counts as equal, relative.
        tolerance: f64,
    },
    /// The crossing cannot be found.
    #[error(transparent)]
    Threshold(#[from] DepthThresholdError),
}

/// The effective range of one network of a family.
#[derive(Clone, Debug, Serialize)]
pub struct RangeMember {
    /// What it is called.
    pub title: String,
    /// Blocks.
    pub blocks: usize,
    /// Functions per block.
    pub functions: usize,
    /// Its effective range, in modules.
    pub range: LengthRange,
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
        let functions = blocks.first().map_or(0, |block| block.functions);
        if functions == 0 || blocks.iter().any(|block| block.functions != functions) {
            return Err(FamilyError::Unequal {
                path: journal.path.clone(),
            });
        }
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
    #[must_use]
    pub fn of(self, member: &RangeMember) -> (usize, usize) {
        match self {
            Self::Blocks => (member.blocks, member.functions),
            Self::Functions => (member.functions, member.blocks),
        }
    }

    /// Its letter, and that of what is held fixed.
    #[must_use]
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
    /// Its value for a member.
    #[must_use]
    pub fn of(self, member: &RangeMember) -> Option<f64> {
        match self {
            Self::Width => Some(member.width as f64),
            Self::Centre => Some(member.centre),
            Self::Rho => member.decay.as_ref().map(|decay| decay.rho),
        }
    }

    /// In words.
    #[must_use]
    pub fn definition(self) -> &'static str {
        match self {
            Self::Width => "width of the effective range, modules",
            Self::Centre => "centre of the gradient's lengths, modules",
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
    /// One exponent for all of them.
    pub common: Option<CommonPowerLaw>,
}

/// The values of a quantity grouped by what is held fixed: (fixed, [(size, value)]).
#[must_use]
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

/// Fits power laws over a family.
///
/// # Errors
/// When no group of networks allows a fit.
pub fn growth(
    members: &[RangeMember],
    quantity: Quantity,
    size: Size,
) -> Result<Growth, ScalingError> {
    let split: Vec<(usize, Vec<f64>, Vec<f64>)> = groups(members, quantity, size)
        .into_iter()
        .map(|(fixed, points)| {
            let (sizes, values) = points.into_iter().unzip();
            (fixed, sizes, values)
        })
        .collect();
    let mut refusal = None;
    let mut laws = Vec::new();
    for (fixed, sizes, values) in &split {
        match fit_power_law(sizes, values, Level::P95) {
            Ok(law) => laws.push((*fixed, law)),
            Err(error) => refusal = Some(error),
        }
    }
    let all: Vec<(&[f64], &[f64])> = split
        .iter()
        .map(|(_, sizes, values)| (sizes.as_slice(), values.as_slice()))
        .collect();
    let common = fit_common_power_law(&all, Level::P95);
    match (laws.is_empty(), common) {
        (true, Err(error)) => Err(refusal.unwrap_or(error)),
        (_, common) => Ok(Growth {
            quantity,
            size,
            laws,
            common: common.ok(),
        }),
    }
}

/// The networks of a family that a file tells of: CSV or JSON Lines of [`FamilyMember`]s, or the
/// results of an experiment with the intact network.
///
/// # Errors
/// An unreadable file, or a line that is no network.
pub fn read_members(path: &Path) -> Result<Vec<FamilyMember>, FamilyError> {
    let text = fs::read_to_string(path).map_err(|source| JournalError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let wrong = |line: usize, problem: String| FamilyError::NotAMember {
        path: path.to_owned(),
        line,
        problem,
    };
    let Some((first, start)) = lines.next() else {
        return Err(wrong(1, "the file is empty".into()));
    };
    if start.starts_with('{') {
        if start.contains("\"type\"") {
            return member_of(&Journal::read(path)?).map(|member| vec![member]);
        }
        return std::iter::once((first, start))
            .chain(lines)
            .map(|(line, text)| {
                serde_json::from_str(text).map_err(|error| wrong(line, error.to_string()))
            })
            .collect();
    }
    let names: Vec<&str> = start.split(',').map(str::trim).collect();
    lines
        .map(|(line, text)| {
            let cells: BTreeMap<&str, &str> = names
                .iter()
                .copied()
                .zip(text.split(',').map(str::trim))
                .collect();
            let number = |name: &str| -> Result<u64, FamilyError> {
                match cells.get(name) {
                    Some(cell) => cell
                        .parse()
                        .map_err(|_| wrong(line, format!("{name} `{cell}` is no whole number"))),
                    None if name == "seed" => Ok(0),
                    None => Err(wrong(line, format!("there is no {name}"))),
                }
            };
            Ok(FamilyMember {
                depth: number("depth")? as usize,
                k: number("k")? as usize,
                parameters: number("parameters")?,
                errors: number("errors")? as usize,
                examples: number("examples")? as usize,
                seed: number("seed")?,
            })
        })
        .collect()
}

fn member_of(journal: &Journal) -> Result<FamilyMember, FamilyError> {
    let blocks = &journal.header.model.blocks;
    let path = || journal.path.clone();
    let k = blocks.first().map_or(0, |block| block.functions);
    if blocks.iter().any(|block| block.functions != k) {
        return Err(FamilyError::Unequal { path: path() });
    }
    let outcomes = journal.outcomes();
    let intact = intact(&outcomes).ok_or_else(|| FamilyError::NoIntact { path: path() })?;
    Ok(FamilyMember {
        // The stem's convolution and the classifier count too: 9 basic blocks are 20 layers.
        depth: blocks.iter().map(|block| block.layers).sum::<usize>() + 2,
        k,
        parameters: journal.header.model.parameters,
        errors: intact.errors,
        examples: intact.examples,
        seed: journal.header.seed,
    })
}

/// The depth threshold between one function per block and k of them, at equal parameters.
#[derive(Clone, Debug, Serialize)]
pub struct WidthAgainstDepth {
    /// Functions per block of the wider family.
    pub k: usize,
    /// Depths of the networks with one function per block.
    pub depths: Vec<usize>,
    /// Depths of the wider networks with as many parameters.
    pub wider_depths: Vec<usize>,
    /// Errors of the deeper networks, `[run][depth]`.
    pub deeper: Vec<Vec<f64>>,
    /// Errors of the wider networks, `[run][depth]`.
    pub wider: Vec<Vec<f64>>,
    /// Where the curves cross.
    pub threshold: DepthThreshold,
}

/// Compares k functions per block with one, for each k of the family: pairs of designs whose
/// parameters differ by `tolerance` at most.
///
/// # Errors
/// When a k has fewer than two such pairs, or there is no k but 1.
pub fn thresholds(
    members: &[FamilyMember],
    tolerance: f64,
    options: &BootstrapOptions,
) -> Result<Vec<WidthAgainstDepth>, FamilyError> {
    let mut designs: BTreeMap<(usize, usize), (u64, Vec<f64>)> = BTreeMap::new();
    for member in members {
        let design = designs.entry((member.k, member.depth)).or_default();
        design.0 = member.parameters;
        design
            .1
            .push(member.errors as f64 / member.examples.max(1) as f64);
    }
    let wider: BTreeSet<usize> = designs.keys().map(|key| key.0).filter(|&k| k > 1).collect();
    if wider.is_empty() {
        return Err(FamilyError::NoPairs {
            k: 2,
            pairs: 0,
            tolerance,
        });
    }
    wider
        .into_iter()
        .map(|k| threshold(k, &designs, tolerance, options))
        .collect()
}

fn threshold(
    k: usize,
    designs: &BTreeMap<(usize, usize), (u64, Vec<f64>)>,
    tolerance: f64,
    options: &BootstrapOptions,
) -> Result<WidthAgainstDepth, FamilyError> {
    let mut pairs = Vec::new();
    for (&(_, depth), (parameters, errors)) in designs.range((1, 0)..(2, 0)) {
        let distance = |other: u64| (other as f64 / *parameters as f64).ln().abs();
        let nearest = designs
            .range((k, 0)..(k + 1, 0))
            .min_by(|a, b| distance(a.1.0).total_cmp(&distance(b.1.0)));
        if let Some((&(_, wide), (other, wide_errors))) = nearest
            && distance(*other) <= tolerance.ln_1p()
        {
            pairs.push((depth, wide, errors, wide_errors));
        }
    }
    if pairs.len() < 2 {
        return Err(FamilyError::NoPairs {
            k,
            pairs: pairs.len(),
            tolerance,
        });
    }
    // Runs beyond what every depth has cannot be a row.
    let rows = |errors: Vec<&Vec<f64>>| {
        let runs = errors.iter().map(|errors| errors.len()).min().unwrap_or(0);
        let cell = |(run, depth): (usize, usize)| {
            let error = errors.get(depth).and_then(|errors| errors.get(run));
            error.copied().unwrap_or(f64::NAN)
        };
        Array2::from_shape_fn((runs, errors.len()), cell)
    };
    let deeper = rows(pairs.iter().map(|pair| pair.2).collect());
    let wider = rows(pairs.iter().map(|pair| pair.3).collect());
    let depths: Vec<f64> = pairs.iter().map(|pair| pair.0 as f64).collect();
    let list = |table: &Array2<f64>| table.rows().into_iter().map(|row| row.to_vec()).collect();
    Ok(WidthAgainstDepth {
        k,
        depths: pairs.iter().map(|pair| pair.0).collect(),
        wider_depths: pairs.iter().map(|pair| pair.1).collect(),
        threshold: depth_threshold(&depths, deeper.view(), wider.view(), options)?,
        deeper: list(&deeper),
        wider: list(&wider),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;
    use pathscope_analysis::Crossing;
    use std::io::Write;

    /// One curve is flat at 8 %, the other falls from 9 to 6 % over 8 to 32 layers: they cross at
    /// 16 layers.
    #[test]
    fn a_crossing_is_found_in_a_csv() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "depth,k,parameters,errors,examples,seed").unwrap();
        for seed in 0..3 {
            for (depth, error) in [(8, 90), (24, 70), (32, 60)] {
                writeln!(file, "{depth},1,{},80,1000,{seed}", depth * 1_000).unwrap();
                writeln!(
                    file,
                    "{},2,{},{error},1000,{seed}",
                    depth / 2,
                    depth * 1_010
                )
                .unwrap();
            }
        }
        let members = read_members(file.path()).unwrap();
        assert_eq!(members.len(), 18);
        let options = BootstrapOptions {
            replicates: 100,
            ..BootstrapOptions::default()
        };
        let found = thresholds(&members, 0.05, &options).unwrap();
        assert_eq!(found[0].wider_depths, [4, 12, 16]);
        let Crossing::At { depth } = found[0].threshold.crossing else {
            panic!("{:?}", found[0].threshold)
        };
        assert!((depth - 16.0).abs() < 1e-9, "{depth}");
        assert!(matches!(
            thresholds(&members, 0.001, &options),
            Err(FamilyError::NoPairs { k: 2, pairs: 0, .. })
        ));
    }

    #[test]
    fn a_wrong_cell_is_named() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "depth,k,parameters,errors,examples\n8,1,9,x,10").unwrap();
        let problem = read_members(file.path()).unwrap_err().to_string();
        assert!(problem.contains("line 2: errors `x`"), "{problem}");
    }

    #[test]
    fn results_of_an_experiment_are_a_member() {
        let journal = example::lesions();
        let member = member_of(&journal).unwrap();
        assert_eq!((member.depth, member.k), (20, 1));
    }

    #[test]
    fn the_range_of_a_family_grows_as_it_was_made() {
        let journal = example::spectrum();
        let member = RangeMember::new(&journal, Measure::Sampled, 0.95).unwrap();
        assert_eq!((member.blocks, member.functions), (9, 1));
        let members: Vec<RangeMember> = [9, 18, 27, 54]
            .map(|blocks| RangeMember {
                blocks,
                width: blocks / 3,
                ..member.clone()
            })
            .into();
        let found = growth(&members, Quantity::Width, Size::Blocks).unwrap();
        assert!((found.laws[0].1.exponent - 1.0).abs() < 1e-9);
        assert!(growth(&members, Quantity::Width, Size::Functions).is_err());
    }
}
