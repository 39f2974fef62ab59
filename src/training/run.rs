use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pathscope_analysis::record::{FolderLock, TRAINING_SCHEMA_VERSION};
use serde_json::json;
use tch::{Device, Tensor};

use super::run_log::RunLog;
use super::trainer::order;
use super::{
    Checkpoint, CheckpointCard, DataSource, EpochRecord, EpochSummary, Evaluation, Parallel,
    Recipe, RunHeader, RunRecord, RunResult, Saving, StepSummary, Trainer, TrainingError, View,
    evaluate,
};
use pathscope_data::{Dataset, Normalization, normalized_examples};
use pathscope_format::{FloatStorage, ModelCard, load_model, save_model};
use pathscope_network::{FeatureShape, Plan, Recalibration, TrainableNetwork, channels_last};

/// The examples of a training, which several may share.
#[derive(Clone, Debug)]
pub struct TrainingData {
    /// Where they came from.
    pub source: DataSource,
    /// What the network learns from.
    pub train: Arc<Dataset>,
    /// What the best epoch is chosen by: held out from the training split.
    pub validation: Option<Arc<Dataset>>,
    /// What the finished network is measured on, once.
    pub test: Option<Arc<Dataset>>,
}

/// How a training is recorded.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Folder of its files.
    pub folder: PathBuf,
    /// Device.
    pub device: Device,
    /// Threads, for the record.
    pub threads: usize,
    /// The processes that share the training. The first writes the files; all read the checkpoint
    /// of a training that is continued.
    pub parallel: Parallel,
    /// Longest time between checkpoints; there is one after each epoch in any case.
    pub checkpoint_every: Duration,
    /// Most mini-batches between checkpoints.
    pub checkpoint_batches: Option<usize>,
}

/// What [`Run::advance`] did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Advance {
    /// The mini-batch.
    pub step: StepSummary,
    /// The record of the epoch that it ended.
    pub epoch: Option<EpochRecord>,
}

/// A training with its folder: checkpoints, log and models.
///
/// - `recipe.toml`: the recipe with every change;
/// - `log.jsonl`: [`RunRecord`]s;
/// - `checkpoint.safetensors`: where it stands;
/// - `model.safetensors`: the finished network;
/// - `best.safetensors`: the network of the best validation, where examples are held out.
#[derive(Debug)]
pub struct Run {
    trainer: Trainer,
    card: CheckpointCard,
    data: TrainingData,
    options: RunOptions,
    /// The books, which the first process keeps.
    books: Option<Books>,
    checkpointed: Instant,
    batches_since: usize,
    /// Since when the time spent, beyond that of the card, is counted.
    began: Instant,
    epoch_began: Instant,
    epoch_examples: usize,
}

/// Where epochs are written down.
#[derive(Debug)]
struct Books {
    log: RunLog,
    _folder: FolderLock,
}

const CHECKPOINT: &str = "checkpoint.safetensors";
const MODEL: &str = "model.safetensors";
const BEST: &str = "best.safetensors";
const LOG: &str = "log.jsonl";

impl Run {
    /// A training from its first values on, in a new or empty folder.
    ///
    /// # Errors
    /// A folder that holds a training already or cannot be written, or a recipe that does not fit
    /// the data.
    pub fn begin(
        recipe: Recipe,
        data: TrainingData,
        saving: Saving,
        options: RunOptions,
    ) -> Result<Self, TrainingError> {
        let (channels, classes) = (data.train.shape().channels, data.train.classes());
        let (channels, classes) = (channels as i64, classes as i64);
        let specification = recipe.architecture.build(channels, classes)?.build()?;
        specification.shapes(input(&data.train))?;
        let normalization = recipe.normalization()?;
        normalization.check(data.train.shape())?;
        let network = TrainableNetwork::initialized(&specification, recipe.training.seed)?;
        let network = network.to_device(options.device)?;
        let trainer = Trainer::new(network, recipe.training.clone(), normalization)?;
        let trainer = trainer.in_parallel(options.parallel)?;
        let card = CheckpointCard {
            source: data.source.clone(),
            data_hash: data.train.content_hash(),
            channels,
            classes,
            best: None,
            seconds: 0.0,
            recipe,
            saving,
        };
        let header = RunHeader {
            schema: TRAINING_SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: card.saving.command.clone(),
            recipe: card.recipe.clone(),
            seed: card.recipe.training.seed,
            source: card.source.clone(),
            data_hash: card.data_hash.clone(),
            examples: data.train.len(),
            parameters: specification.parameter_count().unsigned_abs(),
            threads: options.threads,
            device: format!("{:?}", options.device).to_lowercase(),
        };
        let folder = &options.folder;
        let books = options.parallel.first(|| {
            let at = |file: &Path| {
                let file = file.to_owned();
                move |fault| TrainingError::File { file, fault }
            };
            fs::create_dir_all(folder).map_err(at(folder))?;
            let lock = FolderLock::take(folder)?;
            if folder.join(CHECKPOINT).exists() || folder.join(MODEL).exists() {
                return Err(TrainingError::FolderTaken(folder.clone()));
            }
            let stated = folder.join("recipe.toml");
            let recipe = card.recipe.to_toml()?;
            pathscope_file::write(&stated, recipe.as_bytes()).map_err(at(&stated))?;
            Ok(Books {
                log: RunLog::begin(&folder.join(LOG), header)?,
                _folder: lock,
            })
        })?;
        let mut run = Self::new(trainer, card, data, options, books);
        run.checkpoint()?;
        Ok(run)
    }

    /// The checkpoint of the training in `folder`.
    ///
    /// # Errors
    /// None there, or one that cannot be read.
    pub fn checkpoint_in(folder: &Path) -> Result<Checkpoint, TrainingError> {
        let file = folder.join(CHECKPOINT);
        if !file.exists() {
            return Err(TrainingError::NoCheckpoint(file));
        }
        Checkpoint::read(&file)
    }

    /// Continues a training from its checkpoint, with the same data.
    ///
    /// # Errors
    /// Other data, or files that cannot be used.
    pub fn resume(
        checkpoint: Checkpoint,
        data: TrainingData,
        options: RunOptions,
    ) -> Result<Self, TrainingError> {
        let folder = &options.folder;
        let card = checkpoint.card.clone();
        if data.train.content_hash() != card.data_hash {
            return Err(TrainingError::Checkpoint {
                file: folder.join(CHECKPOINT),
                reason: format!(
                    "it was trained on other examples than the {} of {}",
                    data.train.len(),
                    data.train.description()
                ),
            });
        }
        let epoch = checkpoint.epoch();
        let trainer = checkpoint.into_trainer(options.device)?;
        let trainer = trainer.in_parallel(options.parallel)?;
        let books = options.parallel.first(|| {
            let lock = FolderLock::take(folder)?;
            remove_partial(folder);
            Ok(Books {
                log: RunLog::rewind(&folder.join(LOG), epoch)?,
                _folder: lock,
            })
        })?;
        Ok(Self::new(trainer, card, data, options, books))
    }

    fn new(
        trainer: Trainer,
        card: CheckpointCard,
        data: TrainingData,
        options: RunOptions,
        books: Option<Books>,
    ) -> Self {
        let now = Instant::now();
        Self {
            trainer,
            card,
            data,
            options,
            books,
            checkpointed: now,
            batches_since: 0,
            began: now,
            epoch_began: now,
            epoch_examples: 0,
        }
    }

    /// The recipe that is followed.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.card.recipe
    }

    /// The network in training.
    #[must_use]
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// The processes that share the training.
    #[must_use]
    pub fn parallel(&self) -> Parallel {
        self.options.parallel
    }

    /// Training examples.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.data.train.len()
    }

    /// Trains on one mini-batch and keeps the books; `None` once every epoch is done.
    ///
    /// # Errors
    /// Divergence, or a file that cannot be written.
    pub fn advance(&mut self) -> Result<Option<Advance>, TrainingError> {
        if self.trainer.is_finished() {
            return Ok(None);
        }
        let step = self.trainer.step(&self.data.train)?;
        self.epoch_examples += step.examples;
        self.batches_since += 1;
        let mut epoch = None;
        if let Some(summary) = step.epoch {
            self.trainer.collect()?;
            let parallel = self.options.parallel;
            epoch = parallel.first(|| self.end_epoch(summary))?;
        }
        let most = self.options.checkpoint_batches;
        let due = self.checkpointed.elapsed() >= self.options.checkpoint_every
            || most.is_some_and(|batches| self.batches_since >= batches);
        if step.epoch.is_some() || self.options.parallel.whole.any(due) {
            self.checkpoint()?;
        }
        if step.epoch.is_some() {
            self.epoch_began = Instant::now();
            self.epoch_examples = 0;
        }
        Ok(Some(Advance { step, epoch }))
    }

    /// Why steps are computed one by one where the device could repeat a recording, told once.
    pub fn remark(&mut self) -> Option<String> {
        self.trainer.remark()
    }

    /// Evaluates and writes down an epoch.
    fn end_epoch(&mut self, summary: EpochSummary) -> Result<EpochRecord, TrainingError> {
        let images_per_second =
            self.epoch_examples as f64 / self.epoch_began.elapsed().as_secs_f64();
        let validation = match &self.data.validation {
            Some(held_out) => {
                let network = self.finished_network()?;
                let validation = self.evaluate(&network, held_out)?;
                let best = self.card.best;
                if best.is_none_or(|(_, errors)| validation.errors < errors) {
                    self.card.best = Some((summary.epoch, validation.errors));
                    let results = json!({"epoch": summary.epoch, "validation": validation});
                    self.save(BEST, &network, &results)?;
                }
                Some(validation)
            }
            None => None,
        };
        let record = EpochRecord {
            epoch: summary.epoch,
            loss: summary.loss,
            errors: summary.errors,
            examples: summary.examples,
            learning_rate: summary.learning_rate,
            validation,
            seconds: self.seconds(),
            images_per_second,
        };
        if let Some(books) = &mut self.books {
            books.log.append(&RunRecord::Epoch(record))?;
        }
        Ok(record)
    }

    /// Writes where the training stands.
    ///
    /// # Errors
    /// As [`Checkpoint::write`].
    pub fn checkpoint(&mut self) -> Result<(), TrainingError> {
        self.trainer.collect()?;
        self.options.parallel.first(|| self.write_checkpoint())?;
        self.checkpointed = Instant::now();
        self.batches_since = 0;
        Ok(())
    }

    fn write_checkpoint(&self) -> Result<(), TrainingError> {
        let card = CheckpointCard {
            seconds: self.seconds(),
            ..self.card.clone()
        };
        Checkpoint::write(&self.options.folder.join(CHECKPOINT), &self.trainer, &card)
    }

    /// Evaluates and saves the finished network, and gives its file; `None` in processes
    /// other than the first.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(mut self) -> Result<Option<(PathBuf, RunResult)>, TrainingError> {
        self.trainer.collect()?;
        let parallel = self.options.parallel;
        parallel.first(|| self.finish_alone())
    }

    fn finish_alone(&mut self) -> Result<(PathBuf, RunResult), TrainingError> {
        let network = self.finished_network()?;
        let test = self.data.test.as_ref();
        let test = test.map(|data| self.evaluate(&network, data)).transpose()?;
        let best_file = self.options.folder.join(BEST);
        let best_test = match (&self.data.test, self.card.best) {
            (Some(data), Some(_)) => {
                let best = load_model(&best_file, None)?;
                Some(self.evaluate(&best.network, data)?)
            }
            _ => None,
        };
        let result = RunResult {
            test,
            best_epoch: self.card.best.map(|(epoch, _)| epoch),
            best_test,
            seconds: self.seconds(),
        };
        let fault = |_| TrainingError::Internal("a result that JSON cannot hold");
        let results = serde_json::to_value(&result).map_err(fault)?;
        let model = self.save(MODEL, &network, &results)?;
        if let Some(books) = &mut self.books {
            books.log.append(&RunRecord::Result(result.clone()))?;
        }
        Ok((model, result))
    }

    fn seconds(&self) -> f64 {
        self.card.seconds + self.began.elapsed().as_secs_f64()
    }

    /// The network as it is saved: what is measured is what is in the file.
    fn finished_network(&self) -> Result<TrainableNetwork, TrainingError> {
        let network = self.renewed_network()?;
        if self.floats() == FloatStorage::AsTheyAre {
            return Ok(network);
        }
        let network = network.to_device(Device::Cpu)?;
        let mut tensors = HashMap::new();
        for (name, tensor) in pathscope_format::state_of(&network) {
            tensors.insert(name, self.floats().read_back(&tensor)?);
        }
        let take = |name: &str| tensors.remove(name);
        Ok(TrainableNetwork::load(network.specification(), take)?)
    }

    fn floats(&self) -> FloatStorage {
        match self.card.saving.half {
            true => FloatStorage::Half,
            false => FloatStorage::AsTheyAre,
        }
    }

    /// The finished network with renewed statistics of normalisation, where they are asked for.
    fn renewed_network(&self) -> Result<TrainableNetwork, TrainingError> {
        let network = self.trainer.finished_network()?;
        let (train, device) = (&self.data.train, self.options.device);
        let options = self.trainer.options();
        // In random order: a folder of images lies class by class.
        let order = order(options.seed, 0, train.len());
        let batches = order
            .chunks(options.batch)
            .filter(|indices| indices.len() > 1)
            .take(self.card.saving.recalibration)
            .map(|indices| {
                let [channels, height, width] = train.shape().axes();
                let size = [indices.len() as i64, channels, height, width];
                let pixels = normalized_examples(train, indices, &self.normalization()?)?;
                let batch = Tensor::f_from_slice(&pixels)?.f_view(size)?;
                Ok::<_, TrainingError>(channels_last(&batch.f_to_device(device)?)?)
            });
        if self.card.saving.recalibration == 0 {
            return Ok(network);
        }
        let network = network.to_device(device)?;
        let plan = Plan::intact(network.structure());
        let mut recalibration = Recalibration::new(network, plan);
        for batch in batches {
            recalibration.add(&batch?)?;
        }
        Ok(recalibration.finish().to_device(Device::Cpu)?)
    }

    fn normalization(&self) -> Result<Normalization, TrainingError> {
        self.card.recipe.normalization()
    }

    fn evaluate(
        &self,
        network: &TrainableNetwork,
        data: &Dataset,
    ) -> Result<Evaluation, TrainingError> {
        let network = network.to_device(self.options.device)?;
        evaluate(&network, data, &self.normalization()?, View::Whole)
    }

    fn save(
        &self,
        name: &str,
        network: &TrainableNetwork,
        results: &serde_json::Value,
    ) -> Result<PathBuf, TrainingError> {
        let CheckpointCard { recipe, saving, .. } = &self.card;
        let card = ModelCard {
            title: recipe.architecture.title(),
            specification: network.specification().clone(),
            input: input(&self.data.train),
            normalization: self.normalization()?,
            framing: None,
            class_names: self.data.train.class_names().to_vec(),
            evaluation: saving.evaluation.clone(),
            training: Some(json!({
                "version": env!("CARGO_PKG_VERSION"),
                "command": saving.command,
                "recipe": recipe,
                "data_hash": self.card.data_hash,
                "examples": self.data.train.len(),
                "threads": self.options.threads,
                "recalibration": saving.recalibration,
                "results": results,
            })),
        };
        let file = self.options.folder.join(name);
        save_model(&file, &card, network, self.floats())?;
        Ok(file)
    }
}

fn input(data: &Dataset) -> FeatureShape {
    FeatureShape::of(&data.shape().axes())
}

/// Removes what a killed process left half written.
fn remove_partial(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().ends_with(".partial") {
            // Where it cannot be removed it only takes room.
            let _ = fs::remove_file(entry.path());
        }
    }
}
