use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Fault, counts, require};
use super::number;

/// How far two blocks are from commuting: ||f_i f_j x - f_j f_i x|| where f is a whole block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Commutator {
    /// Names the measurement within its file.
    pub key: String,
    /// The earlier block.
    pub first: usize,
    /// The later block.
    pub second: usize,
    /// Mean over examples of the norm, at the input of the earlier block.
    #[serde(with = "number")]
    #[schemars(schema_with = "number::schema")]
    pub norm: f64,
    /// The same divided by the norm of f_j f_i x - x, what both blocks change together.
    #[serde(with = "number")]
    #[schemars(schema_with = "number::schema")]
    pub relative: f64,
    /// Examples.
    pub examples: usize,
}

impl Commutator {
    pub(super) fn check(&self) -> Result<(), Fault> {
        counts(0, self.examples, 1)?;
        require(self.first != self.second, || {
            "a block commutes with itself".into()
        })
    }
}
