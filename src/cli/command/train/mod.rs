use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use self::data::Shelf;
use self::watch::{Watch, announce};
use super::Execute;
use crate::cli::args::number::{Seeds, positive, seeds};
use crate::cli::args::{BrokenImages, ComputeArguments, RecipeArguments};
use crate::cli::show::dry_run;
use crate::cli::show::evaluation::stated;
use crate::cli::{Problem, Terminal, allocator, interrupt, ranks};
use crate::team::Team;
use crate::training::{DataSource, Parallel, Recipe, Run, RunOptions, Saving, TrainingError};

mod data;
mod family;
mod watch;

/// Train a network by a recipe: one of the paper's, or with fewer paths per mini-batch
///
/// Writes checkpoints, a log and the finished model into a folder. --resume continues an
/// interrupted training there; on the same device and with the same number of threads, the result
/// is the same to the last bit. With several recipes or --seeds, trains each recipe with each seed,
/// side by side, each in a folder NAME-sSEED of its own; `pathscope table` and `pathscope threshold`
/// take these folders.
///
/// Example: pathscope train --recipe preresnet20-fashion --data fashion-mnist --epochs 1 --limit 64 -o run
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Recipe: the name of a shipped one, or a .toml file; several with commas
    #[arg(
        long,
        visible_alias = "recipes",
        value_name = "NAME|FILE.toml",
        value_delimiter = ',',
        required_unless_present = "resume"
    )]
    recipe: Vec<String>,
    /// Seeds to train each recipe with, such as 1-5 or 1,3
    #[arg(long, value_name = "LIST", value_parser = seeds, conflicts_with = "seed")]
    seeds: Option<Seeds>,
    /// Trainings that run side by side, each with its share of the threads [default: as many as
    /// threads on a CPU, 1 on CUDA]
    #[arg(long, value_name = "N", value_parser = positive)]
    at_once: Option<usize>,
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
    /// Resume the training in the folder, with its recipe and data, and save its models as it was
    /// begun to
    #[arg(long, conflicts_with_all = ["recipe", "seeds", "validation", "limit", "skip_broken", "half", "evaluation", "recalibrate"])]
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
    /// Who shares what, among all processes. Errors: processes that make no groups of equal size.
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
        allocator::keep_all_memory();
        let compute = self.compute();
        ranks::use_threads(compute.threads()?)?;
        let folder = match &self.output {
            Some(folder) if !self.dry_run => folder,
            _ if ranks::team().is_first() => {
                let device = compute.device()?;
                let recipes = self.recipes()?;
                return recipes
                    .iter()
                    .try_for_each(|recipe| dry_run::run(recipe, self.limit, device, terminal));
            }
            _ => return Ok(()),
        };
        if self.resume && !self.changes.is_empty() {
            return Err(Problem::BadInput(
                "--resume follows the recipe of the training, which cannot be changed".into(),
            ));
        }
        if self.is_family() || self.resume && family::is_in(folder) {
            return self.family(folder, &compute, terminal);
        }
        let options = self.options(folder, &compute)?;
        let mut run = match self.resume {
            true => self.resumed(options, &Shelf::default(), terminal)?,
            false => {
                let recipe = self.recipes()?.remove(0);
                self.begun(recipe, options, &Shelf::default(), terminal)?
            }
        };
        let resume = resumption(folder);
        interrupt::advise(resume.clone());
        let all = run.trainer().options().epochs * run.examples();
        let bar = terminal.progress(all as u64, "training");
        let watch = Watch {
            terminal,
            bar: &bar,
            name: None,
        };
        announce(&run, &watch);
        let trained = watch.train(&mut run);
        bar.finish_and_clear();
        trained.map_err(|problem| match problem {
            Problem::Interrupted(_) => Problem::Interrupted(resume),
            problem => problem,
        })?;
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

    /// Whether several networks are asked for.
    fn is_family(&self) -> bool {
        self.recipe.len() > 1 || self.seeds.is_some()
    }

    /// The recipes with their changes, each with every seed.
    fn recipes(&self) -> Result<Vec<Recipe>, Problem> {
        let mut all = Vec::new();
        for name in &self.recipe {
            let recipe = self.changes.recipe(name)?;
            match &self.seeds {
                None => all.push(recipe),
                Some(Seeds(seeds)) => all.extend(seeds.iter().map(|&seed| {
                    let mut recipe = recipe.clone();
                    recipe.training.seed = seed;
                    recipe
                })),
            }
        }
        if all.is_empty() {
            return Err(Problem::BadInput(
                "--recipe is missing: give the name of a recipe or a .toml file".into(),
            ));
        }
        Ok(all)
    }

    /// A training from its checkpoint.
    fn resumed(
        &self,
        options: RunOptions,
        shelf: &Shelf,
        terminal: &Terminal,
    ) -> Result<Run, Problem> {
        let checkpoint = Run::checkpoint_in(&options.folder)?;
        let mut source = checkpoint.card.source.clone();
        if let Some(place) = &self.data {
            source.place.clone_from(place);
        }
        let data = shelf.take(source, &checkpoint.card.recipe, terminal)?;
        Ok(Run::resume(checkpoint, data, options)?)
    }

    /// A new training.
    fn begun(
        &self,
        recipe: Recipe,
        options: RunOptions,
        shelf: &Shelf,
        terminal: &Terminal,
    ) -> Result<Run, Problem> {
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
        let data = shelf.take(source, &recipe, terminal)?;
        Ok(Run::begin(recipe, data, self.saving(terminal), options)?)
    }

    fn options(&self, folder: &Path, compute: &ComputeArguments) -> Result<RunOptions, Problem> {
        let minutes = self.checkpoint_minutes;
        let checkpoint_every = Duration::try_from_secs_f64(60.0 * minutes).map_err(|_| {
            Problem::BadInput(format!(
                "{minutes} is not a time between checkpoints; give a number of minutes"
            ))
        })?;
        Ok(RunOptions {
            folder: folder.to_owned(),
            device: compute.device()?,
            threads: compute.threads()?,
            parallel: self.parallel.among(ranks::team())?,
            checkpoint_every,
            checkpoint_batches: self.checkpoint_batches,
        })
    }

    fn saving(&self, terminal: &Terminal) -> Saving {
        Saving {
            command: format!("pathscope {}", terminal.command().join(" ")),
            recalibration: self.recalibrate,
            half: self.half,
            evaluation: self.evaluation.clone(),
        }
    }
}

/// How a training in `folder` goes on.
fn resumption(folder: &Path) -> String {
    format!("`pathscope train --resume -o {}` resumes", folder.display())
}
