use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor};

use super::ExperimentError;
use super::error::predictions;

/// What a plan gave on every example, in the order of the data set: one entry for an image, T for a
/// sequence of which every position is predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Class with the largest logit.
    pub predictions: Vec<u32>,
    /// Cross-entropy in nats.
    pub losses: Vec<f32>,
    /// Logit of the right class minus the largest other one: positive where right.
    pub margins: Vec<f32>,
}

impl Outcomes {
    /// Outcomes of so many predictions that are not computed yet.
    pub(super) fn pending(predictions: usize) -> Self {
        Self {
            predictions: vec![u32::MAX; predictions],
            losses: vec![f32::NAN; predictions],
            margins: vec![f32::NAN; predictions],
        }
    }

    /// Measures logits `[N, classes]` against labels `[N]`, or `[N, T, classes]` against `[N, T]`.
    pub(super) fn measure(logits: &Tensor, labels: &Tensor) -> Result<Self, ExperimentError> {
        let size = logits.size();
        let classes = size
            .last()
            .copied()
            .ok_or_else(|| ExperimentError::Internal {
                what: "logits have no dimensions".into(),
            })?;
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
            Ok(Vec::<f32>::try_from(
                &tensor.f_to_kind(Kind::Float)?.f_contiguous()?,
            )?)
        };
        Ok(Self {
            predictions: predictions(&found)?,
            losses: floats(&losses)?,
            margins: floats(&margins)?,
        })
    }

    /// Puts outcomes in their place, from prediction `first` on.
    pub(super) fn place(&mut self, first: usize, part: &Self) {
        let range = first..first + part.predictions.len();
        self.predictions[range.clone()].copy_from_slice(&part.predictions);
        self.losses[range.clone()].copy_from_slice(&part.losses);
        self.margins[range].copy_from_slice(&part.margins);
    }

    /// Adds the outcomes of the examples that come next.
    pub(super) fn extend(&mut self, next: Self) {
        self.predictions.extend(next.predictions);
        self.losses.extend(next.losses);
        self.margins.extend(next.margins);
    }

    /// Whether each example is classified wrongly.
    #[must_use]
    pub fn wrong(&self, labels: &[u32]) -> Vec<bool> {
        self.predictions
            .iter()
            .zip(labels)
            .map(|(found, right)| found != right)
            .collect()
    }

    /// How many examples are classified wrongly.
    #[must_use]
    pub fn errors(&self, labels: &[u32]) -> usize {
        self.predictions
            .iter()
            .zip(labels)
            .filter(|(found, right)| found != right)
            .count()
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

fn mean(values: &[f32]) -> f64 {
    values.iter().copied().map(f64::from).sum::<f64>() / values.len().max(1) as f64
}
