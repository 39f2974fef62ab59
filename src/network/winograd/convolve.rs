//! The convolution, tile by tile.

use std::arch::x86_64::{__m256, __m512};
use std::mem::MaybeUninit;

use super::processor::Slice;
use super::register::Register;
use super::transform::{products, transform_input, transform_output};
use super::window::{Padded, Tile};
use super::{BLOCK_BYTES, LANES, POINTS, Size, Winograd};

/// Images `[N][H][W][I]` to `[N][H][W][O]`, plus `bias` `[O]`.
#[target_feature(enable = "avx2,fma")]
pub(super) fn with_avx2(
    kernel: &Winograd,
    input: &[f32],
    output: &mut [MaybeUninit<f32>],
    size: Size,
    bias: &[f32],
) {
    // Twelve registers of sums, two of the kernel, one of inputs.
    // SAFETY: this function is compiled for these instructions.
    unsafe { convolve::<__m256, 2, 6>(kernel, input, output, size, bias) }
}

/// As [`with_avx2`].
#[target_feature(enable = "avx512f")]
pub(super) fn with_avx512(
    kernel: &Winograd,
    input: &[f32],
    output: &mut [MaybeUninit<f32>],
    size: Size,
    bias: &[f32],
) {
    // SAFETY: this function is compiled for these instructions.
    unsafe { convolve::<__m512, 1, 14>(kernel, input, output, size, bias) }
}

/// `WIDE` registers hold `LANES` outputs; `ROWS` tiles are summed at once.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn convolve<R: Register, const WIDE: usize, const ROWS: usize>(
    kernel: &Winograd,
    input: &[f32],
    output: &mut [MaybeUninit<f32>],
    size: Size,
    bias: &[f32],
) {
    let (channels, inputs, outputs) = (kernel.channels(), kernel.inputs, kernel.outputs);
    let area = size.height * size.width;
    let count = input.len() / (area * channels) * size.tiles();
    let block = (BLOCK_BYTES / (POINTS * channels * size_of::<f32>()))
        .next_multiple_of(ROWS)
        .min(count);
    let images = Slice {
        numbers: input,
        channels,
        first: 0,
    };
    let mut padded = Padded::new(size, channels, 1);
    // Points that lie a power of two apart would share the same few places of the first cache.
    let (points, spread) = (block * channels + LANES, block + 1);
    let mut transformed = vec![0.0; POINTS * points];
    let mut sums = vec![[0.0; LANES]; POINTS * spread];
    let mut tiles = Vec::with_capacity(block);
    for first in (0..count).step_by(block) {
        tiles.clear();
        tiles.extend((first..(first + block).min(count)).map(|number| Tile::of(number, size)));
        for (place, &tile) in tiles.iter().enumerate() {
            let apart = [padded.line, channels];
            let pixels = padded.window(tile, images, size);
            let transformed = &mut transformed[place * channels..];
            // SAFETY: the caller's.
            unsafe { transform_input::<R>(pixels, apart, channels, transformed, points) };
        }
        for group in 0..outputs / LANES {
            let first_input = group * LANES / (outputs / kernel.groups) * inputs;
            for point in 0..POINTS {
                let kernel = &kernel.kernel[(group * POINTS + point) * inputs..][..inputs];
                let values = &transformed[point * points + first_input..];
                let sums = &mut sums[point * spread..][..tiles.len()];
                let apart = [channels, 1];
                let count = sums.len();
                for first in (0..count).step_by(ROWS) {
                    // The last ones together with some before them, for the second time.
                    let first = first.min(count.saturating_sub(ROWS));
                    let values = &values[first * channels..];
                    if let Some(sums) = sums[first..].first_chunk_mut::<ROWS>() {
                        // SAFETY: the caller's.
                        unsafe { products::<R, WIDE, ROWS, false>(values, apart, kernel, sums) };
                        continue;
                    }
                    let values = values.chunks(channels);
                    for (sum, values) in sums.as_chunks_mut::<1>().0.iter_mut().zip(values) {
                        // SAFETY: the caller's.
                        unsafe { products::<R, WIDE, 1, false>(values, apart, kernel, sum) };
                    }
                }
            }
            for part in 0..WIDE {
                let channel = group * LANES + part * R::LANES;
                let bias = &bias[channel..][..R::LANES];
                for (place, tile) in tiles.iter().enumerate() {
                    let image = &mut output[tile.image * area * outputs..][..area * outputs];
                    // SAFETY: the caller's.
                    let corners =
                        unsafe { transform_output::<R>(&sums[place..], spread, bias, part) };
                    for (row, line) in (tile.row..size.height).zip(corners) {
                        for (column, values) in (tile.column..size.width).zip(line) {
                            let pixel = (row * size.width + column) * outputs + channel;
                            let numbers = &mut image[pixel..][..R::LANES];
                            // SAFETY: the slice holds as many numbers.
                            unsafe { values.store(numbers.as_mut_ptr().cast()) };
                        }
                    }
                }
            }
        }
    }
}
