//! How long one image or sequence takes.

use std::time::Instant;

use tch::{Device, Kind};

use super::ExperimentError;
use crate::network::{FeatureShape, FrozenNetwork, Pass, Plan, TrainableNetwork, channels_last};

/// Forward passes of which the fastest counts: what else the machine does only ever adds time.
const RUNS: usize = 30;

/// Seconds that `network` takes for one example of shape `input` on its own, on one thread of the
/// CPU or on the GPU: the least of 30 runs after a first one. It differs from run to run.
///
/// # Errors
/// Where libtorch refuses.
pub(super) fn latency(
    network: &TrainableNetwork,
    input: FeatureShape,
    device: Device,
) -> Result<f64, ExperimentError> {
    let frozen = FrozenNetwork::freeze(&network.to_device(device)?, Kind::Float)?;
    let plan = Plan::intact(frozen.structure());
    let image = network.specification().random_batch(input, 1, 0)?;
    let image = channels_last(&image.f_to_device(device)?)?;
    let threads = tch::get_num_threads();
    tch::set_num_threads(1);
    let mut least = f64::INFINITY;
    let run = || -> Result<f64, ExperimentError> {
        let start = Instant::now();
        let logits = frozen.forward(&image, &plan, &Pass::EVALUATION)?;
        // A GPU has only been told so far; a copy waits for it.
        let _copy = logits.f_to_device(Device::Cpu)?;
        Ok(start.elapsed().as_secs_f64())
    };
    let outcome = run().and_then(|_| {
        for _ in 0..RUNS {
            least = least.min(run()?);
        }
        Ok(least)
    });
    tch::set_num_threads(threads);
    outcome
}
