//! Convolutions of 3 by 3 pixels with fewer products.
//!
//! Four by four outputs of a 3 by 3 convolution need 36 products a pair of channels instead of 144
//! (Winograd 1980; Lavin and Gray, arXiv 1509.09308, section 4). Seen as polynomials, window and
//! kernel are multiplied through their values at six points: 0, two pairs of numbers that differ
//! in sign, and infinity. With the pairs chosen here the rounding is 3 times that of the ordinary
//! sum, with the usual 1 and 2 it is 6 times. What one tile gives does not depend on the tiles
//! beside it: the same bits for any batch and any number of threads.

#[cfg(target_arch = "x86_64")]
mod register;
#[cfg(target_arch = "x86_64")]
mod tiles;

use std::mem::MaybeUninit;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::NetworkError;

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
/// Pairs of channels beyond which the transformed kernel no longer stays in a core's cache.
const MOST_PAIRS: i64 = 128 * 128;

/// The kernel of a convolution of 3 by 3 pixels with stride 1 and padding 1, transformed.
#[derive(Clone, Debug)]
pub(super) struct Winograd {
    inputs: usize,
    outputs: usize,
    /// `[outputs / 16][36 points][inputs]` of 16 outputs each.
    kernel: Arc<[[f32; LANES]]>,
}

/// Height and width of an image in pixels.
#[derive(Clone, Copy)]
struct Size {
    height: usize,
    width: usize,
}

impl Winograd {
    /// Transforms `weight` `[O, I, 3, 3]`; `None` where libtorch's own convolution is as fast: on
    /// a processor without AVX2 and FMA, or where the kernel is too large for the cache or does not
    /// fill the registers.
    ///
    /// # Errors
    /// Where libtorch refuses to hand out the numbers.
    pub fn new(weight: &Tensor) -> Result<Option<Self>, NetworkError> {
        let &[outputs, inputs, 3, 3] = weight.size().as_slice() else {
            return Ok(None);
        };
        let some = inputs > 0 && outputs > 0;
        let fills = inputs % LANES as i64 == 0 && outputs % LANES as i64 == 0;
        let fits = outputs * inputs <= MOST_PAIRS;
        if !(some && fills && fits && is_float32_here(weight) && is_supported()) {
            return Ok(None);
        }
        let numbers: Vec<f32> = Vec::try_from(weight.f_contiguous()?.f_view([-1])?)?;
        let (inputs, outputs) = (inputs as usize, outputs as usize);
        let mut kernel = vec![[0.0; LANES]; outputs / LANES * POINTS * inputs];
        for (position, window) in numbers.as_chunks::<9>().0.iter().enumerate() {
            let (output, input) = (position / inputs, position % inputs);
            for (point, value) in transformed_kernel(window).into_iter().enumerate() {
                let row = (output / LANES * POINTS + point) * inputs + input;
                kernel[row][output % LANES] = value;
            }
        }
        Ok(Some(Self {
            inputs,
            outputs,
            kernel: kernel.into(),
        }))
    }

    /// The convolution `[N, O, H, W]` of `x` `[N, I, H, W]`, both channels-last, plus `bias` `[O]`.
    ///
    /// # Errors
    /// An input of another type or shape, or where libtorch refuses.
    pub fn convolve(&self, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, NetworkError> {
        let misfit = |what: String| NetworkError::Architecture {
            reason: format!("a convolution of {} channels met {what}", self.inputs),
        };
        // Whatever a model file says: the slices below are made of nothing else.
        if !is_float32_here(x) {
            return Err(misfit(format!("{:?} on {:?}", x.kind(), x.device())));
        }
        let pixels = x.f_permute([0, 2, 3, 1])?.f_contiguous()?;
        let (examples, height, width, channels) = pixels.size4()?;
        if channels != self.inputs as i64 {
            return Err(misfit(format!("an input of {channels}")));
        }
        let bias: Vec<f32> = match bias {
            Some(bias) => Vec::try_from(bias)?,
            None => vec![0.0; self.outputs],
        };
        if bias.len() != self.outputs {
            return Err(misfit(format!("{} numbers as its bias", bias.len())));
        }
        let shape = [examples, height, width, self.outputs as i64];
        let output = Tensor::f_empty(shape, (Kind::Float, Device::Cpu))?;
        let size = Size {
            height: height as usize,
            width: width as usize,
        };
        let area = size.height * size.width;
        if pixels.numel() == 0 {
            return Ok(output.f_permute([0, 3, 1, 2])?);
        }
        // SAFETY: both tensors are contiguous float32 on the CPU, as `x` was found to be above, and
        // hold that many numbers; they outlive the slices; `output` was made here, so that nothing
        // else reads it, and its numbers are not taken to be there before they are written.
        let (input, output_numbers) = unsafe {
            (
                std::slice::from_raw_parts(pixels.data_ptr().cast::<f32>(), pixels.numel()),
                std::slice::from_raw_parts_mut(
                    output.data_ptr().cast::<MaybeUninit<f32>>(),
                    output.numel(),
                ),
            )
        };
        let threads = usize::try_from(tch::get_num_threads()).map_or(1, |threads| threads.max(1));
        let images = (examples as usize).div_ceil(threads);
        let parts = input
            .chunks(images * area * self.inputs)
            .zip(output_numbers.chunks_mut(images * area * self.outputs));
        let work = |(input, output)| self.images(input, output, size, &bias);
        if threads == 1 {
            parts.for_each(work);
        } else {
            std::thread::scope(|scope| {
                for part in parts {
                    scope.spawn(move || work(part));
                }
            });
        }
        Ok(output.f_permute([0, 3, 1, 2])?)
    }

    /// Images `[N][H][W][I]` to `[N][H][W][O]`.
    #[cfg(target_arch = "x86_64")]
    fn images(&self, input: &[f32], output: &mut [MaybeUninit<f32>], size: Size, bias: &[f32]) {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: it has just been found.
            unsafe { tiles::with_avx512(self, input, output, size, bias) }
        } else {
            // SAFETY: `new` made sure that this processor has AVX2 and FMA.
            unsafe { tiles::with_avx2(self, input, output, size, bias) }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn images(&self, _: &[f32], _: &mut [MaybeUninit<f32>], _: Size, _: &[f32]) {
        unreachable!("`new` makes no such kernel for this processor");
    }
}

/// Whether this is what the kernel takes: float32 on the CPU.
fn is_float32_here(tensor: &Tensor) -> bool {
    tensor.kind() == Kind::Float && tensor.device() == Device::Cpu
}

#[cfg(target_arch = "x86_64")]
fn is_supported() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

#[cfg(not(target_arch = "x86_64"))]
fn is_supported() -> bool {
    false
}

/// `G g G^T` of a window of 3 by 3, in float64 until the end.
fn transformed_kernel(window: &[f32; 9]) -> [f32; POINTS] {
    let at = |row: usize, column: usize| f64::from(window[row * 3 + column]);
    let columns: [[f64; WINDOW]; 3] =
        std::array::from_fn(|column| kernel_line([at(0, column), at(1, column), at(2, column)]));
    let mut points = [0.0; POINTS];
    for row in 0..WINDOW {
        let across = kernel_line([columns[0][row], columns[1][row], columns[2][row]]);
        for (column, value) in across.into_iter().enumerate() {
            points[row * WINDOW + column] = value as f32;
        }
    }
    points
}

/// `G g`: the polynomial `g` at each point, over the product of the distances to all others.
fn kernel_line(g: [f64; 3]) -> [f64; WINDOW] {
    let (near, far) = (f64::from(NEAR), f64::from(FAR));
    let (near_square, far_square) = (near * near, far * far);
    let value = |x: f64, product: f64| (g[0] + x * (g[1] + x * g[2])) / product;
    let near_product = 2.0 * near_square * (near_square - far_square);
    let far_product = 2.0 * far_square * (far_square - near_square);
    [
        g[0] / (near_square * far_square),
        value(near, near_product),
        value(-near, near_product),
        value(far, far_product),
        value(-far, far_product),
        g[2],
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tch::{Kind, Tensor};

    use super::Winograd;

    fn numbers(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, tch::Device::Cpu))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Libtorch's convolution in float64, for odd sizes, borders and tiles left over too.
        #[test]
        fn is_the_convolution(
            (examples, height, width) in (1i64..4, 1i64..20, 1i64..20),
            (inputs, outputs) in (1i64..6, 1i64..5),
            (threads, with_bias, seed) in (1i32..3, any::<bool>(), 0i64..1000),
        ) {
            tch::manual_seed(seed);
            let (inputs, outputs) = (16 * inputs, 16 * outputs);
            let weight = numbers(&[outputs, inputs, 3, 3]);
            let x = numbers(&[examples, inputs, height, width]);
            let bias = with_bias.then(|| numbers(&[outputs]));
            // Nothing to compare on a processor without AVX2.
            let Some(winograd) = Winograd::new(&weight).unwrap() else { return Ok(()) };
            tch::set_num_threads(threads);
            let found = winograd.convolve(&x, bias.as_ref()).unwrap();
            let double = |tensor: &Tensor| tensor.to_kind(Kind::Double);
            let bias = bias.as_ref().map(double);
            let expected = double(&x).conv2d(&double(&weight), bias, [1, 1], [1, 1], [1, 1], 1);
            let apart = (double(&found) - &expected).abs().max().double_value(&[]);
            let largest = expected.abs().max().double_value(&[]);
            prop_assert!(apart < 5e-6 * largest, "{apart:.1e} of {largest:.1e}");
        }
    }

    /// What a processor has must not decide what a record says.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn both_sets_of_instructions_give_the_same_bits() {
        use std::mem::MaybeUninit;

        if !(super::is_supported() && is_x86_feature_detected!("avx512f")) {
            return;
        }
        tch::manual_seed(5);
        let winograd = Winograd::new(&numbers(&[32, 48, 3, 3])).unwrap().unwrap();
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
            super::tiles::with_avx2(&winograd, &input, &mut short, size, &bias);
            super::tiles::with_avx512(&winograd, &input, &mut long, size, &bias);
        }
        assert_eq!(bits(short), bits(long));
    }

    #[test]
    fn an_example_has_the_same_bits_in_any_batch() {
        tch::manual_seed(3);
        let Some(winograd) = Winograd::new(&numbers(&[32, 16, 3, 3])).unwrap() else {
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
        let Some(winograd) = Winograd::new(&numbers(&[32, 16, 3, 3])).unwrap() else {
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
        assert!(Winograd::new(&double).unwrap().is_none());
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
                Winograd::new(&numbers(&shape)).unwrap().is_none(),
                "{shape:?}"
            );
        }
    }
}
