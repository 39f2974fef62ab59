use tch::{Device, Tensor};

use super::TrainingError;
use crate::network::TrainableNetwork;

/// An exponential moving average of a network: of its trained tensors and its running
/// statistics alike.
#[derive(Debug)]
pub(super) struct Average {
    decay: f64,
    network: TrainableNetwork,
    /// The averaged tensor and the one it follows.
    pairs: Vec<(Tensor, Tensor)>,
}

impl Average {
    /// An average that begins at `network`.
    pub fn new(
        network: &TrainableNetwork,
        device: Device,
        decay: f64,
    ) -> Result<Self, TrainingError> {
        let copy = network.to_device(device)?;
        Ok(Self::between(copy, network, decay))
    }

    /// An average that was `averaged` when `network` was as it is now.
    pub fn between(averaged: TrainableNetwork, network: &TrainableNetwork, decay: f64) -> Self {
        let tensors = |network: &TrainableNetwork| {
            let named = network.named_parameters().into_iter();
            named.map(|(_, _, tensor)| tensor).collect::<Vec<_>>()
        };
        let pairs = tensors(&averaged)
            .into_iter()
            .zip(tensors(network))
            .collect();
        Self {
            decay,
            network: averaged,
            pairs,
        }
    }

    /// The average as a network.
    pub fn network(&self) -> &TrainableNetwork {
        &self.network
    }

    /// Moves the average towards the network after mini-batch number `iteration`.
    pub fn follow(&mut self, iteration: u64) -> Result<(), TrainingError> {
        let met = iteration as f64;
        let decay = self.decay.min((1.0 + met) / (10.0 + met));
        tch::no_grad(|| {
            for (average, current) in &mut self.pairs {
                let _ = average
                    .f_mul_scalar_(decay)?
                    .f_add_(&current.f_mul_scalar(1.0 - decay)?)?;
            }
            Ok(())
        })
    }
}
