use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::Execute;
use crate::cli::args::OutputArguments;
use crate::cli::show::file;
use crate::cli::{Problem, Terminal};
use crate::report::quantity::count;
use crate::report::{Source, tensorboard_events};

/// Write training logs as TensorBoard event files
///
/// Each log becomes a run of its own: errors, losses and learning rate by epoch, with the seconds of
/// training as the clock. The same log gives the same bytes.
///
/// Example: pathscope export assets/results/path-restricted/full-1.jsonl -o tensorboard
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Training logs (log.jsonl)
    #[arg(required = true)]
    logs: Vec<PathBuf>,
    /// Folder for a folder of each run; `tensorboard --logdir` takes it
    #[arg(long, short, value_name = "DIR", default_value = "tensorboard")]
    output: PathBuf,
    #[command(flatten)]
    outputs: OutputArguments,
}

/// TensorBoard looks for `tfevents`; the number is a time in other files.
const NAME: &str = "events.out.tfevents.0.pathscope";

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let mut names = BTreeSet::new();
        let mut runs = Vec::new();
        for path in &self.logs {
            let refuse = |why: &str| Problem::BadInput(format!("{}: {why}", path.display()));
            let Source::Training(log) = Source::read(path)? else {
                return Err(refuse("this is not a training log; give the log.jsonl of a training"));
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
        terminal.result(&lines.join("\n"))
    }
}
