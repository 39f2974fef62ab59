//! How long one image or sequence takes.

use std::time::{Duration, Instant};

use pathscope_analysis::record::{Latency, Record, RunTime};
use tch::{Device, Tensor};

use super::pulse::Pulse;
use super::{ExperimentError, Journal, Laboratory, Measurement};
use pathscope_network::{Pass, channels_last};

/// Most rounds: in each, everything that is compared runs once.
const ROUNDS: usize = 30;
/// When to begin no further round.
const LONGEST: Duration = Duration::from_secs(3);

impl Laboratory<'_> {
    /// Seconds that each block of the intact network takes for one example, on one thread of the CPU or
    /// on the GPU: the median of up to 30 forward passes, so that all blocks meet the same machine. It differs
    /// from run to run.
    ///
    /// # Errors
    /// Where libtorch refuses, or [`ExperimentError::Stopped`].
    pub fn block_seconds(&self) -> Result<Vec<f64>, ExperimentError> {
        let structure = self.frozen().structure();
        let plan = self.intact();
        let example = self.one_example()?;
        let rounds = self.rounds(|pulse| {
            let mut x = structure.stem(&example, &Pass::EVALUATION)?;
            let mut seconds = Vec::with_capacity(plan.steps().len());
            for step in plan.steps() {
                pulse.beat(0)?;
                let start = Instant::now();
                x = structure.step(step, &x, &Pass::EVALUATION)?;
                seconds.push(finished(start, &x)?);
            }
            Ok(seconds)
        })?;
        Ok(times(&rounds).map(|time| time.median).collect())
    }

    /// Records how long the networks of `steps` take for one example, on one thread of the CPU or on the
    /// GPU, unless `journal` holds it. Each runs once in every round, as the plan of the frozen network:
    /// a deleted block costs at most its ReLU.
    ///
    /// # Errors
    /// As [`Laboratory::block_seconds`].
    pub(super) fn record_latency(
        &self,
        steps: &[Measurement],
        journal: &mut Journal,
    ) -> Result<(), ExperimentError> {
        let key = format!("latency of {} networks", steps.len());
        if journal.get(&key).is_some() {
            return Ok(());
        }
        let example = self.one_example()?;
        let rounds = self.rounds(|pulse| {
            let seconds = steps.iter().map(|step| {
                pulse.beat(0)?;
                let start = Instant::now();
                let logits = self
                    .frozen()
                    .forward(&example, &step.plan, &Pass::EVALUATION)?;
                finished(start, &logits)
            });
            seconds.collect()
        })?;
        // Every process keeps the same record, whatever its own clock says.
        let rounds = self.team().firsts(rounds)?;
        let latency = Record::Latency(Latency {
            key,
            rounds: rounds.len(),
            networks: times(&rounds).collect(),
        });
        Ok(journal.append(latency)?)
    }

    /// An example whose values do not matter, on the device.
    fn one_example(&self) -> Result<Tensor, ExperimentError> {
        let example = self.specification().random_batch(self.input(), 1, 0)?;
        let example = example.f_to_device(self.batches().options.device)?;
        Ok(channels_last(&example)?)
    }

    /// The seconds that `round` gives, again and again on one thread of libtorch, after a first time
    /// that does not count.
    fn rounds(
        &self,
        round: impl Fn(&Pulse<'_>) -> Result<Vec<f64>, ExperimentError>,
    ) -> Result<Vec<Vec<f64>>, ExperimentError> {
        let pulse = Pulse {
            progress: &|_| {},
            // Of several processes none may leave the others waiting.
            stop: self.batches().stop.filter(|_| self.team().size() == 1),
        };
        let threads = tch::get_num_threads();
        tch::set_num_threads(1);
        let found = tch::no_grad(|| {
            round(&pulse)?;
            let begin = Instant::now();
            let mut rounds = vec![round(&pulse)?];
            while rounds.len() < ROUNDS && begin.elapsed() < LONGEST {
                rounds.push(round(&pulse)?);
            }
            Ok(rounds)
        });
        tch::set_num_threads(threads);
        found
    }
}

/// Seconds since `start`. A GPU has only been told so far what to compute: a copy waits for it.
fn finished(start: Instant, computed: &Tensor) -> Result<f64, ExperimentError> {
    if computed.device() != Device::Cpu {
        let _copy = computed.f_to_device(Device::Cpu)?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// The run times of everything that ran in all rounds.
fn times(rounds: &[Vec<f64>]) -> impl Iterator<Item = RunTime> {
    let compared = rounds.first().map_or(0, Vec::len);
    (0..compared).map(|place| {
        let runs = rounds.iter().filter_map(|round| round.get(place).copied());
        RunTime::of(runs.collect())
    })
}
