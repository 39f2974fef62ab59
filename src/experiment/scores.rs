//! Cheap scores of all blocks from one forward and one backward pass.

use pathscope_analysis::BlockScores;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::batches::MicroBatch;
use super::pulse::Pulse;
use super::{ExperimentError, Laboratory};
use pathscope_network::{
    FrozenNetwork, FunctionState, Linearization, LinearizedBlock, NetworkError, Pass, Plan,
    cross_entropy_cotangent, duplicate,
};
use pathscope_team::Team;

/// Activations of one example that are held for each block: its output and what its deletion leaves,
/// masks of two functions, and cotangents.
const EACH_BLOCK: u64 = 6;
/// Examples whose similarities are compared with each other.
const MOST_EXAMPLES: usize = 64;

/// Sums over the examples of a micro-batch, of one block.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Sums {
    examples: f64,
    /// Cosine distance, angular distance, norm ratio, gradient share.
    of_examples: [f64; 4],
    first_order: f64,
    /// Unbiased estimates of the HSIC of output and remainder, and of each with itself.
    hsic: [f64; 3],
}

impl Laboratory<'_> {
    /// The scores of each block of the intact network, over all examples. Measured by this process alone.
    ///
    /// # Errors
    /// Too little memory for one example, or [`ExperimentError::Stopped`].
    pub fn scores(&self) -> Result<Vec<BlockScores>, ExperimentError> {
        let mut batches = self.batches();
        batches.options.team = Team::ALONE;
        let widest = super::sweep::widest(self.specification(), &batches)?;
        let plan = self.intact();
        let each = widest * (8 + EACH_BLOCK * plan.steps().len() as u64);
        let size = batches.options.micro_batch(each, widest)?;
        let size = size.min(MOST_EXAMPLES);
        let states = batches.copies(self.frozen());
        let pulse = Pulse {
            progress: &|_| {},
            stop: batches.stop,
        };
        let parts = batches.map(size, states, |network, batch| {
            tch::no_grad(|| of_batch(network, &plan, batch, pulse))
        })?;
        let mut totals = vec![Sums::default(); plan.steps().len()];
        for part in parts {
            for (total, sums) in totals.iter_mut().zip(part) {
                total.add(&sums);
            }
        }
        let predictions = self.data().positions().max(1) as f64;
        let scores = totals.iter().map(|total| total.scores(predictions));
        Ok(scores.collect())
    }
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.examples += other.examples;
        self.first_order += other.first_order;
        let pairs = self.of_examples.iter_mut().zip(&other.of_examples);
        pairs.for_each(|(sum, more)| *sum += more);
        let pairs = self.hsic.iter_mut().zip(&other.hsic);
        pairs.for_each(|(sum, more)| *sum += more);
    }

    fn scores(&self, predictions: f64) -> BlockScores {
        let [
            cosine_distance,
            angular_distance,
            norm_ratio,
            gradient_share,
        ] = self.of_examples.map(|sum| sum / self.examples);
        let [both, output, remainder] = self.hsic;
        BlockScores {
            cosine_distance,
            angular_distance,
            norm_ratio,
            cka_distance: 1.0 - both / (output * remainder).sqrt(),
            first_order: self.first_order / (self.examples * predictions),
            gradient_share,
        }
    }
}

fn of_batch(
    network: &FrozenNetwork,
    plan: &Plan,
    batch: &MicroBatch,
    pulse: Pulse<'_>,
) -> Result<Vec<Sums>, ExperimentError> {
    let structure = network.structure();
    let without = plan.steps().iter().fold(plan.clone(), |plan, step| {
        plan.with_block(step.block, FunctionState::Off)
    });
    let mut x = structure.stem(&batch.images, &Pass::EVALUATION)?;
    let mut found = Vec::with_capacity(plan.steps().len());
    let mut differences = Vec::with_capacity(plan.steps().len());
    for (step, deleted) in plan.steps().iter().zip(without.steps()) {
        pulse.beat(0)?;
        let output = structure.step(step, &x, &Pass::EVALUATION)?;
        let remainder = structure.step(deleted, &x, &Pass::EVALUATION)?;
        found.push(forward(&output, &remainder)?);
        differences.push(remainder.f_sub(&output)?);
        x = output;
    }
    let linearization = Linearization::at(network, plan, &batch.images)?;
    let cotangent = cross_entropy_cotangent(linearization.logits(), &batch.labels)?;
    let mut gradient = linearization.through_head(cotangent)?;
    let blocks = linearization.blocks().iter().zip(&differences);
    for (((_, block), difference), sums) in blocks.zip(&mut found).rev() {
        pulse.beat(0)?;
        sums.first_order = sum(&gradient.f_mul(difference)?)?;
        let (behind, share) = backward(block, gradient)?;
        sums.of_examples[3] = share;
        gradient = behind;
    }
    Ok(found)
}

fn sum(tensor: &Tensor) -> Result<f64, tch::TchError> {
    tensor.f_sum(Kind::Double)?.f_double_value(&[])
}

/// What output and remainder of a block `[B, ...]` tell.
fn forward(output: &Tensor, remainder: &Tensor) -> Result<Sums, NetworkError> {
    let flat = |tensor: &Tensor| tensor.f_flatten(1, -1)?.f_to_kind(Kind::Double);
    let (output, remainder) = (flat(output)?, flat(remainder)?);
    let along = |a: &Tensor, b: &Tensor| {
        a.f_mul(b)?
            .f_sum_dim_intlist([1].as_slice(), false, Kind::Double)
    };
    let norm = along(&output, &output)?.f_sqrt()?;
    let norms = norm.f_mul(&along(&remainder, &remainder)?.f_sqrt()?)?;
    let cosine = along(&output, &remainder)?
        .f_div(&norms.f_clamp_min(f64::MIN_POSITIVE)?)?
        .f_clamp(-1.0, 1.0)?;
    let difference = output.f_sub(&remainder)?;
    let ratio = along(&difference, &difference)?
        .f_sqrt()?
        .f_div(&norm.f_clamp_min(f64::MIN_POSITIVE)?)?;
    let examples = pathscope_network::length(&output, 0)? as f64;
    Ok(Sums {
        examples,
        of_examples: [
            examples - sum(&cosine)?,
            sum(&cosine.f_acos()?)? / std::f64::consts::PI,
            sum(&ratio)?,
            0.0,
        ],
        first_order: 0.0,
        hsic: [
            hsic(&output, &remainder)?,
            hsic(&output, &output)?,
            hsic(&remainder, &remainder)?,
        ],
    })
}

/// The unbiased estimate of HSIC with linear kernels (Song et al. 2012) of features `[B, D]`, times the
/// examples; not a number for fewer than four.
fn hsic(first: &Tensor, second: &Tensor) -> Result<f64, NetworkError> {
    let rows = pathscope_network::length(first, 0)?;
    let n = rows as f64;
    if rows < 4 {
        return Ok(0.0);
    }
    let gram = |features: &Tensor| -> Result<Tensor, NetworkError> {
        let gram = features.f_matmul(&features.f_transpose(0, 1)?)?;
        Ok(gram.f_sub(&gram.f_diagonal(0, 0, 1)?.f_diag_embed(0, -2, -1)?)?)
    };
    let (k, l) = (gram(first)?, gram(second)?);
    let trace = sum(&k.f_mul(&l)?)?;
    let totals = sum(&k)? * sum(&l)?;
    let across = |gram: &Tensor| gram.f_sum_dim_intlist([1].as_slice(), false, Kind::Double);
    let chain = sum(&across(&k)?.f_mul(&across(&l)?)?)?;
    let estimate = trace + totals / ((n - 1.0) * (n - 2.0)) - 2.0 * chain / (n - 2.0);
    Ok(n * estimate / (n * (n - 3.0)))
}

/// The gradient behind a block, and the sum over examples of the share that its functions carry.
fn backward(block: &LinearizedBlock, gradient: Tensor) -> Result<(Tensor, f64), ExperimentError> {
    let rows = block.through_post(duplicate(&gradient)?)?;
    let mut carried: Option<Tensor> = None;
    for function in 0..block.functions() {
        if let Some(moved) = block.through_function(function, &rows)? {
            carried = Some(match carried {
                Some(sum) => sum.f_add(&moved)?,
                None => moved,
            });
        }
    }
    let skipped = block.through_skip(&rows)?;
    let norms = |rows: &Option<Tensor>| -> Result<Option<Tensor>, NetworkError> {
        let norm = |rows: &Tensor| {
            let flat = rows.f_flatten(1, -1)?.f_to_kind(Kind::Double)?;
            flat.f_norm_scalaropt_dim(2.0, [1].as_slice(), false)
        };
        Ok(rows.as_ref().map(norm).transpose()?)
    };
    let share = match (norms(&carried)?, norms(&skipped)?) {
        (Some(carried), Some(skipped)) => {
            let both = carried.f_add(&skipped)?.f_clamp_min(f64::MIN_POSITIVE)?;
            sum(&carried.f_div(&both)?)?
        }
        (Some(carried), None) => sum(&carried.f_ones_like()?)?,
        (None, _) => 0.0,
    };
    let behind = match (carried, skipped) {
        (Some(carried), Some(skipped)) => carried.f_add(&skipped)?,
        (Some(one), None) | (None, Some(one)) => duplicate(&one)?,
        (None, None) => block.through_nothing(&rows)?,
    };
    Ok((block.through_pre(behind)?, share))
}
