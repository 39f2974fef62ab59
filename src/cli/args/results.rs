use std::path::PathBuf;

use clap::Args;
use pathscope_analysis::record::{Header, Shard};

use crate::cli::progress::Progress;
use crate::cli::{Problem, Terminal, interrupt, ranks};
use crate::experiment::{ExperimentError, Journal, Laboratory, Measurement, open_together};

/// Where measurements are recorded.
#[derive(Debug, Default, Args)]
pub(crate) struct ResultsArguments {
    /// Results file (JSON Lines), a record per measurement; the same command with the same file
    /// resumes an interrupted run
    #[arg(long, alias = "json", value_name = "FILE")]
    pub results: Option<PathBuf>,
    /// Part of the sweep to measure, such as 3/8 on the third of eight machines; `pathscope merge`
    /// joins the results files
    #[arg(long, value_name = "PART/PARTS", requires = "results")]
    pub shard: Option<Shard>,
}

impl ResultsArguments {
    /// Opens the journal that `header` begins, in memory where no file was asked for. Errors: a
    /// file of another measurement, or one that cannot be written.
    pub fn open(&self, header: Header, terminal: &Terminal) -> Result<Journal, Problem> {
        let Some(file) = &self.results else {
            return Ok(Journal::in_memory(header));
        };
        let header = Header {
            shard: self.shard,
            ..header
        };
        let journal = open_together(ranks::team(), file, header)?;
        if journal.was_repaired() {
            terminal.remark(&format!(
                "note: the last line of {} is incomplete; its measurement is repeated",
                file.display()
            ));
        }
        Ok(journal)
    }

    /// Measures `measurements` with a progress bar. Errors: a measurement that fails, or Ctrl-C.
    pub fn measure(
        &self,
        laboratory: &Laboratory<'_>,
        measurements: &[Measurement],
        journal: &mut Journal,
        terminal: &Terminal,
    ) -> Result<(), Problem> {
        const HINT: &str = "--limit N measures on fewer examples";
        self.with_bar(terminal, measurements.len() as u64, HINT, |progress| {
            laboratory.measure(measurements, journal, progress)
        })
    }

    /// Does `work`, which reports finished steps, with a progress bar over so many `steps`; `hint`
    /// says how to make it shorter. Errors: work that fails, or Ctrl-C.
    pub fn with_bar<T>(
        &self,
        terminal: &Terminal,
        steps: u64,
        hint: &str,
        work: impl FnOnce(&(dyn Fn(u64) + Sync)) -> Result<T, ExperimentError>,
    ) -> Result<T, Problem> {
        interrupt::advise(self.kept());
        let progress = Progress::new(terminal, steps, hint);
        let outcome = work(&|done| progress.add(done));
        progress.finish();
        outcome.map_err(|error| self.explain(error))
    }

    /// Refuses `what`, whose measurements depend on one another, as a part of several. Errors:
    /// `--shard` with it.
    pub fn refuse_shard(&self, what: Option<&str>) -> Result<(), Problem> {
        match (self.shard, what) {
            (Some(shard), Some(what)) => Err(Problem::BadInput(format!(
                "--shard {shard} divides a sweep of independent measurements, but those of {what} \
                 depend on one another; leave out one of the two"
            ))),
            _ => Ok(()),
        }
    }

    /// What an experiment's error means to the person.
    pub fn explain(&self, error: ExperimentError) -> Problem {
        match error {
            ExperimentError::Stopped => Problem::Interrupted(self.kept()),
            error => error.into(),
        }
    }

    /// What an interruption leaves.
    pub fn kept(&self) -> String {
        match &self.results {
            Some(file) => format!(
                "the finished measurements are in {}; the same command resumes",
                file.display()
            ),
            None => "--results FILE would have kept the finished measurements".into(),
        }
    }
}
