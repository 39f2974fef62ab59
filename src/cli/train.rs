use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use pathscope_analysis::{Level, wilson};

use super::arguments::ComputeArguments;
use super::recipe_arguments::RecipeArguments;
use super::terminal::Terminal;
use super::{Problem, dry_run, interrupt, ranks};
use crate::data::{self, Dataset, ReadRequest, Split};
use crate::format::FloatStorage;
use crate::team::Team;
use crate::training::{
    Advance, DataSource, EpochRecord, Evaluation, Parallel, Recipe, Run, RunOptions, TrainingData,
    TrainingError,
};

/// Trains a network by a recipe: the paper's, or one with fewer paths per mini-batch.
///
/// Writes checkpoints, a log and the finished model into a folder; --resume continues there to
/// the last bit as if the training had never stopped, on the same device and with as many threads.
///
/// Example: pathscope train --recipe preresnet20-fashion --data fashion-mnist --epochs 1 --limit 64 -o run
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Recipe: the name of one that is shipped, or a .toml file.
    #[arg(
        long,
        value_name = "NAME|FILE.toml",
        required_unless_present = "resume"
    )]
    recipe: Option<String>,
    /// Data set: a folder, archive or file of CIFAR, IDX (MNIST), images by class, or .npz.
    #[arg(long, value_name = "PLACE")]
    data: Option<PathBuf>,
    /// Folder for the checkpoints, the log and the model.
    #[arg(
        long,
        short,
        value_name = "RUN_DIR",
        required_unless_present = "dry_run"
    )]
    output: Option<PathBuf>,
    /// Train nothing: print layers, parameters, multiply-adds, and estimates of memory and of the
    /// time of an epoch from a short measurement on made-up images.
    #[arg(long, conflicts_with_all = ["resume", "output"])]
    dry_run: bool,
    /// Continue the training in the folder, with its recipe and its data.
    #[arg(long, conflicts_with_all = ["recipe", "validation", "limit"])]
    resume: bool,
    /// Training examples to hold out; the network of the epoch that does best on them is kept
    /// beside the last one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    validation: usize,
    /// Use the first N training examples only.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Store the model in 16 bits.
    #[arg(long)]
    half: bool,
    /// File name of the evaluation set that the model shall state.
    #[arg(long, value_name = "FILE")]
    evaluation: Option<String>,
    /// Renew the statistics of normalisation on N mini-batches before a network is evaluated and
    /// saved.
    #[arg(long, value_name = "N", default_value_t = 0)]
    recalibrate: usize,
    /// Longest time between checkpoints.
    #[arg(long, value_name = "MINUTES", default_value_t = 10.0)]
    checkpoint_minutes: f64,
    /// Most mini-batches between checkpoints.
    #[arg(long, value_name = "N")]
    checkpoint_batches: Option<usize>,
    /// Device: cpu, or cuda:0 with a libtorch that has CUDA.
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: String,
    /// Threads; all cores without it. The last bits of the weights depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// What the processes of mpirun share: data, the examples of every mini-batch; model, the
    /// functions of every block; or hybrid:G, the examples among G groups and the functions within
    /// each group.
    #[arg(long, value_name = "data|model|hybrid:G", default_value = "data", value_parser = way)]
    parallel: Way,
    #[command(flatten)]
    changes: RecipeArguments,
}

/// How processes share a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
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

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let options = arguments.options()?;
    tch::set_num_threads(i32::try_from(options.threads).unwrap_or(i32::MAX));
    let parallel = options.parallel;
    if arguments.dry_run {
        if !parallel.whole.is_first() {
            return Ok(());
        }
        let recipe = arguments
            .changes
            .recipe(arguments.recipe.as_deref().unwrap_or_default())?;
        return dry_run::run(&recipe, arguments.limit, options.device, terminal);
    }
    let folder = options.folder.clone();
    let mut run = if arguments.resume {
        if !arguments.changes.is_empty() {
            return Err(Problem::BadInput(
                "--resume follows the recipe of the training; leave out the changes to it".into(),
            ));
        }
        let checkpoint = Run::checkpoint_in(&options.folder)?;
        let mut source = checkpoint.card.source.clone();
        if let Some(place) = &arguments.data {
            source.place.clone_from(place);
        }
        let data = read(source, &checkpoint.card.recipe)?;
        Run::resume(checkpoint, data, options)?
    } else {
        let recipe = arguments
            .changes
            .recipe(arguments.recipe.as_deref().unwrap_or_default())?;
        let place = arguments.data.clone().ok_or_else(|| {
            let name = recipe.data.normalization();
            Problem::BadInput(format!(
                "--data is missing: give the place of the examples (pathscope data get {name} \
                 DIR fetches those of the recipe)"
            ))
        })?;
        let source = DataSource {
            place,
            validation: arguments.validation,
            limit: arguments.limit,
        };
        let data = read(source, &recipe)?;
        Run::begin(recipe, data, options)?
    };
    announce(&run, terminal);
    let outcome = train(&mut run, terminal);
    match outcome {
        Ok(()) => {}
        Err(Problem::Interrupted(_)) => {
            run.checkpoint()?;
            return Err(Problem::Interrupted(format!(
                "pathscope train --resume -o {} continues",
                folder.display()
            )));
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

impl Arguments {
    fn options(&self) -> Result<RunOptions, Problem> {
        let compute = ComputeArguments {
            device: self.device.clone(),
            batch: None,
            threads: self.threads,
            memory: 0,
        };
        let minutes = self.checkpoint_minutes;
        let checkpoint_every = Duration::try_from_secs_f64(60.0 * minutes).map_err(|_| {
            Problem::BadInput(format!(
                "{minutes} is no number of minutes between checkpoints"
            ))
        })?;
        let command: Vec<String> = std::env::args_os()
            .skip(1)
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect();
        Ok(RunOptions {
            folder: self.output.clone().unwrap_or_default(),
            command: format!("pathscope {}", command.join(" ")),
            device: compute.device()?,
            threads: compute.threads()?,
            parallel: self.parallel.among(ranks::team())?,
            checkpoint_every,
            checkpoint_batches: self.checkpoint_batches,
            recalibration: self.recalibrate,
            floats: if self.half {
                FloatStorage::Half
            } else {
                FloatStorage::AsTheyAre
            },
            evaluation: self.evaluation.clone(),
        })
    }
}

/// Reads the examples of a training: held-out ones are drawn by the recipe's seed.
fn read(source: DataSource, recipe: &Recipe) -> Result<TrainingData, Problem> {
    let side = recipe.data.shape();
    let open = |split: Split, limit: Option<usize>| {
        let request = ReadRequest {
            size: Some((side.height, side.width)),
            limit,
            ..ReadRequest::new(split)
        };
        data::open(&source.place, &request)
    };
    let train = open(Split::Train, source.limit)?;
    train.require_images()?;
    // A place that does not tell splits apart has no test split.
    let test = if train.split().is_some() {
        open(Split::Test, None)
            .ok()
            .filter(|test| test.split() == Some(Split::Test) && fits(test, &train))
    } else {
        None
    };
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
        recent.add(step.loss, step.errors, step.examples);
        bar.inc(step.examples as u64);
        recent.show(&bar, run.trainer().position().epoch, epochs);
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
    fn add(&mut self, loss: f64, errors: usize, examples: usize) {
        self.loss += loss * examples as f64;
        self.errors += errors;
        self.examples += examples;
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
    let summary = record.summary;
    let error = 100.0 * summary.errors as f64 / summary.examples.max(1) as f64;
    let mut line = format!(
        "epoch {} of {epochs}: loss {:.4}, error {error:.2} %, {:.0} images/s",
        summary.epoch, summary.loss, record.images_per_second,
    );
    if let Some(validation) = record.validation {
        line += &format!(", held out {}", stated(&validation));
    }
    line
}

/// `7.28 % (74 of 1017), 95 % interval 5.83 to 9.04 %, loss 0.3142`.
pub(super) fn stated(evaluation: &Evaluation) -> String {
    let Evaluation {
        errors,
        examples,
        loss,
    } = *evaluation;
    let interval = wilson(errors, examples, Level::P95).map_or_else(
        |_| String::new(),
        |interval| {
            format!(
                ", 95 % interval {:.2} to {:.2} %",
                100.0 * interval.lower,
                100.0 * interval.upper
            )
        },
    );
    format!(
        "{:.2} % ({errors} of {examples}){interval}, loss {loss:.4}",
        evaluation.percent()
    )
}
