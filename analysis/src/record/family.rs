use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One trained network of a family, for the depth threshold: a line of its own, without header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FamilyMember {
    /// Layers with weights on its longest path.
    pub depth: usize,
    /// Residual functions per block.
    pub k: usize,
    /// Trained values.
    pub parameters: u64,
    /// Wrong held-out examples.
    pub errors: usize,
    /// Held-out examples.
    pub examples: usize,
    /// Seed of its training: networks that differ in it alone are runs of one design.
    #[serde(default)]
    pub seed: u64,
}
