//! What is differentiated, and the ordinary gradient to check against.

use tch::{Kind, Tensor};

use super::measure::Place;
use crate::experiment::ExperimentError;
use crate::network::{FrozenNetwork, NetworkError, Pass, Plan, cross_entropy_cotangent, duplicate};

/// The scalar whose gradient is taken, one for each example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// Cross-entropy of the label; of a sequence, its sum over the positions.
    #[default]
    CrossEntropy,
    /// The logit of one class; of a sequence, its sum over the positions.
    Logit(usize),
    /// The largest logit; of a sequence, the sum of the largest of every position.
    LargestLogit,
}

impl Loss {
    /// Cotangent `[B, classes]`, or `[B, T, classes]`, of the logits.
    pub(super) fn cotangent(
        self,
        logits: &Tensor,
        labels: &Tensor,
    ) -> Result<Tensor, NetworkError> {
        let classes = logits.size().last().copied().unwrap_or(0);
        let one_hot = |class: &Tensor| -> Result<Tensor, NetworkError> {
            Ok(class.f_one_hot(classes)?.f_to_kind(logits.kind())?)
        };
        match self {
            Self::CrossEntropy => cross_entropy_cotangent(logits, labels),
            Self::LargestLogit => one_hot(&logits.f_argmax(-1, false)?),
            Self::Logit(class) => one_hot(&labels.f_full_like(class as i64)?),
        }
    }

    /// The sum over examples of what is differentiated.
    fn total(self, logits: &Tensor, labels: &Tensor) -> Result<Tensor, NetworkError> {
        Ok(match self {
            Self::CrossEntropy => {
                let weight: Option<Tensor> = None;
                // A token task has a row of logits for each position.
                let classes = logits.size().last().copied().unwrap_or(0);
                logits.f_reshape([-1, classes])?.f_cross_entropy_loss(
                    &labels.f_reshape(-1)?,
                    weight,
                    tch::Reduction::Sum,
                    -100,
                    0.0,
                )?
            }
            Self::LargestLogit => logits.f_max_dim(-1, false)?.0.f_sum(Kind::Float)?,
            Self::Logit(class) => logits.f_select(-1, class as i64)?.f_sum(logits.kind())?,
        })
    }
}

/// The ordinary gradient `[B, C, H, W]` by autograd, at the input or at the stem's output.
pub(super) fn ordinary(
    network: &FrozenNetwork,
    plan: &Plan,
    images: &Tensor,
    labels: &Tensor,
    loss: Loss,
    place: Place,
) -> Result<Tensor, ExperimentError> {
    let structure = network.structure();
    let start = match place {
        Place::Input => images.shallow_clone(),
        Place::Stem => tch::no_grad(|| structure.stem(images, &Pass::EVALUATION))?,
    };
    let leaf = duplicate(&start)?.f_set_requires_grad(true)?;
    let mut x = match place {
        Place::Input => structure.stem(&leaf, &Pass::EVALUATION)?,
        Place::Stem => leaf.shallow_clone(),
    };
    for step in plan.steps() {
        x = structure.step(step, &x, &Pass::EVALUATION)?;
    }
    let logits = structure.head(&x, &Pass::EVALUATION)?;
    let total = loss.total(&logits, labels)?;
    let gradients = Tensor::f_run_backward(&[&total], &[&leaf], false, false)?;
    gradients
        .into_iter()
        .next()
        .ok_or_else(|| NetworkError::Torch("autograd gave no gradient".into()).into())
}

/// L2 norm of every row of `[R, ...]`.
pub(super) fn norms(rows: &Tensor) -> Result<Vec<f64>, NetworkError> {
    let count = rows.size().first().copied().unwrap_or(0);
    let flat = rows.f_reshape([count, -1])?;
    let norms = flat
        .f_to_kind(Kind::Double)?
        .f_norm_scalaropt_dim(2.0, [1].as_slice(), false)?;
    Ok(Vec::<f64>::try_from(&norms)?)
}
