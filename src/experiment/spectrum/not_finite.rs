//! Where a gradient that is no number comes from.

use tch::Tensor;

use crate::ExperimentError;
use crate::not_finite::{finite, first_place, name};
use pathscope_network::{FrozenNetwork, Linearization, Plan, duplicate};

/// Looks for the first values that are not finite: on the way from the images to the loss, and
/// where all of those are sound, on the way back.
pub(super) fn locate(
    network: &FrozenNetwork,
    plan: &Plan,
    images: &Tensor,
    linearization: &Linearization,
    cotangent: &Tensor,
) -> Result<ExperimentError, ExperimentError> {
    let forward = |place: String| ExperimentError::NotFinite {
        what: "the outputs stop being so",
        place,
        remedy: "look for damaged weights there",
    };
    if let Some(place) = first_place(network, plan, images)? {
        return Ok(forward(place));
    }
    if !finite(linearization.logits())? {
        return Ok(forward("behind the head".into()));
    }
    let backward = |place: String| ExperimentError::NotFinite {
        what: "on the way back from the loss it stops being so",
        place,
        remedy: "compute in float64, or look for huge weights there",
    };
    let mut stack = duplicate(cotangent)?;
    if !finite(&stack)? {
        return Ok(backward("in the head".into()));
    }
    for (step, block) in linearization.blocks().iter().rev() {
        let rows = block.through_post(stack)?;
        let mut sum = block.through_skip(&rows)?;
        for function in 0..block.functions() {
            let moved = block.through_function(function, &rows)?;
            sum = match (sum, moved) {
                (Some(sum), Some(moved)) => Some(sum.f_add(&moved)?),
                (sum, moved) => sum.or(moved),
            };
        }
        let Some(sum) = sum else { break };
        // The maps before may write in place, and an identity skip shares its storage.
        stack = duplicate(&block.through_pre(duplicate(&sum)?)?)?;
        if !finite(&stack)? {
            return Ok(backward(format!("in {}", name(network, step))));
        }
    }
    Ok(backward("in the sums of single lengths".into()))
}
