use tch::Device;

use super::{Trainer, TrainingError};
use pathscope_network::{Operation, TrainableNetwork};

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
            for function in &block.functions {
                let scaled = function.layers.iter().rposition(|layer| {
                    matches!(
                        layer.layer().operation,
                        Operation::Convolution { .. } | Operation::BatchNorm { .. }
                    )
                });
                let Some(layer) = scaled.and_then(|position| function.layers.get(position)) else {
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
}
