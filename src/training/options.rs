use serde::{Deserialize, Serialize};

use super::{OptimizerOptions, Restriction, Schedule};
use pathscope_data::Augmentation;

/// In which numbers activations and their gradients are computed and kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits.
    #[default]
    Float32,
    /// bfloat16 for activations and convolutions; weights, statistics of normalisation, the
    /// linear layer and the loss stay in 32 bits. Meant for CUDA; CPUs without instructions for
    /// bfloat16 are slower with it.
    Bf16,
}

impl Precision {
    /// Whether nothing is shortened.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self == Self::Float32
    }
}

/// Everything that decides how a network is trained, apart from the network and the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingOptions {
    /// Times that every example is seen.
    pub epochs: usize,
    /// Examples per mini-batch.
    pub batch: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// From which first values, order, changes and restrictions are drawn.
    pub seed: u64,
    /// Share of the probability that the other classes are given in the target.
    #[serde(default)]
    pub label_smoothing: f64,
    /// Share of itself that a running average of the network keeps per mini-batch; the average
    /// is what is evaluated and saved. At mini-batch t it is at most (1 + t) / (10 + t), so that
    /// the first values are forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    /// In which numbers it is computed.
    #[serde(default, skip_serializing_if = "Precision::is_full")]
    pub precision: Precision,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// Momentum, weight decay and clipping.
    #[serde(default)]
    pub optimizer: OptimizerOptions,
    /// Random changes of the images.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// Which paths a mini-batch trains.
    #[serde(default)]
    pub restriction: Restriction,
}
