//! How far the activations at two depths are apart.

use std::collections::BTreeMap;
use std::f64::consts::PI;

use pathscope_analysis::record::{Distance, Record};
use tch::{Device, Kind, Tensor};

use super::{ExperimentError, Journal, Laboratory};
use pathscope_network::{FrozenNetwork, NetworkError, Pass, Plan};

/// Activations of one example that are held for each depth: itself twice, and in double precision.
const EACH_DEPTH: u64 = 4;
/// Those of the block that is computed.
const LIVE: u64 = 8;

/// A sum over examples and that of the squares, for each pair of depths.
type Sums = Vec<([usize; 2], [f64; 2])>;

impl Laboratory<'_> {
    /// Measures the angle between the activations at every pair of depths of equal shape, as a share of
    /// half a turn, and records what `journal` lacks. A depth is the input of a block, or of the head.
    /// `progress` is told when it is done.
    ///
    /// # Errors
    /// Too little memory for one example, or [`ExperimentError::Stopped`].
    pub fn distances(
        &self,
        journal: &mut Journal,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ExperimentError> {
        let key = |pair: [usize; 2]| format!("distance {},{}", pair[0], pair[1]);
        let mut missing = self.questions().depths_of_equal_shape();
        missing.retain(|&pair| journal.get(&key(pair)).is_none());
        if !missing.is_empty() {
            let totals = self.angles()?;
            let examples = self.data().len();
            let n = examples as f64;
            for pair in missing {
                let [sum, squares] = totals.get(&pair).copied().unwrap_or([f64::NAN; 2]);
                let mean = sum / n;
                if !mean.is_finite() {
                    return Err(ExperimentError::ActivationNotFinite(pair));
                }
                // Of the mean: the sample variance over its count, which rounding may take below 0.
                let variance = (squares / n - mean * mean).max(0.0) / (n - 1.0).max(1.0);
                journal.append(Record::Distance(Distance {
                    key: key(pair),
                    first: pair[0],
                    second: pair[1],
                    distance: mean,
                    standard_error: variance.sqrt(),
                    examples,
                }))?;
            }
        }
        progress(1);
        Ok(())
    }

    fn angles(&self) -> Result<BTreeMap<[usize; 2], [f64; 2]>, ExperimentError> {
        let batches = self.batches();
        let plan = self.intact();
        let widest = super::sweep::widest(self.specification(), &batches)?;
        let each = widest * (LIVE + EACH_DEPTH * (plan.steps().len() as u64 + 1));
        let size = batches.options.micro_batch(each, widest)?;
        let states = batches.copies(self.frozen());
        let parts = batches.map(size, states, |network, batch| {
            tch::no_grad(|| of_batch(network, &plan, &batch.images))
        })?;
        let mut totals = BTreeMap::new();
        for (pair, found) in parts.into_iter().flatten() {
            let total = totals.entry(pair).or_insert([0.0; 2]);
            (total[0], total[1]) = (total[0] + found[0], total[1] + found[1]);
        }
        Ok(totals)
    }
}

/// Angles between the activations of a micro-batch at all pairs of depths.
fn of_batch(
    network: &FrozenNetwork,
    plan: &Plan,
    images: &Tensor,
) -> Result<Sums, ExperimentError> {
    let structure = network.structure();
    let mut x = structure.stem(images, &Pass::EVALUATION)?;
    let mut by_shape: BTreeMap<Vec<i64>, Vec<(usize, Tensor)>> = BTreeMap::new();
    let mut keep = |depth: usize, x: &Tensor| {
        let alike = by_shape.entry(x.size()).or_default();
        alike.push((depth, x.shallow_clone()));
    };
    keep(0, &x);
    for (block, step) in plan.steps().iter().enumerate() {
        x = structure.step(step, &x, &Pass::EVALUATION)?;
        keep(block + 1, &x);
    }
    let mut found = Sums::new();
    for depths in by_shape.into_values() {
        let activations: Vec<&Tensor> = depths.iter().map(|(_, x)| x).collect();
        let [sums, squares] = angles(&activations)?;
        for (row, (first, _)) in depths.iter().enumerate() {
            for (column, (second, _)) in depths.iter().enumerate().skip(row + 1) {
                let of = |sums: &Tensor| sums.f_double_value(&[row as i64, column as i64]);
                found.push(([*first, *second], [of(&sums)?, of(&squares)?]));
            }
        }
    }
    Ok(found)
}

/// Sums over examples of the angles between activations `[B, ...]` of equal shape, and of the squares
/// of these angles, each `[depths, depths]`. Activations that are all 0 are at right angles to others.
fn angles(activations: &[&Tensor]) -> Result<[Tensor; 2], NetworkError> {
    // [B, depths, D]
    let mut directions = Tensor::f_stack(activations, 1)?
        .f_flatten(2, -1)?
        .f_to_kind(Kind::Double)?;
    let norms = directions.f_norm_scalaropt_dim(2.0, [2].as_slice(), true)?;
    let directions = directions.f_div_(&norms.f_clamp_min(f64::MIN_POSITIVE)?)?;
    let cosines = directions.f_matmul(&directions.f_transpose(1, 2)?)?;
    let angles = cosines.f_clamp(-1.0, 1.0)?.f_acos()?.f_div_scalar(PI)?;
    let sum = |angles: &Tensor| {
        let sum = angles.f_sum_dim_intlist([0].as_slice(), false, Kind::Double)?;
        sum.f_to_device(Device::Cpu)
    };
    Ok([sum(&angles)?, sum(&angles.f_square()?)?])
}
