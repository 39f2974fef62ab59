//! Width against depth at equal parameters, over the networks of a family.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::Array2;
use rand_distr::{Binomial, Distribution};
use serde::Serialize;
use thiserror::Error;

use crate::bootstrap::BootstrapOptions;
use crate::depth_threshold::{
    DepthThreshold, DepthThresholdError, depth_threshold, depth_threshold_of_draws,
};
use crate::record::FamilyMember;

/// How far the parameters of two networks may differ, relative to the smaller, for them to count as
/// equal.
pub const EQUAL_PARAMETERS: f64 = 0.2;

/// Why width and depth cannot be compared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WidthAgainstDepthError {
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
    /// What the interval of the crossing covers.
    pub covers: Covers,
    /// Where the curves cross.
    pub threshold: DepthThreshold,
}

/// What an interval of a crossing covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Covers {
    /// Another training, by resampling the runs of each design.
    Trainings,
    /// Other held-out examples, by redrawing the errors of the one run of each design; another
    /// training may differ by more.
    Examples,
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
) -> Result<Vec<WidthAgainstDepth>, WidthAgainstDepthError> {
    let mut designs: Designs = BTreeMap::new();
    for member in members {
        let design = designs.entry((member.k, member.depth)).or_default();
        design.0 = member.parameters;
        design.1.push((member.errors, member.examples));
    }
    let wider: BTreeSet<usize> = designs.keys().map(|key| key.0).filter(|&k| k > 1).collect();
    if wider.is_empty() {
        return Err(WidthAgainstDepthError::NoPairs {
            k: 2,
            pairs: 0,
            tolerance,
        });
    }
    let of = |k| threshold(k, &designs, tolerance, options);
    wider.into_iter().map(of).collect()
}

/// Parameters, and (errors, examples) of every run, by (k, depth).
type Designs = BTreeMap<(usize, usize), (u64, Vec<(usize, usize)>)>;

fn threshold(
    k: usize,
    designs: &Designs,
    tolerance: f64,
    options: &BootstrapOptions,
) -> Result<WidthAgainstDepth, WidthAgainstDepthError> {
    let mut pairs = Vec::new();
    for (&(_, depth), (parameters, runs)) in designs.range((1, 0)..(2, 0)) {
        let distance = |other: u64| (other as f64 / *parameters as f64).ln().abs();
        let nearest = designs
            .range((k, 0)..(k + 1, 0))
            .min_by(|a, b| distance(a.1.0).total_cmp(&distance(b.1.0)));
        if let Some((&(_, wide), (other, wide_runs))) = nearest
            && distance(*other) <= tolerance.ln_1p()
        {
            pairs.push((depth, wide, runs, wide_runs));
        }
    }
    if pairs.len() < 2 {
        return Err(WidthAgainstDepthError::NoPairs {
            k,
            pairs: pairs.len(),
            tolerance,
        });
    }
    let deeper: Vec<&Vec<(usize, usize)>> = pairs.iter().map(|pair| pair.2).collect();
    let wider: Vec<&Vec<(usize, usize)>> = pairs.iter().map(|pair| pair.3).collect();
    let depths: Vec<f64> = pairs.iter().map(|pair| pair.0 as f64).collect();
    let (deeper_rates, wider_rates) = (rates(&deeper), rates(&wider));
    let single = deeper_rates.nrows() == 1 || wider_rates.nrows() == 1;
    let (covers, threshold) = if single {
        let draw = |draw: usize| {
            let mut generator = options.seed.stream("errors of single runs", draw as u64);
            let deeper = redraw(&deeper, &mut generator);
            (deeper, redraw(&wider, &mut generator))
        };
        let redrawn: Vec<_> = (0..options.replicates).map(draw).collect();
        let means = |rates: &Array2<f64>| {
            let columns = rates.columns().into_iter();
            let means = columns.map(|column| column.sum() / column.len().max(1) as f64);
            means.collect::<Vec<f64>>()
        };
        let curves = (means(&deeper_rates), means(&wider_rates));
        let found = depth_threshold_of_draws(&depths, (&curves.0, &curves.1), &redrawn, options)?;
        (Covers::Examples, found)
    } else {
        let found = depth_threshold(&depths, deeper_rates.view(), wider_rates.view(), options)?;
        (Covers::Trainings, found)
    };
    let list = |table: &Array2<f64>| table.rows().into_iter().map(|row| row.to_vec()).collect();
    Ok(WidthAgainstDepth {
        k,
        depths: pairs.iter().map(|pair| pair.0).collect(),
        wider_depths: pairs.iter().map(|pair| pair.1).collect(),
        deeper: list(&deeper_rates),
        wider: list(&wider_rates),
        covers,
        threshold,
    })
}

/// Error rates `[run, depth]`. Runs beyond what every depth has cannot be a row.
fn rates(designs: &[&Vec<(usize, usize)>]) -> Array2<f64> {
    let runs = designs.iter().map(|runs| runs.len());
    let runs = runs.fold(usize::MAX, usize::min);
    Array2::from_shape_fn((runs, designs.len()), |(run, depth)| {
        let run = designs.get(depth).and_then(|runs| runs.get(run));
        run.map_or(f64::NAN, |&(errors, examples)| {
            errors as f64 / examples.max(1) as f64
        })
    })
}

/// An error rate for each depth, drawn from the binomial law of the first run's errors.
fn redraw(designs: &[&Vec<(usize, usize)>], generator: &mut impl rand::Rng) -> Vec<f64> {
    let mut draw = |&(errors, examples): &(usize, usize)| {
        let rate = errors as f64 / examples.max(1) as f64;
        match Binomial::new(examples as u64, rate) {
            Ok(law) => law.sample(generator) as f64 / examples.max(1) as f64,
            Err(_) => rate,
        }
    };
    let first = designs.iter().map(|runs| runs.first());
    first.map(|run| run.map_or(f64::NAN, &mut draw)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Crossing;

    fn member(k: usize, depth: usize, parameters: usize, errors: usize, seed: u64) -> FamilyMember {
        FamilyMember {
            depth,
            k,
            parameters: parameters as u64,
            errors,
            examples: 1000,
            seed,
        }
    }

    /// One curve is flat at 8 %, the other falls from 9 to 6 % over 8 to 32 layers: they cross at
    /// 16 layers.
    #[test]
    fn a_crossing_is_found() {
        let mut members = Vec::new();
        for seed in 0..3 {
            for (depth, errors) in [(8, 90), (24, 70), (32, 60)] {
                members.push(member(1, depth, depth * 1_000, 80, seed));
                members.push(member(2, depth / 2, depth * 1_010, errors, seed));
            }
        }
        let options = BootstrapOptions::with_replicates(100);
        let found = thresholds(&members, 0.05, &options).unwrap();
        assert_eq!(found[0].wider_depths, [4, 12, 16]);
        let Crossing::At { depth } = found[0].threshold.crossing else {
            panic!("{:?}", found[0].threshold)
        };
        assert!((depth - 16.0).abs() < 1e-9, "{depth}");
        assert!(matches!(
            thresholds(&members, 0.001, &options),
            Err(WidthAgainstDepthError::NoPairs { k: 2, pairs: 0, .. })
        ));
    }

    #[test]
    fn one_run_of_each_design_leaves_the_chance_of_the_examples() {
        let members = [
            member(1, 8, 8, 80, 0),
            member(1, 32, 32, 80, 0),
            member(2, 4, 8, 120, 0),
            member(2, 16, 32, 40, 0),
        ];
        let options = BootstrapOptions::with_replicates(400);
        let found = thresholds(&members, 0.05, &options).unwrap().remove(0);
        assert_eq!(found.covers, Covers::Examples);
        let (lower, upper) = (found.threshold.lower, found.threshold.upper);
        let wide = lower.unwrap() < 19.0 && upper.unwrap() > 21.0;
        assert!(wide, "{lower:?} {upper:?}");
        let again = thresholds(&members, 0.05, &options).unwrap();
        assert_eq!(again[0].threshold, found.threshold);
    }
}
