use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::WrongExamples;
use super::check::{Fault, counts, require};
use super::header::{is_one, one};

/// What a set of sub-networks is as an ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ensemble {
    /// Names the measurement within its file.
    pub key: String,
    /// What the members are.
    pub members: String,
    /// How many.
    pub size: usize,
    /// Predictions, as in [`Outcome`](super::Outcome).
    pub examples: usize,
    /// Predictions that belong to one sequence; 1 where absent.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub positions: usize,
    /// Errors of each member.
    pub member_errors: Vec<usize>,
    /// Errors of the vote of the majority; ties go to the lowest class.
    pub vote_errors: usize,
    /// Errors of the mean of the logits.
    pub mean_errors: usize,
    /// Which examples the vote gets wrong.
    pub vote_wrong: WrongExamples,
    /// Which examples the mean of the logits gets wrong.
    pub mean_wrong: WrongExamples,
    /// Mean over pairs of members of the correlation between being wrong; absent where no pair
    /// has one, since a member is never or always wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_correlation: Option<f64>,
    /// Mean over pairs of members of the share of examples on which their classes differ.
    pub disagreement: f64,
}

impl Ensemble {
    pub(super) fn check(&self) -> Result<(), Fault> {
        require(self.size == self.member_errors.len(), || {
            let found = self.member_errors.len();
            format!("{} members with the errors of {found}", self.size)
        })?;
        for &errors in &self.member_errors {
            counts(errors, self.examples, self.positions)?;
        }
        counts(self.vote_errors, self.examples, self.positions)?;
        self.vote_wrong.check(self.vote_errors, self.examples)?;
        self.mean_wrong.check(self.mean_errors, self.examples)
    }
}
