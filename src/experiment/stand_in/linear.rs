//! The closed-form ridge regression from the function's input to its output (TOAST, Moschella et
//! al., arXiv 2410.04941, approximates blocks of a transformer so).
//!
//! Features `[N, C, H, W]` give a sample for every example and position, so that the map is a
//! convolution of 1x1 pixels; where the function has a stride, its input is taken at every
//! stride-th pixel. Of `[N, T, C]` every token is a sample, of `[N, C]` every example. With the
//! means over examples taken off at every position, `x` and `y`, the map is
//! `W = (sum x x' + ridge I)^-1 sum x y'`, and the stand-in gives `mean y + W' (x - mean x)`. With
//! `W = 0` that would be the mean output, so on the calibration examples it is never worse.

use tch::{Device, Kind, Tensor};

use super::mean::sum_over_examples;
use super::{Calibration, Observation, Observations};
use crate::ExperimentError;
use pathscope_network::{NetworkError, StandIn, channels_last};

/// The ridge as a share of the mean square of the input's channels.
const RIDGE: f64 = 1e-6;

pub(super) struct Linear;

impl Calibration for Linear {
    /// The sums over examples of input and output, channels last, and over examples and positions
    /// of their products `[C, C]` and `[C, C']`.
    fn observe(&self, seen: &Observation<'_>) -> Result<Vec<Tensor>, ExperimentError> {
        let wide = |features: &Tensor| -> Result<Tensor, NetworkError> {
            let features = features.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
            channels_innermost(&features)
        };
        let step = stride(&seen.input.size(), &seen.output.size()).ok_or_else(|| refused(seen))?;
        let input = wide(&at_every(seen.input, step)?)?;
        let output = wide(seen.output)?;
        Ok(vec![
            sum_over_examples(&input)?,
            sum_over_examples(&output)?,
            products(&input, &input)?,
            products(&input, &output)?,
        ])
    }

    fn settle(&self, all: Observations) -> Result<Box<dyn StandIn>, ExperimentError> {
        let (examples, device) = (all.examples, all.device);
        let [inputs, outputs, squares, both] = all.exactly()?;
        let mean_input = inputs.f_div_scalar(examples)?;
        let mean_output = outputs.f_div_scalar(examples)?;
        // Taking the means off the sums: sum (x - mean)(y - mean)' = sum x y' - N mean mean'.
        let squares = squares.f_sub(&products(&inputs, &mean_input)?)?;
        let both = both.f_sub(&products(&inputs, &mean_output)?)?;
        let channels = squares.f_diagonal(0, 0, 1)?;
        let scale = f64::try_from(channels.f_mean(Kind::Double)?)?;
        let ridge = if scale > 0.0 { RIDGE * scale } else { 1.0 };
        let identity = Tensor::f_eye(channels.size1()?, (Kind::Double, Device::Cpu))?;
        let regular = squares.f_add(&identity.f_mul_scalar(ridge)?)?;
        let map = Tensor::f_linalg_solve(&regular, &both, true)?;
        let offset = mean_output.f_sub(&mean_input.f_matmul(&map)?)?;
        let settled = |tensor: &Tensor| tensor.f_to_kind(Kind::Float)?.f_to_device(device);
        Ok(Box::new(LinearMap {
            map: settled(&map)?,
            offset: settled(&offset)?,
        }))
    }
}

/// `offset + x W` at every position.
#[derive(Debug)]
struct LinearMap {
    /// `[C, C']`.
    map: Tensor,
    /// One for each position, channels last: `[H, W, C']`, `[T, C']` or `[C']`.
    offset: Tensor,
}

impl StandIn for LinearMap {
    fn output(&self, input: &Tensor, _first_example: usize) -> Result<Tensor, NetworkError> {
        let positions = match *self.offset.size() {
            [height, width, channels] => vec![1, channels, height, width],
            ref others => [&[1], others].concat(),
        };
        let step = stride(&input.size(), &positions).ok_or_else(|| {
            NetworkError::Internal(format!(
                "features {:?} at a linear map to {positions:?}",
                input.size()
            ))
        })?;
        let input = channels_innermost(&at_every(input, step)?)?;
        let map = self.map.f_to_kind(input.kind())?;
        let output = input
            .f_matmul(&map)?
            .f_add(&self.offset.f_to_kind(input.kind())?)?;
        match output.dim() {
            4 => channels_last(&output.f_permute([0, 3, 1, 2])?),
            _ => Ok(output),
        }
    }

    fn shallow_clone(&self) -> Box<dyn StandIn> {
        Box::new(Self {
            map: self.map.shallow_clone(),
            offset: self.offset.shallow_clone(),
        })
    }
}

/// `[N, C, H, W]` as `[N, H, W, C]`; tokens and vectors as they are.
fn channels_innermost(features: &Tensor) -> Result<Tensor, NetworkError> {
    match features.dim() {
        4 => Ok(features.f_permute([0, 2, 3, 1])?),
        _ => Ok(features.shallow_clone()),
    }
}

/// `sum x y'` `[C, C']` over everything but the channels, which are innermost.
fn products(x: &Tensor, y: &Tensor) -> Result<Tensor, NetworkError> {
    let rows = |features: &Tensor| -> Result<Tensor, NetworkError> {
        let size = features.size();
        let channels = size
            .last()
            .copied()
            .ok_or_else(|| NetworkError::Internal("features without channels".into()))?;
        Ok(features.f_reshape([-1, channels])?)
    };
    Ok(rows(x)?.f_transpose(0, 1)?.f_matmul(&rows(y)?)?)
}

/// Every `step`-th pixel of `[N, C, H, W]`.
fn at_every(features: &Tensor, step: i64) -> Result<Tensor, NetworkError> {
    match step {
        1 => Ok(features.shallow_clone()),
        _ => Ok(features
            .f_slice(2, None, None, step)?
            .f_slice(3, None, None, step)?),
    }
}

/// The stride with which positions of features `from` become those of features `to`; `None` where
/// they do not correspond.
fn stride(from: &[i64], to: &[i64]) -> Option<i64> {
    match (from, to) {
        (&[_, _, height, width], &[_, _, h, w]) if h > 0 && w > 0 => {
            let reached = |length: i64, step: i64| (length + step - 1) / step;
            let step = reached(height, h).max(1);
            (reached(height, step) == h && reached(width, step) == w).then_some(step)
        }
        (&[_, tokens, _], &[_, found, _]) if tokens == found => Some(1),
        (&[_, _], &[_, _]) => Some(1),
        _ => None,
    }
}

fn refused(seen: &Observation<'_>) -> ExperimentError {
    let (from, to) = (seen.input.size(), seen.output.size());
    ExperimentError::Impossible(format!(
        "no linear map from features {from:?} to {to:?}: their positions do not correspond"
    ))
}

#[cfg(test)]
mod tests {
    use pathscope_analysis::Seed;

    use super::super::{count, mean};
    use super::*;
    use crate::packed::Packed;
    use pathscope_network::{BlockIndex, FunctionIndex};

    /// What a kind of stand-in, measured on these micro-batches, gives for them.
    fn fitted(kind: &dyn Calibration, batches: &[(Tensor, Tensor)]) -> Tensor {
        let (mut examples, mut totals) = (0, Vec::new());
        for (input, output) in batches {
            let seen = Observation {
                first: 0,
                input,
                output,
            };
            examples += count(output).unwrap();
            let tensors = kind.observe(&seen).unwrap().into_iter().map(Packed);
            kind.add(&mut totals, tensors.collect()).unwrap();
        }
        let all = Observations {
            examples,
            tensors: totals.into_iter().map(|Packed(tensor)| tensor).collect(),
            function: FunctionIndex {
                block: BlockIndex::new(0),
                function: 0,
            },
            seed: Seed(0),
            device: Device::Cpu,
        };
        let stand_in = kind.settle(all).unwrap();
        let outputs: Vec<Tensor> = batches
            .iter()
            .map(|(input, _)| stand_in.output(input, 0).unwrap())
            .collect();
        Tensor::cat(&outputs, 0)
    }

    fn squared_error(found: &Tensor, batches: &[(Tensor, Tensor)]) -> f64 {
        let outputs: Vec<&Tensor> = batches.iter().map(|(_, output)| output).collect();
        let difference = found - Tensor::cat(&outputs, 0);
        difference.square().sum(Kind::Double).double_value(&[])
    }

    /// Two micro-batches of a function, for inputs of the given size.
    fn batches(size: &[i64], function: impl Fn(&Tensor) -> Tensor) -> Vec<(Tensor, Tensor)> {
        tch::manual_seed(3);
        let batch = |examples: i64| {
            let size = [&[examples], size].concat();
            let input = Tensor::randn(size.as_slice(), (Kind::Float, Device::Cpu)) + 0.5;
            let output = function(&input);
            (input, output)
        };
        vec![batch(5), batch(3)]
    }

    #[test]
    fn is_never_worse_than_the_mean() {
        let random = |size: &[i64]| {
            tch::manual_seed(4);
            Tensor::randn(size, (Kind::Float, Device::Cpu))
        };
        let no_bias = || None::<Tensor>;
        let kernel = random(&[6, 4, 3, 3]);
        let strided = batches(&[4, 7, 7], |x| {
            x.conv2d(&kernel, no_bias(), 2, 1, 1, 1).relu()
        });
        let same = batches(&[4, 5, 5], |x| (x * x).tanh());
        // Nothing of the output is in the input, and fewer examples than channels.
        let unrelated = batches(&[40, 1, 1], |x| random(&x.size()));
        let constant = batches(&[4, 3, 3], |x| x.zeros_like());
        let tokens = batches(&[6, 4], |x| x.softmax(-1, Kind::Float));
        let vectors = batches(&[4], |x| x.abs());
        for (name, batches) in [
            ("strided", strided),
            ("same", same),
            ("unrelated", unrelated),
            ("constant", constant),
            ("tokens", tokens),
            ("vectors", vectors),
        ] {
            let linear = squared_error(&fitted(&Linear, &batches), &batches);
            let mean = squared_error(&fitted(&mean::Mean, &batches), &batches);
            assert!(
                linear <= mean * (1.0 + 1e-6),
                "{name}: {linear} against {mean}"
            );
        }
    }

    #[test]
    fn finds_a_linear_function() {
        tch::manual_seed(5);
        let kernel = Tensor::randn([6, 4, 1, 1], (Kind::Float, Device::Cpu));
        let bias = Tensor::randn([6], (Kind::Float, Device::Cpu));
        for stride in [1, 2] {
            let batches = batches(&[4, 7, 7], |x| {
                x.conv2d(&kernel, Some(&bias), stride, 0, 1, 1)
            });
            let found = fitted(&Linear, &batches);
            assert!(squared_error(&found, &batches) < 1e-4);
        }
        let tokens = batches(&[5, 4], |x| x.matmul(&kernel.view([6, 4]).tr()));
        assert!(squared_error(&fitted(&Linear, &tokens), &tokens) < 1e-4);
    }

    #[test]
    fn refuses_positions_that_do_not_correspond() {
        let merged = batches(&[8, 4], |x| x.narrow(1, 0, 2));
        let seen = Observation {
            first: 0,
            input: &merged[0].0,
            output: &merged[0].1,
        };
        let refusal = Linear.observe(&seen).unwrap_err().to_string();
        assert!(refusal.contains("do not correspond"), "{refusal}");
    }
}
