use tch::Device;

use super::{Trainer, TrainingError};
use crate::network::{Mode, Operation, Pass, Plan, TrainableNetwork};
use tch::Tensor;

impl Trainer {
    /// The trained network for use, on the CPU: the average where one is kept. What a restriction
    /// made rarer in training is made smaller by the same factor, in the last convolution of each
    /// function (test-time scaling of Huang et al., arXiv 1603.09382), so that nobody who
    /// evaluates the network needs to know of the restriction.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn finished_network(&self) -> Result<TrainableNetwork, TrainingError> {
        let kept = self.average.as_ref().map(super::average::Average::network);
        let network = kept.unwrap_or(&self.network).to_device(Device::Cpu)?;
        let functions = network.structure().functions();
        let survival = self.options.restriction.survival(&functions);
        for (block, survival) in network.structure().blocks.iter().zip(survival) {
            for branch in &block.branches {
                let scaled = branch.layers.iter().rposition(|layer| {
                    matches!(
                        layer.layer().operation,
                        Operation::Convolution { .. } | Operation::BatchNorm { .. }
                    )
                });
                let Some(layer) = scaled.and_then(|position| branch.layers.get(position)) else {
                    continue;
                };
                // Weight and bias of a convolution, or scale and shift of a normalisation.
                tch::no_grad(|| {
                    layer.parameters().iter().take(2).try_for_each(|parameter| {
                        let mut parameter = parameter.shallow_clone();
                        parameter.f_mul_scalar_(survival).map(|_| ())
                    })
                })?;
            }
        }
        Ok(network)
    }

    /// Renews the running statistics of every normalisation under `plan`, by a plain average over
    /// `batches` `[N, C, H, W]` of the training data without random changes. A network that was
    /// trained under a restriction has statistics of restricted networks; these are those of the
    /// whole one.
    ///
    /// # Errors
    /// Data that do not fit.
    pub fn recalibrate(
        network: &TrainableNetwork,
        plan: &Plan,
        batches: impl Iterator<Item = Result<Tensor, TrainingError>>,
    ) -> Result<(), TrainingError> {
        tch::no_grad(|| {
            for (number, batch) in batches.enumerate() {
                let mode = Mode::Training {
                    momentum: 1.0 / (number as f64 + 1.0),
                };
                let _logits = network.forward(
                    &batch?,
                    plan,
                    &Pass {
                        mode,
                        ..Pass::EVALUATION
                    },
                )?;
            }
            Ok(())
        })
    }
}
