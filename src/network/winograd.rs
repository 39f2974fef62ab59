//! Convolutions of 3 by 3 pixels with fewer products.
//!
//! Two by two outputs of a 3 by 3 convolution need 16 products a pair of channels instead of 36
//! (Winograd 1980; Lavin and Gray, arXiv 1509.09308, section 4.1). The transforms are sums of
//! four numbers, so the rounding stays that of the ordinary sum.

use tch::{Device, Kind, Tensor};

use super::NetworkError;

/// Outputs that a micro-kernel computes at once, for each of [`TILES`] tiles.
const LANES: usize = 16;
/// Tiles that a micro-kernel takes at once: twelve registers of sums, two of kernels, one of
/// inputs.
const TILES: usize = 6;
/// Tiles that are transformed together: with their 16 products they stay in a core's cache.
const BLOCK: usize = 8 * TILES;
/// Products of a tile, `4 x 4`.
const POINTS: usize = 16;
/// Largest transformed kernel, in numbers, that stays in a core's cache beside the tiles.
const LARGEST: i64 = 128 * 128;

/// The kernel of a convolution with stride 1, padding 1 and 3 by 3 pixels, transformed.
#[derive(Clone, Debug)]
pub(super) struct Winograd {
    inputs: usize,
    outputs: usize,
    /// `[16][outputs / 16][inputs][16]`, filled up with zeros.
    kernel: std::sync::Arc<[f32]>,
    bias: std::sync::Arc<[f32]>,
}

impl Winograd {
    /// Transforms `weight` `[O, I, 3, 3]` where this pays: float32 on a processor with AVX2 and
    /// FMA but not AVX-512, for which libtorch has kernels as fast, and kernels that fit its cache.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>) -> Result<Option<Self>, NetworkError> {
        let &[outputs, inputs, 3, 3] = weight.size().as_slice() else {
            return Ok(None);
        };
        let fits = outputs * inputs <= LARGEST && outputs >= LANES as i64 && inputs >= 8;
        if !fits || !supported() || weight.device() != Device::Cpu || weight.kind() != Kind::Float {
            return Ok(None);
        }
        let ordered = weight.f_contiguous()?.f_view([-1])?;
        let numbers: Vec<f32> = Vec::try_from(ordered)?;
        let (outputs, inputs) = (outputs as usize, inputs as usize);
        let groups = outputs.div_ceil(LANES);
        let mut kernel = vec![0.0; POINTS * groups * inputs * LANES];
        for (position, window) in numbers.chunks_exact(9).enumerate() {
            let (output, input) = (position / inputs, position % inputs);
            for (point, value) in transformed_kernel(window).into_iter().enumerate() {
                let row = (point * groups + output / LANES) * inputs + input;
                kernel[row * LANES + output % LANES] = value;
            }
        }
        let bias = match bias {
            Some(bias) => Vec::try_from(bias.f_contiguous()?)?,
            None => vec![0.0; outputs],
        };
        Ok(Some(Self {
            inputs,
            outputs,
            kernel: kernel.into(),
            bias: bias.into(),
        }))
    }
}

#[cfg(target_arch = "x86_64")]
fn supported() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && !is_x86_feature_detected!("avx512f")
}

#[cfg(not(target_arch = "x86_64"))]
fn supported() -> bool {
    false
}

/// `G g G^T` of a window of 3 by 3, in float64 until the end.
fn transformed_kernel(window: &[f32]) -> [f32; POINTS] {
    let line = |a: f64, b: f64, c: f64| [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c];
    let at = |row: usize, column: usize| f64::from(window[row * 3 + column]);
    let columns: [[f64; 4]; 3] =
        std::array::from_fn(|column| line(at(0, column), at(1, column), at(2, column)));
    let mut points = [0.0; POINTS];
    for row in 0..4 {
        let across = line(columns[0][row], columns[1][row], columns[2][row]);
        for (column, value) in across.into_iter().enumerate() {
            points[row * 4 + column] = value as f32;
        }
    }
    points
}
