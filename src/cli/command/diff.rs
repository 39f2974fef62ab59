use std::path::PathBuf;

use clap::Args;

use super::Execute;
use crate::cli::args::FormatArguments;
use crate::cli::args::number::share;
use crate::cli::show::answer::Answer;
use crate::cli::show::page::read;
use crate::cli::{Problem, Terminal};
use crate::report::difference::{Condition, Difference};
use crate::report::plot::SHARE;
use crate::report::quantity::significant;
use crate::report::view;

/// Compare the results of two networks, such as two checkpoints of a training
///
/// Differences are second minus first, paired by example: McNemar's exact test for the intact
/// networks, its extension to larger differences for what the loss of each block costs, and a
/// randomisation test over examples for the effective range and rho. All p-values are corrected
/// together by Holm's method. The exit code is 1 if a condition of --fail-if holds.
///
/// Example: pathscope diff notebooks-rs/results notebooks-rs/results --fail-if blocks.changed>0
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folder of results files (.jsonl) of the first network, or one such file
    #[arg(value_name = "RUN_A")]
    first: PathBuf,
    /// The same for the second network
    #[arg(value_name = "RUN_B")]
    second: PathBuf,
    /// Condition for failure (repeatable): NAME OPERATOR NUMBER, where the operator is <, <=, >, >=,
    /// == or != and the name one of error.change (points), error.p, blocks.changed, blocks.largest_change, block.N.change,
    /// block.N.p, effective_range.shift (the larger change of its ends), .first, .last, .width, .p,
    /// rho.change, rho.ratio, rho.p
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<Condition>,
    /// Share of the gradient that an effective range holds
    #[arg(long, value_name = "SHARE", default_value_t = SHARE, value_parser = share)]
    share: f64,
    #[command(flatten)]
    format: FormatArguments,
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let (first, second) = (read([&self.first])?, read([&self.second])?);
        let difference =
            Difference::new(&first, &second, self.share).map_err(Problem::bad_input)?;
        let quantities = difference.quantities();
        let mut met = Vec::new();
        for condition in &self.fail_if {
            let (value, holds) = condition.check(&quantities).map_err(Problem::bad_input)?;
            if holds {
                met.push(format!("{condition} (it is {})", significant(value, 4)));
            }
        }
        let mut answer = answer(&difference);
        let mut whole = serde_json::to_value(&difference)?;
        if let Some(object) = whole.as_object_mut() {
            object.insert("quantities".into(), serde_json::json!(quantities));
            object.insert("met".into(), serde_json::json!(met));
        }
        answer.document(whole);
        answer.print(self.format.get(), terminal)?;
        match met.as_slice() {
            [] => Ok(()),
            met => Err(Problem::Failed(format!("--fail-if: {}", met.join("; ")))),
        }
    }
}

fn answer(difference: &Difference) -> Answer {
    let [first, second] = &difference.models;
    let hash = |hash: &str| hash.chars().take(12).collect::<String>();
    let mut answer = Answer::default();
    answer.text(format!(
        "from {} ({}) to {} ({}) on {}; differences are second minus first, p-values Holm-corrected",
        first.title,
        hash(&first.hash),
        second.title,
        hash(&second.hash),
        difference.data[0].description,
    ));
    for note in &difference.notes {
        answer.text(format!("note: {note}"));
    }
    answer.table("network", view::difference::networks(difference));
    answer.table("blocks", view::difference::blocks(difference));
    answer
}
