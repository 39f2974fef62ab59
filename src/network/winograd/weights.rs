//! The gradient by the kernel, tile by tile.
//!
//! The convolution multiplies the values of windows with those of the kernel, point by point; so the
//! gradient by the kernel's values is the product of the windows' values with those of the gradient
//! by the outputs, summed over the tiles.

use std::arch::x86_64::{__m256, __m512};

use super::processor::Slice;
use super::register::Register;
use super::transform::{products, transform_gradient, transform_input};
use super::window::{Padded, Tile};
use super::{BLOCK_BYTES, LANES, POINTS, Size};

/// `[36 points][inputs]` of 16 outputs each: the gradient by the values of the kernel from `inputs`
/// channels of `x` to `LANES` channels of `gradient`.
#[target_feature(enable = "avx2,fma")]
pub(super) fn with_avx2(x: Slice, inputs: usize, gradient: Slice, size: Size) -> Vec<[f32; LANES]> {
    // SAFETY: this function is compiled for these instructions.
    unsafe { sums::<__m256, 2, 4>(x, inputs, gradient, size) }
}

/// As [`with_avx2`].
#[target_feature(enable = "avx512f")]
pub(super) fn with_avx512(
    x: Slice,
    inputs: usize,
    gradient: Slice,
    size: Size,
) -> Vec<[f32; LANES]> {
    // SAFETY: this function is compiled for these instructions.
    unsafe { sums::<__m512, 1, 16>(x, inputs, gradient, size) }
}

/// `WIDE` registers hold `LANES` outputs; `INPUTS` channels are summed at once.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn sums<R: Register, const WIDE: usize, const INPUTS: usize>(
    x: Slice,
    inputs: usize,
    gradient: Slice,
    size: Size,
) -> Vec<[f32; LANES]> {
    let count = x.numbers.len() / (size.height * size.width * x.channels) * size.tiles();
    let tile_bytes = POINTS * (inputs + LANES) * size_of::<f32>();
    let block = (BLOCK_BYTES / tile_bytes).clamp(1, count);
    let mut windows = Padded::new(size, inputs, 1);
    let mut tiles = Padded::new(size, LANES, 0);
    // Points that lie a power of two apart would share the same few places of the first cache.
    let (points, spread) = (block * inputs + LANES, block + 1);
    let mut transformed = vec![0.0; POINTS * points];
    let mut rows = vec![[0.0; LANES]; POINTS * spread];
    let mut sums = vec![[0.0; LANES]; POINTS * inputs];
    for first in (0..count).step_by(block) {
        let here = block.min(count - first);
        for place in 0..here {
            let tile = Tile::of(first + place, size);
            let apart = [windows.line, windows.channels];
            let window = windows.window(tile, x, size);
            let transformed = &mut transformed[place * inputs..];
            // SAFETY: the caller's.
            unsafe { transform_input::<R>(window, apart, inputs, transformed, points) };
            let apart = [tiles.line, tiles.channels];
            let tile = tiles.window(tile, gradient, size);
            // SAFETY: the caller's.
            unsafe { transform_gradient::<R>(tile, apart, &mut rows[place..], spread) };
        }
        for (point, sums) in sums.chunks_exact_mut(inputs).enumerate() {
            let rows = &rows[point * spread..][..here];
            for (number, sums) in sums.as_chunks_mut::<INPUTS>().0.iter_mut().enumerate() {
                let values = &transformed[point * points + number * INPUTS..];
                // SAFETY: the caller's.
                unsafe { products::<R, WIDE, INPUTS, true>(values, [1, inputs], rows, sums) };
            }
        }
    }
    sums
}
