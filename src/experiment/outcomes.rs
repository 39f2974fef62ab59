use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor};

use super::ExperimentError;
use super::error::predictions;

/// What a plan gave on every example, in the order of the data set: one entry for an image, T for a
/// sequence of which every position is predicted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Class with the largest logit.
    pub predictions: Vec<u32>,
    /// Cross-entropy in nats.
    pub losses: Vec<f32>,
    /// Logit of the right class minus the largest other one: positive where right.
    pub margins: Vec<f32>,
}

impl Outcomes {
    /// Measures logits `[N, classes]` against labels `[N]`, or `[N, T, classes]` against `[N, T]`.
    pub(super) fn measure(logits: &Tensor, labels: &Tensor) -> Result<Self, ExperimentError> {
        let size = logits.size();
        let fault = || ExperimentError::Internal("logits have no dimensions".into());
        let classes = size.last().copied().ok_or_else(fault)?;
        let logits = logits.f_reshape([-1, classes])?;
        let labels = &labels.f_reshape(-1)?;
        let weight: Option<Tensor> = None;
        let losses = logits.f_cross_entropy_loss(labels, weight, Reduction::None, -100, 0.0)?;
        let index = labels.f_unsqueeze(1)?;
        let right = logits.f_gather(1, &index, false)?;
        let others = logits.f_scatter_value(1, &index, f64::NEG_INFINITY)?;
        let (best, _) = others.f_max_dim(1, true)?;
        let margins = right.f_sub(&best)?.f_squeeze_dim(1)?;
        let found = logits.f_argmax(1, false)?;
        let floats = |tensor: &Tensor| -> Result<Vec<f32>, ExperimentError> {
            let tensor = tensor.f_to_kind(Kind::Float)?.f_contiguous()?;
            Ok(Vec::try_from(&tensor)?)
        };
        Ok(Self {
            predictions: predictions(&found)?,
            losses: floats(&losses)?,
            margins: floats(&margins)?,
        })
    }

    /// Adds the outcomes of the examples that come next.
    pub(super) fn extend(&mut self, next: &Self) {
        self.predictions.extend(&next.predictions);
        self.losses.extend(&next.losses);
        self.margins.extend(&next.margins);
    }

    /// Whether each example is classified wrongly.
    #[must_use]
    pub fn wrong(&self, labels: &[u32]) -> Vec<bool> {
        wrong(&self.predictions, labels)
    }

    /// Mean cross-entropy in nats.
    #[must_use]
    pub fn mean_loss(&self) -> f64 {
        mean(&self.losses)
    }

    /// Mean margin.
    #[must_use]
    pub fn mean_margin(&self) -> f64 {
        mean(&self.margins)
    }
}

/// Which predictions are not the labels.
pub(super) fn wrong(predictions: &[u32], labels: &[u32]) -> Vec<bool> {
    let pairs = predictions.iter().zip(labels);
    pairs.map(|(found, right)| found != right).collect()
}

/// How many are wrong.
pub(super) fn count(wrong: &[bool]) -> usize {
    wrong.iter().filter(|&&wrong| wrong).count()
}

fn mean(values: &[f32]) -> f64 {
    values.iter().copied().map(f64::from).sum::<f64>() / values.len().max(1) as f64
}
