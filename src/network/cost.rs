use std::collections::HashSet;

use super::residual::{count_unseen, trace};
use super::resolve::Resolved;
use super::{FeatureShape, Layer, NetworkError, Operation, Plan, Specification};

/// What a plan needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Trained values that are used.
    pub parameters: u64,
    /// Multiply-adds of a forward pass over one image; convolutions and linear layers count.
    pub multiply_adds: u64,
    /// Values that a training keeps of one image for the gradient: the outputs of all layers but
    /// ReLUs, which are computed in place.
    pub activations: u64,
}

impl Specification {
    /// What `plan` needs for images of shape `input`. Blocks that are passed over, functions that
    /// are not computed and what stands in for them cost nothing.
    ///
    /// # Errors
    /// A layer or block that cannot take what reaches it.
    pub fn cost(&self, plan: &Plan, input: FeatureShape) -> Result<Cost, NetworkError> {
        let mut total = Cost::default();
        // What several layers share counts once.
        let mut seen = HashSet::new();
        let mut add = |layers: &[Layer], input| -> Result<FeatureShape, NetworkError> {
            let (output, multiply_adds) = trace(layers, input)?;
            total.parameters += natural(count_unseen(layers.iter(), &mut seen))?;
            total.activations += natural(kept(layers, input)?)?;
            total.multiply_adds += natural(multiply_adds)?;
            Ok(output)
        };
        let mut x = add(&self.stem, input)?;
        for step in plan.steps() {
            let block = self.block(step.block)?;
            let Resolved::Sum(sum) = block.resolve(step) else {
                continue;
            };
            let skip = sum.carried();
            // Where all terms are given and the skip is cut, nothing reads what `pre` would give.
            if skip.is_some() || sum.gate.is_some() || sum.computed().next().is_some() {
                let u = add(sum.pre, x)?;
                for function in sum.computed() {
                    add(&function.layers, u)?;
                }
                if let Some(gate) = sum.gate {
                    add(gate, u)?;
                }
                if let Some(skip) = skip {
                    add(skip, u)?;
                }
            }
            x = add(sum.post, block.sum_shape(x)?)?;
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

/// A cost, which a description with negative sizes would make negative.
fn natural(cost: i64) -> Result<u64, NetworkError> {
    u64::try_from(cost)
        .map_err(|_| NetworkError::Architecture(format!("its sizes give a cost of {cost}")))
}
