use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;

use super::Execute;
use crate::cli::args::number::positive;
use crate::cli::args::{BrokenImages, ComputeArguments, RecipeArguments};
use crate::cli::show::dry_run;
use crate::cli::show::evaluation::stated;
use crate::cli::{Problem, Terminal, interrupt, ranks};
use crate::data::{self, DataError, DataNote, Dataset, ReadRequest, Split};
use crate::format::FloatStorage;
use crate::team::Team;
use crate::training::{
    Advance, DataSource, EpochRecord, Measured, Parallel, Recipe, Run, RunOptions, TrainingData,
    TrainingError,
};

/// Train a network by a recipe: one of the paper's, or with fewer paths per mini-batch
///
/// Writes checkpoints, a log and the finished model into a folder. --resume continues an
/// interrupted training there; on the same device and with the same number of threads, the result
/// is the same to the last bit.
///
/// Example: pathscope train --recipe preresnet20-fashion --data fashion-mnist --epochs 1 --limit 64 -o run
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Recipe: the name of a shipped one, or a .toml file
    #[arg(
        long,
        value_name = "NAME|FILE.toml",
        required_unless_present = "resume"
    )]
    recipe: Option<String>,
    /// Data set: CIFAR, IDX (MNIST), a folder of images by class, or .npz; also in an archive
    #[arg(long, value_name = "PLACE")]
    data: Option<PathBuf>,
    /// Output folder for checkpoints, log and model
    #[arg(
        long,
        short,
        value_name = "RUN_DIR",
        required_unless_present = "dry_run"
    )]
    output: Option<PathBuf>,
    /// Train nothing: print layers, parameters, multiply-adds and, from a short measurement on
    /// random images, estimates of memory and time
    #[arg(long, conflicts_with_all = ["resume", "output"])]
    dry_run: bool,
    /// Resume the training in the folder, with its recipe and data
    #[arg(long, conflicts_with_all = ["recipe", "validation", "limit", "skip_broken"])]
    resume: bool,
    /// Training examples to hold out; the network of the epoch with the lowest error on them is
    /// saved as well
    #[arg(long, value_name = "N", default_value_t = 0)]
    validation: usize,
    /// Number of training examples to use, the first ones [default: all]
    #[arg(long, value_name = "N", value_parser = positive)]
    limit: Option<usize>,
    #[command(flatten)]
    broken: BrokenImages,
    /// Store the model in 16 bits
    #[arg(long)]
    half: bool,
    /// Name of the evaluation set to write into the model file
    #[arg(long, value_name = "FILE")]
    evaluation: Option<String>,
    /// Mini-batches on which batch-norm statistics are re-measured before a network is evaluated
    /// and saved
    #[arg(long, value_name = "N", default_value_t = 0)]
    recalibrate: usize,
    /// Longest time between checkpoints [unit: minutes]
    #[arg(long, value_name = "MINUTES", default_value_t = 2.0)]
    checkpoint_minutes: f64,
    /// Largest number of mini-batches between checkpoints
    #[arg(long, value_name = "N")]
    checkpoint_batches: Option<usize>,
    /// Device: cpu, or cuda:N with a libtorch that has CUDA
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: String,
    /// Threads, on which the last bits of the weights depend [default: one per core]
    #[arg(long, value_name = "N", value_parser = positive)]
    threads: Option<usize>,
    /// What the processes of mpirun share: the examples of a mini-batch (data), the functions of
    /// each block (model), or examples among G groups and functions within a group (hybrid:G)
    #[arg(long, value_name = "data|model|hybrid:G", default_value = "data", value_parser = way)]
    parallel: Way,
    #[command(flatten)]
    changes: RecipeArguments,
}

/// How processes share a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    Data,
    Model,
    /// So many groups.
    Hybrid(usize),
}

impl Way {
    /// Who shares what, among all processes.
    ///
    /// # Errors
    /// Processes that make no groups of equal size.
    pub fn among(self, team: Team) -> Result<Parallel, TrainingError> {
        match self {
            Self::Data => Ok(Parallel::data(team)),
            Self::Model => Ok(Parallel::model(team)),
            Self::Hybrid(groups) => Parallel::hybrid(team, groups),
        }
    }
}

fn way(text: &str) -> Result<Way, String> {
    match (text, text.strip_prefix("hybrid:").map(str::parse)) {
        ("data", _) => Ok(Way::Data),
        ("model", _) => Ok(Way::Model),
        (_, Some(Ok(groups))) => Ok(Way::Hybrid(groups)),
        _ => Err("give data, model, or hybrid:G with the number of groups".into()),
    }
}

impl Execute for Arguments {
    const SHARED: bool = true;

    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let compute = self.compute();
        ranks::use_threads(compute.threads()?)?;
        let folder = match &self.output {
            Some(folder) if !self.dry_run => folder,
            _ if ranks::team().is_first() => {
                return dry_run::run(&self.recipe()?, self.limit, compute.device()?, terminal);
            }
            _ => return Ok(()),
        };
        let options = self.options(folder, &compute, terminal)?;
        let mut run = match self.resume {
            true => self.resumed(options, terminal)?,
            false => self.begun(options, terminal)?,
        };
        announce(&run, terminal);
        let resume = format!("`pathscope train --resume -o {}` resumes", folder.display());
        interrupt::advise(resume.clone());
        match train(&mut run, terminal) {
            Ok(()) => {}
            Err(Problem::Interrupted(_)) => {
                interrupt::whole(|| run.checkpoint())?;
                return Err(Problem::Interrupted(resume));
            }
            Err(problem) => return Err(problem),
        }
        let Some((model, result)) = run.finish()? else {
            return Ok(());
        };
        let mut text = String::new();
        if let Some(test) = result.test {
            text += &format!("test error of the last epoch: {}\n", stated(&test));
        }
        if let (Some(epoch), Some(test)) = (result.best_epoch, result.best_test) {
            text += &format!(
                "test error of the best epoch ({epoch}): {}\n",
                stated(&test)
            );
        }
        terminal.result(&format!("{text}{}", model.display()))
    }
}

impl Arguments {
    fn compute(&self) -> ComputeArguments {
        ComputeArguments {
            device: self.device.clone(),
            batch: None,
            threads: self.threads,
            memory: 0,
        }
    }

    /// The recipe with its changes.
    fn recipe(&self) -> Result<Recipe, Problem> {
        match &self.recipe {
            Some(name) => self.changes.recipe(name),
            None => Err(Problem::BadInput(
                "--recipe is missing: give the name of a recipe or a .toml file".into(),
            )),
        }
    }

    /// A training from its checkpoint.
    fn resumed(&self, options: RunOptions, terminal: &Terminal) -> Result<Run, Problem> {
        if !self.changes.is_empty() {
            return Err(Problem::BadInput(
                "--resume follows the recipe of the training, which cannot be changed".into(),
            ));
        }
        let checkpoint = Run::checkpoint_in(&options.folder)?;
        let mut source = checkpoint.card.source.clone();
        if let Some(place) = &self.data {
            source.place.clone_from(place);
        }
        let data = read(source, &checkpoint.card.recipe, terminal)?;
        Ok(Run::resume(checkpoint, data, options)?)
    }

    /// A new training.
    fn begun(&self, options: RunOptions, terminal: &Terminal) -> Result<Run, Problem> {
        let recipe = self.recipe()?;
        let place = self.data.clone().ok_or_else(|| {
            let name = recipe.data.normalization();
            Problem::BadInput(format!(
                "--data is missing: give the data set (`pathscope data get {name} DIR` fetches \
                 that of the recipe)"
            ))
        })?;
        let source = DataSource {
            place,
            validation: self.validation,
            limit: self.limit,
            skip_broken: self.broken.skip_broken,
        };
        let data = read(source, &recipe, terminal)?;
        Ok(Run::begin(recipe, data, options)?)
    }

    fn options(
        &self,
        folder: &Path,
        compute: &ComputeArguments,
        terminal: &Terminal,
    ) -> Result<RunOptions, Problem> {
        let minutes = self.checkpoint_minutes;
        let checkpoint_every = Duration::try_from_secs_f64(60.0 * minutes).map_err(|_| {
            Problem::BadInput(format!(
                "{minutes} is not a time between checkpoints; give a number of minutes"
            ))
        })?;
        Ok(RunOptions {
            folder: folder.to_owned(),
            command: format!("pathscope {}", terminal.command().join(" ")),
            device: compute.device()?,
            threads: compute.threads()?,
            parallel: self.parallel.among(ranks::team())?,
            checkpoint_every,
            checkpoint_batches: self.checkpoint_batches,
            recalibration: self.recalibrate,
            floats: match self.half {
                true => FloatStorage::Half,
                false => FloatStorage::AsTheyAre,
            },
            evaluation: self.evaluation.clone(),
        })
    }
}

/// Reads the examples of a training: held-out ones are drawn by the recipe's seed.
fn read(
    source: DataSource,
    recipe: &Recipe,
    terminal: &Terminal,
) -> Result<TrainingData, Problem> {
    let side = recipe.data.shape();
    let open = |split: Split, limit: Option<usize>| {
        let request = ReadRequest {
            size: Some((side.height, side.width)),
            channels: Some(side.channels),
            limit,
            skip_broken: source.skip_broken,
            ..ReadRequest::new(split)
        };
        data::open(&source.place, &request)
    };
    let train = open(Split::Train, source.limit).map_err(BrokenImages::problem)?;
    train.require_pixels()?;
    let test = match train.split().is_some().then(|| open(Split::Test, None)) {
        // A data set that does not state its splits has no test split.
        None | Some(Err(DataError::MissingSplit { .. } | DataError::NoClassFolders { .. })) => None,
        Some(Err(error)) => return Err(BrokenImages::problem(error)),
        Some(Ok(test)) => {
            Some(test).filter(|test| test.split() == Some(Split::Test) && fits(test, &train))
        }
    };
    let mut notes: Vec<&DataNote> = train.notes().iter().collect();
    for note in test.iter().flat_map(Dataset::notes) {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    for note in notes {
        terminal.remark(&format!("note: {note}"));
    }
    let (train, validation) = if source.validation == 0 {
        (train, None)
    } else {
        let (train, held_out) = train.hold_out(source.validation, recipe.training.seed)?;
        (train, Some(held_out))
    };
    Ok(TrainingData {
        source,
        train,
        validation,
        test,
    })
}

fn fits(test: &Dataset, train: &Dataset) -> bool {
    test.shape() == train.shape() && test.classes() <= train.classes()
}

fn announce(run: &Run, terminal: &Terminal) {
    let recipe = run.recipe();
    let position = run.trainer().position();
    let parameters = run.trainer().network().specification().parameter_count();
    let from = match position {
        position if position.epoch + position.batch == 0 => String::new(),
        position => format!(
            ", from epoch {}, mini-batch {}",
            position.epoch, position.batch
        ),
    };
    terminal.remark(&format!(
        "{} ({}): {parameters} parameters, {} examples, {} epochs{from}",
        recipe.architecture.title(),
        recipe.name,
        run.examples(),
        recipe.training.epochs,
    ));
    let functions = run.trainer().network().structure().functions();
    if let Some(text) = recipe.training.restriction.statement(&functions) {
        terminal.remark(&text);
    }
}

/// Trains to the end, or until the person asks to stop.
fn train(run: &mut Run, terminal: &Terminal) -> Result<(), Problem> {
    let epochs = run.trainer().options().epochs;
    let position = run.trainer().position();
    let examples = run.examples() as u64;
    let bar = terminal.progress(epochs as u64 * examples, "training");
    bar.set_position(position.epoch as u64 * examples + position.examples as u64);
    bar.reset_eta();
    let mut recent = Recent::default();
    // Asked of one process, all end after the same mini-batch.
    while !run.parallel().whole.any(interrupt::asked()) {
        let Some(Advance { step, epoch }) = run.advance()? else {
            bar.finish_and_clear();
            return Ok(());
        };
        if let Some(measured) = step.measured {
            recent.add(measured);
        }
        bar.inc(step.examples as u64);
        recent.show(&bar, run.trainer().position().epoch, epochs);
        if let Some(reason) = run.remark() {
            let remark = format!("steps are not recorded as a CUDA graph: {reason}");
            bar.suspend(|| terminal.remark(&remark));
        }
        if let Some(record) = epoch {
            bar.suspend(|| terminal.remark(&epoch_line(&record, epochs)));
            recent = Recent::default();
        }
    }
    bar.finish_and_clear();
    Err(Problem::Interrupted(String::new()))
}

/// Loss and error since the epoch began or was taken up.
#[derive(Default)]
struct Recent {
    loss: f64,
    errors: usize,
    examples: usize,
}

impl Recent {
    fn add(&mut self, measured: Measured) {
        self.loss += measured.loss * measured.examples as f64;
        self.errors += measured.errors;
        self.examples += measured.examples;
    }

    fn show(&self, bar: &ProgressBar, epoch: usize, epochs: usize) {
        if bar.is_hidden() {
            return;
        }
        let examples = self.examples.max(1) as f64;
        bar.set_message(format!(
            "epoch {epoch} of {epochs}  loss {:.4}  error {:.2} %  {:.0} images/s",
            self.loss / examples,
            100.0 * self.errors as f64 / examples,
            bar.per_sec(),
        ));
    }
}

fn epoch_line(record: &EpochRecord, epochs: usize) -> String {
    let error = 100.0 * record.errors as f64 / record.examples.max(1) as f64;
    let mut line = format!(
        "epoch {} of {epochs}: loss {:.4}, error {error:.2} %, {:.0} images/s",
        record.epoch, record.loss, record.images_per_second,
    );
    if let Some(validation) = record.validation {
        line += &format!(", held out {}", stated(&validation));
    }
    line
}
