//! The command line: arguments in, an experiment called, its result shown.

mod allocator;
mod args;
mod audit;
mod command;
mod interrupt;
mod problem;
mod progress;
mod ranks;
mod session;
mod show;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};
use command::{Command, Group};

pub use problem::Problem;
use session::Session;
use terminal::Terminal;

use crate::team::Team;

/// Which blocks of a trained residual network matter, does their order matter, which path
/// lengths carry the gradient, and would width now buy more than depth?
#[derive(Debug, Parser)]
#[command(name = "pathscope", version, about, max_term_width = 100)]
pub struct Cli {
    /// Print results only, without progress and notes
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Print how files were read as well
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

/// Parses `arguments`, runs the command they name and reports how it ended: 0 done, 1 failed,
/// 2 bad input or usage, 70 internal error. An interrupted command ends by its signal, which shells
/// report as 130 (Ctrl-C) or 143 (SIGTERM).
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (_membership, team) = match ranks::join() {
        Ok(joined) => joined,
        Err(problem) => {
            Terminal::new(false, false, Vec::new(), Team::ALONE).problem(&problem);
            return ExitCode::from(problem.exit_code());
        }
    };
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let command = arguments.iter().skip(1);
    let command = command.map(|word| word.to_string_lossy().into_owned());
    let terminal = |cli: &Cli| Terminal::new(cli.quiet, cli.verbose, command.collect(), team);
    let parsed = help().try_get_matches_from(&arguments);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(help_or_error) => {
            if team.is_first() {
                // Nothing can be printed to a closed pipe.
                let _ = help_or_error.print();
            }
            return ExitCode::from(if help_or_error.use_stderr() { 2 } else { 0 });
        }
    };
    allocator::keep_memory();
    let terminal = terminal(&cli);
    if cli.command.is_shared() {
        ranks::work_with(team);
    } else if !team.is_first() {
        return ranks::conclude(team, Ok(()), &terminal);
    }
    let alone = team.size() == 1;
    let outcome = interrupt::watch(alone).and_then(|()| cli.command.run(&terminal));
    let interrupted = alone && matches!(outcome, Err(Problem::Interrupted(_)));
    if interrupted {
        interrupt::conclude();
    }
    let code = ranks::conclude(team, outcome, &terminal);
    if interrupted {
        interrupt::end();
    }
    code
}

/// The command line as clap knows it, with the commands in groups.
#[must_use]
pub fn help() -> clap::Command {
    const EXAMPLE: &str = "pathscope study assets/preresnet20.safetensors -o study --budget 5s";
    let command = Cli::command();
    let heading = command.get_styles().get_header();
    let name = command.get_styles().get_literal();
    let mut groups = String::new();
    for (group, title) in Group::ALL {
        groups += &format!("\n{heading}{title}:{heading:#}\n");
        let commands = command.get_subcommands().zip(Command::GROUPS);
        for (inner, _) in commands.filter(|(_, its)| **its == group) {
            let about = inner.get_about().map(ToString::to_string);
            let about = about.as_deref().unwrap_or("");
            groups += &format!("  {name}{:<17}{name:#}  {about}\n", inner.get_name());
        }
    }
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{groups}\n\
         {heading}Example:{heading:#} {EXAMPLE}\n\n\
         {heading}Options:{heading:#}\n{{options}}{{after-help}}"
    );
    command.help_template(template)
}
