//! The normalisation of inputs that a model keeps among its own tensors.

use pathscope_data::Normalization;
use tch::{Kind, Tensor};

use super::Fault;

const MEANS: [&str; 5] = ["mean", "pixel_mean", "image_mean", "img_mean", "mu"];
const DEVIATIONS: [&str; 5] = ["std", "pixel_std", "image_std", "img_std", "sigma"];

/// A mean and a standard deviation that stand beside each other among `tensors`, with their
/// names, for images of `channels` channels. Values above those of pixels in 0..1 are for pixels
/// in 0..255.
///
/// # Errors
/// Values that make no normalisation.
pub(super) fn inside<'t>(
    tensors: &[(&'t str, &Tensor)],
    channels: i64,
) -> Result<Option<([&'t str; 2], Normalization)>, Fault> {
    let split = |name: &'t str| name.rsplit_once('.').unwrap_or(("", name));
    let values = |tensor: &Tensor| -> Option<Vec<f32>> {
        let fits = tensor.is_floating_point() && tensor.numel() as i64 == channels;
        let flat = tensor.f_to_kind(Kind::Float).ok()?.f_reshape(-1).ok()?;
        fits.then(|| Vec::try_from(flat).ok())?
    };
    for &(name, mean) in tensors {
        let (place, leaf) = split(name);
        let Some(number) = MEANS.iter().position(|known| *known == leaf) else {
            continue;
        };
        let beside = tensors
            .iter()
            .find(|(other, _)| split(other) == (place, DEVIATIONS[number]));
        let Some(&(other, deviation)) = beside else {
            continue;
        };
        if let (Some(mean), Some(deviation)) = (values(mean), values(deviation)) {
            let largest = mean.iter().chain(&deviation).copied().fold(0.0, f32::max);
            let unit = if largest > 2.0 { 255.0 } else { 1.0 };
            let scaled = |values: Vec<f32>| values.into_iter().map(|value| value / unit).collect();
            let normalization = Normalization::new(scaled(mean), scaled(deviation))?;
            return Ok(Some(([name, other], normalization)));
        }
    }
    Ok(None)
}
