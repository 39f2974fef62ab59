use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The position of a block in its network, from 0 in the order in which data meets the blocks.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct BlockIndex(usize);

impl BlockIndex {
    /// The block at `position`, counted from 0.
    #[must_use]
    pub fn new(position: usize) -> Self {
        Self(position)
    }

    /// The position, counted from 0.
    #[must_use]
    pub fn position(self) -> usize {
        self.0
    }
}

impl fmt::Display for BlockIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One residual function of a block, written `17.2`: function 2 of block 17, both from 0.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct FunctionIndex {
    /// The block.
    pub block: BlockIndex,
    /// Which of the block's functions, from 0.
    pub function: usize,
}

impl fmt::Display for FunctionIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.block, self.function)
    }
}
