use std::ops::Range;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Reduction, Tensor};

use super::average::Average;
use super::borders::Borders;
use super::optimizer::Mover;
use super::parallel::{functions, share};
use super::{Optimizer, Parallel, Precision, TrainingError, TrainingOptions};
use crate::data::{Dataset, Normalization, augmented_batch};
use crate::network::{Exchange, Mode, Pass, Plan, TrainableNetwork, channels_last};

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
    /// Mean loss over its examples.
    pub loss: f64,
    /// Examples classified wrongly.
    pub errors: usize,
    /// Examples met.
    pub examples: usize,
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
    /// Sum of the loss over the examples met in it.
    pub loss: f64,
    /// Examples classified wrongly in it.
    pub errors: usize,
    /// Examples met in it.
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
}

/// Running statistics of a normalisation move by this share per mini-batch, as in PyTorch.
const BATCH_NORM_MOMENTUM: f64 = 0.1;

impl Trainer {
    /// A trainer before its first epoch, on the device of `network`.
    ///
    /// # Errors
    /// A restriction that the network cannot meet.
    pub fn new(
        network: TrainableNetwork,
        options: TrainingOptions,
        normalization: Normalization,
    ) -> Result<Self, TrainingError> {
        options
            .restriction
            .check(&network.structure().functions())?;
        // A normalisation over one example has no variance.
        if options.batch < 2 {
            return Err(TrainingError::TooFewExamples {
                what: "a mini-batch",
                found: options.batch,
            });
        }
        let device = network
            .named_parameters()
            .first()
            .map_or(Device::Cpu, |(_, _, tensor)| tensor.device());
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

    /// Brings what other processes train up to date here: every process has the whole training
    /// then, statistics, momenta and average included.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn collect(&mut self) -> Result<(), TrainingError> {
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
            let owner = functions
                .get(&name)
                .map(|&function| self.parallel.owner(function));
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
        let (loss, errors) = self.descend(data, &indices, iteration, learning_rate)?;
        if !loss.is_finite() {
            return Err(TrainingError::Diverged { epoch, batch, loss });
        }
        let position = &mut self.position;
        position.batch += 1;
        position.loss += loss * indices.len() as f64;
        position.errors += errors;
        position.examples += indices.len();
        let mut summary = None;
        if position.batch >= count {
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
            loss,
            errors,
            examples: indices.len(),
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

    fn descend(
        &mut self,
        data: &Dataset,
        indices: &[usize],
        iteration: u64,
        rate: f64,
    ) -> Result<(f64, usize), TrainingError> {
        let TrainingOptions {
            augmentation,
            seed,
            label_smoothing,
            precision,
            ..
        } = self.options;
        let (part, share) = self.parallel.part(indices.len());
        let draw = self.options.restriction.draw(
            &self.intact,
            seed,
            iteration,
            indices.len(),
            self.device,
        )?;
        let gates = draw.gates.map(|gates| part_of(&gates, &part)).transpose()?;
        let indices = &indices[part];
        let images = augmented_batch(
            data,
            indices,
            &augmentation,
            &self.normalization,
            seed,
            self.position.epoch as u64,
        )?;
        let shape = data.shape();
        let size = [indices.len(), shape.channels, shape.height, shape.width].map(|n| n as i64);
        let images = Tensor::f_from_slice(&images)?.f_view(size)?;
        let batch = channels_last(&images.f_to_device(self.device)?)?;
        let batch = match precision {
            Precision::Float32 => batch,
            Precision::Bf16 => batch.f_to_kind(Kind::BFloat16)?,
        };
        let labels: Vec<i64> = indices
            .iter()
            .map(|&index| i64::from(data.labels()[index]))
            .collect();
        let labels = Tensor::f_from_slice(&labels)?.f_to_device(self.device)?;

        let borders = (self.parallel.group.size() > 1).then(|| Borders::new(self.parallel));
        let pass = Pass {
            mode: Mode::Training {
                momentum: BATCH_NORM_MOMENTUM,
            },
            gates: gates.as_deref(),
            exchange: borders.as_ref().map(|borders| borders as &dyn Exchange),
            ..Pass::EVALUATION
        };
        let logits = self.network.forward(&batch, &draw.plan, &pass)?;
        let weight: Option<Tensor> = None;
        let loss =
            logits.f_cross_entropy_loss(&labels, weight, Reduction::Mean, -100, label_smoothing)?;
        let wrong = logits
            .f_argmax(-1, false)?
            .f_ne_tensor(&labels)?
            .f_sum(Kind::Int64)?
            .f_int64_value(&[])?;
        let counted = if share > 0.0 { wrong as f64 } else { 0.0 };
        let mut sums = [loss.f_double_value(&[])? * share, counted];
        self.parallel.peers.sum_wide(&mut sums);
        let [value, wrong] = sums;
        if value.is_finite() {
            self.optimizer.clear();
            let loss = match self.parallel.peers.size() {
                1 => loss,
                _ => loss.f_mul_scalar(share)?,
            };
            match borders {
                Some(borders) => borders.backward(&loss)?,
                None => loss.f_backward()?,
            }
            self.parallel.sum(&mut self.optimizer.gradients()?)?;
            self.optimizer.descend(rate, self.parallel.group)?;
            if let Some(average) = &mut self.average {
                average.follow(iteration)?;
            }
        }
        Ok((value, wrong as usize))
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
