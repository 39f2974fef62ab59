//! The commands: arguments in, an experiment called, its result shown.

mod arguments;
mod diff;
mod draw_table;
mod gradient_spectrum;
mod inspect;
mod interrupt;
mod lesion;
mod outcome_table;
mod picture_file;
mod problem;
mod recipe_arguments;
mod reorder;
mod report;
mod selector;
mod shape_arguments;
mod spectrum_table;
mod study;
mod terminal;
mod train;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use problem::Problem;
use terminal::Terminal;

/// Which blocks of a trained residual network matter, does their order matter, which path
/// lengths carry the gradient, and would width now buy more than depth?
#[derive(Debug, Parser)]
#[command(name = "pathscope", version, about, max_term_width = 100)]
pub struct Cli {
    /// Print results only: no progress, no remarks.
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Diff(diff::Arguments),
    GradientSpectrum(Box<gradient_spectrum::Arguments>),
    Inspect(inspect::Arguments),
    Lesion(Box<lesion::Arguments>),
    Report(report::Arguments),
    Reorder(Box<reorder::Arguments>),
    Study(Box<study::Arguments>),
    Train(Box<train::Arguments>),
}

/// Parses `arguments`, runs the command they name and reports how it ended: 0 done, 1 failed,
/// 2 bad input or usage, 130 interrupted.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(help_or_error) => {
            // A closed pipe leaves nobody to tell.
            let _ = help_or_error.print();
            return ExitCode::from(if help_or_error.use_stderr() { 2 } else { 0 });
        }
    };
    let terminal = Terminal::new(cli.quiet);
    let outcome = interrupt::watch().and_then(|()| match cli.command {
        Command::Diff(arguments) => diff::run(&arguments, &terminal),
        Command::GradientSpectrum(arguments) => gradient_spectrum::run(&arguments, &terminal),
        Command::Inspect(arguments) => inspect::run(&arguments, &terminal),
        Command::Lesion(arguments) => lesion::run(&arguments, &terminal),
        Command::Report(arguments) => report::run(&arguments, &terminal),
        Command::Reorder(arguments) => reorder::run(&arguments, &terminal),
        Command::Study(arguments) => study::run(&arguments, &terminal),
        Command::Train(arguments) => train::run(&arguments, &terminal),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            terminal.problem(&problem);
            ExitCode::from(problem.exit_code())
        }
    }
}
