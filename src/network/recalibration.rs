use tch::Tensor;

use super::{Mode, NetworkError, Pass, Plan, TrainableNetwork};

/// A network whose batch normalisations are re-measured under a plan: their running statistics
/// become plain averages over mini-batches.
#[derive(Debug)]
pub struct Recalibration {
    network: TrainableNetwork,
    plan: Plan,
    batches: u32,
}

impl Recalibration {
    /// Begins with the running statistics that `network` has.
    #[must_use]
    pub fn new(network: TrainableNetwork, plan: Plan) -> Self {
        Self {
            network,
            plan,
            batches: 0,
        }
    }

    /// Counts the statistics of a mini-batch `[N, C, H, W]` in. A single example has no variance
    /// and is left out.
    ///
    /// # Errors
    /// A batch that does not fit the network.
    pub fn add(&mut self, batch: &Tensor) -> Result<(), NetworkError> {
        if super::error::length(batch, 0)? < 2 {
            return Ok(());
        }
        let mode = Mode::Training {
            momentum: 1.0 / (f64::from(self.batches) + 1.0),
            seed: u64::from(self.batches),
        };
        let pass = Pass {
            mode,
            ..Pass::EVALUATION
        };
        let _logits = tch::no_grad(|| self.network.forward(batch, &self.plan, &pass))?;
        self.batches += 1;
        Ok(())
    }

    /// The network with its new statistics.
    #[must_use]
    pub fn finish(self) -> TrainableNetwork {
        self.network
    }
}
