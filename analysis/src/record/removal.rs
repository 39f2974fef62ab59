use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Fault, counts};
use super::header::{is_one, one};
use crate::{Interval, Level, wilson};

/// One step of a greedy removal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Removal {
    /// Names the measurement within its file.
    pub key: String,
    /// Blocks removed so far, in order.
    pub removed: Vec<usize>,
    /// Wrong predictions after it: on all examples, or on those that judge.
    pub errors: usize,
    /// Predictions, as in [`Outcome`](super::Outcome).
    pub examples: usize,
    /// Predictions that belong to one sequence; 1 where absent.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub positions: usize,
    /// Trained values left.
    pub parameters: u64,
    /// Multiply-adds left.
    pub multiply_adds: u64,
}

impl Removal {
    /// Wilson's interval for the error rate; `None` where positions are predicted, since the errors
    /// alone do not tell how much sequences vary: the outcome of the same measurement does.
    #[must_use]
    pub fn error_interval(&self, level: Level) -> Option<Interval> {
        let interval = wilson(self.errors, self.examples, level).ok();
        interval.filter(|_| self.positions == 1)
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        counts(self.errors, self.examples, self.positions)
    }
}
