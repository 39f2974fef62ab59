//! How far pairs of blocks are from commuting.

use std::collections::HashMap;

use pathscope_analysis::record::{Commutator, Record};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{ExperimentError, Journal, Laboratory};
use pathscope_network::{FrozenNetwork, NetworkError, Pass, Plan, Step};

/// Activations of one example that are held at once: the block's input, its output, the other
/// block's, both products, their difference, and a function with its working memory.
const LIVE: u64 = 12;

impl Laboratory<'_> {
    /// Measures ||f_i f_j x - f_j f_i x|| for every pair of blocks of equal shape, where f is a
    /// whole block and x the input of the earlier one, and records what `journal` lacks.
    /// `progress` is told of pairs done.
    ///
    /// # Errors
    /// A network that leaves nothing to reorder, or [`ExperimentError::Stopped`].
    pub fn commutators(
        &self,
        journal: &mut Journal,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ExperimentError> {
        self.questions().order_space()?;
        let key = |pair: &[usize; 2]| format!("commutator {},{}", pair[0], pair[1]);
        let every = self.questions().movable_pairs(false);
        let missing = every.iter().copied();
        let missing: Vec<[usize; 2]> = missing
            .filter(|pair| journal.get(&key(pair)).is_none())
            .collect();
        progress((every.len() - missing.len()) as u64);
        if missing.is_empty() {
            return Ok(());
        }
        let examples = self.data().len();
        let plan = self.intact();
        let batches = self.batches();
        let widest = super::sweep::widest(self.specification(), &batches)?;
        let size = batches.options.micro_batch(LIVE * widest, widest)?;
        let states = batches.copies(self.frozen());
        let parts = batches.map(size, states, |network, batch| {
            let products = || products(network, &plan, &missing, &batch.images);
            tch::no_grad(products)
        })?;
        let mut found: HashMap<[usize; 2], Norms> = HashMap::new();
        for (pair, part) in parts.into_iter().flatten() {
            let norms = found.entry(pair).or_default();
            norms.commutator.extend(part.commutator);
            norms.change.extend(part.change);
        }
        for pair in &missing {
            let Some(norms) = found.get(pair) else {
                continue;
            };
            let norm = mean(&norms.commutator);
            journal.append(Record::Commutator(Commutator {
                key: key(pair),
                first: pair[0],
                second: pair[1],
                norm,
                relative: norm / mean(&norms.change).max(f64::MIN_POSITIVE),
                examples,
            }))?;
        }
        progress(missing.len() as u64);
        Ok(())
    }
}

/// For every example, in the order of the data: the sums do not depend on the threads.
#[derive(Default, Serialize, Deserialize)]
struct Norms {
    commutator: Vec<f64>,
    change: Vec<f64>,
}

/// Both products of every pair on one micro-batch, at the input of the earlier block.
fn products(
    network: &FrozenNetwork,
    plan: &Plan,
    pairs: &[[usize; 2]],
    images: &Tensor,
) -> Result<Vec<([usize; 2], Norms)>, ExperimentError> {
    let structure = network.structure();
    let run = |step: &Step, x: &Tensor| structure.step(step, x, &Pass::EVALUATION);
    let mut x = structure.stem(images, &Pass::EVALUATION)?;
    let mut found = Vec::with_capacity(pairs.len());
    for (first, step) in plan.steps().iter().enumerate() {
        let after_first = run(step, &x)?;
        for &pair in pairs.iter().filter(|pair| pair[0] == first) {
            let Some(other) = plan.steps().get(pair[1]) else {
                continue;
            };
            let trained_order = run(other, &after_first)?;
            let exchanged = run(step, &run(other, &x)?)?;
            let norms = Norms {
                commutator: norm_of_difference(&exchanged, &trained_order)?,
                change: norm_of_difference(&trained_order, &x)?,
            };
            found.push((pair, norms));
        }
        x = after_first;
    }
    Ok(found)
}

/// L2 norm of `a - b` for every example.
fn norm_of_difference(a: &Tensor, b: &Tensor) -> Result<Vec<f64>, NetworkError> {
    let square = a.f_sub(b)?.f_square()?.f_flatten(1, -1)?;
    let sum = square.f_sum_dim_intlist([1].as_slice(), false, Kind::Double)?;
    Ok(Vec::try_from(&sum.f_sqrt()?.f_contiguous()?)?)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
