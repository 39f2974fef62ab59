//! The three steps of the convolution, tile by tile.
//!
//! The functions are generic in the registers and become part of the two at the top, which are
//! compiled for their instructions. Both take the same sums in the same order: the same bits.

use std::arch::x86_64::{__m256, __m512};
use std::mem::MaybeUninit;

use super::register::Register;
use super::{FAR, LANES, NEAR, POINTS, SIDE, Size, WINDOW, Winograd};

/// Transformed inputs that are kept at once: with a slice of the kernel and the sums they stay
/// in a core's second cache.
const BLOCK_BYTES: usize = 256 << 10;

/// Which four by four outputs of which image.
#[derive(Clone, Copy)]
struct Tile {
    image: usize,
    row: usize,
    column: usize,
}

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
    const { assert!(WIDE * R::LANES == LANES) };
    let (inputs, outputs) = (kernel.inputs, kernel.outputs);
    let (rows, columns) = (size.height.div_ceil(SIDE), size.width.div_ceil(SIDE));
    let area = size.height * size.width;
    let count = input.len() / (area * inputs) * rows * columns;
    let block = (BLOCK_BYTES / (POINTS * inputs * size_of::<f32>()))
        .next_multiple_of(ROWS)
        .min(count);
    let mut padded = Padded::new(rows, columns, inputs);
    // Points that lie a power of two apart would share the same few places of the first cache.
    let (points, spread) = (block * inputs + LANES, block + 1);
    let mut transformed = vec![0.0; POINTS * points];
    let mut sums = vec![[0.0; LANES]; POINTS * spread];
    let mut tiles = Vec::with_capacity(block);
    for first in (0..count).step_by(block) {
        tiles.clear();
        tiles.extend((first..(first + block).min(count)).map(|number| Tile {
            image: number / (rows * columns),
            row: number / columns % rows * SIDE,
            column: number % columns * SIDE,
        }));
        for (place, tile) in tiles.iter().enumerate() {
            padded.take(tile.image, input, size);
            let (pixels, transformed) = (padded.window(tile), &mut transformed[place * inputs..]);
            // SAFETY: the caller's.
            unsafe { transform_input::<R>(pixels, padded.line, inputs, transformed, points) };
        }
        for group in 0..outputs / LANES {
            for point in 0..POINTS {
                let kernel = &kernel.kernel[(group * POINTS + point) * inputs..][..inputs];
                let transformed = &transformed[point * points..][..tiles.len() * inputs];
                let sums = &mut sums[point * spread..][..tiles.len()];
                // SAFETY: the caller's.
                unsafe { multiply::<R, WIDE, ROWS>(transformed, kernel, sums) };
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

/// One image with a border of zeros, so that all windows of 6 by 6 pixels lie inside.
struct Padded {
    pixels: Vec<f32>,
    /// Numbers of a line of pixels.
    line: usize,
    channels: usize,
    image: Option<usize>,
}

impl Padded {
    fn new(rows: usize, columns: usize, channels: usize) -> Self {
        let line = (SIDE * columns + 2) * channels;
        Self {
            pixels: vec![0.0; (SIDE * rows + 2) * line],
            line,
            channels,
            image: None,
        }
    }

    fn take(&mut self, image: usize, images: &[f32], size: Size) {
        if self.image == Some(image) {
            return;
        }
        self.image = Some(image);
        let length = size.width * self.channels;
        let pixels = &images[image * size.height * length..][..size.height * length];
        let lines = self.pixels.chunks_exact_mut(self.line).skip(1);
        for (line, pixels) in lines.zip(pixels.chunks_exact(length)) {
            line[self.channels..][..length].copy_from_slice(pixels);
        }
    }

    /// The numbers from the window of `tile` on.
    fn window(&self, tile: &Tile) -> &[f32] {
        &self.pixels[tile.row * self.line + tile.column * self.channels..]
    }
}

/// `B^T d B` of all channels of the window with which `pixels` begins; points lie `points` apart.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn transform_input<R: Register>(
    pixels: &[f32],
    line: usize,
    channels: usize,
    transformed: &mut [f32],
    points: usize,
) {
    // The last number that is read, and the last that is written.
    assert!(pixels.len() >= (WINDOW - 1) * line + WINDOW * channels);
    assert!(transformed.len() >= (POINTS - 1) * points + channels);
    assert!(channels.is_multiple_of(R::LANES));
    for first in (0..channels).step_by(R::LANES) {
        // SAFETY: asserted above; the rest is the caller's.
        unsafe {
            let mut down = [[R::all(0.0); WINDOW]; WINDOW];
            for (column, down) in down.iter_mut().enumerate() {
                let mut window = [R::all(0.0); WINDOW];
                for (row, value) in window.iter_mut().enumerate() {
                    *value = R::load(pixels.as_ptr().add(row * line + column * channels + first));
                }
                *down = input_line(window);
            }
            for row in 0..WINDOW {
                let mut window = [R::all(0.0); WINDOW];
                for (value, down) in window.iter_mut().zip(&down) {
                    *value = down[row];
                }
                for (column, value) in input_line(window).into_iter().enumerate() {
                    let number = (row * WINDOW + column) * points + first;
                    value.store(transformed.as_mut_ptr().add(number));
                }
            }
        }
    }
}

/// `A^T m A`, plus `bias`, of one tile, whose sums lie `spread` apart: one register of each of its
/// outputs.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn transform_output<R: Register>(
    sums: &[[f32; LANES]],
    spread: usize,
    bias: &[f32],
    part: usize,
) -> [[R; SIDE]; SIDE] {
    assert!(sums.len() > (POINTS - 1) * spread);
    assert!((part + 1) * R::LANES <= LANES && bias.len() == R::LANES);
    // SAFETY: asserted above; the rest is the caller's.
    unsafe {
        let mut corners = [[R::load(bias.as_ptr()); SIDE]; SIDE];
        let mut down = [[R::all(0.0); SIDE]; WINDOW];
        for (column, down) in down.iter_mut().enumerate() {
            let mut points = [R::all(0.0); WINDOW];
            for (row, value) in points.iter_mut().enumerate() {
                let sum = sums.as_ptr().add((row * WINDOW + column) * spread);
                *value = R::load(sum.cast::<f32>().add(part * R::LANES));
            }
            *down = output_line(points);
        }
        for (row, line) in corners.iter_mut().enumerate() {
            let mut points = [R::all(0.0); WINDOW];
            for (value, down) in points.iter_mut().zip(&down) {
                *value = down[row];
            }
            for (corner, value) in line.iter_mut().zip(output_line(points)) {
                *corner = corner.plus(value);
            }
        }
        corners
    }
}

/// `B^T d`: for each point the polynomial that is zero at all others, applied to `d`.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn input_line<R: Register>(d: [R; WINDOW]) -> [R; WINDOW] {
    const PRODUCT: f32 = NEAR * NEAR * FAR * FAR;
    const SUM: f32 = NEAR * NEAR + FAR * FAR;
    // SAFETY: the caller's.
    unsafe {
        // The halves of `x (x + n)(x^2 - f^2)` in even and odd powers.
        let near_even = add_times(d[4], -FAR * FAR, d[2]);
        let near_odd = add_times(d[3], -FAR * FAR, d[1]);
        let far_even = add_times(d[4], -NEAR * NEAR, d[2]);
        let far_odd = add_times(d[3], -NEAR * NEAR, d[1]);
        [
            add_times(add_times(d[4], -SUM, d[2]), PRODUCT, d[0]),
            add_times(near_even, NEAR, near_odd),
            add_times(near_even, -NEAR, near_odd),
            add_times(far_even, FAR, far_odd),
            add_times(far_even, -FAR, far_odd),
            add_times(add_times(d[5], -SUM, d[3]), PRODUCT, d[1]),
        ]
    }
}

/// `A^T m`: the sums with the powers 0 to 3 of the points; the point at infinity has the last.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn output_line<R: Register>(m: [R; WINDOW]) -> [R; SIDE] {
    // SAFETY: the caller's.
    unsafe {
        let (near_even, near_odd) = (m[1].plus(m[2]), m[1].minus(m[2]));
        let (far_even, far_odd) = (m[3].plus(m[4]), m[3].minus(m[4]));
        let zero = R::all(0.0);
        let first = add_times(zero, NEAR, near_odd);
        let second = add_times(zero, NEAR * NEAR, near_even);
        let third = add_times(m[5], NEAR * NEAR * NEAR, near_odd);
        [
            m[0].plus(near_even).plus(far_even),
            add_times(first, FAR, far_odd),
            add_times(second, FAR * FAR, far_even),
            add_times(third, FAR * FAR * FAR, far_odd),
        ]
    }
}

/// `term + factor * value`, rounded once.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn add_times<R: Register>(term: R, factor: f32, value: R) -> R {
    // SAFETY: the caller's.
    unsafe { value.times_plus(R::all(factor), term) }
}

/// Products of tiles `[T][I]` with the kernel `[I]` of 16 outputs at one point: sums `[T]`.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn multiply<R: Register, const WIDE: usize, const ROWS: usize>(
    tiles: &[f32],
    kernel: &[[f32; LANES]],
    sums: &mut [[f32; LANES]],
) {
    let (full, rest) = sums.as_chunks_mut::<ROWS>();
    let (first, last) = tiles.split_at(full.len() * ROWS * kernel.len());
    for (tiles, sums) in first.chunks_exact(ROWS * kernel.len()).zip(full) {
        // SAFETY: the caller's.
        unsafe { products::<R, WIDE, ROWS>(tiles, kernel, sums) };
    }
    for (tile, sum) in last.chunks_exact(kernel.len()).zip(rest) {
        // SAFETY: the caller's.
        unsafe { products::<R, WIDE, 1>(tile, kernel, std::array::from_mut(sum)) };
    }
}

/// The sums of as many tiles as have their registers at once.
///
/// # Safety
/// The processor has the instructions of `R`.
#[inline(always)]
unsafe fn products<R: Register, const WIDE: usize, const TILES: usize>(
    tiles: &[f32],
    kernel: &[[f32; LANES]],
    sums: &mut [[f32; LANES]; TILES],
) {
    let inputs = kernel.len();
    assert!(tiles.len() == TILES * inputs && WIDE * R::LANES == LANES);
    // SAFETY: asserted above; a row of the kernel and a sum have `WIDE` registers; the rest is
    // the caller's.
    unsafe {
        let mut totals = [[R::all(0.0); WIDE]; TILES];
        for (input, row) in kernel.iter().enumerate() {
            let mut outputs = [R::all(0.0); WIDE];
            for (part, output) in outputs.iter_mut().enumerate() {
                *output = R::load(row.as_ptr().add(part * R::LANES));
            }
            for (tile, totals) in totals.iter_mut().enumerate() {
                let value = R::all(*tiles.as_ptr().add(tile * inputs + input));
                for (total, output) in totals.iter_mut().zip(outputs) {
                    *total = value.times_plus(output, *total);
                }
            }
        }
        for (sum, totals) in sums.iter_mut().zip(totals) {
            for (part, total) in totals.into_iter().enumerate() {
                total.store(sum.as_mut_ptr().add(part * R::LANES));
            }
        }
    }
}
