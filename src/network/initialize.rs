use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, StandardNormal, Uniform};
use tch::{Kind, Tensor};

use super::error::count;
use super::{NetworkError, Parameter, Role};

/// The first value of `parameter`: normal with variance 2 / (kernel area x outputs) for
/// convolutions (He et al., arXiv 1502.01852, the fan-out form of the Multi-ResNet code), uniform
/// in +-1/sqrt(inputs) for linear layers, scale 1 and shift 0 for normalisations.
///
/// # Errors
/// Where libtorch cannot hold the tensor.
pub(super) fn initialize(
    parameter: &Parameter,
    generator: &mut ChaCha8Rng,
) -> Result<Tensor, NetworkError> {
    let shape = parameter.shape.as_slice();
    let options = (Kind::Float, tch::Device::Cpu);
    let constant = |value| Tensor::f_full(shape, value, options);
    let count = count(shape.iter().product::<i64>())?;
    Ok(match (parameter.role, shape) {
        (Role::Weight, &[outputs, _, height, width]) => {
            let deviation = (2.0 / (height * width * outputs) as f64).sqrt();
            let law = Normal::new(0.0, deviation as f32).map_err(|_| empty(parameter))?;
            drawn(law, generator, count, shape)?
        }
        (Role::Weight, &[.., inputs]) => {
            let bound = (1.0 / inputs.max(1) as f32).sqrt();
            let law = Uniform::new_inclusive(-bound, bound).map_err(|_| empty(parameter))?;
            drawn(law, generator, count, shape)?
        }
        (Role::Weight, []) => return Err(empty(parameter)),
        (Role::Constant, _) => {
            return Err(NetworkError::Architecture(format!(
                "`{}` is a constant of an exported graph, for which no random value can stand",
                parameter.name
            )));
        }
        (Role::Scale | Role::RunningVariance, _) => constant(1.0)?,
        (Role::Bias | Role::Shift | Role::RunningMean, _) => constant(0.0)?,
    })
}

/// A tensor `shape` of the `count` numbers that `law` gives next.
fn drawn(
    law: impl Distribution<f32>,
    generator: &mut ChaCha8Rng,
    count: usize,
    shape: &[i64],
) -> Result<Tensor, NetworkError> {
    let values: Vec<f32> = law.sample_iter(generator).take(count).collect();
    Ok(Tensor::f_from_slice(&values)?.f_view(shape)?)
}

/// A random batch `[examples, ...]` of inputs of shape `each`: normal numbers, or whole numbers
/// below `vocabulary` where the input is a list of tokens.
///
/// # Errors
/// Where libtorch cannot hold the tensor.
pub fn random_batch(
    each: &[i64],
    vocabulary: Option<i64>,
    examples: i64,
    seed: u64,
) -> Result<Tensor, NetworkError> {
    let mut shape = vec![examples];
    shape.extend(each);
    let count = count(shape.iter().product::<i64>())?;
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let Some(size) = vocabulary else {
        return drawn(StandardNormal, &mut generator, count, &shape);
    };
    let token = |_| generator.random_range(0..size.max(1));
    let values: Vec<i64> = (0..count).map(token).collect();
    Ok(Tensor::f_from_slice(&values)?.f_view(shape.as_slice())?)
}

fn empty(parameter: &Parameter) -> NetworkError {
    NetworkError::Architecture(format!("`{}` would be empty", parameter.name))
}
