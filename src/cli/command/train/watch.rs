//! What is said of a training while it runs.

use indicatif::ProgressBar;

use crate::cli::show::evaluation::stated;
use crate::cli::{Problem, Terminal, interrupt};
use crate::training::{Advance, EpochRecord, Measured, Run};

/// Says what is trained.
pub(super) fn announce(run: &Run, watch: &Watch) {
    let recipe = run.recipe();
    let position = run.trainer().position();
    let parameters = run.trainer().network().specification().parameter_count();
    let from = match position {
        position if position.epoch + position.batch == 0 => String::new(),
        position => format!(
            ", from epoch {}, mini-batch {}",
            position.epoch, position.batch
        ),
    };
    watch.remark(&format!(
        "{} ({}): {parameters} parameters, {} examples, {} epochs{from}",
        recipe.architecture.title(),
        recipe.name,
        run.examples(),
        recipe.training.epochs,
    ));
    let functions = run.trainer().network().structure().functions();
    if let Some(text) = recipe.training.restriction.statement(&functions) {
        watch.remark(&text);
    }
}

/// Who watches a training.
pub(super) struct Watch<'a> {
    pub terminal: &'a Terminal,
    /// Counts examples.
    pub bar: &'a ProgressBar,
    /// The name of the run, where it is one of several.
    pub name: Option<&'a str>,
}

impl Watch<'_> {
    /// Prints a remark on the run.
    pub fn remark(&self, text: &str) {
        let text = match self.name {
            Some(name) => format!("{name}: {text}"),
            None => text.to_owned(),
        };
        self.bar.suspend(|| self.terminal.remark(&text));
    }

    /// Trains to the end, or until the person asks to stop; the training stands in its checkpoint
    /// then. Errors: [`Problem::Interrupted`], or what ends a training.
    pub fn train(&self, run: &mut Run) -> Result<(), Problem> {
        let epochs = run.trainer().options().epochs;
        let position = run.trainer().position();
        self.bar
            .inc((position.epoch * run.examples() + position.examples) as u64);
        self.bar.reset_eta();
        let mut recent = Recent::default();
        // Asked of one process, all end after the same mini-batch.
        while !run.parallel().whole.any(interrupt::asked()) {
            let Some(Advance { step, epoch }) = run.advance()? else {
                return Ok(());
            };
            if let Some(measured) = step.measured {
                recent.add(measured);
            }
            self.bar.inc(step.examples as u64);
            if self.name.is_none() {
                recent.show(self.bar, run.trainer().position().epoch, epochs);
            }
            if let Some(reason) = run.remark() {
                self.remark(&format!("steps are not recorded as a CUDA graph: {reason}"));
            }
            if let Some(record) = epoch {
                self.remark(&epoch_line(&record, epochs));
                recent = Recent::default();
            }
        }
        interrupt::whole(|| run.checkpoint())?;
        Err(Problem::Interrupted(String::new()))
    }
}

/// Loss and error since the epoch began or was taken up.
#[derive(Default)]
struct Recent {
    loss: f64,
    errors: usize,
    examples: usize,
}

impl Recent {
    fn add(&mut self, measured: Measured) {
        self.loss += measured.loss * measured.examples as f64;
        self.errors += measured.errors;
        self.examples += measured.examples;
    }

    fn show(&self, bar: &ProgressBar, epoch: usize, epochs: usize) {
        if bar.is_hidden() {
            return;
        }
        let examples = self.examples.max(1) as f64;
        bar.set_message(format!(
            "epoch {epoch} of {epochs}  loss {:.4}  error {:.2} %  {:.0} images/s",
            self.loss / examples,
            100.0 * self.errors as f64 / examples,
            bar.per_sec(),
        ));
    }
}

fn epoch_line(record: &EpochRecord, epochs: usize) -> String {
    let error = 100.0 * record.errors as f64 / record.examples.max(1) as f64;
    let mut line = format!(
        "epoch {} of {epochs}: loss {:.4}, error {error:.2} %, {:.0} images/s",
        record.epoch, record.loss, record.images_per_second,
    );
    if let Some(validation) = record.validation {
        line += &format!(", held out {}", stated(&validation));
    }
    line
}
