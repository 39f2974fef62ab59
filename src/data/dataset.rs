use super::{DataError, DataNote, Split};
use pathscope_file::{hexadecimal, printable};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use std::fmt;
use std::ops::Range;

/// The size of every example of a [`Dataset`]: `[C, H, W]` of an image, `[T, 1, 1]` of T tokens.
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
    /// The shape `[C, H, W]`.
    #[must_use]
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self {
            channels,
            height,
            width,
        }
    }

    /// Number of values of one image, `C * H * W`.
    pub fn pixels(&self) -> usize {
        self.channels
            .saturating_mul(self.height)
            .saturating_mul(self.width)
    }

    /// `[C, H, W]` as libtorch counts; no image in memory is longer than an `i64` counts.
    pub fn axes(&self) -> [i64; 3] {
        [self.channels, self.height, self.width].map(|side| side as i64)
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// What networks take.
#[derive(Clone, Debug, PartialEq)]
enum Inputs {
    /// Bytes `[N, C, H, W]`.
    Images(Vec<u8>),
    /// Normalised numbers `[N, C, H, W]`.
    Normalized(Vec<f32>),
    /// Numbers of tokens `[N, T]`.
    Tokens(Vec<u32>),
}

/// Examples of one size, in memory: images, bytes or normalised numbers `[N, C, H, W]` with labels
/// `[N]`; or sequences of tokens `[N, T]` with labels `[N]`, or `[N, T]` where every position has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    shape: ImageShape,
    inputs: Inputs,
    /// Labels of every example, 1 or T.
    positions: usize,
    labels: Vec<u32>,
    classes: usize,
    class_names: Vec<String>,
    /// The classes that the examples can be of, where these are not all.
    classes_held: Vec<u32>,
    split: Option<Split>,
    description: String,
    notes: Vec<DataNote>,
}

impl Dataset {
    /// Joins pixels `[N, C, H, W]` and labels `[N]`, each below `classes`.
    ///
    /// # Errors
    ///
    /// No examples, a number of pixels that is not `N * C * H * W`, or a label out of range.
    ///
    /// ```
    /// use pathscope_data::{Dataset, ImageShape};
    ///
    /// let shape = ImageShape { channels: 1, height: 1, width: 2 };
    /// let dataset = Dataset::new(shape, vec![0, 255, 7, 8], vec![1, 0], 2, "two pixels")?;
    /// assert_eq!(dataset.len(), 2);
    /// assert_eq!(dataset.pixels(1..2), [7, 8]);
    /// # Ok::<(), pathscope_data::DataError>(())
    /// ```
    pub fn new(
        shape: ImageShape,
        pixels: Vec<u8>,
        labels: Vec<u16>,
        classes: usize,
        description: impl Into<String>,
    ) -> Result<Self, DataError> {
        let found = pixels.len();
        let inputs = Inputs::Images(pixels);
        Self::of_images(shape, inputs, found, labels, classes, description.into())
    }

    /// Joins images that are normalised already, `[N, C, H, W]`, and labels `[N]`, each below
    /// `classes`.
    ///
    /// # Errors
    /// As [`Dataset::new`].
    pub fn of_normalized(
        shape: ImageShape,
        values: Vec<f32>,
        labels: Vec<u16>,
        classes: usize,
        description: impl Into<String>,
    ) -> Result<Self, DataError> {
        let found = values.len();
        let inputs = Inputs::Normalized(values);
        Self::of_images(shape, inputs, found, labels, classes, description.into())
    }

    fn of_images(
        shape: ImageShape,
        inputs: Inputs,
        found: usize,
        labels: Vec<u16>,
        classes: usize,
        description: String,
    ) -> Result<Self, DataError> {
        if labels.is_empty() || shape.pixels() == 0 {
            return Err(DataError::empty(description, "images"));
        }
        let claimed = labels.len().saturating_mul(shape.pixels());
        if claimed != found {
            let error = DataError::size_mismatch(description, 0, "pixels", claimed, found);
            return Err(error);
        }
        let beyond = |&label: &u16| usize::from(label) >= classes;
        if let Some(record) = labels.iter().position(beyond) {
            return Err(DataError::LabelOutOfRange {
                file: description,
                record,
                offset: record as u64,
                label: labels[record].into(),
                classes,
            });
        }
        let labels = labels.into_iter().map(u32::from).collect();
        Ok(Self::of(shape, inputs, 1, labels, classes, description))
    }

    fn of(
        shape: ImageShape,
        inputs: Inputs,
        positions: usize,
        labels: Vec<u32>,
        classes: usize,
        description: String,
    ) -> Self {
        Self {
            shape,
            inputs,
            positions,
            labels,
            classes,
            class_names: Vec::new(),
            classes_held: Vec::new(),
            split: None,
            description,
            notes: Vec::new(),
        }
    }

    /// Joins tokens `[N, T]`, T being `length`, with labels: `[N]`, or `[N, T]` where every position
    /// has one, such as the token that comes next. There are as many classes as the largest label
    /// plus one.
    ///
    /// # Errors
    /// No tokens, or numbers of tokens or labels that fit no such sizes.
    ///
    /// ```
    /// use pathscope_data::Dataset;
    ///
    /// let next = Dataset::of_tokens(3, vec![5, 1, 4, 0, 0, 2], vec![1, 4, 9, 0, 2, 7], "two")?;
    /// assert_eq!((next.len(), next.positions()), (2, 3));
    /// assert_eq!(next.tokens(1..2), Some(&[0, 0, 2][..]));
    /// # Ok::<(), pathscope_data::DataError>(())
    /// ```
    pub fn of_tokens(
        length: usize,
        tokens: Vec<u32>,
        labels: Vec<u32>,
        description: impl Into<String>,
    ) -> Result<Self, DataError> {
        let file = description.into();
        if length == 0 || tokens.is_empty() {
            return Err(DataError::empty(file, "tokens"));
        }
        let sequences = tokens.len() / length;
        let positions = if labels.len() == sequences { 1 } else { length };
        let sizes = [
            ("tokens", sequences.saturating_mul(length), tokens.len()),
            ("labels", sequences.saturating_mul(positions), labels.len()),
        ];
        if let Some(&(what, claimed, found)) = sizes.iter().find(|(_, a, b)| a != b) {
            return Err(DataError::size_mismatch(file, 0, what, claimed, found));
        }
        let (shape, inputs) = (ImageShape::new(length, 1, 1), Inputs::Tokens(tokens));
        let classes = labels.iter().max().map_or(0, |&label| label as usize + 1);
        Ok(Self::of(shape, inputs, positions, labels, classes, file))
    }

    /// Names the classes, in the order of their labels; a list of another length is dropped.
    #[must_use]
    pub fn with_class_names(mut self, names: Vec<String>) -> Self {
        self.class_names = if names.len() == self.classes {
            let names = names.iter().map(|name| printable(name).into_owned());
            names.collect()
        } else {
            Vec::new()
        };
        self
    }

    /// States which classes the examples can be of, where these are not all.
    #[must_use]
    pub(super) fn with_classes_held(mut self, classes: Vec<u32>) -> Self {
        self.classes_held = classes;
        self
    }

    /// Grey images repeated in red, green and blue; anything else as it is.
    #[must_use]
    pub(super) fn in_colour(mut self) -> Self {
        if self.shape.channels != 1 {
            return self;
        }
        let each = self.shape.pixels();
        match &mut self.inputs {
            Inputs::Images(pixels) => *pixels = three_times(pixels, each),
            Inputs::Normalized(values) => *values = three_times(values, each),
            Inputs::Tokens(_) => return self,
        }
        self.shape.channels = 3;
        self.notes.push(DataNote::GreyInColour);
        self
    }

    pub(super) fn with_split(mut self, split: Option<Split>) -> Self {
        self.split = split;
        self
    }

    pub(super) fn with_notes(mut self, notes: Vec<DataNote>) -> Self {
        self.notes = notes;
        self
    }

    /// What a person should know about how the files were read.
    pub fn notes(&self) -> &[DataNote] {
        &self.notes
    }

    /// Number of examples, N: images or sequences.
    pub fn len(&self) -> usize {
        self.labels.len() / self.positions
    }

    /// Labels of every example: 1, or T where every position of a sequence has one.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Whether there are no examples, which only [`select`](Self::select) of none can bring about.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The size of every example.
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

    /// The classes that the examples can be of, in the order of their labels, where these are not
    /// all: ten of ImageNet's 1000, for instance. Empty otherwise.
    pub fn classes_held(&self) -> &[u32] {
        &self.classes_held
    }

    /// The split these examples belong to; `None` where the source does not state them.
    pub fn split(&self) -> Option<Split> {
        self.split
    }

    /// Where the examples came from, in words.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Pixels `[n, C, H, W]` of the examples in a range; what lies past the last is left out.
    /// Normalised images and tokens have none.
    pub fn pixels(&self, examples: Range<usize>) -> &[u8] {
        match &self.inputs {
            Inputs::Images(pixels) => self.part(pixels, self.shape.pixels(), examples),
            Inputs::Normalized(_) | Inputs::Tokens(_) => &[],
        }
    }

    /// Normalised numbers `[n, C, H, W]` of the examples in a range; what lies past the last is left
    /// out. `None` where the examples are pixels or tokens.
    pub fn normalized(&self, examples: Range<usize>) -> Option<&[f32]> {
        match &self.inputs {
            Inputs::Normalized(values) => Some(self.part(values, self.shape.pixels(), examples)),
            Inputs::Images(_) | Inputs::Tokens(_) => None,
        }
    }

    /// Whether the examples are sequences of tokens rather than images.
    #[must_use]
    pub fn holds_tokens(&self) -> bool {
        matches!(self.inputs, Inputs::Tokens(_))
    }

    /// Whether the examples are images that were normalised before they were stored.
    #[must_use]
    pub fn is_normalized(&self) -> bool {
        matches!(self.inputs, Inputs::Normalized(_))
    }

    /// Tokens `[n, T]` of the examples in a range; what lies past the last is left out. `None` where
    /// the examples are images.
    pub fn tokens(&self, examples: Range<usize>) -> Option<&[u32]> {
        match &self.inputs {
            Inputs::Images(_) | Inputs::Normalized(_) => None,
            Inputs::Tokens(tokens) => Some(self.part(tokens, self.shape.pixels(), examples)),
        }
    }

    /// Labels `[n]` or `[n, T]` of the examples in a range; what lies past the last is left out.
    pub fn labels_of(&self, examples: Range<usize>) -> &[u32] {
        self.part(&self.labels, self.positions, examples)
    }

    /// What `values` hold for the examples in a range, `each` of them for one.
    fn part<'a, T>(&self, values: &'a [T], each: usize, examples: Range<usize>) -> &'a [T] {
        let end = examples.end.min(self.len());
        let start = examples.start.min(end);
        values.get(start * each..end * each).unwrap_or_default()
    }

    /// Labels `[N]`, or `[N, T]` where every position has one.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// SHA-256, as 64 hex digits, of shape, labels and pixels or tokens: the same examples have the
    /// same hash, whatever files they were read from.
    pub fn content_hash(&self) -> String {
        let mut hasher = Sha256::new();
        let shape = self.shape;
        for size in [self.len(), shape.channels, shape.height, shape.width] {
            hasher.update((size as u64).to_le_bytes());
        }
        match &self.inputs {
            Inputs::Images(pixels) => {
                // Labels of images are read as two bytes.
                for label in &self.labels {
                    hasher.update((*label as u16).to_le_bytes());
                }
                hasher.update(pixels);
            }
            Inputs::Normalized(values) => {
                for label in &self.labels {
                    hasher.update(label.to_le_bytes());
                }
                for value in values {
                    hasher.update(value.to_le_bytes());
                }
            }
            Inputs::Tokens(tokens) => {
                hasher.update((self.positions as u64).to_le_bytes());
                for number in self.labels.iter().chain(tokens) {
                    hasher.update(number.to_le_bytes());
                }
            }
        }
        hexadecimal(hasher.finalize())
    }

    /// At most `n` examples: the first ones, or, where the examples lie class by class, evenly
    /// spaced ones, so that no class is left out for its name.
    #[must_use]
    pub fn limit(self, n: usize) -> Self {
        if n >= self.len() {
            return self;
        }
        let kept = match self.positions {
            1 => limited(&self.labels, n),
            _ => (0..n).collect(),
        };
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
        self.require(n <= self.len(), n)?;
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
        self.require(n <= self.len(), n)?;
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let mut held = vec![false; self.len()];
        for index in rand::seq::index::sample(&mut generator, self.len(), n) {
            held[index] = true;
        }
        let (out, rest): (Vec<usize>, Vec<usize>) = (0..self.len()).partition(|&i| held[i]);
        Ok((self.gather(&rest), self.gather(&out)))
    }

    /// Refuses tokens, for whatever is done to pixels.
    ///
    /// # Errors
    ///
    /// [`DataError::NotImages`].
    pub fn require_images(&self) -> Result<(), DataError> {
        match self.inputs {
            Inputs::Images(_) | Inputs::Normalized(_) => Ok(()),
            Inputs::Tokens(_) => Err(DataError::NotImages(self.description.clone())),
        }
    }

    /// Refuses whatever has no pixels, for what is done to bytes.
    ///
    /// # Errors
    /// [`DataError::NotImages`] or [`DataError::NotPixels`].
    pub fn require_pixels(&self) -> Result<(), DataError> {
        self.require_images()?;
        match self.inputs {
            Inputs::Normalized(_) => Err(DataError::NotPixels(self.description.clone())),
            _ => Ok(()),
        }
    }

    pub(super) fn check(&self, indices: &[usize]) -> Result<(), DataError> {
        let mut indices = indices.iter();
        indices.try_for_each(|&index| self.require(index < self.len(), index))
    }

    /// Refuses what goes past the last example with `index`.
    fn require(&self, is_there: bool, index: usize) -> Result<(), DataError> {
        let examples = self.len();
        let missing = DataError::ExampleOutOfRange { index, examples };
        if is_there { Ok(()) } else { Err(missing) }
    }

    fn gather(&self, indices: &[usize]) -> Self {
        fn chosen<T: Copy>(values: &[T], each: usize, indices: &[usize]) -> Vec<T> {
            let mut chosen = Vec::with_capacity(indices.len() * each);
            for &index in indices {
                chosen.extend_from_slice(&values[index * each..(index + 1) * each]);
            }
            chosen
        }
        let each = self.shape.pixels();
        Self {
            shape: self.shape,
            inputs: match &self.inputs {
                Inputs::Images(pixels) => Inputs::Images(chosen(pixels, each, indices)),
                Inputs::Normalized(values) => Inputs::Normalized(chosen(values, each, indices)),
                Inputs::Tokens(tokens) => Inputs::Tokens(chosen(tokens, each, indices)),
            },
            positions: self.positions,
            labels: chosen(&self.labels, self.positions, indices),
            classes: self.classes,
            class_names: self.class_names.clone(),
            classes_held: self.classes_held.clone(),
            split: self.split,
            description: self.description.clone(),
            notes: self.notes.clone(),
        }
    }
}

/// Every run of `each` values three times in a row.
fn three_times<T: Copy>(values: &[T], each: usize) -> Vec<T> {
    let images = values.chunks_exact(each.max(1));
    images.flat_map(|image| image.repeat(3)).collect()
}

/// The indices that [`Dataset::limit`] keeps.
pub(super) fn limited<L: Ord>(labels: &[L], n: usize) -> Vec<usize> {
    let examples = labels.len();
    let n = n.min(examples);
    let by_class = labels.is_sorted() && labels.first() != labels.last();
    (0..n)
        .map(|i| if by_class { i * examples / n } else { i })
        .collect()
}
