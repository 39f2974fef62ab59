//! Removing the least harmful block again and again.

use pathscope_analysis::record::{BatchNormStatistics, LesionKind, Outcome, Record, Removal};
use pathscope_analysis::{Level, is_removable};
use tch::{Kind, Tensor};

use super::outcomes::count;
use super::{ExperimentError, Journal, Laboratory, LesionOptions, Measurement};
use pathscope_network::{BlockIndex, FrozenNetwork, Plan, TrainableNetwork};

/// How far a greedy removal goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// Most blocks to remove.
    pub most: usize,
    /// The share of the examples by which the error may grow: blocks are then chosen on every second
    /// example, and the first removal that the others do not show to cost less ends it. Each of these
    /// tests keeps its own level, since none is made after the first that fails.
    pub until: Option<f64>,
}

impl Laboratory<'_> {
    /// Removes blocks one by one, each time the one without which fewest examples are
    /// wrong (of several, the one of least loss), re-measuring every candidate after each
    /// removal. Records the candidates, each step, and the latencies of all their networks. Gives the
    /// measurement of every step, the intact network first. `progress` is told of measurements done.
    ///
    /// # Errors
    /// Fewer blocks to remove, another kind of lesion than deletion, or
    /// [`ExperimentError::Stopped`] with what was finished recorded.
    pub fn greedy(
        &self,
        extent: Extent,
        options: LesionOptions,
        journal: &mut Journal,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<Measurement>, ExperimentError> {
        let removable = self.questions().removable();
        if options.kind != LesionKind::Delete {
            let what =
                "greedy removal takes blocks out of the network: only the kind `delete` does";
            return Err(ExperimentError::Impossible(what.into()));
        }
        self.questions().check_removable(extent.most)?;
        let mut removed: Vec<BlockIndex> = Vec::new();
        let mut steps = vec![self.questions().intact_measurement()];
        self.measure(&steps, journal, progress)?;
        self.record_removal(&steps[0], &removed, extent, journal)?;
        while removed.len() < extent.most {
            let left = removable.iter().copied();
            let left: Vec<BlockIndex> = left.filter(|block| !removed.contains(block)).collect();
            let without = |&block: &BlockIndex| {
                let mut together = [&removed[..], &[block]].concat();
                together.sort_unstable();
                self.questions().lesion(&together, &[], options)
            };
            let measurements = left.iter().map(without).collect::<Result<Vec<_>, _>>()?;
            self.measure(&measurements, journal, progress)?;
            let candidates = left.into_iter().zip(measurements);
            let least_harm = candidates.min_by(|(_, a), (_, b)| {
                let harm = |measurement: &Measurement| {
                    let outcome = outcome(journal, measurement);
                    outcome.map_or((usize::MAX, f64::INFINITY), |o| match extent.until {
                        None => (o.errors, o.loss),
                        // The loss is that of all examples: the judges must not choose.
                        Some(_) => (count(&o.every_second(CHOOSERS)), o.multiply_adds as f64),
                    })
                };
                let ((errors_a, loss_a), (errors_b, loss_b)) = (harm(a), harm(b));
                errors_a.cmp(&errors_b).then(loss_a.total_cmp(&loss_b))
            });
            let Some((block, measurement)) = least_harm else {
                break;
            };
            if let Some(margin) = extent.until
                && !self.is_cheap(&steps[0], &measurement, margin, journal)?
            {
                break;
            }
            removed.push(block);
            self.record_removal(&measurement, &removed, extent, journal)?;
            steps.push(measurement);
        }
        self.record_latency(&steps, journal)?;
        Ok(steps)
    }

    /// Whether the judges show that a measurement costs less than `margin`.
    fn is_cheap(
        &self,
        intact: &Measurement,
        measurement: &Measurement,
        margin: f64,
        journal: &Journal,
    ) -> Result<bool, ExperimentError> {
        let (Some(intact), Some(changed)) =
            (outcome(journal, intact), outcome(journal, measurement))
        else {
            return Ok(false);
        };
        let (before, after) = (intact.every_second(JUDGES), changed.every_second(JUDGES));
        is_removable(&before, &after, changed.positions, margin, Level::P95)
            .map_err(|fault| ExperimentError::Analysis(fault.to_string()))
    }

    fn record_removal(
        &self,
        measurement: &Measurement,
        removed: &[BlockIndex],
        extent: Extent,
        journal: &mut Journal,
    ) -> Result<(), ExperimentError> {
        let key = format!("removal {}", removed.len());
        let Some(outcome) = outcome(journal, measurement).cloned() else {
            return Ok(());
        };
        if journal.get(&key).is_some() {
            return Ok(());
        }
        let (errors, examples) = match extent.until {
            None => (outcome.errors, outcome.examples),
            Some(_) => {
                let judged = outcome.every_second(JUDGES);
                (count(&judged), judged.len())
            }
        };
        let removal = Record::Removal(Removal {
            positions: self.data().positions(),
            key,
            removed: removed.iter().map(|block| block.position()).collect(),
            errors,
            examples,
            parameters: outcome.parameters,
            multiply_adds: outcome.multiply_adds,
        });
        Ok(journal.append(removal)?)
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
            let sweep = self.sweep(&frozen, self.data()).alone();
            Ok(sweep.logits(&[plan])?.swap_remove(0))
        };
        let expected = match options.batch_norm {
            BatchNormStatistics::Frozen => logits(self.network(), plan.clone())?,
            BatchNormStatistics::Recalibrated => {
                logits(&self.recalibrated(self.network(), plan)?, plan.clone())?
            }
        };
        let found = logits(smaller, Plan::intact(smaller.specification()))?;
        let largest = |tensor: &Tensor| -> Result<f64, ExperimentError> {
            let largest = tensor.f_abs()?.f_max()?.f_to_kind(Kind::Double)?;
            Ok(f64::try_from(largest)?)
        };
        let difference = largest(&found.f_sub(&expected)?)?;
        Ok(difference / largest(&expected)?.max(f64::MIN_POSITIVE))
    }
}

/// The first of every two examples chooses, the second judges.
const CHOOSERS: usize = 0;
const JUDGES: usize = 1;

fn outcome<'j>(journal: &'j Journal, measurement: &Measurement) -> Option<&'j Outcome> {
    match journal.get(&measurement.key) {
        Some(Record::Outcome(outcome)) => Some(outcome),
        _ => None,
    }
}
