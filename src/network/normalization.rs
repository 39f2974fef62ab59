//! Batch normalisation with what follows it, in few walks through memory.
//!
//! Several scales and shifts of one input are functions of a block; a ReLU behind them needs no walk
//! of its own. The pixels are taken in parts of a size that their shape alone decides, and what the
//! parts give is added in their order: the same bits for any number of threads.

use std::mem::MaybeUninit;

use tch::{Kind, Tensor};

use pathscope_torch::{parallel, with_gradient};

use super::NetworkError;
use super::images::Images;

/// Bytes of a part: they stay in a core's second cache.
const PART_BYTES: usize = 128 << 10;

/// A normalised mini-batch and what it was normalised by.
pub(super) struct Normalized {
    /// `[N, kC, H, W]`, channels last.
    pub output: Tensor,
    /// Mean of each channel `[C]`.
    pub mean: Tensor,
    /// Variance of each channel `[C]`, corrected for the number of values as running statistics are.
    pub variance: Tensor,
}

/// The mini-batch `x` `[N, C, H, W]` normalised, under k scales and shifts `[kC]`, and rectified
/// where `rectifies`; `None` where this is left to libtorch: on other devices and in other precisions.
///
/// # Errors
/// Where libtorch refuses.
pub(super) fn normalize(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    epsilon: f64,
    rectifies: bool,
) -> Result<Option<Normalized>, NetworkError> {
    let Some(input) = Images::of(x)? else {
        return Ok(None);
    };
    if input.numbers().is_empty() {
        return Ok(None);
    }
    let count = input.pixels() as f64;
    let (mean, squares) = moments(&input);
    let deviation = |squares: &f64| (squares / count + epsilon).sqrt().recip();
    let standard = Standard {
        mean: mean.iter().map(|&mean| mean as f32).collect(),
        inverse: squares
            .iter()
            .map(|squares| deviation(squares) as f32)
            .collect(),
    };
    let affine = Affine::of(&standard, scale, shift)?;
    let output = input.with_channels(affine.scale.len(), |output| match rectifies {
        true => apply::<true>(&input, &affine, output),
        false => apply::<false>(&input, &affine, output),
    })?;
    let corrected: Vec<f64> = squares
        .iter()
        .map(|squares| squares / (count - 1.0))
        .collect();
    let backward = move |gradient: &Tensor, _: &[bool]| -> Result<_, NetworkError> {
        let gradient = Images::of(gradient)?.ok_or_else(|| {
            NetworkError::Torch("a gradient came in another precision than its values".into())
        })?;
        let all = match rectifies {
            true => pull_back::<true>(&input, &standard, &affine, &gradient)?,
            false => pull_back::<false>(&input, &standard, &affine, &gradient)?,
        };
        Ok(all.map(Some).into())
    };
    Ok(Some(Normalized {
        output: with_gradient(output, &[x, scale, shift], backward)?,
        mean: float32(&mean)?,
        variance: float32(&corrected)?,
    }))
}

/// What the values of each channel are normalised by: their mean, and the inverse of their deviation.
struct Standard {
    mean: Vec<f32>,
    inverse: Vec<f32>,
}

impl Standard {
    /// The values of a pixel less their mean, over their deviation.
    #[inline(always)]
    fn standardize(&self, row: &[f32], normalized: &mut [f32]) {
        let moments = self.mean.iter().zip(&self.inverse);
        for ((normalized, value), (mean, inverse)) in normalized.iter_mut().zip(row).zip(moments) {
            *normalized = (value - mean) * inverse;
        }
    }
}

/// What a value is multiplied by and what is added to it, `[kC]`.
struct Affine {
    /// The scales as they are trained.
    scale: Vec<f32>,
    factor: Vec<f32>,
    term: Vec<f32>,
}

impl Affine {
    fn of(standard: &Standard, scale: &Tensor, shift: &Tensor) -> Result<Self, NetworkError> {
        let scale = Vec::<f32>::try_from(scale.detach())?;
        let shift = Vec::<f32>::try_from(shift.detach())?;
        let inverse = standard.inverse.iter().cycle();
        let factor: Vec<f32> = scale
            .iter()
            .zip(inverse)
            .map(|(scale, inverse)| scale * inverse)
            .collect();
        let mean = standard.mean.iter().cycle();
        let term = (shift.iter().zip(&factor).zip(mean))
            .map(|((shift, factor), mean)| shift - mean * factor)
            .collect();
        Ok(Self {
            scale,
            factor,
            term,
        })
    }

    /// One function after the other.
    #[inline(always)]
    fn functions(&self, channels: usize) -> impl Iterator<Item = OfFunction<'_>> {
        let factors = self.factor.chunks_exact(channels);
        let parts = factors.zip(self.term.chunks_exact(channels));
        parts.map(|(factor, term)| OfFunction { factor, term })
    }
}

/// The part `[C]` of one function.
struct OfFunction<'a> {
    factor: &'a [f32],
    term: &'a [f32],
}

impl OfFunction<'_> {
    /// What of the gradient of a channel of a pixel reaches the normalised value.
    #[inline(always)]
    fn passed<const RECTIFIES: bool>(&self, row: &[f32], gradient: &[f32], channel: usize) -> f32 {
        let before = row[channel] * self.factor[channel] + self.term[channel];
        passes::<RECTIFIES>(before, gradient[channel])
    }
}

/// Numbers of a part of pixels, where a pixel has `channels`.
fn part(channels: usize) -> usize {
    (PART_BYTES / size_of::<f32>() / channels).max(1) * channels
}

/// Mean of each channel, and the sum of the squared distances from it.
fn moments(input: &Images) -> (Vec<f64>, Vec<f64>) {
    let channels = input.channels;
    let parts = input.numbers().chunks(part(channels)).collect();
    let found = parallel(parts, |numbers: &[f32]| {
        let rows = || numbers.chunks_exact(channels);
        let count = rows().len() as f32;
        let mut mean = vec![0.0_f32; channels];
        for row in rows() {
            for (mean, value) in mean.iter_mut().zip(row) {
                *mean += value;
            }
        }
        mean.iter_mut().for_each(|mean| *mean /= count);
        let mut squares = vec![0.0_f32; channels];
        for row in rows() {
            for ((squares, mean), value) in squares.iter_mut().zip(&mean).zip(row) {
                let distance = value - mean;
                *squares += distance * distance;
            }
        }
        (f64::from(count), mean, squares)
    });
    // Chan, Golub and LeVeque (1983), equation 2.1.
    let (mut count, mut mean, mut squares) = (0.0, vec![0.0; channels], vec![0.0; channels]);
    for (more, more_mean, more_squares) in found {
        let all = count + more;
        let more_values = more_mean.into_iter().zip(more_squares);
        for ((mean, squares), (more_mean, more_squares)) in
            mean.iter_mut().zip(&mut squares).zip(more_values)
        {
            let apart = f64::from(more_mean) - *mean;
            *mean += apart * more / all;
            *squares += f64::from(more_squares) + apart * apart * count * more / all;
        }
        count = all;
    }
    (mean, squares)
}

/// What of a value passes: all of it, or what is above zero. What is no number stays so.
#[inline(always)]
fn passes<const RECTIFIES: bool>(before: f32, value: f32) -> f32 {
    if RECTIFIES && before <= 0.0 {
        0.0
    } else {
        value
    }
}

/// Every pixel `[C]` as `[kC]`.
fn apply<const RECTIFIES: bool>(input: &Images, affine: &Affine, output: &mut [MaybeUninit<f32>]) {
    let (channels, outputs) = (input.channels, affine.factor.len());
    let size = part(outputs) / outputs;
    let parts = input.numbers().chunks(size * channels);
    let parts = parts.zip(output.chunks_mut(size * outputs)).collect();
    parallel(
        parts,
        |(input, output): (&[f32], &mut [MaybeUninit<f32>])| {
            let rows = input
                .chunks_exact(channels)
                .zip(output.chunks_exact_mut(outputs));
            for (row, output) in rows {
                let functions = (output.chunks_exact_mut(channels))
                    .zip(affine.factor.chunks_exact(channels))
                    .zip(affine.term.chunks_exact(channels));
                for ((output, factor), term) in functions {
                    for (((output, value), factor), term) in
                        output.iter_mut().zip(row).zip(factor).zip(term)
                    {
                        let value = value * factor + term;
                        output.write(passes::<RECTIFIES>(value, value));
                    }
                }
            }
        },
    );
}

/// The gradients by input, scales and shifts (Ioffe and Szegedy 2015, section 3).
fn pull_back<const RECTIFIES: bool>(
    input: &Images,
    standard: &Standard,
    affine: &Affine,
    gradient: &Images,
) -> Result<[Tensor; 3], NetworkError> {
    let (sums, products) = gradient_sums::<RECTIFIES>(input, standard, affine, gradient);
    // What the mean and the deviation of the mini-batch take off, per pixel.
    let (channels, outputs) = (input.channels, affine.factor.len());
    let count = input.pixels() as f64;
    let shares = |values: &[f64]| -> Vec<f32> {
        let mut shares = vec![0.0; channels];
        for (place, (value, scale)) in values.iter().zip(&affine.scale).enumerate() {
            shares[place % channels] += value * f64::from(*scale);
        }
        shares
            .into_iter()
            .map(|share| (share / count) as f32)
            .collect()
    };
    let (of_mean, of_deviation) = (shares(&sums), shares(&products));
    let size = part(outputs) / outputs;
    let by_input = input.with_channels(channels, |output| {
        let inputs = input.numbers().chunks(size * channels);
        let gradients = gradient.numbers().chunks(size * outputs);
        let parts = inputs
            .zip(gradients)
            .zip(output.chunks_mut(size * channels))
            .collect();
        parallel(
            parts,
            |((input, gradient), output): (Pair<'_>, &mut [MaybeUninit<f32>])| {
                let mut normalized = vec![0.0_f32; channels];
                let mut total = vec![0.0_f32; channels];
                let rows = input
                    .chunks_exact(channels)
                    .zip(gradient.chunks_exact(outputs));
                for ((row, gradient), output) in rows.zip(output.chunks_exact_mut(channels)) {
                    standard.standardize(row, &mut normalized);
                    total.fill(0.0);
                    for ((function, gradient), scale) in affine
                        .functions(channels)
                        .zip(gradient.chunks_exact(channels))
                        .zip(affine.scale.chunks_exact(channels))
                    {
                        for channel in 0..channels {
                            let passed = function.passed::<RECTIFIES>(row, gradient, channel);
                            total[channel] += passed * scale[channel];
                        }
                    }
                    for (channel, output) in output.iter_mut().enumerate() {
                        let taken = of_mean[channel] + normalized[channel] * of_deviation[channel];
                        output.write((total[channel] - taken) * standard.inverse[channel]);
                    }
                }
            },
        );
    })?;
    Ok([by_input, float32(&products)?, float32(&sums)?])
}

/// Pixels `[C]` of the input and `[kC]` of the gradient by what was made of them.
type Pair<'a> = (&'a [f32], &'a [f32]);

/// Sums over the pixels of the gradient `[kC]`, and of its products with the normalised values.
fn gradient_sums<const RECTIFIES: bool>(
    input: &Images,
    standard: &Standard,
    affine: &Affine,
    gradient: &Images,
) -> (Vec<f64>, Vec<f64>) {
    let (channels, outputs) = (input.channels, affine.factor.len());
    let size = part(outputs) / outputs;
    let inputs = input.numbers().chunks(size * channels);
    let parts = inputs
        .zip(gradient.numbers().chunks(size * outputs))
        .collect();
    let found = parallel(parts, |(input, gradient): Pair<'_>| {
        let (mut sums, mut products) = (vec![0.0_f32; outputs], vec![0.0_f32; outputs]);
        let mut normalized = vec![0.0_f32; channels];
        for (row, gradient) in input
            .chunks_exact(channels)
            .zip(gradient.chunks_exact(outputs))
        {
            standard.standardize(row, &mut normalized);
            let places = sums
                .chunks_exact_mut(channels)
                .zip(products.chunks_exact_mut(channels));
            for ((function, gradient), (sums, products)) in affine
                .functions(channels)
                .zip(gradient.chunks_exact(channels))
                .zip(places)
            {
                for channel in 0..channels {
                    let passed = function.passed::<RECTIFIES>(row, gradient, channel);
                    sums[channel] += passed;
                    products[channel] += passed * normalized[channel];
                }
            }
        }
        (sums, products)
    });
    let (mut sums, mut products) = (vec![0.0_f64; outputs], vec![0.0_f64; outputs]);
    let add = |totals: &mut [f64], more: Vec<f32>| {
        totals
            .iter_mut()
            .zip(more)
            .for_each(|(total, more)| *total += f64::from(more));
    };
    for (more_sums, more_products) in found {
        add(&mut sums, more_sums);
        add(&mut products, more_products);
    }
    (sums, products)
}

fn float32(values: &[f64]) -> Result<Tensor, NetworkError> {
    Ok(Tensor::f_from_slice(values)?.f_to_kind(Kind::Float)?)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Tensor};

    use super::*;

    /// Output, statistics and all gradients are those of libtorch in float64, for k scales and shifts
    /// of one input, rectified or not, and with more pixels than a part holds.
    #[test]
    fn is_the_normalisation_with_its_gradients() {
        tch::manual_seed(7);
        for (k, channels, size, rectifies) in [
            (1, 24, 40, true),
            (3, 16, 24, true),
            (2, 5, 7, false),
            (4, 8, 1, false),
        ] {
            let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Double, Device::Cpu));
            let x = random(&[6, channels, size, size]) * 2.0 + 3.0;
            let (scale, shift) = (random(&[k * channels]), random(&[k * channels]));
            let gradient = random(&[6, k * channels, size, size]);
            let leaf = |value: &Tensor, kind| value.to_kind(kind).detach().set_requires_grad(true);
            let results = |y: Tensor, kind, leaves: [&Tensor; 3]| -> Vec<Tensor> {
                (&y * gradient.to_kind(kind)).sum(kind).backward();
                let gradients = leaves.into_iter().map(Tensor::grad);
                std::iter::once(y.detach()).chain(gradients).collect()
            };

            let [a, b, c] = [&x, &scale, &shift].map(|value| leaf(value, Kind::Float));
            let found = normalize(&a, &b, &c, 1e-5, rectifies).unwrap().unwrap();
            let (mean, variance) = (found.mean, found.variance);
            let mut found = results(found.output, Kind::Float, [&a, &b, &c]);
            found.extend([mean, variance]);

            let [a, b, c] = [&x, &scale, &shift].map(|value| leaf(value, Kind::Double));
            let none: Option<&Tensor> = None;
            let z = a.batch_norm(none, none, none, none, true, 0.0, 1e-5, false);
            let z = z.repeat([1, k, 1, 1]) * b.view([1, -1, 1, 1]) + c.view([1, -1, 1, 1]);
            let y = if rectifies { z.relu() } else { z };
            let mut expected = results(y, Kind::Double, [&a, &b, &c]);
            let (variance, mean) = x.var_mean_correction([0, 2, 3].as_slice(), 1, false);
            expected.extend([mean, variance]);
            for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let largest = expected.abs().max().double_value(&[]);
                let apart = (found - expected).abs().max().double_value(&[]) / largest;
                assert!(
                    apart < 1e-5,
                    "{number} of k = {k}, {channels} channels: {apart:.1e}"
                );
            }
        }
    }

    /// A training that leaves the numbers must be seen to: rectifying keeps what is no number.
    #[test]
    fn what_is_no_number_stays_so() {
        let x = Tensor::from_slice(&[1.0_f32, 2.0, f32::NAN, 4.0]).view([4, 1, 1, 1]);
        let one = Tensor::from_slice(&[1.0_f32]);
        let found = normalize(&x, &one, &one, 1e-5, true).unwrap().unwrap();
        let lost = found.output.isnan().sum(Kind::Int64).int64_value(&[]);
        assert_eq!(lost, 4);
    }
}
