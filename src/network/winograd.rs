//! Convolutions of 3 by 3 pixels with fewer products.
//!
//! Four by four outputs of a 3 by 3 convolution need 36 products a pair of channels instead of 144
//! (Winograd 1980; Lavin and Gray, arXiv 1509.09308, section 4). Seen as polynomials, window and
//! kernel are multiplied through their values at six points: 0, two pairs of numbers that differ
//! in sign, and infinity. The pairs are chosen for small rounding, instead of the usual 1 and 2. What
//! one tile gives does not depend on the tiles beside it: the same bits for any batch and any number
//! of threads.
//!
//! The gradients are of the same kind: that by the input is a convolution with the turned kernel, that
//! by the kernel a product of values at the same points.

#[cfg(target_arch = "x86_64")]
mod convolve;
mod processor;
#[cfg(target_arch = "x86_64")]
mod register;
#[cfg(target_arch = "x86_64")]
mod transform;
mod values;
#[cfg(target_arch = "x86_64")]
mod weights;
#[cfg(target_arch = "x86_64")]
mod window;

use std::sync::Arc;

use pathscope_torch::{parallel, threads};
use tch::Tensor;

use self::processor::Slice;
use super::NetworkError;
use super::images::{Images, is_float32_here};

/// Channels that are summed at once: a register of AVX-512, two of AVX2.
const LANES: usize = 16;
/// Outputs on a side of a tile.
const SIDE: usize = 4;
/// Inputs on a side of its window.
const WINDOW: usize = SIDE + 2;
/// Products of a tile.
const POINTS: usize = WINDOW * WINDOW;
/// The pairs of points, `+-NEAR` and `+-FAR`: their squares and products are exact.
const NEAR: f32 = 0.75;
const FAR: f32 = 1.5;
/// Transformed inputs that are kept at once: with a slice of the kernel and the sums they stay
/// in a core's second cache.
const BLOCK_BYTES: usize = 256 << 10;
/// Pairs of channels beyond which the transformed kernel no longer stays in a core's cache.
const MOST_PAIRS: usize = 128 * 128;
/// The least number of tiles that are summed into one gradient by the kernel before such sums are
/// added, and the largest number of such sums.
const TILES_OF_A_SUM: usize = 512;
const SUMS: usize = 16;

/// The kernel of a convolution of 3 by 3 pixels with stride 1 and padding 1, transformed.
#[derive(Clone, Debug)]
pub(super) struct Winograd {
    /// Input channels of a group.
    inputs: usize,
    /// Output channels of all groups.
    outputs: usize,
    groups: usize,
    /// `[outputs / 16][36 points][inputs]` of 16 outputs each.
    kernel: Arc<[[f32; LANES]]>,
}

/// Height and width of an image in pixels.
#[derive(Clone, Copy)]
struct Size {
    height: usize,
    width: usize,
}

impl Size {
    fn of(images: &Images) -> Self {
        Self {
            height: images.height,
            width: images.width,
        }
    }

    /// How many tiles cover an image.
    fn tiles(self) -> usize {
        self.height.div_ceil(SIDE) * self.width.div_ceil(SIDE)
    }
}

impl Winograd {
    /// Transforms `weight` `[O, I, 3, 3]` of a convolution of `groups` groups; `None` where libtorch's
    /// own convolution is as fast: on a processor without AVX2 and FMA, or where the kernel is too
    /// large for the cache or does not fill the registers.
    ///
    /// # Errors
    /// Where libtorch refuses to hand out the numbers.
    pub fn new(weight: &Tensor, groups: i64) -> Result<Option<Self>, NetworkError> {
        let &[outputs, inputs, 3, 3] = weight.size().as_slice() else {
            return Ok(None);
        };
        if !(is_float32_here(weight) && groups > 0 && processor::is_supported()) {
            return Ok(None);
        }
        let (outputs, inputs, groups) = (outputs as usize, inputs as usize, groups as usize);
        let some = inputs > 0 && outputs > 0;
        let fills = inputs % LANES == 0 && outputs % (LANES * groups) == 0;
        if !(some && fills && outputs * inputs <= MOST_PAIRS) {
            return Ok(None);
        }
        let numbers: Vec<f32> = Vec::try_from(weight.f_contiguous()?.f_view([-1])?)?;
        Ok(Some(Self {
            inputs,
            outputs,
            groups,
            kernel: values::of_kernel(&numbers, inputs).into(),
        }))
    }

    /// Channels of the input.
    fn channels(&self) -> usize {
        self.groups * self.inputs
    }

    /// The convolution `[N, O, H, W]` of `x` `[N, C, H, W]`, both channels-last, plus `bias` `[O]`.
    /// Autograd does not see it.
    ///
    /// # Errors
    /// An input of another type or shape, or where libtorch refuses.
    pub fn convolve(&self, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, NetworkError> {
        let input = self.images(x, self.channels())?;
        let bias: Vec<f32> = match bias {
            Some(bias) => Vec::try_from(bias.detach())?,
            None => vec![0.0; self.outputs],
        };
        if bias.len() != self.outputs {
            return Err(self.misfit(&format!("{} numbers as its bias", bias.len())));
        }
        let size = Size::of(&input);
        let pixels = input.examples.div_ceil(threads()) * size.height * size.width;
        input.with_channels(self.outputs, |output| {
            if output.is_empty() {
                return;
            }
            let parts = input.numbers().chunks(pixels * self.channels());
            let parts = parts
                .zip(output.chunks_mut(pixels * self.outputs))
                .collect();
            parallel(parts, |(input, output)| {
                processor::convolve(self, input, output, size, &bias);
            });
        })
    }

    /// The gradient `[O, I, 3, 3]` by the kernel, where `gradient` `[N, O, H, W]` is that by the
    /// convolution of `x` `[N, C, H, W]`.
    ///
    /// # Errors
    /// As [`convolve`](Self::convolve).
    pub fn weight_gradient(&self, x: &Tensor, gradient: &Tensor) -> Result<Tensor, NetworkError> {
        let (x, gradient) = (
            self.images(x, self.channels())?,
            self.images(gradient, self.outputs)?,
        );
        if gradient.pixels() != x.pixels() {
            return Err(self.misfit("a gradient of another shape"));
        }
        let size = Size::of(&x);
        let rows = POINTS * self.inputs;
        let groups = self.outputs / LANES;
        let mut sums = vec![[0.0; LANES]; groups * rows];
        if x.pixels() > 0 {
            // So many images that the same sums are taken for any number of threads.
            let images = (TILES_OF_A_SUM / size.tiles()).max(x.examples.div_ceil(SUMS));
            let pixels = images * size.height * size.width;
            let parts = (x.numbers().chunks(pixels * self.channels()))
                .zip(gradient.numbers().chunks(pixels * self.outputs));
            let items = parts.flat_map(|part| (0..groups).map(move |group| (part, group)));
            let found = parallel(items.collect(), |((x, gradient), group)| {
                let x = Slice {
                    numbers: x,
                    channels: self.channels(),
                    first: group * LANES / (self.outputs / self.groups) * self.inputs,
                };
                let gradient = Slice {
                    numbers: gradient,
                    channels: self.outputs,
                    first: group * LANES,
                };
                processor::weight_sums(x, self.inputs, gradient, size)
            });
            for (number, found) in found.iter().enumerate() {
                let group = number % groups;
                let sums = &mut sums[group * rows..][..rows];
                for (sum, found) in sums.as_flattened_mut().iter_mut().zip(found.as_flattened()) {
                    *sum += found;
                }
            }
        }
        let numbers = values::kernel_gradient(&sums, self.inputs);
        let shape = [self.outputs as i64, self.inputs as i64, 3, 3];
        Ok(Tensor::f_from_slice(&numbers)?.f_view(shape)?)
    }

    /// `x` `[N, C, H, W]` as numbers, with as many `channels`.
    fn images(&self, x: &Tensor, channels: usize) -> Result<Images, NetworkError> {
        let images = Images::of(x)?;
        let kind = || format!("{:?} on {:?} of rank {}", x.kind(), x.device(), x.dim());
        let images = images.ok_or_else(|| self.misfit(&kind()))?;
        if images.channels != channels {
            let found = images.channels;
            return Err(self.misfit(&format!("{found} channels instead of {channels}")));
        }
        Ok(images)
    }

    fn misfit(&self, what: &str) -> NetworkError {
        let Self {
            inputs, outputs, ..
        } = self;
        NetworkError::Architecture(format!(
            "a convolution of {inputs} to {outputs} channels met {what}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tch::{Kind, Tensor};

    use super::{Slice, Winograd};

    fn numbers(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, tch::Device::Cpu))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Libtorch's convolution in float64 and its gradient by the kernel, for groups, odd sizes,
        /// borders and tiles left over too.
        #[test]
        fn is_the_convolution(
            (examples, height, width) in (1i64..4, 1i64..20, 1i64..20),
            (inputs, outputs, groups) in (1i64..5, 1i64..5, 1i64..4),
            (threads, with_bias, seed) in (1i32..4, any::<bool>(), 0i64..1000),
        ) {
            tch::manual_seed(seed);
            let (inputs, outputs) = (16 * inputs, 16 * outputs * groups);
            let weight = numbers(&[outputs, inputs, 3, 3]);
            let x = numbers(&[examples, inputs * groups, height, width]);
            let bias = with_bias.then(|| numbers(&[outputs]));
            // Nothing to compare on a processor without AVX2.
            let Some(winograd) = Winograd::new(&weight, groups).unwrap() else { return Ok(()) };
            tch::set_num_threads(threads);
            let found = winograd.convolve(&x, bias.as_ref()).unwrap();
            let double = |tensor: &Tensor| tensor.to_kind(Kind::Double);
            let bias = bias.as_ref().map(double);
            let exact = double(&weight).set_requires_grad(true);
            let expected = double(&x).conv2d(&exact, bias, [1, 1], [1, 1], [1, 1], groups);
            let apart = |found: &Tensor, expected: &Tensor| {
                let largest = expected.abs().max().double_value(&[]);
                (double(found) - expected).abs().max().double_value(&[]) / largest
            };
            prop_assert!(apart(&found, &expected) < 5e-6, "{:.1e}", apart(&found, &expected));

            let gradient = numbers(&expected.size());
            (&expected * double(&gradient)).sum(Kind::Double).backward();
            let found = winograd.weight_gradient(&x, &gradient).unwrap();
            let expected = exact.grad();
            prop_assert!(apart(&found, &expected) < 5e-6, "{:.1e}", apart(&found, &expected));
        }
    }

    /// How the work is shared must not decide how a training goes on.
    #[test]
    fn the_gradient_by_the_kernel_has_the_same_bits_for_any_number_of_threads() {
        tch::manual_seed(4);
        let Some(winograd) = Winograd::new(&numbers(&[32, 16, 3, 3]), 2).unwrap() else {
            return;
        };
        let (x, gradient) = (numbers(&[40, 32, 16, 16]), numbers(&[40, 32, 16, 16]));
        let found = [1, 2, 3].map(|threads| {
            tch::set_num_threads(threads);
            winograd.weight_gradient(&x, &gradient).unwrap()
        });
        assert!(found[0].equal(&found[1]) && found[0].equal(&found[2]));
        let few = gradient.narrow(0, 0, 3);
        assert!(winograd.weight_gradient(&x, &few).is_err());
    }

    /// What a processor has must not decide what a record says.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn both_sets_of_instructions_give_the_same_bits() {
        use std::mem::MaybeUninit;

        if !(super::processor::is_supported() && is_x86_feature_detected!("avx512f")) {
            return;
        }
        tch::manual_seed(5);
        let winograd = Winograd::new(&numbers(&[32, 48, 3, 3]), 1)
            .unwrap()
            .unwrap();
        let (height, width, examples) = (9, 13, 5);
        let size = super::Size { height, width };
        let of = |shape: &[i64]| Vec::<f32>::try_from(numbers(shape).view([-1])).unwrap();
        let input = of(&[examples, 9, 13, 48]);
        let bias = of(&[32]);
        let bits = |output: Vec<MaybeUninit<f32>>| -> Vec<u32> {
            // SAFETY: the convolution has written every number.
            let number = |value: MaybeUninit<f32>| unsafe { value.assume_init() }.to_bits();
            output.into_iter().map(number).collect()
        };
        let empty = vec![MaybeUninit::uninit(); examples as usize * height * width * 32];
        let (mut short, mut long) = (empty.clone(), empty);
        // SAFETY: this processor has both.
        unsafe {
            super::convolve::with_avx2(&winograd, &input, &mut short, size, &bias);
            super::convolve::with_avx512(&winograd, &input, &mut long, size, &bias);
        }
        assert_eq!(bits(short), bits(long));

        let gradient = of(&[examples, 9, 13, 32]);
        let slice = |numbers, channels, first| Slice {
            numbers,
            channels,
            first,
        };
        let (x, gradient) = (slice(&input, 48, 16), slice(&gradient, 32, 16));
        // SAFETY: this processor has both.
        let (short, long) = unsafe {
            (
                super::weights::with_avx2(x, 16, gradient, size),
                super::weights::with_avx512(x, 16, gradient, size),
            )
        };
        assert!(short == long && short.as_flattened().iter().any(|&sum| sum != 0.0));
    }

    #[test]
    fn an_example_has_the_same_bits_in_any_batch() {
        tch::manual_seed(3);
        let Some(winograd) = Winograd::new(&numbers(&[32, 16, 3, 3]), 1).unwrap() else {
            return;
        };
        let x = numbers(&[7, 16, 9, 11]);
        let whole = winograd.convolve(&x, None).unwrap();
        for example in 0..7 {
            let alone = winograd.convolve(&x.narrow(0, example, 1), None).unwrap();
            assert!(alone.equal(&whole.narrow(0, example, 1)), "{example}");
        }
    }

    /// A model file decides what meets a convolution; another type would be read beyond its end.
    #[test]
    fn inputs_of_other_types_and_shapes_are_errors() {
        let Some(winograd) = Winograd::new(&numbers(&[32, 16, 3, 3]), 1).unwrap() else {
            return;
        };
        let x = numbers(&[2, 16, 5, 5]);
        assert!(winograd.convolve(&x, None).is_ok());
        for kind in [
            Kind::Bool,
            Kind::Uint8,
            Kind::Half,
            Kind::BFloat16,
            Kind::Double,
        ] {
            let error = winograd.convolve(&x.to_kind(kind), None).unwrap_err();
            assert!(error.to_string().contains(&format!("{kind:?}")), "{error}");
        }
        for shape in [
            &[2, 4, 5, 5][..],
            &[2, 32, 5, 5],
            &[16, 5, 5],
            &[16],
            &[1, 2, 16, 5, 5],
        ] {
            assert!(
                winograd.convolve(&numbers(shape), None).is_err(),
                "{shape:?}"
            );
        }
        for length in [0, 16, 31, 33] {
            let bias = numbers(&[length]);
            assert!(winograd.convolve(&x, Some(&bias)).is_err(), "{length}");
        }
        for empty in [[0, 16, 5, 5], [2, 16, 0, 5], [2, 16, 5, 0]] {
            let found = winograd.convolve(&numbers(&empty), None).unwrap();
            assert_eq!(found.size(), [empty[0], 32, empty[2], empty[3]]);
        }
    }

    #[test]
    fn other_kernels_are_left_to_libtorch() {
        let double = numbers(&[16, 16, 3, 3]).to_kind(Kind::Double);
        assert!(Winograd::new(&double, 1).unwrap().is_none());
        for shape in [
            [16, 16, 5, 5],
            [16, 3, 3, 3],
            [16, 8, 3, 3],
            [24, 16, 3, 3],
            [256, 256, 3, 3],
            [0, 16, 3, 3],
            [16, 0, 3, 3],
        ] {
            assert!(
                Winograd::new(&numbers(&shape), 1).unwrap().is_none(),
                "{shape:?}"
            );
        }
    }
}
