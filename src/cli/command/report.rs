use std::path::{Path, PathBuf};

use clap::Args;

use super::Execute;
use crate::cli::args::number::share;
use crate::cli::args::OutputArguments;
use crate::cli::show::page::{read, write};
use crate::cli::{Problem, Terminal};
use crate::report::page;
use crate::report::plot::SHARE;

/// Write an HTML report of the results in a folder
///
/// The page holds the questions, the answers with their intervals, plots, a drawing of the
/// network, tables, and the commands that repeat the measurements. It is one file that loads
/// nothing else. The same results give the same bytes.
///
/// Example: pathscope report notebooks-rs/results -o report.html
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folder of results files (.jsonl) and training logs, or one such file
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,
    /// Output file (.html), or - for standard output [default: report.html in the folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Share of the gradient that an effective range holds
    #[arg(long, value_name = "SHARE", default_value_t = SHARE, value_parser = share)]
    share: f64,
    #[command(flatten)]
    outputs: OutputArguments,
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let output = match &self.output {
            Some(output) => output.clone(),
            None if self.run.is_dir() => self.run.join("report.html"),
            None => self.run.with_extension("html"),
        };
        let printed = output == Path::new("-");
        if !printed {
            self.outputs.check(&output, &["html"], [&self.run])?;
        }
        let run = read(&self.run)?;
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
