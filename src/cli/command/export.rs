use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Execute;
use crate::cli::args::{OutputArguments, ReadingArguments};
use crate::cli::show::file;
use crate::cli::{Problem, Terminal};
use crate::report::lesions::single_lesions;
use crate::report::quantity::count;
use crate::report::{Source, node_data, tensorboard_events};

/// Write training logs for TensorBoard, or lesions for Model Explorer
///
/// Each training log becomes a run of its own: errors, losses and learning rate by epoch, with the
/// seconds of training as the clock. With --graph, results of `pathscope lesion --each` on an
/// exported network become "node data", which Model Explorer lays over its graph: the error that
/// disabling each block adds, at every operation of the block. The same input gives the same bytes.
///
/// Example: pathscope export assets/results/path-restricted/full-1.jsonl -o tensorboard
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Training logs (log.jsonl), or with --graph results files of `pathscope lesion`
    #[arg(required = true)]
    logs: Vec<PathBuf>,
    /// Exported network (.pt2) that the results are of
    #[arg(long, value_name = "MODEL")]
    graph: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingArguments,
    /// Folder for the files: a folder of each run, which `tensorboard --logdir` takes, or a file of
    /// each results file
    #[arg(long, short, value_name = "DIR", default_value = "tensorboard")]
    output: PathBuf,
    #[command(flatten)]
    outputs: OutputArguments,
}

/// TensorBoard looks for `tfevents`; the number is a time in other files.
const NAME: &str = "events.out.tfevents.0.pathscope";

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let lines = match &self.graph {
            Some(graph) => self.node_data(graph, terminal)?,
            None => self.events()?,
        };
        terminal.result(&lines.join("\n"))
    }
}

impl Arguments {
    fn events(&self) -> Result<Vec<String>, Problem> {
        let mut names = BTreeSet::new();
        let mut runs = Vec::new();
        for path in &self.logs {
            let refuse = |why: &str| Problem::BadInput(format!("{}: {why}", path.display()));
            let Source::Training(log) = Source::read(path)? else {
                return Err(refuse(
                    "this is not a training log; give the log.jsonl of a training",
                ));
            };
            if !names.insert(log.name.clone()) {
                return Err(refuse(
                    "another log has the same name; export one of the two to another folder with \
                     --output",
                ));
            }
            runs.push(log);
        }
        let folder = |name: &str| self.output.join(name);
        for log in &runs {
            let folder = folder(&log.name);
            fs::create_dir_all(&folder).map_err(|fault| Problem::writing(&folder, fault))?;
            self.outputs.check(&folder.join(NAME), &[], &self.logs)?;
        }
        let mut lines = Vec::new();
        for log in &runs {
            let file = folder(&log.name).join(NAME);
            file::write(&file, &tensorboard_events(log))?;
            let epochs = count(log.epochs.len(), "epoch", "epochs");
            lines.push(format!("{}: {epochs}", file.display()));
        }
        Ok(lines)
    }

    /// Writes the effects of blocks for the graph of the network in `model`.
    fn node_data(&self, model: &Path, terminal: &Terminal) -> Result<Vec<String>, Problem> {
        let read = self.reading.load(model, terminal)?;
        if read.graph_nodes.is_empty() {
            let why = "this is no exported network, so it has no graph; give the .pt2 file";
            return Err(Problem::BadInput(format!("{}: {why}", model.display())));
        }
        let mut made = BTreeMap::new();
        for path in &self.logs {
            let refuse = |why: &str| Problem::BadInput(format!("{}: {why}", path.display()));
            let Source::Results(results) = Source::read(path)? else {
                return Err(refuse("this holds no results of `pathscope lesion`"));
            };
            if results.header.model.hash != read.hash {
                return Err(refuse(&format!(
                    "these results are not of {} as it was opened; give that network, and the \
                     options that the results were measured with",
                    model.display()
                )));
            }
            let outcomes = results.outcomes();
            let methods = single_lesions(&outcomes);
            let several = methods.len() > 1;
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let before = made.len();
            for (method, lesions) in methods {
                let Some(data) = node_data(&method, &lesions, &read.graph_nodes) else {
                    continue;
                };
                let name = match several {
                    true => format!("{stem}-{}.json", method.replace([' ', ','], "-")),
                    false => format!("{stem}.json"),
                };
                if made.insert(self.output.join(name), data).is_some() {
                    return Err(refuse(
                        "another results file has the same name; export one of the two to another \
                         folder with --output",
                    ));
                }
            }
            if made.len() == before {
                return Err(refuse(
                    "this holds no lesion of a whole block; measure with `pathscope lesion --each`",
                ));
            }
        }
        fs::create_dir_all(&self.output).map_err(|fault| Problem::writing(&self.output, fault))?;
        for file in made.keys() {
            self.outputs
                .check(file, &[], self.logs.iter().chain(&self.graph))?;
        }
        for (path, data) in &made {
            file::write_json(path, data)?;
        }
        Ok(made.keys().map(|path| path.display().to_string()).collect())
    }
}
