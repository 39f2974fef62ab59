//! From bytes to the normalised batches that networks take.

use super::scale_and_colour::ScaleAndColour;
use super::{DataError, Dataset, ImageShape, Normalization};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use std::ops::Range;

/// Words of one ChaCha block: each example draws from a block of its own.
const BLOCK_WORDS: u128 = 16;

/// Words of the scale and colour of an example, which are drawn from another stream.
const COLOUR_WORDS: u128 = 128;

/// Random changes that keep what an image shows (He et al. 2015, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Whether images are mirrored left to right with probability 1/2.
    pub flip: bool,
    /// The furthest shift in pixels, drawn uniformly and independently down and across; what
    /// comes in from outside is the mean colour, zero once normalised.
    pub shift: usize,
    /// Whether a random part of the image, of 8 to 100 % of its area, is brought to the size of
    /// the whole: the scale and aspect augmentation of ImageNet networks. The part is cut from
    /// the image in the size in which it is kept in memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub crop: bool,
    /// Furthest relative change of brightness, contrast and saturation, in random order.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub colour: f64,
    /// Deviation of random light along the directions in which the colours of ImageNet vary
    /// (Krizhevsky et al. 2012); for images in colour.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lighting: f64,
}

fn is_zero(strength: &f64) -> bool {
    *strength == 0.0
}

impl Default for Augmentation {
    /// Flips, and shifts of up to 4 pixels.
    fn default() -> Self {
        Self {
            flip: true,
            shift: 4,
            ..Self::NONE
        }
    }
}

impl Augmentation {
    /// No change at all.
    pub const NONE: Self = Self {
        flip: false,
        shift: 0,
        crop: false,
        colour: 0.0,
        lighting: 0.0,
    };

    /// Whether images are mirrored and shifted at most, so that every pixel keeps its value.
    #[must_use]
    pub fn only_moves(&self) -> bool {
        !self.crop && is_zero(&self.colour) && is_zero(&self.lighting)
    }
}

/// How one example is moved in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whether it is mirrored left to right, before it is shifted.
    pub mirrored: bool,
    /// Pixels by which it is shifted down.
    pub down: isize,
    /// Pixels by which it is shifted to the right.
    pub right: isize,
}

impl Change {
    /// How the examples with these indices are moved by `augmentation` in an epoch: what
    /// [`augmented_batch`] does to them where [`Augmentation::only_moves`].
    #[must_use]
    pub fn of(indices: &[usize], augmentation: &Augmentation, seed: u64, epoch: u64) -> Vec<Self> {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(epoch);
        indices
            .iter()
            .map(|&index| Self::draw(augmentation, generator.clone(), index))
            .collect()
    }

    fn draw(augmentation: &Augmentation, mut generator: ChaCha8Rng, example: usize) -> Self {
        generator.set_word_pos(example as u128 * BLOCK_WORDS);
        let mirrored = augmentation.flip && generator.next_u32() & 1 == 1;
        let mut shift = || {
            let furthest = augmentation.shift.min(u32::MAX as usize / 4);
            // Lemire's multiplication: uniform to 1 part in 2^32 over the few shifts there are.
            let positions = 2 * furthest as u64 + 1;
            let drawn = (u64::from(generator.next_u32()) * positions) >> 32;
            drawn as isize - furthest as isize
        };
        Self {
            mirrored,
            down: shift(),
            right: shift(),
        }
    }

    /// Writes a changed and normalised plane over zeros.
    fn apply<T>(&self, from: &[T], normal: impl Fn(&T) -> f32, to: &mut [f32], shape: ImageShape) {
        let ImageShape { height, width, .. } = shape;
        for (row, target) in to.chunks_exact_mut(width).enumerate() {
            let source = row
                .checked_add_signed(-self.down)
                .filter(|&source| source < height);
            let Some(source) = source else { continue };
            let line = &from[source * width..(source + 1) * width];
            for (column, value) in target.iter_mut().enumerate() {
                let source = column
                    .checked_add_signed(-self.right)
                    .filter(|&source| source < width);
                if let Some(source) = source {
                    let source = if self.mirrored {
                        width - 1 - source
                    } else {
                        source
                    };
                    *value = normal(&line[source]);
                }
            }
        }
    }
}

/// The examples with these indices, randomly changed and normalised: `[n, C, H, W]`.
///
/// What happens to an example depends on the seed, the epoch and its index alone: not on the
/// batch it is in, nor on threads.
///
/// # Errors
///
/// Tokens or normalised images, an index out of range, or a normalisation for another number of
/// channels.
pub fn augmented_batch(
    dataset: &Dataset,
    indices: &[usize],
    augmentation: &Augmentation,
    normalization: &Normalization,
    seed: u64,
    epoch: u64,
) -> Result<Vec<f32>, DataError> {
    dataset.require_pixels()?;
    dataset.check(indices)?;
    let shape = dataset.shape();
    let tables = normalization.tables(shape)?;
    let scales = normalization.scales(shape);
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(epoch);
    let mut colours = generator.clone();
    colours.set_stream(epoch | 1 << 63);
    let plane = shape.height * shape.width;
    let mut batch = vec![0.0; indices.len() * shape.pixels()];
    batch
        .par_chunks_mut(shape.pixels())
        .zip(indices)
        .for_each(|(image, &index)| {
            let change = Change::draw(augmentation, generator.clone(), index);
            let pixels = dataset.pixels(index..index + 1);
            let mut colours = colours.clone();
            colours.set_word_pos(index as u128 * COLOUR_WORDS);
            match ScaleAndColour::draw(augmentation, shape, &mut colours) {
                None => {
                    let planes = pixels.chunks_exact(plane).zip(&tables);
                    for ((from, table), to) in planes.zip(image.chunks_exact_mut(plane)) {
                        change.apply(from, |&byte| table[usize::from(byte)], to, shape);
                    }
                }
                Some(changed) => {
                    let changed = changed.apply(pixels, shape);
                    let planes = changed.chunks_exact(plane).zip(&scales);
                    for ((from, (mean, deviation)), to) in planes.zip(image.chunks_exact_mut(plane))
                    {
                        change.apply(from, |value| (value - mean) / deviation, to, shape);
                    }
                }
            }
        });
    Ok(batch)
}

/// The examples of a range, normalised: `[n, C, H, W]`.
///
/// # Errors
///
/// Tokens, a range that goes past the last example, or a normalisation for another number of
/// channels.
pub fn normalized_batch(
    dataset: &Dataset,
    examples: Range<usize>,
    normalization: &Normalization,
) -> Result<Vec<f32>, DataError> {
    let indices: Vec<usize> = examples.collect();
    normalized_examples(dataset, &indices, normalization)
}

/// The examples with these indices, normalised: `[n, C, H, W]`.
///
/// # Errors
///
/// Tokens or normalised images, an index out of range, or a normalisation for another number of
/// channels.
pub fn normalized_examples(
    dataset: &Dataset,
    indices: &[usize],
    normalization: &Normalization,
) -> Result<Vec<f32>, DataError> {
    dataset.require_images()?;
    dataset.check(indices)?;
    let shape = dataset.shape();
    if dataset.normalized(0..0).is_some() {
        let images = indices.iter().filter_map(|&i| dataset.normalized(i..i + 1));
        return Ok(images.flatten().copied().collect());
    }
    let tables = normalization.tables(shape)?;
    let plane = shape.height * shape.width;
    let mut batch = vec![0.0; indices.len() * shape.pixels()];
    batch
        .par_chunks_mut(shape.pixels())
        .zip(indices)
        .for_each(|(image, &index)| {
            let pixels = dataset.pixels(index..index + 1).chunks_exact(plane);
            for ((from, to), table) in pixels.zip(image.chunks_exact_mut(plane)).zip(&tables) {
                for (&byte, value) in from.iter().zip(to) {
                    *value = table[usize::from(byte)];
                }
            }
        });
    Ok(batch)
}
