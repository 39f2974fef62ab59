use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::check::{Fault, counts, paths, require};
use super::header::{is_one, one};
use super::{WrongExamples, number};
use crate::{Interval, Level, McNemar, PairedError, clustered_mcnemar, clustered_wilson};

/// Why an outcome was not measured on all examples although a verdict on all of them rests on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Screened {
    /// The change leaves the output of its block as it is on every example: the outcome is that of the
    /// intact network.
    NoEffect,
    /// Only the first examples were measured: whatever the others give, the verdict is the same.
    Settled,
}

/// A plan evaluated on every example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Names the measurement within its file; a resumed run skips those it has.
    pub key: String,
    /// What was done to the network.
    pub change: Change,
    /// Number of the random draw that chose it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<u64>,
    /// Predictions that are wrong (top-1).
    pub errors: usize,
    /// Predictions measured: one for each example, or for each position of each sequence.
    pub examples: usize,
    /// Predictions that belong to one sequence and so are no independent examples; they lie
    /// together. 1 where absent: every example is one prediction.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub positions: usize,
    /// Mean cross-entropy.
    #[serde(with = "number")]
    #[schemars(schema_with = "number::schema")]
    pub loss: f64,
    /// Mean margin: logit of the right class less the largest other one.
    #[serde(with = "number")]
    #[schemars(schema_with = "number::schema")]
    pub margin: f64,
    /// Wrong examples by class.
    pub errors_by_class: Vec<usize>,
    /// Which examples are wrong: four to a hexadecimal digit, the first one its highest bit.
    pub wrong: WrongExamples,
    /// Paths that remain, prod (1 + functions left), as a decimal number.
    pub paths: String,
    /// Trained values that are still used.
    pub parameters: u64,
    /// Multiply-adds that are still done.
    pub multiply_adds: u64,
    /// Why fewer examples were measured; absent where all were, or an interval was narrow enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screened: Option<Screened>,
}

impl Outcome {
    /// Whether its measurement ended once the verdict was settled, so that tests and intervals of a
    /// fixed number of examples do not apply.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.screened == Some(Screened::Settled)
    }

    /// Whether this is the unchanged network.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.change == Change::Intact
    }

    /// Error rate.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.errors as f64 / self.examples.max(1) as f64
    }

    /// Wilson's interval for the error rate, over sequences where positions are predicted; `None`
    /// without examples, or where the measurement ended once it was settled.
    #[must_use]
    pub fn error_interval(&self, level: Level) -> Option<Interval> {
        let wrong = self.wrong.to_vec(self.examples);
        let interval = clustered_wilson(&wrong, self.positions, level).ok();
        interval.filter(|_| !self.is_settled())
    }

    /// This outcome against `intact` on the examples that both measured: the first ones of
    /// the data, fewer than all where a comparison was stopped early.
    ///
    /// # Errors
    /// Where one of the two measured no examples.
    pub fn against(&self, intact: &Self) -> Result<McNemar, PairedError> {
        let examples = self.examples.min(intact.examples);
        clustered_mcnemar(
            &intact.wrong.to_vec(examples),
            &self.wrong.to_vec(examples),
            self.positions,
        )
    }

    /// Which predictions on every second example are wrong, from example `first` on; those of a
    /// sequence stay together.
    #[must_use]
    pub fn every_second(&self, first: usize) -> Vec<bool> {
        let wrong = self.wrong.to_vec(self.examples);
        let examples = wrong.chunks(self.positions.max(1));
        examples.skip(first).step_by(2).flatten().copied().collect()
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        counts(self.errors, self.examples, self.positions)?;
        paths(&self.paths)?;
        self.wrong.check(self.errors, self.examples)?;
        let by_class = self.errors_by_class.iter().copied();
        require(
            by_class.fold(0, usize::saturating_add) <= self.errors,
            || "`errors_by_class` add up to more than `errors`".into(),
        )
    }
}
