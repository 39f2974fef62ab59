//! A convolution that is trained.

use tch::Tensor;

use pathscope_torch::with_gradient;

use super::NetworkError;
use super::error::length;
use super::images::is_float32_here;
use super::kernel::{Geometry, Kernel};

/// The convolution `[N, O, H', W']` of `x` `[N, C, H, W]` with `weight` `[O, I, K, K]`, plus `bias`
/// `[O]`, with its gradients, computed in the way that is fastest here.
///
/// # Errors
/// An input that does not fit the kernel.
pub(super) fn convolve(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    geometry: Geometry,
) -> Result<Tensor, NetworkError> {
    let Geometry {
        stride,
        padding,
        groups,
    } = geometry;
    let kernel = Kernel::new(weight.detach(), geometry);
    let winograd = is_float32_here(x)
        .then(|| kernel.winograd())
        .transpose()?
        .flatten();
    let Some(winograd) = winograd else {
        let (stride, padding) = ([stride; 2], [padding; 2]);
        return Ok(x.f_conv2d(weight, bias, stride, padding, [1, 1], groups)?);
    };
    let y = winograd.convolve(x, bias)?;
    let inputs: Vec<&Tensor> = [x, weight].into_iter().chain(bias).collect();
    let seen = x.detach();
    let backward = move |gradient: &Tensor, wanted: &[bool]| -> Result<_, NetworkError> {
        let sides = [length(&seen, 2)?, length(&seen, 3)?];
        let input = || kernel.pull_back(gradient, sides);
        let weight = || winograd.weight_gradient(&seen, gradient);
        let bias = || Ok(gradient.f_sum_dim_intlist([0, 2, 3].as_slice(), false, None)?);
        let all: [&dyn Fn() -> Result<Tensor, NetworkError>; 3] = [&input, &weight, &bias];
        (all.iter().zip(wanted))
            .map(|(gradient, wanted)| wanted.then(gradient).transpose())
            .collect()
    };
    Ok(with_gradient(y, &inputs, backward)?)
}
