//! The mean output over the calibration examples.

use tch::{Device, Kind, Tensor};

use super::{Calibration, Observation, Observations, bank};
use crate::ExperimentError;
use pathscope_network::{NetworkError, StandIn};

pub(super) struct Mean;

impl Calibration for Mean {
    fn observe(&self, seen: &Observation<'_>) -> Result<Vec<Tensor>, ExperimentError> {
        let output = seen.output.f_to_device(Device::Cpu)?;
        Ok(vec![sum_over_examples(&output.f_to_kind(Kind::Double)?)?])
    }

    fn settle(&self, all: Observations) -> Result<Box<dyn StandIn>, ExperimentError> {
        let (examples, device) = (all.examples, all.device);
        let [sum] = all.exactly()?;
        bank(&sum.f_div_scalar(examples)?.f_unsqueeze(0)?, device)
    }
}

/// `[C, H, W]` of `[N, C, H, W]`.
pub(super) fn sum_over_examples(wide: &Tensor) -> Result<Tensor, NetworkError> {
    Ok(wide.f_sum_dim_intlist([0].as_slice(), false, Kind::Double)?)
}
