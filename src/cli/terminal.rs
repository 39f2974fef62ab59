//! The only place that prints.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use pathscope_file::printable;
use terminal_size::{Width, terminal_size_of};

use super::Problem;
use crate::team::Team;

/// Characters of an error that are printed: a message that quotes files is not bounded otherwise.
const LONGEST_ERROR: usize = 497;

/// Text of several lines in which nothing controls the terminal.
pub(crate) fn printable_lines(text: &str) -> String {
    let lines: Vec<Cow<'_, str>> = text.lines().map(printable).collect();
    lines.join("\n")
}

/// Standard output for results, standard error for everything else.
#[derive(Debug)]
pub(crate) struct Terminal {
    quiet: bool,
    verbose: bool,
    /// Of several processes, only the first prints, except for problems that it does not share.
    silent: bool,
    /// The words of the command line, without the program's own name.
    command: Vec<String>,
}

impl Terminal {
    /// The terminal of one process of a team.
    pub fn new(quiet: bool, verbose: bool, command: Vec<String>, team: Team) -> Self {
        Self {
            quiet,
            verbose,
            silent: !team.is_first(),
            command,
        }
    }

    /// The words of the command line, for the records of a run.
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// Columns that text may take: COLUMNS if it is set, those of the terminal, or 80.
    pub fn width(&self) -> usize {
        let stated = std::env::var("COLUMNS").ok();
        let stated = stated.and_then(|columns| columns.parse().ok());
        let found = || terminal_size_of(io::stdout()).map(|(Width(columns), _)| columns.into());
        stated.or_else(found).unwrap_or(80).max(20)
    }

    /// Prints a result. Errors: a closed or full output.
    pub fn result(&self, text: &str) -> Result<(), Problem> {
        if self.silent {
            return Ok(());
        }
        let mut out = anstream::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    /// Prints a remark on how the result came about, unless quiet.
    pub fn remark(&self, text: &str) {
        if !self.quiet && !self.silent {
            // A closed standard error does not end the command.
            let _ = writeln!(anstream::stderr().lock(), "{}", printable_lines(text));
        }
    }

    /// Prints a remark that only those want who ask for details.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            self.remark(text);
        }
    }

    /// Prints why the command ended.
    pub fn problem(&self, problem: &Problem) {
        if !matches!(problem, Problem::OutputClosed) {
            let mut text = printable(&format!("error: {problem}")).into_owned();
            if let Some((end, _)) = text.char_indices().nth(LONGEST_ERROR) {
                text.truncate(end);
                text.push_str("...");
            }
            if let Some(lines) = problem.lines() {
                text += &format!("\n\n{}", printable_lines(lines));
            }
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        }
    }

    /// A progress bar over `length` steps, hidden unless standard error is a terminal.
    pub fn progress(&self, length: u64, what: &str) -> ProgressBar {
        if self.quiet || self.silent || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(length);
        let template = "{msg} {wide_bar} {percent} %, {elapsed}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}
