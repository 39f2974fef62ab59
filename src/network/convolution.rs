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
    let kernel = Kernel::new(weight.shallow_clone(), geometry);
    let winograd = is_float32_here(x)
        .then(|| kernel.winograd())
        .transpose()?
        .flatten();
    let Some(winograd) = winograd else {
        return kernel.convolve_by_libtorch(x, bias);
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

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    /// Output and all gradients are those of libtorch in float64, where the kernel is transformed and
    /// where it is not.
    #[test]
    fn is_the_convolution_with_its_gradients() {
        tch::manual_seed(2);
        for (inputs, outputs, groups, stride) in [(16, 32, 1, 1), (64, 64, 4, 1), (16, 16, 1, 2)] {
            let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Double, Device::Cpu));
            let shapes: [&[i64]; 3] = [
                &[3, inputs, 9, 10],
                &[outputs, inputs / groups, 3, 3],
                &[outputs],
            ];
            let values = shapes.map(random);
            let geometry = Geometry {
                stride,
                padding: 1,
                groups,
            };
            let gradient = random(&[3, outputs, (9 - 1) / stride + 1, (10 - 1) / stride + 1]);
            let run = |kind: Kind, libtorch: bool| -> Vec<Tensor> {
                let leaf = |value: &Tensor| value.to_kind(kind).detach().set_requires_grad(true);
                let [x, weight, bias] = values.each_ref().map(leaf);
                let y = match libtorch {
                    true => x.conv2d(&weight, Some(&bias), [stride; 2], [1, 1], [1, 1], groups),
                    false => convolve(&x, &weight, Some(&bias), geometry).unwrap(),
                };
                (&y * gradient.to_kind(kind)).sum(kind).backward();
                let all = [y, x.grad(), weight.grad(), bias.grad()];
                all.iter()
                    .map(|one| one.to_kind(Kind::Double).detach())
                    .collect()
            };
            for (found, expected) in run(Kind::Float, false).iter().zip(run(Kind::Double, true)) {
                let largest = expected.abs().max().double_value(&[]);
                let apart = (found - &expected).abs().max().double_value(&[]) / largest;
                assert!(apart < 5e-6, "{inputs} {outputs} {groups}: {apart:.1e}");
            }
        }
    }
}
