//! The only place that prints.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::Problem;
use crate::team::Team;

/// Standard output for results, standard error for everything else.
#[derive(Debug)]
pub(super) struct Terminal {
    quiet: bool,
    /// Of several processes only the first prints, but for problems that it does not share.
    silent: bool,
}

impl Terminal {
    pub fn new(quiet: bool) -> Self {
        Self {
            quiet,
            silent: false,
        }
    }

    /// That of one process of a team.
    pub fn of(self, team: Team) -> Self {
        Self {
            silent: !team.is_first(),
            ..self
        }
    }

    /// Prints a result.
    ///
    /// # Errors
    /// A closed or full output.
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
            // A closed standard error is no reason to stop.
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        }
    }

    /// Prints why the command ended.
    pub fn problem(&self, problem: &Problem) {
        if !matches!(problem, Problem::OutputClosed) {
            let _ = writeln!(anstream::stderr().lock(), "error: {problem}");
        }
    }

    /// A bar over `length` steps; hidden where nobody watches.
    pub fn progress(&self, length: u64, what: &str) -> ProgressBar {
        if self.quiet || self.silent || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(length);
        let template = "{msg} {wide_bar} {pos}/{len} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}
