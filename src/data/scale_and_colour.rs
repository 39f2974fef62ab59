//! Random scale, aspect and colour, as the networks of the paper's Table IV were trained with.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{Augmentation, ImageShape};

/// Directions in which the colours of ImageNet vary, one column each, and their deviations
/// (Krizhevsky et al. 2012; the numbers of common code).
const DIRECTIONS: [[f32; 3]; 3] = [
    [-0.5675, 0.7192, 0.4009],
    [-0.5808, -0.0045, -0.8140],
    [-0.5836, -0.6948, 0.4203],
];
const DEVIATIONS: [f32; 3] = [0.2175, 0.0188, 0.0045];

/// Weights of red, green and blue in the brightness of a pixel (ITU-R BT.601).
const BRIGHTNESS: [f32; 3] = [0.299, 0.587, 0.114];

/// Tries for a rectangle that fits into the image.
const TRIES: usize = 10;

/// A part of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl Part {
    fn whole(shape: ImageShape) -> Self {
        Self {
            top: 0,
            left: 0,
            height: shape.height,
            width: shape.width,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Blend {
    Brightness,
    Contrast,
    Saturation,
}

/// How scale and colours of one example are changed in one epoch.
pub(super) struct ScaleAndColour {
    part: Part,
    blends: Vec<(Blend, f32)>,
    light: [f32; 3],
}

impl ScaleAndColour {
    /// Draws a change; `None` where the augmentation asks for none.
    pub fn draw(
        augmentation: &Augmentation,
        shape: ImageShape,
        generator: &mut ChaCha8Rng,
    ) -> Option<Self> {
        let Augmentation {
            crop,
            colour,
            lighting,
            ..
        } = *augmentation;
        if !crop && colour == 0.0 && lighting == 0.0 {
            return None;
        }
        let part = crop.then(|| random_part(shape, generator)).flatten();
        let part = part.unwrap_or(Part::whole(shape));
        let mut blends = Vec::new();
        if colour > 0.0 {
            let mut kinds = vec![Blend::Brightness, Blend::Contrast];
            if shape.channels == 3 {
                kinds.push(Blend::Saturation);
            }
            rand::seq::SliceRandom::shuffle(kinds.as_mut_slice(), generator);
            for kind in kinds {
                let moved = 2.0 * generator.random::<f32>() - 1.0;
                blends.push((kind, 1.0 + colour as f32 * moved));
            }
        }
        let mut light = [0.0; 3];
        if lighting > 0.0 {
            let strengths = DEVIATIONS.map(|deviation| {
                let drawn: f32 = StandardNormal.sample(generator);
                drawn * lighting as f32 * deviation
            });
            light = DIRECTIONS.map(|row| row.iter().zip(strengths).map(|(a, b)| a * b).sum());
        }
        Some(Self {
            part,
            blends,
            light,
        })
    }

    /// The changed image `[C, H, W]`, from 0 to 1 where light adds nothing.
    pub fn apply(&self, pixels: &[u8], shape: ImageShape) -> Vec<f32> {
        let plane = shape.height * shape.width;
        let mut image = vec![0.0; pixels.len()];
        let planes = pixels
            .chunks_exact(plane)
            .zip(image.chunks_exact_mut(plane));
        for (from, to) in planes {
            enlarge(from, to, shape, self.part);
        }
        for &(blend, factor) in &self.blends {
            mix(&mut image, shape, blend, factor);
        }
        if shape.channels == 3 {
            for (plane, light) in image.chunks_exact_mut(plane).zip(self.light) {
                plane.iter_mut().for_each(|value| *value += light);
            }
        }
        image
    }
}

/// A rectangle of 8 to 100 % of the area with sides in a ratio of 3/4 to 4/3 (Szegedy et al.,
/// arXiv 1409.4842, section 6); `None` where none of the tries fits.
fn random_part(shape: ImageShape, generator: &mut ChaCha8Rng) -> Option<Part> {
    let area = (shape.height * shape.width) as f64;
    for _ in 0..TRIES {
        let wanted = area * generator.random_range(0.08..=1.0);
        let ratio: f64 = generator.random_range(0.75..=4.0 / 3.0);
        let width = (wanted * ratio).sqrt().round() as usize;
        let height = (wanted / ratio).sqrt().round() as usize;
        if (1..=shape.width).contains(&width) && (1..=shape.height).contains(&height) {
            return Some(Part {
                top: generator.random_range(0..=shape.height - height),
                left: generator.random_range(0..=shape.width - width),
                height,
                width,
            });
        }
    }
    None
}

/// Brings a part of a plane to the size of the whole, bilinearly between centres of pixels.
fn enlarge(from: &[u8], to: &mut [f32], shape: ImageShape, part: Part) {
    let neighbours = |position: usize, length: usize, start: usize, size: usize| {
        let exact = (position as f32 + 0.5) * size as f32 / length as f32 - 0.5;
        let exact = exact.clamp(0.0, (size - 1) as f32);
        let low = exact as usize;
        (start + low, start + (low + 1).min(size - 1), exact.fract())
    };
    let columns: Vec<(usize, usize, f32)> = (0..shape.width)
        .map(|column| neighbours(column, shape.width, part.left, part.width))
        .collect();
    for (row, line) in to.chunks_exact_mut(shape.width).enumerate() {
        let (above, below, down) = neighbours(row, shape.height, part.top, part.height);
        let upper = &from[above * shape.width..(above + 1) * shape.width];
        let lower = &from[below * shape.width..(below + 1) * shape.width];
        for (value, &(left, right, across)) in line.iter_mut().zip(&columns) {
            let mix = |line: &[u8]| {
                let (a, b) = (f32::from(line[left]), f32::from(line[right]));
                a + (b - a) * across
            };
            let (top, bottom) = (mix(upper), mix(lower));
            *value = (top + (bottom - top) * down) / 255.0;
        }
    }
}

/// Blends an image with black, with its mean brightness, or with its own brightness.
fn mix(image: &mut [f32], shape: ImageShape, blend: Blend, factor: f32) {
    let plane = shape.height * shape.width;
    let grey: Vec<f32> = match (blend, shape.channels) {
        (Blend::Brightness, _) => vec![0.0; plane],
        (_, 3) => (0..plane)
            .map(|pixel| {
                let colours = BRIGHTNESS.iter().enumerate();
                let weighted = colours.map(|(c, weight)| weight * image[c * plane + pixel]);
                weighted.sum()
            })
            .collect(),
        _ => image.iter().take(plane).copied().collect(),
    };
    let mean = grey.iter().sum::<f32>() / plane as f32;
    for plane in image.chunks_exact_mut(plane) {
        for (value, grey) in plane.iter_mut().zip(&grey) {
            let other = match blend {
                Blend::Contrast => mean,
                _ => *grey,
            };
            *value = other + (*value - other) * factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const SHAPE: ImageShape = ImageShape::new(3, 20, 30);

    fn augmentation() -> Augmentation {
        Augmentation {
            crop: true,
            colour: 0.4,
            lighting: 0.1,
            ..Augmentation::NONE
        }
    }

    #[test]
    fn parts_lie_in_the_image_and_differ() {
        let mut areas = Vec::new();
        for seed in 0..400 {
            let mut generator = ChaCha8Rng::seed_from_u64(seed);
            if let Some(part) = random_part(SHAPE, &mut generator) {
                assert!(part.top + part.height <= 20 && part.left + part.width <= 30);
                areas.push((part.height * part.width) as f64 / 600.0);
            }
        }
        let least = areas.iter().copied().fold(1.0_f64, f64::min);
        let most = areas.iter().copied().fold(0.0_f64, f64::max);
        // At an aspect of at most 4/3, no part of 20x30 is larger than 20x27.
        assert!(
            (0.06..0.12).contains(&least) && (0.85..=0.9).contains(&most),
            "{least} {most}"
        );
    }

    #[test]
    fn an_even_image_stays_even_and_moves_in_brightness() {
        let pixels = vec![128; 3 * 600];
        let mut means = Vec::new();
        for seed in 0..50 {
            let mut generator = ChaCha8Rng::seed_from_u64(seed);
            let change = ScaleAndColour::draw(&augmentation(), SHAPE, &mut generator).unwrap();
            let image = change.apply(&pixels, SHAPE);
            for plane in image.chunks(600) {
                assert!(plane.iter().all(|value| (value - plane[0]).abs() < 1e-5));
            }
            means.push(image[0]);
        }
        let low = means.iter().copied().fold(1.0_f32, f32::min);
        let high = means.iter().copied().fold(0.0_f32, f32::max);
        assert!(low < 0.38 && high > 0.62, "{low} {high}");
    }

    #[test]
    fn the_whole_image_at_its_own_size_is_itself() {
        let pixels: Vec<u8> = (0..3 * 600).map(|i| (i * 37 % 251) as u8).collect();
        let same = ScaleAndColour {
            part: Part::whole(SHAPE),
            blends: Vec::new(),
            light: [0.0; 3],
        };
        for (value, &byte) in same.apply(&pixels, SHAPE).iter().zip(&pixels) {
            assert!((value - f32::from(byte) / 255.0).abs() < 1e-6);
        }
        let mut generator = ChaCha8Rng::seed_from_u64(0);
        assert!(ScaleAndColour::draw(&Augmentation::NONE, SHAPE, &mut generator).is_none());
    }
}
