//! Gaussian noise with the mean and standard deviation of the output per channel.

use rand_distr::{Distribution, StandardNormal};
use tch::{Device, Kind, Tensor};

use super::mean::sum_over_examples;
use super::{Calibration, Observation, Observations, ROWS, bank};
use crate::ExperimentError;
use pathscope_network::StandIn;

pub(super) struct Noise;

impl Calibration for Noise {
    /// The sum over examples `[C, H, W]`, and the sum of squares over examples and positions `[C]`.
    fn observe(&self, seen: &Observation<'_>) -> Result<Vec<Tensor>, ExperimentError> {
        let output = seen.output.f_to_device(Device::Cpu)?;
        let wide = output.f_to_kind(Kind::Double)?;
        let dimensions: Vec<i64> = (0..wide.dim() as i64)
            .filter(|&dimension| dimension != 1)
            .collect();
        let squares = wide.f_square()?;
        let squares = squares.f_sum_dim_intlist(dimensions.as_slice(), false, Kind::Double)?;
        Ok(vec![sum_over_examples(&wide)?, squares])
    }

    fn settle(&self, all: Observations) -> Result<Box<dyn StandIn>, ExperimentError> {
        let (examples, device) = (all.examples, all.device);
        let mut stream = all.seed.stream(&format!("noise {}", all.function), 0);
        let [sum, squares] = all.exactly()?;
        let mean = sum.f_div_scalar(examples)?;
        // Positions count like examples.
        let shape = mean.size();
        let inner: Vec<i64> = (1..shape.len() as i64).collect();
        let positions: i64 = shape.iter().skip(1).product();
        let channel = mean.f_mean_dim(inner.as_slice(), false, Kind::Double)?;
        let variance = squares
            .f_div_scalar(examples * positions)?
            .f_sub(&channel.f_square()?)?;
        let draws: Vec<f32> = StandardNormal
            .sample_iter(&mut stream)
            .take(ROWS * mean.numel())
            .collect();
        let mut size = vec![ROWS as i64];
        size.extend(&shape);
        let mut per_channel = vec![1; size.len()];
        if let (Some(place), Some(&channels)) = (per_channel.get_mut(1), shape.first()) {
            *place = channels;
        }
        let deviation = variance.f_clamp_min(0.0)?.f_sqrt()?;
        let noise = Tensor::f_from_slice(&draws)?
            .f_view(size.as_slice())?
            .f_mul(&deviation.f_view(per_channel.as_slice())?)?
            .f_add(&channel.f_view(per_channel.as_slice())?)?;
        bank(&noise, device)
    }
}
