//! Removing the least harmful block again and again.

use pathscope_analysis::record::{BatchNormStatistics, LesionKind, Outcome, Record, Removal};
use tch::{Kind, Tensor};

use super::latency::latency;
use super::{Cell, ExperimentError, Journal, Laboratory, LesionOptions};
use crate::network::{BlockIndex, FrozenNetwork, Plan, TrainableNetwork};

impl Laboratory<'_> {
    /// Removes `most` blocks one by one, each time the one without which fewest examples are
    /// wrong (of several, the one of least loss), measuring every candidate anew after each
    /// removal. Records the candidates, and each step with the latency of its smaller network.
    /// Gives the cell of every step, the intact network first. `progress` is told of cells done.
    ///
    /// # Errors
    /// Fewer blocks to remove, another kind of lesion than deletion, or
    /// [`ExperimentError::Stopped`] with what was finished recorded.
    pub fn greedy(
        &self,
        most: usize,
        options: LesionOptions,
        journal: &mut Journal,
        progress: &dyn Fn(u64),
    ) -> Result<Vec<Cell>, ExperimentError> {
        let removable = self.removable();
        if options.kind != LesionKind::Delete {
            return Err(ExperimentError::Impossible {
                what: "greedy removal takes blocks out of the network: only the kind `delete` does"
                    .into(),
            });
        }
        self.check_removable(most)?;
        let mut removed: Vec<BlockIndex> = Vec::new();
        let mut steps = vec![self.intact_cell()];
        self.measure(&steps, journal, progress)?;
        self.record_removal(&steps[0], &removed, options, journal)?;
        while removed.len() < most {
            let candidates: Vec<(BlockIndex, Cell)> = removable
                .iter()
                .filter(|block| !removed.contains(block))
                .map(|&block| {
                    let mut together = removed.clone();
                    together.push(block);
                    together.sort_unstable();
                    (block, self.lesion(&together, &[], options))
                })
                .collect();
            let cells: Vec<Cell> = candidates.iter().map(|(_, cell)| cell.clone()).collect();
            self.measure(&cells, journal, progress)?;
            let least_harm = candidates.into_iter().min_by(|(_, a), (_, b)| {
                let harm = |cell: &Cell| {
                    let outcome = outcome(journal, cell);
                    outcome.map_or((usize::MAX, f64::INFINITY), |o| (o.errors, o.loss))
                };
                let ((errors_a, loss_a), (errors_b, loss_b)) = (harm(a), harm(b));
                errors_a.cmp(&errors_b).then(loss_a.total_cmp(&loss_b))
            });
            let Some((block, cell)) = least_harm else {
                break;
            };
            removed.push(block);
            self.record_removal(&cell, &removed, options, journal)?;
            steps.push(cell);
        }
        Ok(steps)
    }

    fn record_removal(
        &self,
        cell: &Cell,
        removed: &[BlockIndex],
        options: LesionOptions,
        journal: &mut Journal,
    ) -> Result<(), ExperimentError> {
        let key = format!("removal {}", removed.len());
        let Some(outcome) = outcome(journal, cell).cloned() else {
            return Ok(());
        };
        if journal.get(&key).is_some() {
            return Ok(());
        }
        let network = self.smaller(&cell.plan, options)?;
        // Every process keeps the same record, whatever its own clock says.
        let device = self.batches().options.device;
        let latency = self
            .team()
            .firsts(latency(&network, self.input(), device)?)?;
        journal.append(Record::Removal(Removal {
            positions: self.data().positions(),
            key,
            removed: removed.iter().map(|block| block.position()).collect(),
            latency,
            errors: outcome.errors,
            examples: outcome.examples,
            parameters: outcome.parameters,
            multiply_adds: outcome.multiply_adds,
        }))
    }

    /// The smaller network that gives the logits of `plan`, with the statistics that `options`
    /// asks for.
    ///
    /// # Errors
    /// A plan that is no smaller network.
    pub fn smaller(
        &self,
        plan: &Plan,
        options: LesionOptions,
    ) -> Result<TrainableNetwork, ExperimentError> {
        match options.batch_norm {
            BatchNormStatistics::Frozen => Ok(self.network().pruned(plan)?),
            BatchNormStatistics::Recalibrated => {
                Ok(self.recalibrated(self.network(), plan)?.pruned(plan)?)
            }
        }
    }

    /// The largest difference between a logit of `smaller` and of this network under `plan`, over
    /// all examples, as a share of the largest logit. Measured by this process alone.
    ///
    /// # Errors
    /// A network that does not take these examples.
    pub fn difference(
        &self,
        smaller: &TrainableNetwork,
        plan: &Plan,
        options: LesionOptions,
    ) -> Result<f64, ExperimentError> {
        let logits = |network: &TrainableNetwork, plan: Plan| -> Result<Tensor, ExperimentError> {
            let device = self.batches().options.device;
            let frozen = FrozenNetwork::freeze(&network.to_device(device)?, Kind::Float)?;
            Ok(self
                .sweep(&frozen, self.data())
                .alone()
                .logits(&[plan])?
                .swap_remove(0))
        };
        let expected = match options.batch_norm {
            BatchNormStatistics::Frozen => logits(self.network(), plan.clone())?,
            BatchNormStatistics::Recalibrated => {
                logits(&self.recalibrated(self.network(), plan)?, plan.clone())?
            }
        };
        let found = logits(smaller, Plan::intact(smaller.specification()))?;
        let largest = |tensor: &Tensor| -> Result<f64, ExperimentError> {
            Ok(f64::try_from(
                tensor.f_abs()?.f_max()?.f_to_kind(Kind::Double)?,
            )?)
        };
        let difference = largest(&found.f_sub(&expected)?)?;
        Ok(difference / largest(&expected)?.max(f64::MIN_POSITIVE))
    }
}

fn outcome<'j>(journal: &'j Journal, cell: &Cell) -> Option<&'j Outcome> {
    match journal.get(&cell.key) {
        Some(Record::Outcome(outcome)) => Some(outcome),
        _ => None,
    }
}
