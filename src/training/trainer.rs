use std::ops::Range;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::average::Average;
use super::optimizer::Mover;
use super::parallel::{functions, share};
use super::step::{Batch, Machine, Measured, Trained};
use super::{Optimizer, Parallel, TrainingError, TrainingOptions};
use pathscope_data::{Dataset, Normalization};
use pathscope_network::{Block, Plan, TrainableNetwork};

/// What an epoch gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochSummary {
    /// Number of the epoch, from 0.
    pub epoch: usize,
    /// Mean loss over its examples, as they were met.
    pub loss: f64,
    /// Examples classified wrongly as they were met.
    pub errors: usize,
    /// Examples met.
    pub examples: usize,
    /// Learning rate of its last step.
    pub learning_rate: f64,
}

/// What a mini-batch gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepSummary {
    /// Examples trained on.
    pub examples: usize,
    /// What was measured since the last look: after every mini-batch on a CPU, after every 32 on
    /// CUDA, where looking waits for the device.
    pub measured: Option<Measured>,
    /// The epoch that the mini-batch ended.
    pub epoch: Option<EpochSummary>,
}

/// Where a training stands. Every random choice is a function of the seed and of this, so it is
/// all that a continuation needs beside the tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Position {
    /// Epochs done.
    pub epoch: usize,
    /// Mini-batches done in the epoch under way.
    pub batch: usize,
    /// Sum of the loss over the examples measured in it; [`Trainer::collect`] brings this and the
    /// following up to date.
    pub loss: f64,
    /// Of these, examples classified wrongly.
    pub errors: usize,
    /// Examples measured in it.
    pub examples: usize,
}

/// A network in training.
#[derive(Debug)]
pub struct Trainer {
    pub(super) network: TrainableNetwork,
    pub(super) optimizer: Optimizer,
    pub(super) average: Option<Average>,
    pub(super) options: TrainingOptions,
    pub(super) position: Position,
    normalization: Normalization,
    intact: Plan,
    device: Device,
    pub(super) parallel: Parallel,
    /// The examples in the order of the epoch under way, once it is known.
    order: Option<(usize, Vec<usize>)>,
    /// What computes the steps, from the first one on.
    machine: Option<Machine>,
    remark: Option<String>,
}

impl Trainer {
    /// A trainer before its first epoch, on the device of `network`.
    ///
    /// # Errors
    /// A number that no training can have, or a restriction that the network cannot meet.
    pub fn new(
        network: TrainableNetwork,
        options: TrainingOptions,
        normalization: Normalization,
    ) -> Result<Self, TrainingError> {
        options.check()?;
        let functions = network.structure().functions();
        options.restriction.check(&functions)?;
        let survival = options.restriction.survival(&functions);
        let scales = survival.iter().any(|&share| share < 1.0);
        let mut blocks = network.specification().blocks.iter();
        if scales && blocks.any(Block::has_continuations) {
            // The last convolution of F is one of F after F as well.
            let reason = "functions that continue others cannot be scaled apart in the finished \
                          network; restrict the gradient alone, with backward_only";
            return Err(TrainingError::Restriction(reason.into()));
        }
        // A normalisation over one example has no variance.
        if options.batch < 2 {
            return Err(TrainingError::TooFewExamples {
                what: "a mini-batch",
                found: options.batch,
            });
        }
        let device = network.device();
        let average = options
            .average
            .map(|decay| Average::new(&network, device, decay))
            .transpose()?;
        let optimizer = Optimizer::new(&network, options.optimizer);
        let intact = Plan::intact(network.structure());
        Ok(Self {
            network,
            optimizer,
            average,
            options,
            normalization,
            intact,
            device,
            parallel: Parallel::ALONE,
            position: Position::default(),
            order: None,
            machine: None,
            remark: None,
        })
    }

    /// The same training shared by several processes, each of which has the same trainer.
    ///
    /// Mini-batches, their changes and what a restriction draws do not depend on the processes.
    /// The statistics of normalisation are those of each group's own examples, and so differ from
    /// one process's, as they do wherever examples are shared out.
    ///
    /// # Errors
    /// [`TrainingError::Parallel`] for a network that cannot be shared so.
    pub fn in_parallel(mut self, parallel: Parallel) -> Result<Self, TrainingError> {
        parallel.check(&self.network)?;
        let functions = functions(&self.network);
        let mover = |name: &String| match functions.get(name) {
            _ if parallel.group.size() == 1 => Mover::Everybody,
            None => Mover::Everybody,
            Some(&function) if parallel.owner(function) == parallel.group.rank() => Mover::Me,
            Some(_) => Mover::Other,
        };
        let named = self.network.named_parameters().into_iter();
        let trained = named.filter(|(_, role, _)| role.is_trained());
        let movers = trained.map(|(name, _, _)| mover(&name)).collect();
        self.optimizer.leave(movers);
        self.parallel = parallel;
        Ok(self)
    }

    /// Brings what the device has measured and what other processes train up to date here: every
    /// process has the whole training then, statistics, momenta and average included.
    ///
    /// # Errors
    /// A loss that is not finite, or where libtorch refuses.
    pub fn collect(&mut self) -> Result<(), TrainingError> {
        self.look()?;
        let team = self.parallel.group;
        if team.size() == 1 {
            return Ok(());
        }
        let functions = functions(&self.network);
        let mut momenta = self.optimizer.momenta().iter();
        let mut kept = Vec::new();
        let moving: Vec<bool> = momenta.clone().map(Option::is_some).collect();
        let moving = team.everyones(moving)?;
        for (name, role, mut tensor) in self.network.named_parameters() {
            let function = functions.get(&name);
            let owner = function.map(|&function| self.parallel.owner(function));
            if let Some(owner) = owner {
                share(team, owner, &mut tensor)?;
            }
            if !role.is_trained() {
                continue;
            }
            let mine = momenta.next().and_then(Option::as_ref);
            let number = kept.len();
            kept.push(match (owner, mine) {
                (Some(owner), mine) if moving[owner][number] => {
                    let mut momentum = match mine {
                        Some(momentum) => momentum.shallow_clone(),
                        None => tensor.f_detach()?.f_zeros_like()?,
                    };
                    share(team, owner, &mut momentum)?;
                    Some(momentum)
                }
                (_, mine) => mine.map(Tensor::shallow_clone),
            });
        }
        self.optimizer.restore(kept);
        if let Some(average) = &self.average {
            for (name, _, mut tensor) in average.network().named_parameters() {
                if let Some(&function) = functions.get(&name) {
                    share(team, self.parallel.owner(function), &mut tensor)?;
                }
            }
        }
        Ok(())
    }

    /// The network as it is now.
    #[must_use]
    pub fn network(&self) -> &TrainableNetwork {
        &self.network
    }

    /// How the network is trained.
    #[must_use]
    pub fn options(&self) -> &TrainingOptions {
        &self.options
    }

    /// Where the training stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether every epoch is done.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.position.epoch >= self.options.epochs
    }

    /// Mini-batches in an epoch over `examples` examples.
    #[must_use]
    pub fn batches(&self, examples: usize) -> usize {
        let batch = self.options.batch;
        // A last batch of one example would have no variance to normalise by.
        examples / batch + usize::from(examples % batch > 1)
    }

    /// Trains for what is left of an epoch; `progress` is told of every mini-batch.
    ///
    /// # Errors
    /// A loss that is not finite, or data that do not fit.
    pub fn train_epoch(
        &mut self,
        data: &Dataset,
        mut progress: impl FnMut(&StepSummary),
    ) -> Result<EpochSummary, TrainingError> {
        loop {
            let step = self.step(data)?;
            progress(&step);
            if let Some(summary) = step.epoch {
                return Ok(summary);
            }
        }
    }

    /// Trains on the next mini-batch of `data`, which must be the same from step to step.
    ///
    /// # Errors
    /// A loss that is not finite, after which the network is as before; or data that do not fit.
    pub fn step(&mut self, data: &Dataset) -> Result<StepSummary, TrainingError> {
        let count = self.batches(data.len());
        if count == 0 {
            return Err(TrainingError::TooFewExamples {
                what: "the training data",
                found: data.len(),
            });
        }
        let Position { epoch, batch, .. } = self.position;
        let indices = self.examples(data.len());
        let done = (epoch as f64 + (batch as f64 + 0.5) / count as f64)
            / self.options.epochs.max(1) as f64;
        let learning_rate = self.options.learning_rate * self.options.schedule.factor(done);
        let iteration = (epoch * count + batch) as u64;
        let mut measured = self.descend(data, &indices, iteration, learning_rate)?;
        if let Some(measured) = &mut measured {
            // Of a mini-batch that processes share, each sees a part but knows the sums.
            if self.parallel.whole.size() > 1 {
                measured.examples = indices.len();
            }
            self.count(*measured)?;
        }
        self.position.batch += 1;
        let mut summary = None;
        if self.position.batch >= count {
            if measured.is_none() {
                measured = self.look()?;
            }
            let position = &mut self.position;
            summary = Some(EpochSummary {
                epoch,
                loss: position.loss / position.examples.max(1) as f64,
                errors: position.errors,
                examples: position.examples,
                learning_rate,
            });
            *position = Position {
                epoch: epoch + 1,
                ..Position::default()
            };
        }
        Ok(StepSummary {
            examples: indices.len(),
            measured,
            epoch: summary,
        })
    }

    /// The examples of the next mini-batch.
    fn examples(&mut self, examples: usize) -> Vec<usize> {
        let Position { epoch, batch, .. } = self.position;
        let known = self.order.take();
        let (_, order) = self.order.insert(
            known
                .filter(|(of, order)| *of == epoch && order.len() == examples)
                .unwrap_or_else(|| (epoch, order(self.options.seed, epoch, examples))),
        );
        let batches = order.chunks(self.options.batch);
        batches.skip(batch).take(1).flatten().copied().collect()
    }

    /// Trains on these examples; see [`Machine::step`].
    fn descend(
        &mut self,
        data: &Dataset,
        indices: &[usize],
        iteration: u64,
        rate: f64,
    ) -> Result<Option<Measured>, TrainingError> {
        let (part, share) = self.parallel.part(indices.len());
        let draw = self.options.restriction.draw(
            &self.intact,
            self.options.seed,
            iteration,
            indices.len(),
            self.device,
        )?;
        let gates = draw.gates.map(|gates| part_of(&gates, &part)).transpose()?;
        let is_usual = draw.plan == self.intact
            && gates.is_none()
            && indices.len() == self.options.batch
            && !self.network.specification().draws();
        let batch = Batch {
            data,
            indices: &indices[part],
            share,
            plan: &draw.plan,
            gates: gates.as_deref(),
            is_usual,
            epoch: self.position.epoch as u64,
            iteration,
            rate,
        };
        let trained = Trained {
            network: &self.network,
            optimizer: &mut self.optimizer,
            average: self.average.as_ref(),
            options: &self.options,
            normalization: &self.normalization,
            parallel: self.parallel,
        };
        let machine = match &mut self.machine {
            Some(machine) => machine,
            none => {
                let precision = self.options.precision;
                none.insert(Machine::new(&self.network, precision, self.device)?)
            }
        };
        let (measured, remark) = machine.step(trained, &batch)?;
        self.remark = self.remark.take().or(remark);
        Ok(measured)
    }

    /// Looks at what was measured on the device since the last look, and counts it.
    fn look(&mut self) -> Result<Option<Measured>, TrainingError> {
        let measured = match &mut self.machine {
            Some(machine) => machine.look()?,
            None => None,
        };
        if let Some(measured) = measured {
            self.count(measured)?;
        }
        Ok(measured)
    }

    fn count(&mut self, measured: Measured) -> Result<(), TrainingError> {
        let position = &mut self.position;
        let Measured {
            loss,
            errors,
            examples,
        } = measured;
        if !loss.is_finite() {
            return Err(TrainingError::Diverged {
                epoch: position.epoch,
                batch: position.batch,
                loss,
            });
        }
        position.loss += loss * examples as f64;
        position.errors += errors;
        position.examples += examples;
        Ok(())
    }

    /// Why steps are computed one by one where they could have been recorded, told once.
    pub fn remark(&mut self) -> Option<String> {
        self.remark.take()
    }
}

/// The gates of some examples of a mini-batch.
fn part_of(gates: &[Tensor], part: &Range<usize>) -> Result<Vec<Tensor>, TrainingError> {
    let some = |gate: &Tensor| match gate.size().first() {
        Some(&examples) if gate.dim() == 4 && examples > 1 => {
            gate.f_narrow(0, part.start as i64, part.len() as i64)
        }
        _ => Ok(gate.shallow_clone()),
    };
    Ok(gates.iter().map(some).collect::<Result<_, _>>()?)
}

/// The order of the examples in an epoch.
pub(super) fn order(seed: u64, epoch: usize, examples: usize) -> Vec<usize> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(u64::MAX - epoch as u64);
    let mut order: Vec<usize> = (0..examples).collect();
    order.shuffle(&mut generator);
    order
}
