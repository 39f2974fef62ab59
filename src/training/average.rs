use tch::{Device, Tensor};

use super::{TrainingError, foreach};
use pathscope_network::TrainableNetwork;

/// An exponential moving average of a network: of its trained tensors and its running
/// statistics alike.
#[derive(Debug)]
pub(super) struct Average {
    decay: f64,
    network: TrainableNetwork,
    averaged: Vec<Tensor>,
    /// The tensor that each of them follows.
    followed: Vec<Tensor>,
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
        Self {
            decay,
            averaged: tensors(&averaged),
            followed: tensors(network),
            network: averaged,
        }
    }

    /// The average as a network.
    pub fn network(&self) -> &TrainableNetwork {
        &self.network
    }

    /// The share of itself that the average keeps at mini-batch number `iteration`.
    pub fn kept(&self, iteration: u64) -> f64 {
        let met = iteration as f64;
        self.decay.min((1.0 + met) / (10.0 + met))
    }

    /// Moves the average towards the network: `average * kept + network * new`, both float32
    /// tensors of no dimension.
    pub fn follow(&self, kept: &Tensor, new: &Tensor) -> Result<(), TrainingError> {
        tch::no_grad(|| foreach::follow(&self.averaged, &self.followed, kept, new))
    }
}
