//! Several trainings side by side.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fs, thread};

use serde::{Deserialize, Serialize};
use tch::Device;

use super::data::Shelf;
use super::watch::{Watch, announce};
use super::{Arguments, resumption};
use crate::cli::args::{ComputeArguments, training_log};
use crate::cli::show::evaluation::stated;
use crate::cli::{Problem, Terminal, interrupt, ranks};
use crate::team::{Queue, Team};
use crate::training::{Recipe, RunHeader, RunResult, TrainingError};

/// The file beside the folders of the runs that names them.
const LIST: &str = "runs.toml";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    runs: Vec<String>,
}

/// Whether a folder holds several runs.
pub(super) fn is_in(folder: &Path) -> bool {
    folder.join(LIST).exists()
}

impl Arguments {
    /// Begins or resumes all runs and trains them to their end. One that fails does not end the
    /// others.
    pub(super) fn family(
        &self,
        folder: &Path,
        compute: &ComputeArguments,
        terminal: &Terminal,
    ) -> Result<(), Problem> {
        if ranks::team().size() > 1 {
            return Err(Problem::BadInput(
                "several trainings share one process; start it without mpirun".into(),
            ));
        }
        let shelf = Shelf::default();
        let threads = compute.threads()?;
        let most = match compute.device()? {
            Device::Cpu => threads,
            _ => 1,
        };
        let family = Family {
            arguments: self,
            folder,
            terminal,
            shelf: &shelf,
            names: match self.resume {
                true => names_in(folder)?,
                false => names_of(&self.recipes()?)?,
            },
            at_once: self.at_once.unwrap_or(most),
            threads,
            compute,
        };
        if !self.resume {
            family.begin(self.recipes()?)?;
        }
        interrupt::advise(resumption(folder));
        family.train()
    }
}

struct Family<'a> {
    arguments: &'a Arguments,
    folder: &'a Path,
    terminal: &'a Terminal,
    shelf: &'a Shelf,
    names: Vec<String>,
    /// Runs side by side, at most.
    at_once: usize,
    /// Threads of all runs side by side.
    threads: usize,
    compute: &'a ComputeArguments,
}

impl Family<'_> {
    fn place(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// How many runs there are side by side.
    fn workers(&self) -> usize {
        self.at_once.clamp(1, self.names.len().max(1))
    }

    /// The computation of one run: as that of a run alone with its share of the threads.
    fn share(&self) -> ComputeArguments {
        ComputeArguments {
            device: self.compute.device.clone(),
            batch: None,
            threads: Some((self.threads / self.workers()).max(1)),
            memory: 0,
        }
    }

    /// Gives every run its folder and first checkpoint, so that a family that is interrupted is
    /// a list of runs that are interrupted.
    fn begin(&self, recipes: Vec<Recipe>) -> Result<(), Problem> {
        let list = self.folder.join(LIST);
        if list.exists() {
            let folder = self.folder.to_owned();
            return Err(TrainingError::FolderTaken(folder).into());
        }
        let runs = self.names.clone();
        let text = toml::to_string(&List { runs })
            .map_err(|fault| Problem::Internal(format!("a list of runs: {fault}")))?;
        fs::create_dir_all(self.folder).map_err(|fault| Problem::writing(self.folder, fault))?;
        pathscope_file::write(&list, text.as_bytes())
            .map_err(|fault| Problem::writing(&list, fault))?;
        for (name, recipe) in self.names.iter().zip(recipes) {
            if interrupt::asked() {
                return Err(Problem::Interrupted(
                    "not every training has begun: begin again in another folder".into(),
                ));
            }
            let options = self.arguments.options(&self.place(name), &self.share())?;
            self.arguments
                .begun(recipe, options, self.shelf, self.terminal)?;
        }
        Ok(())
    }

    fn train(&self) -> Result<(), Problem> {
        let mut all = 0;
        let mut waiting = Vec::new();
        for name in &self.names {
            let (header, result) = self.log(name)?;
            if result.is_none() {
                waiting.push(name.as_str());
                all += (header.recipe.training.epochs * header.examples) as u64;
            }
        }
        let workers = self.workers();
        self.terminal.remark(&format!(
            "{} trainings, {} of them finished, {workers} side by side with {} thread(s) each",
            self.names.len(),
            self.names.len() - waiting.len(),
            self.share().threads()?,
        ));
        let bar = self.terminal.progress(all, "training");
        let queue = Queue::new(Team::ALONE, waiting.len());
        let problems = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..workers.min(waiting.len()) {
                scope.spawn(|| {
                    while let Some(number) = queue.next() {
                        let name = waiting[number];
                        let watch = Watch {
                            terminal: self.terminal,
                            bar: &bar,
                            name: Some(name),
                        };
                        if let Err(problem) = self.train_one(name, &watch) {
                            if matches!(problem, Problem::Interrupted(_)) {
                                queue.close();
                            } else {
                                watch.remark(&problem.to_string());
                            }
                            let mut problems =
                                problems.lock().unwrap_or_else(PoisonError::into_inner);
                            problems.push((name, problem));
                        }
                    }
                });
            }
        });
        bar.finish_and_clear();
        let mut problems = problems
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let interrupted =
            |(_, problem): &(&str, Problem)| matches!(problem, Problem::Interrupted(_));
        if problems.iter().any(interrupted) || interrupt::asked() {
            return Err(Problem::Interrupted(resumption(self.folder)));
        }
        match problems.len() {
            0 => self.answer(),
            // Its own words and exit code.
            1 if self.names.len() == 1 => Err(problems.remove(0).1),
            failed => {
                let names: Vec<&str> = problems.iter().map(|(name, _)| *name).collect();
                Err(Problem::Failed(format!(
                    "{failed} of {} trainings failed: {}",
                    self.names.len(),
                    names.join(", ")
                )))
            }
        }
    }

    fn train_one(&self, name: &str, watch: &Watch) -> Result<(), Problem> {
        let share = self.share();
        ranks::use_threads(share.threads()?)?;
        let options = self.arguments.options(&self.place(name), &share)?;
        let mut run = self.arguments.resumed(options, self.shelf, self.terminal)?;
        announce(&run, watch);
        watch.train(&mut run)?;
        run.finish()?;
        Ok(())
    }

    /// What the log of a run says.
    fn log(&self, name: &str) -> Result<(Box<RunHeader>, Option<RunResult>), Problem> {
        let place = self.place(name);
        if !place.join("log.jsonl").exists() {
            return Err(Problem::BadInput(format!(
                "{} was not begun: begin again in another folder",
                place.display()
            )));
        }
        training_log(&place)
    }

    /// The test error of every run.
    fn answer(&self) -> Result<(), Problem> {
        let mut lines = Vec::new();
        for name in &self.names {
            let (_, result) = self.log(name)?;
            let test = result.and_then(|result| result.test);
            let test = test.map_or_else(|| "no test split".into(), |test| stated(&test));
            lines.push(format!("{name}: {test}"));
        }
        self.terminal.result(&lines.join("\n"))
    }
}

/// The names of runs that are about to begin: recipe and seed.
fn names_of(recipes: &[Recipe]) -> Result<Vec<String>, Problem> {
    let name = |recipe: &Recipe| format!("{}-s{}", recipe.name, recipe.training.seed);
    let names: Vec<String> = recipes.iter().map(name).collect();
    check(&names, "the recipes")?;
    Ok(names)
}

/// The names of the runs in a folder.
fn names_in(folder: &Path) -> Result<Vec<String>, Problem> {
    let file = folder.join(LIST);
    let refuse = |what: String| Problem::BadInput(format!("{}: {what}", file.display()));
    let text = fs::read_to_string(&file).map_err(|fault| refuse(fault.to_string()))?;
    let list: List = toml::from_str(&text)
        .map_err(|fault| refuse(pathscope_file::sentence(&fault.message())))?;
    check(&list.runs, &file.display().to_string())?;
    Ok(list.runs)
}

/// Refuses names that are no folders in the family's, each of its own.
fn check(names: &[String], origin: &str) -> Result<(), Problem> {
    let mut seen = BTreeSet::new();
    for name in names {
        let mut parts = Path::new(name).components();
        let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None)
            if part == name.as_str());
        let wrong = match plain {
            false => "cannot be the name of a folder",
            true if !seen.insert(name) => "is there twice; runs need different names or seeds",
            true => continue,
        };
        return Err(Problem::BadInput(format!("{origin}: `{name}` {wrong}")));
    }
    Ok(())
}
