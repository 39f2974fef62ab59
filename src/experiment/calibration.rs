//! Statistics of a network, measured on images without their labels.

use std::sync::Mutex;

use pathscope_analysis::Seed;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::batches::lock;
use super::packed::Packed;
use super::{ExperimentError, Laboratory};
use crate::network::{
    BlockIndex, Mode, Pass, Plan, Substitutes, Substitution, TrainableNetwork, channels_last,
};
use crate::team::Team;

/// Rows in a bank of substitutes: other examples, or draws of noise.
const ROWS: usize = 64;

/// Examples per mini-batch when normalisations are measured anew: as in training.
const RECALIBRATION_BATCH: usize = 128;

impl Laboratory<'_> {
    /// Measures what stands in for every branch output of the intact network: its mean over the
    /// calibration examples, its value for 64 of them, or noise of the same mean and standard
    /// deviation per channel.
    ///
    /// # Errors
    /// Calibration examples that do not fit the network.
    pub fn measure_substitutes(
        &self,
        kind: Substitution,
        seed: Seed,
    ) -> Result<Substitutes, ExperimentError> {
        let functions = self.frozen().structure().functions();
        let count: usize = functions.iter().sum();
        let widest = super::sweep::widest(self.frozen(), &self.calibration())?;
        let options = self.calibration().options;
        let size = options.micro_batch(widest * (6 + count as u64), widest)?;
        let states = (0..options.workers())
            .map(|_| self.frozen().shallow_clone())
            .collect();
        // In the order of the examples: the same sums for any number of threads.
        let collected = self.calibration().map(size, states, |network, batch| {
            let wanted = (kind == Substitution::Resample).then(|| ROWS.saturating_sub(batch.first));
            tch::no_grad(|| {
                let structure = network.structure();
                let mut x = structure.stem(&batch.images, &Pass::EVALUATION)?;
                let mut partials = Vec::with_capacity(count);
                for step in Plan::intact(structure).steps() {
                    let block = structure.block(step.block)?;
                    for output in block.branch_outputs(&x, &Pass::EVALUATION)? {
                        partials.push(Partial::of(&output, wanted)?);
                    }
                    x = structure.step(step, &x, &Pass::EVALUATION)?;
                }
                Ok(partials)
            })
        })?;
        let places = functions
            .iter()
            .enumerate()
            .flat_map(|(block, &k)| (0..k).map(move |function| (block, function)));
        let mut substitutes = Substitutes::default();
        for (number, (block, function)) in places.enumerate() {
            let partials: Vec<&Partial> = collected
                .iter()
                .filter_map(|partials: &Vec<Partial>| partials.get(number))
                .collect();
            let label = format!("noise {block}.{function}");
            let rows = tch::no_grad(|| rows(kind, &partials, seed, &label))?;
            let rows = channels_last(&rows)?.f_to_device(options.device)?;
            substitutes.insert(BlockIndex::new(block), function, kind, rows);
        }
        Ok(substitutes)
    }

    /// A copy of `network` whose normalisations were measured anew under `plan`, as plain
    /// averages over mini-batches of the calibration examples.
    ///
    /// # Errors
    /// Calibration examples that do not fit the network.
    pub fn recalibrated(
        &self,
        network: &TrainableNetwork,
        plan: &Plan,
    ) -> Result<TrainableNetwork, ExperimentError> {
        let mut network = network.to_device(self.calibration().options.device)?;
        let mut batches = self.calibration();
        batches.options.threads = 1;
        batches.options.team = Team::ALONE;
        let number = Mutex::new(0.0);
        // One thread of one process: the statistics move from batch to batch.
        batches.map(RECALIBRATION_BATCH, vec![&mut network], |network, batch| {
            let mut number = lock(&number);
            let mode = Mode::Training {
                momentum: 1.0 / (*number + 1.0),
            };
            let pass = Pass {
                mode,
                ..Pass::EVALUATION
            };
            if batch
                .images
                .size()
                .first()
                .is_some_and(|&examples| examples > 1)
            {
                tch::no_grad(|| network.forward(&batch.images, plan, &pass).map(drop))?;
                *number += 1.0;
            }
            Ok(())
        })?;
        Ok(network)
    }
}

/// What one micro-batch says about one branch.
#[derive(Serialize, Deserialize)]
struct Partial {
    examples: i64,
    /// Sum over examples, `[C, H, W]`.
    sum: Packed,
    /// Sum of squares over examples and positions, `[C]`.
    squares: Packed,
    /// The outputs of the first examples, where they are wanted, `[R, C, H, W]`.
    rows: Option<Packed>,
}

impl Partial {
    fn of(output: &Tensor, wanted: Option<usize>) -> Result<Self, ExperimentError> {
        let output = output.f_to_device(Device::Cpu)?;
        let examples = output.size().first().copied().unwrap_or(0);
        let wide = output.f_to_kind(Kind::Double)?;
        let dimensions: Vec<i64> = (0..output.dim() as i64)
            .filter(|&dimension| dimension != 1)
            .collect();
        let rows = match wanted.map(|rows| (rows as i64).min(examples)) {
            Some(rows @ 1..) => Some(Packed(crate::network::duplicate(
                &output.f_narrow(0, 0, rows)?,
            )?)),
            _ => None,
        };
        Ok(Self {
            examples,
            sum: Packed(wide.f_sum_dim_intlist([0].as_slice(), false, Kind::Double)?),
            squares: Packed(wide.f_square()?.f_sum_dim_intlist(
                dimensions.as_slice(),
                false,
                Kind::Double,
            )?),
            rows,
        })
    }
}

fn rows(
    kind: Substitution,
    partials: &[&Partial],
    seed: Seed,
    label: &str,
) -> Result<Tensor, ExperimentError> {
    let nothing = || ExperimentError::Impossible {
        what: "there are no calibration examples to measure substitutes on".into(),
    };
    if kind == Substitution::Resample {
        let rows: Vec<&Tensor> = partials
            .iter()
            .filter_map(|partial| partial.rows.as_ref().map(|Packed(rows)| rows))
            .collect();
        if rows.is_empty() {
            return Err(nothing());
        }
        return Ok(Tensor::f_cat(&rows, 0)?);
    }
    let (first, rest) = partials.split_first().ok_or_else(nothing)?;
    let mut examples = first.examples;
    let (mut sum, mut squares) = (first.sum.0.shallow_clone(), first.squares.0.shallow_clone());
    for partial in rest {
        examples += partial.examples;
        sum = sum.f_add(&partial.sum.0)?;
        squares = squares.f_add(&partial.squares.0)?;
    }
    let mean = sum.f_div_scalar(examples)?;
    if kind == Substitution::Mean {
        return Ok(mean.f_to_kind(Kind::Float)?.f_unsqueeze(0)?);
    }
    // Per channel: positions count like examples.
    let shape = mean.size();
    let inner: Vec<i64> = (1..shape.len() as i64).collect();
    let positions: i64 = shape.iter().skip(1).product();
    let channel = mean.f_mean_dim(inner.as_slice(), false, Kind::Double)?;
    let variance = squares
        .f_div_scalar(examples * positions)?
        .f_sub(&channel.f_square()?)?;
    let count = ROWS * mean.numel();
    let draws: Vec<f32> = StandardNormal
        .sample_iter(seed.stream(label, 0))
        .take(count)
        .collect();
    let mut size = vec![ROWS as i64];
    size.extend(&shape);
    let mut wide = vec![1; size.len()];
    if let (Some(place), Some(&channels)) = (wide.get_mut(1), shape.first()) {
        *place = channels;
    }
    let noise = Tensor::f_from_slice(&draws)?.f_view(size.as_slice())?;
    let deviation = variance
        .f_clamp_min(0.0)?
        .f_sqrt()?
        .f_view(wide.as_slice())?;
    let noise = noise
        .f_mul(&deviation)?
        .f_add(&channel.f_view(wide.as_slice())?)?;
    Ok(noise.f_to_kind(Kind::Float)?)
}
