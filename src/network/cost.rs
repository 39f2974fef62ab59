use super::residual::{count, propagate, trace};
use super::{BranchState, FeatureShape, Layer, NetworkError, Operation, Plan, Specification};

/// What a plan needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Trained values that are used.
    pub parameters: i64,
    /// Multiply-adds of a forward pass over one image; convolutions and linear layers count.
    pub multiply_adds: i64,
    /// Values that a training keeps of one image for the gradient: the outputs of all layers but
    /// ReLUs, which are computed in place.
    pub activations: i64,
}

impl Specification {
    /// What `plan` needs for images of shape `input`. Blocks that do nothing and functions that
    /// are not computed cost nothing.
    ///
    /// # Errors
    /// A layer or block that cannot take what reaches it.
    pub fn cost(&self, plan: &Plan, input: FeatureShape) -> Result<Cost, NetworkError> {
        let mut total = Cost::default();
        let mut add = |layers: &[Layer], input| -> Result<FeatureShape, NetworkError> {
            let (output, multiply_adds) = trace(layers, input)?;
            total.parameters += count(layers.iter());
            total.activations += kept(layers, input)?;
            total.multiply_adds += multiply_adds;
            Ok(output)
        };
        let mut x = add(&self.stem, input)?;
        for step in plan.steps() {
            let block = self.block(step.block)?;
            let output = block.output_shape(x)?;
            let computes =
                |state: &BranchState| matches!(state, BranchState::On | BranchState::Detached);
            let silent = !step.branches.iter().any(computes);
            if silent && block.skip.as_ref().is_none_or(Vec::is_empty) && output == x {
                continue;
            }
            let u = add(&block.pre, x)?;
            for (branch, _) in block
                .branches
                .iter()
                .zip(&step.branches)
                .filter(|(_, state)| computes(state))
            {
                add(&branch.layers, u)?;
            }
            if let (Some(skip), true) = (&block.skip, step.skip) {
                add(skip, u)?;
            }
            add(&block.post, propagate(&[], output)?)?;
            x = output;
        }
        add(&self.head, x)?;
        Ok(total)
    }
}

/// Values of the outputs of `layers` that do not overwrite their input.
fn kept(layers: &[Layer], input: FeatureShape) -> Result<i64, NetworkError> {
    let outputs = layers.iter().try_fold((input, 0), |(shape, kept), layer| {
        let output = layer.output_shape(shape)?;
        let new = match layer.operation {
            Operation::Relu => 0,
            _ => output.elements(),
        };
        Ok::<_, NetworkError>((output, kept + new))
    })?;
    Ok(outputs.1)
}
