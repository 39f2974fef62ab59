use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Problem;
use super::terminal::Terminal;
use crate::report::plot::SHARE;
use crate::report::{Run, page};

/// Makes one self-contained page from the results in a folder.
///
/// The page holds what was asked, the answers with their intervals, pictures, a drawing of the
/// network, tables and everything that is needed to repeat it. It loads nothing from elsewhere,
/// and the same results make the same bytes.
///
/// Example: pathscope report notebooks-rs/results -o report.html
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder with results (.jsonl) of experiments and trainings, or one such file.
    #[arg(value_name = "RUN_DIR")]
    run: PathBuf,
    /// Write the page here; - is the standard output. Without it, report.html in the folder.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Share of the gradient that effective ranges hold.
    #[arg(long, value_name = "SHARE", default_value_t = SHARE, value_parser = super::arguments::share)]
    share: f64,
}

pub(super) fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Problem> {
    let run = read(&arguments.run)?;
    for file in &run.passed_over {
        terminal.remark(&format!(
            "note: {} was passed over: it holds neither results nor a training",
            file.display()
        ));
    }
    let output = match &arguments.output {
        Some(output) => output.clone(),
        None if arguments.run.is_dir() => arguments.run.join("report.html"),
        None => arguments.run.with_extension("html"),
    };
    if output == Path::new("-") {
        let text =
            page(&run, arguments.share).map_err(|fault| Problem::Failed(fault.to_string()))?;
        return terminal.result(&text);
    }
    write(&run, arguments.share, &output)?;
    terminal.remark(&format!("report: {}", output.display()));
    Ok(())
}

/// Reads the results of a run.
///
/// # Errors
/// No results, or damaged ones.
pub(super) fn read(place: &Path) -> Result<Run, Problem> {
    Run::read(place).map_err(|fault| Problem::BadInput(fault.to_string()))
}

/// Writes the page about `run` to a file.
///
/// # Errors
/// A file that cannot be written.
pub(super) fn write(run: &Run, share: f64, file: &Path) -> Result<(), Problem> {
    let mut text = page(run, share).map_err(|fault| Problem::Failed(fault.to_string()))?;
    // As on the standard output.
    text.push('\n');
    fs::write(file, text).map_err(|fault| Problem::Failed(format!("{}: {fault}", file.display())))
}
