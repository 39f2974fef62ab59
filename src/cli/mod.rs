//! The commands: arguments in, an experiment called, its result shown.

mod allocator;
mod answer_file;
mod arguments;
mod bench;
mod completions;
mod convert;
mod data_get;
mod diff;
mod draw_table;
mod dry_run;
mod effective_range;
mod ensemble;
mod eval;
mod family_table;
mod gradient_spectrum;
mod inspect;
mod interrupt;
mod lesion;
mod man;
mod merge;
mod multiplicity;
mod multiplicity_table;
mod outcome_table;
mod picture_file;
mod plot;
mod problem;
mod ranks;
mod recipe_arguments;
mod reorder;
mod report;
mod schema;
mod selector;
mod shape_arguments;
mod smaller_network;
mod spectrum_table;
mod study;
mod table;
mod terminal;
mod threshold;
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
    Bench(bench::Arguments),
    Convert(convert::Arguments),
    Completions(completions::Arguments),
    Data(data_get::Arguments),
    Diff(diff::Arguments),
    EffectiveRange(effective_range::Arguments),
    Ensemble(Box<ensemble::Arguments>),
    Eval(eval::Arguments),
    GradientSpectrum(Box<gradient_spectrum::Arguments>),
    Inspect(inspect::Arguments),
    Lesion(Box<lesion::Arguments>),
    Man(man::Arguments),
    Merge(merge::Arguments),
    Multiplicity(multiplicity::Arguments),
    Plot(plot::Arguments),
    Reorder(Box<reorder::Arguments>),
    Report(report::Arguments),
    Schema(schema::Arguments),
    Study(Box<study::Arguments>),
    Table(table::Arguments),
    Threshold(threshold::Arguments),
    Train(Box<train::Arguments>),
}

/// Parses `arguments`, runs the command they name and reports how it ended: 0 done, 1 failed,
/// 2 bad input or usage, 130 interrupted.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (_membership, team) = match ranks::join() {
        Ok(joined) => joined,
        Err(problem) => {
            Terminal::new(false).problem(&problem);
            return ExitCode::from(problem.exit_code());
        }
    };
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(help_or_error) => {
            if team.is_first() {
                // A closed pipe leaves nobody to tell.
                let _ = help_or_error.print();
            }
            return ExitCode::from(if help_or_error.use_stderr() { 2 } else { 0 });
        }
    };
    allocator::keep_memory();
    let terminal = Terminal::new(cli.quiet).of(team);
    if cli.command.is_for_teams() {
        ranks::work_with(team);
    } else if !team.is_first() {
        return ranks::conclude(team, Ok(()), &terminal);
    }
    let outcome = interrupt::watch().and_then(|()| match cli.command {
        Command::Bench(arguments) => bench::run(&arguments, &terminal),
        Command::Convert(arguments) => convert::run(&arguments, &terminal),
        Command::Completions(arguments) => completions::run(&arguments, &terminal),
        Command::Data(arguments) => data_get::run(&arguments, &terminal),
        Command::Diff(arguments) => diff::run(&arguments, &terminal),
        Command::EffectiveRange(arguments) => effective_range::run(&arguments, &terminal),
        Command::Ensemble(arguments) => ensemble::run(&arguments, &terminal),
        Command::Eval(arguments) => eval::run(&arguments, &terminal),
        Command::GradientSpectrum(arguments) => gradient_spectrum::run(&arguments, &terminal),
        Command::Inspect(arguments) => inspect::run(&arguments, &terminal),
        Command::Lesion(arguments) => lesion::run(&arguments, &terminal),
        Command::Man(arguments) => man::run(&arguments, &terminal),
        Command::Merge(arguments) => merge::run(&arguments, &terminal),
        Command::Multiplicity(arguments) => multiplicity::run(&arguments, &terminal),
        Command::Plot(arguments) => plot::run(&arguments, &terminal),
        Command::Reorder(arguments) => reorder::run(&arguments, &terminal),
        Command::Report(arguments) => report::run(&arguments, &terminal),
        Command::Schema(arguments) => schema::run(&arguments, &terminal),
        Command::Study(arguments) => study::run(&arguments, &terminal),
        Command::Table(arguments) => table::run(&arguments, &terminal),
        Command::Threshold(arguments) => threshold::run(&arguments, &terminal),
        Command::Train(arguments) => train::run(&arguments, &terminal),
    });
    ranks::conclude(team, outcome, &terminal)
}

impl Command {
    /// Whether several processes share the work; of others the first one does it all.
    fn is_for_teams(&self) -> bool {
        matches!(
            self,
            Self::Bench(_)
                | Self::GradientSpectrum(_)
                | Self::Lesion(_)
                | Self::Reorder(_)
                | Self::Study(_)
                | Self::Train(_)
        )
    }
}
