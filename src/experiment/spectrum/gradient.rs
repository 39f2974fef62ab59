//! What is differentiated, and the ordinary gradient to check against.

use pathscope_analysis::record::{GradientPoint, Loss};
use tch::{Kind, Tensor};

use crate::ExperimentError;
use pathscope_data::Dataset;
use pathscope_network::{
    FrozenNetwork, NetworkError, Pass, Plan, cross_entropy_cotangent, duplicate,
};

/// Where the gradient begins to exist: at images, but not at tokens, which are numbers of rows of a
/// table.
#[must_use]
pub fn first_gradient(data: &Dataset) -> GradientPoint {
    match data.holds_tokens() {
        true => GradientPoint::Stem,
        false => GradientPoint::Input,
    }
}

/// Cotangent `[B, classes]`, or `[B, T, classes]`, of the logits for the gradient of `loss`.
pub(super) fn cotangent(
    loss: Loss,
    logits: &Tensor,
    labels: &Tensor,
) -> Result<Tensor, NetworkError> {
    let classes = pathscope_network::length(logits, logits.dim().saturating_sub(1))?;
    let one_hot = |class: &Tensor| -> Result<Tensor, NetworkError> {
        Ok(class.f_one_hot(classes)?.f_to_kind(logits.kind())?)
    };
    match loss {
        // For an example that the network is sure of, the cotangent is the small difference of two
        // numbers close to 1: in float32 it would hold few digits.
        Loss::CrossEntropy => {
            let wide = cross_entropy_cotangent(&logits.f_to_kind(Kind::Double)?, labels)?;
            Ok(wide.f_to_kind(logits.kind())?)
        }
        Loss::LargestLogit => one_hot(&logits.f_argmax(-1, false)?),
        Loss::Logit(class) => one_hot(&labels.f_full_like(class as i64)?),
    }
}

/// The ordinary gradient `[B, C, H, W]` by autograd, at the input or at the stem's output, for this
/// cotangent of the logits.
pub(super) fn ordinary(
    network: &FrozenNetwork,
    plan: &Plan,
    images: &Tensor,
    cotangent: &Tensor,
    at: GradientPoint,
) -> Result<Tensor, ExperimentError> {
    let structure = network.structure();
    let start = match at {
        GradientPoint::Input => images.shallow_clone(),
        GradientPoint::Stem => tch::no_grad(|| structure.stem(images, &Pass::EVALUATION))?,
    };
    let leaf = duplicate(&start)?.f_set_requires_grad(true)?;
    let mut x = match at {
        GradientPoint::Input => structure.stem(&leaf, &Pass::EVALUATION)?,
        GradientPoint::Stem => leaf.shallow_clone(),
    };
    for step in plan.steps() {
        x = structure.step(step, &x, &Pass::EVALUATION)?;
    }
    let logits = structure.head(&x, &Pass::EVALUATION)?;
    let pairing = logits.f_mul(cotangent)?.f_sum(logits.kind())?;
    let gradients = Tensor::f_run_backward(&[&pairing], &[&leaf], false, false)?;
    gradients
        .into_iter()
        .next()
        .ok_or_else(|| NetworkError::Torch("autograd gave no gradient".into()).into())
}

/// L2 norm of every row of `[R, ...]`.
pub(super) fn norms(rows: &Tensor) -> Result<Vec<f64>, NetworkError> {
    let count = pathscope_network::length(rows, 0)?;
    let flat = rows.f_reshape([count, -1])?;
    let wide = flat.f_to_kind(Kind::Double)?;
    let norms = wide.f_norm_scalaropt_dim(2.0, [1].as_slice(), false)?;
    Ok(Vec::try_from(&norms)?)
}
