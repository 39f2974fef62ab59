//! Questions to a network as lists of measurements: plans over its description, without tensors.

use pathscope_analysis::record::Change;

use super::ExperimentError;
use pathscope_network::{BlockIndex, BlockShape, FeatureShape, Plan, Specification};

/// One measurement to make: a change, and the plan that carries it out.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Names the measurement within its journal.
    pub key: String,
    /// What is done to the network.
    pub change: Change,
    /// Number of the random draw that chose it.
    pub draw: Option<u64>,
    /// How it is computed.
    pub plan: Plan,
}

/// What can be asked of a network: each question is a list of measurements.
#[derive(Debug)]
pub struct Questions<'a> {
    specification: &'a Specification,
    shapes: Vec<BlockShape>,
}

impl<'a> Questions<'a> {
    /// The questions to the network of this description, for inputs of shape `input`.
    ///
    /// # Errors
    /// Layers that do not take what reaches them.
    pub fn new(
        specification: &'a Specification,
        input: FeatureShape,
    ) -> Result<Self, ExperimentError> {
        Ok(Self {
            specification,
            shapes: specification.shapes(input)?,
        })
    }

    /// The description of the network.
    #[must_use]
    pub fn specification(&self) -> &'a Specification {
        self.specification
    }

    /// Shapes at the blocks.
    #[must_use]
    pub fn shapes(&self) -> &[BlockShape] {
        &self.shapes
    }

    /// The plan of the whole network.
    #[must_use]
    pub fn intact(&self) -> Plan {
        Plan::intact(self.specification)
    }

    /// The measurement of the network as it is.
    #[must_use]
    pub fn intact_measurement(&self) -> Measurement {
        Measurement {
            key: "intact".into(),
            change: Change::Intact,
            draw: None,
            plan: self.intact(),
        }
    }

    /// Pairs of depths with activations of equal shape, the earlier first. Depth l is the input of block
    /// l, and the number of blocks is that of the head.
    #[must_use]
    pub fn depths_of_equal_shape(&self) -> Vec<[usize; 2]> {
        let inputs = self.shapes.iter().map(|shape| shape.input);
        let last = self.shapes.last().map(|shape| shape.output);
        let depths: Vec<FeatureShape> = inputs.chain(last).collect();
        let pairs = (0..depths.len()).flat_map(|first| {
            let later = (first + 1..depths.len()).map(move |second| [first, second]);
            later.filter(|&[first, second]| depths[first] == depths[second])
        });
        pairs.collect()
    }

    /// Blocks whose lesion the network can run: all, but for plain layers that change the shape.
    #[must_use]
    pub fn removable(&self) -> Vec<BlockIndex> {
        let blocks = self.specification.blocks.iter().zip(&self.shapes);
        blocks
            .enumerate()
            .filter(|(_, (block, shape))| block.skip.is_some() || shape.is_preserving())
            .map(|(position, _)| BlockIndex::new(position))
            .collect()
    }
}

#[cfg(test)]
#[path = "questions_tests.rs"]
mod tests;
