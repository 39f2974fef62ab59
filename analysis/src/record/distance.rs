use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Fault, counts, require};

/// How far the activations at two depths of the intact network are apart: the angle between them as a
/// share of half a turn, as in Gromov et al. (2024, arXiv 2403.17887), for all activations
/// of an example as one vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Distance {
    /// Names the measurement within its file.
    pub key: String,
    /// The block whose input is the earlier activation.
    pub first: usize,
    /// The block whose input is the later one; the number of blocks stands for the input of the head.
    pub second: usize,
    /// Mean over examples of arccos(cosine of the angle) / pi: 0 for the same direction, 1/2 for a
    /// right angle, 1 for opposite directions.
    pub distance: f64,
    /// Standard error of that mean; 0 for a single example.
    pub standard_error: f64,
    /// Examples.
    pub examples: usize,
}

impl Distance {
    pub(super) fn check(&self) -> Result<(), Fault> {
        counts(0, self.examples, 1)?;
        require(self.first < self.second, || {
            format!("depth {} is not before depth {}", self.first, self.second)
        })?;
        require((0.0..=1.0).contains(&self.distance), || {
            format!("distance {} is not between 0 and 1", self.distance)
        })?;
        require(self.standard_error >= 0.0, || {
            format!("standard error {} is negative", self.standard_error)
        })
    }
}
