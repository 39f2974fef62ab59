use std::path::{Path, PathBuf};

use clap::Args;

use super::Execute;
use crate::cli::args::OutputArguments;
use crate::cli::args::number::share;
use crate::cli::show::page::{read, write};
use crate::cli::{Problem, Terminal};
use crate::report::page;
use crate::report::plot::SHARE;

/// Write an HTML report of the results in a folder
///
/// The page begins with the answers and a map of the blocks; plots, tables and the commands that
/// repeat the measurements follow. It is one file that loads nothing else. Two networks stand side
/// by side. The same results give the same bytes.
///
/// Example: pathscope report notebooks-rs/results -o report.html
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folders of results files (.jsonl) and training logs, or such files
    #[arg(value_name = "RUN_DIR", required = true)]
    runs: Vec<PathBuf>,
    /// Output file (.html), or - for standard output [default: report.html in the folder; of several
    /// runs, in the current folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Share of the gradient that an effective range holds
    #[arg(long, value_name = "SHARE", default_value_t = SHARE, value_parser = share)]
    share: f64,
    #[command(flatten)]
    outputs: OutputArguments,
}

/// What a report is called unless told otherwise.
const NAME: &str = "report.html";

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let output = match (&self.output, self.runs.as_slice()) {
            (Some(output), _) => output.clone(),
            (None, [run]) if run.is_dir() => run.join(NAME),
            (None, [run]) => run.with_extension("html"),
            (None, _) => PathBuf::from(NAME),
        };
        let printed = output == Path::new("-");
        if !printed {
            self.outputs.check(&output, &["html"], &self.runs)?;
        }
        let run = read(&self.runs)?;
        for file in &run.passed_over {
            terminal.remark(&format!(
                "note: {} was skipped: it holds neither results nor a training log",
                file.display()
            ));
        }
        if printed {
            return terminal.result(&page(&run, self.share).map_err(Problem::failed)?);
        }
        write(&run, self.share, &output)?;
        terminal.remark(&format!("report: {}", output.display()));
        Ok(())
    }
}
