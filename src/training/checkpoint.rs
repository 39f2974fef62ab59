use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::average::Average;
use super::{DataSource, Position, Recipe, Trainer, TrainingError};
use pathscope_format::{FloatStorage, StateDict, open, save_safetensors};
use pathscope_network::{TrainableNetwork, channels_last};

/// How the networks of a training are finished and saved: settled when it begins, so that a training
/// that is continued ends as it would have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saving {
    /// The command that began the training, as it was given.
    pub command: String,
    /// Mini-batches of the training examples by which normalisations are renewed before a network
    /// is evaluated and saved; 0 keeps the statistics of training.
    pub recalibration: usize,
    /// Whether models store their numbers in 16 bits.
    pub half: bool,
    /// Name of the evaluation set that models state.
    pub evaluation: Option<String>,
}

/// What a checkpoint says beside its tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointCard {
    /// The recipe that is followed.
    pub recipe: Recipe,
    /// How its networks are finished and saved.
    pub saving: Saving,
    /// The examples.
    pub source: DataSource,
    /// Hash of the training examples.
    pub data_hash: String,
    /// Channels of the images.
    pub channels: i64,
    /// Classes to tell apart.
    pub classes: i64,
    /// Epoch and errors of the best validation so far.
    pub best: Option<(usize, usize)>,
    /// Time spent so far, in seconds.
    pub seconds: f64,
}

/// A training as it stood at some mini-batch: from it, on the same device and with as many
/// threads, training goes on to the last bit as if it had never stopped.
#[derive(Debug)]
pub struct Checkpoint {
    /// What it says beside its tensors.
    pub card: CheckpointCard,
    position: Position,
    state: StateDict,
    file: PathBuf,
}

const SCHEMA: u32 = 2;
const KEY: &str = "pathscope_checkpoint";

/// [`CheckpointCard`] and [`Position`] in a form that keeps every bit: the recipe as TOML, whose
/// numbers are read exactly, and sums as their bits.
#[derive(Serialize, Deserialize)]
struct Written {
    schema: u32,
    recipe: String,
    saving: Saving,
    source: DataSource,
    data_hash: String,
    channels: i64,
    classes: i64,
    best: Option<(usize, usize)>,
    seconds: f64,
    epoch: usize,
    batch: usize,
    loss_bits: u64,
    errors: usize,
    examples: usize,
}

impl Checkpoint {
    /// Writes where `trainer` stands into `file`, which is replaced in one step.
    ///
    /// # Errors
    /// [`TrainingError::Diverged`] where a tensor is not finite any more, so that the file that is
    /// there stays the last good one; or a file that cannot be written.
    pub fn write(
        file: &Path,
        trainer: &Trainer,
        card: &CheckpointCard,
    ) -> Result<(), TrainingError> {
        let position = trainer.position();
        let mut tensors = named("network", &trainer.network);
        for (number, momentum) in trainer.optimizer.momenta().iter().enumerate() {
            if let Some(momentum) = momentum {
                tensors.push((format!("momentum.{number}"), momentum.shallow_clone()));
            }
        }
        if let Some(average) = &trainer.average {
            tensors.extend(named("average", average.network()));
        }
        for (_, tensor) in &tensors {
            if !is_finite(tensor)? {
                return Err(TrainingError::Diverged {
                    epoch: position.epoch,
                    batch: position.batch,
                    loss: f64::NAN,
                });
            }
        }
        let written = Written {
            schema: SCHEMA,
            recipe: card.recipe.to_toml()?,
            saving: card.saving.clone(),
            source: card.source.clone(),
            data_hash: card.data_hash.clone(),
            channels: card.channels,
            classes: card.classes,
            best: card.best,
            seconds: card.seconds,
            epoch: position.epoch,
            batch: position.batch,
            loss_bits: position.loss.to_bits(),
            errors: position.errors,
            examples: position.examples,
        };
        let text = serde_json::to_string(&written).map_err(|fault| refuse(file, fault))?;
        let metadata = BTreeMap::from([(KEY.to_owned(), text)]);
        save_safetensors(file, &tensors, &metadata, FloatStorage::AsTheyAre)?;
        Ok(())
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// A file that cannot be read or is no checkpoint.
    pub fn read(file: &Path) -> Result<Self, TrainingError> {
        let state = open(file)?;
        let other = || refuse(file, "it is no checkpoint of a training");
        let text = state.metadata().get(KEY).ok_or_else(other)?;
        let written: Written = serde_json::from_str(text).map_err(|fault| refuse(file, fault))?;
        if written.schema != SCHEMA {
            let found = written.schema;
            let reason = format!("its schema is {found}, this version reads {SCHEMA}");
            return Err(refuse(file, reason));
        }
        Ok(Self {
            card: CheckpointCard {
                recipe: Recipe::parse(&written.recipe, &file.display().to_string())?,
                saving: written.saving,
                source: written.source,
                data_hash: written.data_hash,
                channels: written.channels,
                classes: written.classes,
                best: written.best,
                seconds: written.seconds,
            },
            position: Position {
                epoch: written.epoch,
                batch: written.batch,
                loss: f64::from_bits(written.loss_bits),
                errors: written.errors,
                examples: written.examples,
            },
            state,
            file: file.to_owned(),
        })
    }

    /// Epochs done when it was written.
    #[must_use]
    pub fn epoch(&self) -> usize {
        self.position.epoch
    }

    /// The trainer as it was, on `device`.
    ///
    /// # Errors
    /// [`TrainingError::Checkpoint`] for tensors that do not fit the recipe, or are not finite.
    pub fn into_trainer(self, device: Device) -> Result<Trainer, TrainingError> {
        let file = self.file.clone();
        self.trainer(device).map_err(|fault| match fault {
            fault @ TrainingError::Checkpoint { .. } => fault,
            fault => refuse(&file, fault),
        })
    }

    fn trainer(mut self, device: Device) -> Result<Trainer, TrainingError> {
        let CheckpointCard {
            recipe,
            channels,
            classes,
            ..
        } = &self.card;
        let specification = recipe.architecture.build(*channels, *classes)?.build()?;
        let mut load = |prefix: &str| -> Result<TrainableNetwork, TrainingError> {
            let network = TrainableNetwork::load(&specification, |name| {
                self.state.take(&format!("{prefix}.{name}"))
            })?;
            for (name, tensor) in named(prefix, &network) {
                require_finite(&self.file, &name, &tensor)?;
            }
            Ok(match device {
                Device::Cpu => network,
                _ => network.to_device(device)?,
            })
        };
        let network = load("network")?;
        let average = match recipe.training.average {
            Some(decay) => Some(Average::between(load("average")?, &network, decay)),
            None => None,
        };
        let mut trainer = Trainer::new(network, recipe.training.clone(), recipe.normalization()?)?;
        trainer.average = average;
        let mut momenta = Vec::new();
        for number in 0..trainer.optimizer.momenta().len() {
            let name = format!("momentum.{number}");
            let momentum = self.state.take(&name);
            let settled = |tensor: Tensor| -> Result<Tensor, TrainingError> {
                require_finite(&self.file, &name, &tensor)?;
                let tensor = tensor.f_to_kind(Kind::Float)?.f_to_device(device)?;
                Ok(pathscope_network::duplicate(&channels_last(&tensor)?)?)
            };
            momenta.push(momentum.map(settled).transpose()?);
        }
        if let Some(surplus) = self.state.names().next() {
            let reason = format!("it has a tensor `{surplus}` too many");
            return Err(refuse(&self.file, reason));
        }
        trainer.optimizer.restore(momenta);
        trainer.position = self.position;
        Ok(trainer)
    }
}

fn named(prefix: &str, network: &TrainableNetwork) -> Vec<(String, Tensor)> {
    let state = pathscope_format::state_of(network).into_iter();
    let named = state.map(|(name, tensor)| (format!("{prefix}.{name}"), tensor));
    named.collect()
}

fn is_finite(tensor: &Tensor) -> Result<bool, TrainingError> {
    Ok(tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 1)
}

/// Refuses a tensor that [`Checkpoint::write`] would not have written.
fn require_finite(file: &Path, name: &str, tensor: &Tensor) -> Result<(), TrainingError> {
    match is_finite(tensor)? {
        true => Ok(()),
        false => Err(refuse(file, format!("its tensor `{name}` is not finite"))),
    }
}

fn refuse(file: &Path, reason: impl ToString) -> TrainingError {
    TrainingError::Checkpoint {
        file: file.to_owned(),
        reason: reason.to_string(),
    }
}
