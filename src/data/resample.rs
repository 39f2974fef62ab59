//! Resizing as Pillow does it, to the last bit: separable, antialiased, in fixed-point numbers, with
//! bytes between the two passes. Networks were trained and published on images that went through it.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How pixels between pixels are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Interpolation {
    /// A triangle over two pixels.
    #[default]
    Bilinear,
    /// A cubic over four pixels, a = -1/2.
    Bicubic,
}

/// Bits behind the point of a weight: 8 are for the pixel, 2 for sums that leave its range.
const PRECISION: u32 = 32 - 8 - 2;
const HALF: i32 = 1 << (PRECISION - 1);

impl Interpolation {
    /// Distance, in pixels of the coarser image, beyond which a pixel has no weight.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn weight(self, distance: f64) -> f64 {
        const A: f64 = -0.5;
        let x = distance.abs();
        match self {
            Self::Bilinear if x < 1.0 => 1.0 - x,
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

/// What one pixel of a row or column is made of.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// The taps of the pixels `wanted`, where `from` pixels become `to`.
fn taps(from: usize, to: usize, wanted: Range<usize>, interpolation: Interpolation) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let coarse = scale.max(1.0);
    let support = interpolation.support() * coarse;
    let taps = |place: usize| {
        let centre = (place as f64 + 0.5) * scale;
        // Casts of negative numbers give 0.
        let first = (centre - support + 0.5) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let weights = (first..end)
            .map(|pixel| interpolation.weight((pixel as f64 - centre + 0.5) * (1.0 / coarse)));
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: &f64| {
            let weight = if sum == 0.0 { *weight } else { weight / sum };
            let scaled = weight * f64::from(1_u32 << PRECISION);
            (scaled + 0.5_f64.copysign(scaled)) as i32
        };
        Taps {
            first,
            weights: weights.iter().map(fixed).collect(),
        }
    };
    wanted.map(taps).collect()
}

fn byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Pixels `[H, W, C]` of an image.
#[derive(Debug)]
pub(super) struct Picture {
    pub width: usize,
    pub height: usize,
    /// 1 or 3.
    pub channels: usize,
    pub bytes: Vec<u8>,
}

impl Picture {
    /// The part (`columns`, `rows`) of this image scaled to a width and height, `[H, W, C]`.
    pub fn scaled(
        &self,
        (width, height): (usize, usize),
        columns: Range<usize>,
        rows: Range<usize>,
        interpolation: Interpolation,
    ) -> Self {
        let vertical = taps(self.height, height, rows, interpolation);
        // Only the rows that the second pass needs.
        let first = vertical.iter().map(|taps| taps.first).min().unwrap_or(0);
        let end = vertical.iter().map(|taps| taps.first + taps.weights.len());
        let needed = first..end.max().unwrap_or(0);
        let horizontal = taps(self.width, width, columns, interpolation);
        let between = match self.channels {
            1 => self.across::<1>(&horizontal, needed),
            _ => self.across::<3>(&horizontal, needed),
        };
        let row = horizontal.len() * self.channels;
        let mut bytes = Vec::with_capacity(row * vertical.len());
        let mut sums = vec![0; row];
        for taps in &vertical {
            sums.fill(HALF);
            let pixels = between.chunks_exact(row.max(1)).skip(taps.first - first);
            for (weight, pixels) in taps.weights.iter().zip(pixels) {
                for (sum, pixel) in sums.iter_mut().zip(pixels) {
                    *sum += weight * i32::from(*pixel);
                }
            }
            bytes.extend(sums.iter().map(|sum| byte(*sum)));
        }
        Self {
            width: horizontal.len(),
            height: vertical.len(),
            channels: self.channels,
            bytes,
        }
    }

    /// The first pass, over the rows `needed`.
    fn across<const C: usize>(&self, taps: &[Taps], needed: Range<usize>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(needed.len() * taps.len() * C);
        let rows = self.bytes.chunks_exact((self.width * C).max(1));
        for row in rows.skip(needed.start).take(needed.len()) {
            let pixels = row.as_chunks::<C>().0;
            for taps in taps {
                let mut sums = [HALF; C];
                let under = pixels.get(taps.first..).unwrap_or_default();
                for (weight, pixel) in taps.weights.iter().zip(under) {
                    for (sum, value) in sums.iter_mut().zip(pixel) {
                        *sum += weight * i32::from(*value);
                    }
                }
                bytes.extend(sums.map(byte));
            }
        }
        bytes
    }

    /// The part (`columns`, `rows`) of this image.
    pub fn part(&self, columns: Range<usize>, rows: Range<usize>) -> Self {
        let (left, right) = (columns.start * self.channels, columns.end * self.channels);
        let lines = self
            .bytes
            .chunks_exact((self.width * self.channels).max(1))
            .skip(rows.start)
            .take(rows.len());
        Self {
            width: columns.len(),
            height: rows.len(),
            channels: self.channels,
            bytes: lines
                .flat_map(|line| line.get(left..right).unwrap_or_default())
                .copied()
                .collect(),
        }
    }
}
