use super::{DataError, Split};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use std::fmt::{self, Write};
use std::ops::Range;

/// The size of every image of a [`Dataset`]: `[C, H, W]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ImageShape {
    /// Number of colour planes: 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

impl ImageShape {
    /// Number of values of one image, `C * H * W`.
    pub fn pixels(&self) -> usize {
        self.channels
            .saturating_mul(self.height)
            .saturating_mul(self.width)
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// Images of one size with one label each, in memory: bytes `[N, C, H, W]`, labels `[N]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    shape: ImageShape,
    pixels: Vec<u8>,
    labels: Vec<u16>,
    classes: usize,
    class_names: Vec<String>,
    split: Option<Split>,
    description: String,
}

impl Dataset {
    /// Joins pixels `[N, C, H, W]` and labels `[N]`, each below `classes`.
    ///
    /// # Errors
    ///
    /// No examples, a number of pixels that is not `N * C * H * W`, or a label out of range.
    ///
    /// ```
    /// use pathscope::data::{Dataset, ImageShape};
    ///
    /// let shape = ImageShape { channels: 1, height: 1, width: 2 };
    /// let dataset = Dataset::new(shape, vec![0, 255, 7, 8], vec![1, 0], 2, "two pixels")?;
    /// assert_eq!(dataset.len(), 2);
    /// assert_eq!(dataset.pixels(1..2), [7, 8]);
    /// # Ok::<(), pathscope::data::DataError>(())
    /// ```
    pub fn new(
        shape: ImageShape,
        pixels: Vec<u8>,
        labels: Vec<u16>,
        classes: usize,
        description: impl Into<String>,
    ) -> Result<Self, DataError> {
        let description = description.into();
        if labels.is_empty() || shape.pixels() == 0 {
            return Err(DataError::Empty {
                file: description,
                wanted: "images",
            });
        }
        let claimed = labels.len().saturating_mul(shape.pixels());
        if claimed != pixels.len() {
            return Err(DataError::SizeMismatch {
                file: description,
                offset: 0,
                what: "pixels",
                claimed: claimed as u64,
                found: pixels.len() as u64,
            });
        }
        if let Some(record) = labels
            .iter()
            .position(|&label| usize::from(label) >= classes)
        {
            return Err(DataError::LabelOutOfRange {
                file: description,
                record,
                offset: record as u64,
                label: labels[record].into(),
                classes,
            });
        }
        let class_names = Vec::new();
        Ok(Self {
            shape,
            pixels,
            labels,
            classes,
            class_names,
            split: None,
            description,
        })
    }

    /// Names the classes, in the order of their labels; a list of another length is dropped.
    #[must_use]
    pub fn with_class_names(mut self, names: Vec<String>) -> Self {
        self.class_names = if names.len() == self.classes {
            names
        } else {
            Vec::new()
        };
        self
    }

    pub(super) fn with_split(mut self, split: Option<Split>) -> Self {
        self.split = split;
        self
    }

    /// Number of examples, N.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no examples, which only [`select`](Self::select) of none can bring about.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The size of every image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Number of classes: the format's, or the largest label plus one where it does not say (IDX,
    /// `.npz`).
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Names of the classes in the order of their labels; empty where the files have none.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// The split these examples belong to; `None` where the source does not tell splits apart.
    pub fn split(&self) -> Option<Split> {
        self.split
    }

    /// Where the examples came from, in words.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Pixels `[n, C, H, W]` of the examples in a range; what lies past the last is left out.
    pub fn pixels(&self, examples: Range<usize>) -> &[u8] {
        let end = examples.end.min(self.len());
        let start = examples.start.min(end);
        &self.pixels[start * self.shape.pixels()..end * self.shape.pixels()]
    }

    /// Labels `[N]`.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// SHA-256, as 64 hex digits, of shape, labels and pixels: the same examples have the same
    /// hash, whatever files they were read from.
    pub fn content_hash(&self) -> String {
        let mut hasher = Sha256::new();
        let ImageShape {
            channels,
            height,
            width,
        } = self.shape;
        for size in [self.len(), channels, height, width] {
            hasher.update((size as u64).to_le_bytes());
        }
        for label in &self.labels {
            hasher.update(label.to_le_bytes());
        }
        hasher.update(&self.pixels);
        hasher
            .finalize()
            .iter()
            .fold(String::with_capacity(64), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            })
    }

    /// At most `n` examples: the first ones, or, where the examples lie class by class, evenly
    /// spaced ones, so that no class is left out for its name.
    #[must_use]
    pub fn limit(self, n: usize) -> Self {
        if n >= self.len() {
            return self;
        }
        let kept = limited(&self.labels, n);
        self.gather(&kept)
    }

    /// The examples with these indices, in this order; an index may occur more than once.
    ///
    /// # Errors
    ///
    /// An index that is not below [`len`](Self::len).
    pub fn select(&self, indices: &[usize]) -> Result<Self, DataError> {
        self.check(indices)?;
        Ok(self.gather(indices))
    }

    /// The examples before `n`, and those from `n` on.
    ///
    /// # Errors
    ///
    /// `n` is greater than [`len`](Self::len).
    pub fn split_at(&self, n: usize) -> Result<(Self, Self), DataError> {
        if n > self.len() {
            return Err(DataError::ExampleOutOfRange {
                index: n,
                examples: self.len(),
            });
        }
        let indices: Vec<usize> = (0..self.len()).collect();
        Ok((self.gather(&indices[..n]), self.gather(&indices[n..])))
    }

    /// Holds out `n` examples drawn without replacement: the rest, and the held-out ones, both in
    /// their former order. The draw depends on the seed and [`len`](Self::len) only.
    ///
    /// # Errors
    ///
    /// `n` is greater than [`len`](Self::len).
    pub fn hold_out(&self, n: usize, seed: u64) -> Result<(Self, Self), DataError> {
        if n > self.len() {
            return Err(DataError::ExampleOutOfRange {
                index: n,
                examples: self.len(),
            });
        }
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let mut held = vec![false; self.len()];
        for index in rand::seq::index::sample(&mut generator, self.len(), n) {
            held[index] = true;
        }
        let (out, rest): (Vec<usize>, Vec<usize>) = (0..self.len()).partition(|&i| held[i]);
        Ok((self.gather(&rest), self.gather(&out)))
    }

    pub(super) fn check(&self, indices: &[usize]) -> Result<(), DataError> {
        match indices.iter().find(|&&index| index >= self.len()) {
            Some(&index) => Err(DataError::ExampleOutOfRange {
                index,
                examples: self.len(),
            }),
            None => Ok(()),
        }
    }

    fn gather(&self, indices: &[usize]) -> Self {
        let mut pixels = Vec::with_capacity(indices.len() * self.shape.pixels());
        for &index in indices {
            pixels.extend_from_slice(self.pixels(index..index + 1));
        }
        Self {
            shape: self.shape,
            pixels,
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
            classes: self.classes,
            class_names: self.class_names.clone(),
            split: self.split,
            description: self.description.clone(),
        }
    }
}

/// The indices that [`Dataset::limit`] keeps.
pub(super) fn limited(labels: &[u16], n: usize) -> Vec<usize> {
    let examples = labels.len();
    let n = n.min(examples);
    let by_class = labels.is_sorted() && labels.first() != labels.last();
    (0..n)
        .map(|i| if by_class { i * examples / n } else { i })
        .collect()
}
