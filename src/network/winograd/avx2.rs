//! The three steps of the convolution for processors with AVX2 and FMA.

use std::arch::x86_64::{
    __m256, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_storeu_ps, _mm256_sub_ps,
};
use std::mem::MaybeUninit;

use super::{LANES, POINTS, Size, Winograd};

/// Numbers of a register.
const REGISTER: usize = 8;
/// Tiles that are summed at once: twelve registers of sums, two of kernels, one of inputs.
const ROWS: usize = 6;
/// Transformed inputs that are kept at once: with a slice of the kernel and the sums they stay
/// in a core's second cache.
const BLOCK_BYTES: usize = 48 << 10;

/// Which two by two outputs of which image.
#[derive(Clone, Copy)]
struct Tile {
    image: usize,
    row: usize,
    column: usize,
}

/// Images `[N][H][W][I]` to `[N][H][W][O]`, plus `bias` `[O]`.
#[target_feature(enable = "avx2,fma")]
pub(super) fn convolve(
    kernel: &Winograd,
    input: &[f32],
    output: &mut [MaybeUninit<f32>],
    size: Size,
    bias: &[f32],
) {
    let (inputs, outputs) = (kernel.inputs, kernel.outputs);
    let (rows, columns) = (size.height.div_ceil(2), size.width.div_ceil(2));
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
            row: number / columns % rows * 2,
            column: number % columns * 2,
        }));
        for (place, tile) in tiles.iter().enumerate() {
            padded.take(tile.image, input, size);
            let pixels = padded.window(tile);
            transform_input(
                pixels,
                padded.line,
                inputs,
                &mut transformed[place * inputs..],
                points,
            );
        }
        for group in 0..outputs / LANES {
            for point in 0..POINTS {
                let kernel = &kernel.kernel[(group * POINTS + point) * inputs..][..inputs];
                let tiles_here = &transformed[point * points..][..tiles.len() * inputs];
                multiply(
                    tiles_here,
                    kernel,
                    &mut sums[point * spread..][..tiles.len()],
                );
            }
            for half in 0..LANES / REGISTER {
                let channel = group * LANES + half * REGISTER;
                let bias = &bias.as_chunks().0[channel / REGISTER];
                for (place, tile) in tiles.iter().enumerate() {
                    let image = &mut output[tile.image * area * outputs..][..area * outputs];
                    let corners = transform_output(&sums[place..], spread, bias, half);
                    for (corner, values) in corners.into_iter().enumerate() {
                        let (row, column) = (tile.row + corner / 2, tile.column + corner % 2);
                        if row < size.height && column < size.width {
                            let pixel = (row * size.width + column) * outputs;
                            store(&mut image[pixel + channel..], values);
                        }
                    }
                }
            }
        }
    }
}

/// One image with a border of zeros, so that all windows of 4 by 4 pixels lie inside.
struct Padded {
    pixels: Vec<f32>,
    /// Numbers of a line of pixels.
    line: usize,
    channels: usize,
    image: Option<usize>,
}

impl Padded {
    fn new(rows: usize, columns: usize, channels: usize) -> Self {
        let line = (2 * columns + 2) * channels;
        Self {
            pixels: vec![0.0; (2 * rows + 2) * line],
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
#[inline]
#[target_feature(enable = "avx2,fma")]
fn transform_input(
    pixels: &[f32],
    line: usize,
    channels: usize,
    transformed: &mut [f32],
    points: usize,
) {
    // The last number that is read, and the last that is written.
    assert!(pixels.len() >= 3 * line + 4 * channels && channels.is_multiple_of(REGISTER));
    assert!(transformed.len() >= (POINTS - 1) * points + channels);
    for first in (0..channels).step_by(REGISTER) {
        // SAFETY: asserted above; `row` and `column` are below four.
        let at = |row: usize, column: usize| unsafe {
            load(pixels.as_ptr().add(row * line + column * channels + first))
        };
        let mut across = |row: usize, a: __m256, b: __m256, c: __m256, d: __m256| {
            let line = [
                _mm256_sub_ps(a, c),
                _mm256_add_ps(b, c),
                _mm256_sub_ps(c, b),
                _mm256_sub_ps(b, d),
            ];
            for (column, value) in line.into_iter().enumerate() {
                let number = (row * 4 + column) * points + first;
                // SAFETY: asserted above.
                unsafe { _mm256_storeu_ps(transformed.as_mut_ptr().add(number), value) };
            }
        };
        // One row at a time needs few registers; what is read twice lies in the first cache.
        macro_rules! row {
            ($row:expr, $of:ident, $above:expr, $below:expr) => {
                across(
                    $row,
                    $of(at($above, 0), at($below, 0)),
                    $of(at($above, 1), at($below, 1)),
                    $of(at($above, 2), at($below, 2)),
                    $of(at($above, 3), at($below, 3)),
                )
            };
        }
        row!(0, _mm256_sub_ps, 0, 2);
        row!(1, _mm256_add_ps, 1, 2);
        row!(2, _mm256_sub_ps, 2, 1);
        row!(3, _mm256_sub_ps, 1, 3);
    }
}

/// `A^T m A`, plus `bias`, of one tile, whose sums lie `spread` apart: half of the numbers of its
/// four outputs.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn transform_output(
    sums: &[[f32; LANES]],
    spread: usize,
    bias: &[f32; REGISTER],
    half: usize,
) -> [__m256; 4] {
    assert!(sums.len() > (POINTS - 1) * spread && half < LANES / REGISTER);
    let at = |row: usize, column: usize| {
        let sums = sums.as_ptr().cast::<f32>();
        let first = (row * 4 + column) * spread * LANES + half * REGISTER;
        // SAFETY: asserted above.
        unsafe { load(sums.add(first)) }
    };
    let down = |column: usize| {
        let (a, b, c, d) = (at(0, column), at(1, column), at(2, column), at(3, column));
        [
            _mm256_add_ps(_mm256_add_ps(a, b), c),
            _mm256_sub_ps(_mm256_sub_ps(b, c), d),
        ]
    };
    let (a, b, c, d) = (down(0), down(1), down(2), down(3));
    // SAFETY: it is an array of eight.
    let bias = unsafe { load(bias.as_ptr()) };
    let left = |row: usize| _mm256_add_ps(_mm256_add_ps(a[row], b[row]), c[row]);
    let right = |row: usize| _mm256_sub_ps(_mm256_sub_ps(b[row], c[row]), d[row]);
    [left(0), right(0), left(1), right(1)].map(|corner| _mm256_add_ps(corner, bias))
}

/// Products of tiles `[T][I]` with the kernel `[I]` of 16 outputs at one point: sums `[T]`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn multiply(tiles: &[f32], kernel: &[[f32; LANES]], sums: &mut [[f32; LANES]]) {
    let (full, rest) = sums.as_chunks_mut::<ROWS>();
    let (first, last) = tiles.split_at(full.len() * ROWS * kernel.len());
    for (tiles, sums) in first.chunks_exact(ROWS * kernel.len()).zip(full) {
        products(tiles, kernel, sums);
    }
    for (tile, sum) in last.chunks_exact(kernel.len()).zip(rest) {
        products(tile, kernel, std::array::from_mut(sum));
    }
}

/// The sums of as many tiles as have their registers at once.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn products<const TILES: usize>(
    tiles: &[f32],
    kernel: &[[f32; LANES]],
    sums: &mut [[f32; LANES]; TILES],
) {
    let inputs = kernel.len();
    assert!(tiles.len() == TILES * inputs && inputs.is_multiple_of(REGISTER));
    let mut totals = [[_mm256_setzero_ps(); 2]; TILES];
    for first in (0..inputs).step_by(REGISTER) {
        for input in first..first + REGISTER {
            // SAFETY: asserted above; a row of the kernel has two registers.
            let [left, right] = unsafe {
                let row = kernel.as_ptr().add(input).cast::<f32>();
                [load(row), load(row.add(REGISTER))]
            };
            for (tile, total) in totals.iter_mut().enumerate() {
                // SAFETY: asserted above.
                let value = _mm256_set1_ps(unsafe { *tiles.as_ptr().add(tile * inputs + input) });
                total[0] = _mm256_fmadd_ps(value, left, total[0]);
                total[1] = _mm256_fmadd_ps(value, right, total[1]);
            }
        }
    }
    for (sum, total) in sums.iter_mut().zip(totals) {
        // SAFETY: a sum has two registers.
        unsafe {
            _mm256_storeu_ps(sum.as_mut_ptr(), total[0]);
            _mm256_storeu_ps(sum.as_mut_ptr().add(REGISTER), total[1]);
        }
    }
}

/// # Safety
/// Eight numbers lie at `numbers`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn load(numbers: *const f32) -> __m256 {
    // SAFETY: the caller's.
    unsafe { _mm256_loadu_ps(numbers) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn store(place: &mut [MaybeUninit<f32>], value: __m256) {
    assert!(place.len() >= REGISTER);
    // SAFETY: asserted above.
    unsafe { _mm256_storeu_ps(place.as_mut_ptr().cast::<f32>(), value) };
}
