use std::fmt::Display;

use pathscope_analysis::record::LesionKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resolve::Resolved;
use super::{BlockIndex, BlockShape, FeatureShape, FunctionIndex, NetworkError, ResidualNetwork};

/// What a forward pass computes: which blocks, in which order, with which functions.
///
/// Two plans that begin with equal steps share that part of the computation.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Plan {
    steps: Vec<Step>,
}

/// One block of a plan.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Step {
    /// Which block is computed.
    pub block: BlockIndex,
    /// Whether the skip carries its value; `false` cuts it, the control experiment.
    pub skip: bool,
    /// What each of the block's functions contributes.
    #[serde(rename = "branches")]
    pub functions: Vec<FunctionState>,
}

/// What one residual function contributes to its block's sum.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FunctionState {
    /// Its output.
    On,
    /// Nothing; it is not computed.
    Off,
    /// Its output, through which no gradient flows back.
    Detached,
    /// Something measured beforehand instead of its output.
    Substitute(LesionKind),
}

impl Plan {
    /// The plan that computes `network` as it is.
    #[must_use]
    pub fn intact<L>(network: &ResidualNetwork<L>) -> Self {
        let step = |(position, block): (usize, &super::Block<L>)| Step {
            block: BlockIndex::new(position),
            skip: true,
            functions: vec![FunctionState::On; block.functions.len()],
        };
        Self {
            steps: network.blocks.iter().enumerate().map(step).collect(),
        }
    }

    /// The plan of these steps.
    #[cfg(test)]
    pub(super) fn of(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// The steps in the order in which they run.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Sets every function of `block` to `state`. A block that the plan lacks stays lacking.
    #[must_use]
    pub fn with_block(mut self, block: BlockIndex, state: FunctionState) -> Self {
        for step in self.steps.iter_mut().filter(|step| step.block == block) {
            step.functions.fill(state);
        }
        self
    }

    /// Sets one function to `state`.
    #[must_use]
    pub fn with_function(mut self, function: FunctionIndex, state: FunctionState) -> Self {
        let FunctionIndex { block, function } = function;
        for step in self.steps.iter_mut().filter(|step| step.block == block) {
            if let Some(function) = step.functions.get_mut(function) {
                *function = state;
            }
        }
        self
    }

    /// Cuts the skip of `block`: only its functions reach the next block.
    #[must_use]
    pub fn without_skip(mut self, block: BlockIndex) -> Self {
        for step in self.steps.iter_mut().filter(|step| step.block == block) {
            step.skip = false;
        }
        self
    }

    /// Runs the blocks in another order: step `i` becomes today's step `order[i]`.
    /// Entries beyond the last step are left out.
    #[must_use]
    pub fn reordered(&self, order: &[usize]) -> Self {
        let steps = order.iter().filter_map(|&from| self.steps.get(from));
        Self {
            steps: steps.cloned().collect(),
        }
    }

    /// Blocks of which no function contributes, in the order of the plan.
    pub fn deleted_blocks(&self) -> impl Iterator<Item = BlockIndex> + '_ {
        self.steps
            .iter()
            .filter(|step| step.is_silent())
            .map(|step| step.block)
    }

    /// Checks the plan against a network whose blocks have the given `shapes`.
    ///
    /// # Errors
    /// An unknown block or function, or a block that would be given the wrong shape.
    pub fn check<L>(
        &self,
        network: &ResidualNetwork<L>,
        shapes: &[BlockShape],
    ) -> Result<(), NetworkError> {
        let mismatch =
            |block, expected: FeatureShape, found: &dyn Display| NetworkError::ShapeMismatch {
                block,
                expected: expected.to_string(),
                found: found.to_string(),
            };
        let mut reached = shapes.first().map(|shape| shape.input);
        for step in &self.steps {
            let position = step.block.position();
            let block = network.block(step.block)?;
            let shape = shapes.get(position).ok_or(NetworkError::UnknownBlock {
                block: position,
                blocks: shapes.len(),
            })?;
            if step.functions.len() != block.functions.len() {
                return Err(NetworkError::UnknownFunction {
                    block: position,
                    function: step.functions.len().saturating_sub(1),
                    functions: block.functions.len(),
                });
            }
            if let Some(found) = reached.filter(|&found| found != shape.input) {
                return Err(mismatch(position, shape.input, &found));
            }
            let passed = matches!(block.resolve(step), Resolved::Passed);
            if passed && !shape.is_preserving() {
                let found = "nothing: it has no skip and changes the shape";
                return Err(mismatch(position, shape.input, &found));
            }
            reached = Some(shape.output);
        }
        let expected = shapes.last().map(|shape| shape.output);
        match (reached, expected) {
            (Some(found), Some(expected)) if found != expected => {
                Err(mismatch(network.blocks.len(), expected, &found))
            }
            _ => Ok(()),
        }
    }
}
