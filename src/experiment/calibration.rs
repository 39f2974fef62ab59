//! Statistics of a network, measured on images without their labels.

use super::{ExperimentError, Laboratory};
use pathscope_network::{Plan, Recalibration, TrainableNetwork};
use pathscope_team::Team;

/// Examples per mini-batch when normalisations are re-measured: as in training.
const RECALIBRATION_BATCH: usize = 128;

impl Laboratory<'_> {
    /// A copy of `network` whose normalisations were re-measured under `plan`, as plain
    /// averages over mini-batches of the calibration examples.
    ///
    /// # Errors
    /// Calibration examples that do not fit the network.
    pub fn recalibrated(
        &self,
        network: &TrainableNetwork,
        plan: &Plan,
    ) -> Result<TrainableNetwork, ExperimentError> {
        let mut batches = self.calibration();
        batches.options.threads = 1;
        batches.options.team = Team::ALONE;
        let network = network.to_device(batches.options.device)?;
        let mut recalibration = Recalibration::new(network, plan.clone());
        // One thread of one process: the statistics move from batch to batch.
        let states = vec![&mut recalibration];
        batches.map(RECALIBRATION_BATCH, states, |recalibration, batch| {
            Ok(recalibration.add(&batch.images)?)
        })?;
        Ok(recalibration.finish())
    }
}
