//! Where values stop being finite on the way from the images to the logits.

use tch::Tensor;

use super::ExperimentError;
use pathscope_network::{FrozenNetwork, NetworkError, Pass, Plan, Step};

/// The first place where values for `images` are not finite, as "behind block 3 (layer1.0)";
/// `None` where all are up to the last block.
pub(super) fn first_place(
    network: &FrozenNetwork,
    plan: &Plan,
    images: &Tensor,
) -> Result<Option<String>, ExperimentError> {
    let structure = network.structure();
    if !finite(images)? {
        return Ok(Some("with the images".into()));
    }
    let mut x = structure.stem(images, &Pass::EVALUATION)?;
    if !finite(&x)? {
        return Ok(Some("behind the stem".into()));
    }
    for step in plan.steps() {
        x = structure.step(step, &x, &Pass::EVALUATION)?;
        if !finite(&x)? {
            return Ok(Some(format!("behind {}", name(network, step))));
        }
    }
    Ok(None)
}

/// What the block of a step is called.
pub(super) fn name(network: &FrozenNetwork, step: &Step) -> String {
    match network.structure().block(step.block) {
        Ok(block) => format!("block {} ({})", step.block.position(), block.name),
        Err(_) => format!("block {}", step.block.position()),
    }
}

pub(super) fn finite(tensor: &Tensor) -> Result<bool, NetworkError> {
    Ok(tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 1)
}
