use pathscope_file::pickle::PickleError;
use pathscope_file::{printable, sentence, shortened};
use std::io;
use std::path::Path;

/// Why examples or labels could not be read, or do not suit what is asked of them.
///
/// `file` names a file, or an entry of an archive as `archive: entry`; offsets are in bytes from
/// the start of that file (after decompression).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system or a decompressor failed.
    #[error("{file}: {source}")]
    Io {
        /// Where.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing to read.
    #[error("{file}: no {wanted} in it")]
    Empty {
        /// Where.
        file: String,
        /// What was looked for.
        wanted: &'static str,
    },
    /// Nothing known was recognised.
    #[error("{file}: not a known data set; known are {known} (folders also as .tar or .tar.gz)")]
    UnknownLayout {
        /// Where.
        file: String,
        /// What is known.
        known: String,
    },
    /// A table in the Parquet format.
    #[error("{file}: a Parquet file, which is not read; write it as .npz in Python")]
    Parquet {
        /// Where.
        file: String,
        /// The lines that write it as .npz.
        python: String,
    },
    /// The requested split is absent.
    #[error("{file}: no {split} images or tokens here, only {present}; give a place that has them")]
    MissingSplit {
        /// Where.
        file: String,
        /// The split asked for.
        split: super::Split,
        /// What is there instead.
        present: String,
    },
    /// More than one data set fits the request.
    #[error("{file}: several data sets lie here ({candidates}); give the images file of one")]
    Ambiguous {
        /// Where.
        file: String,
        /// What fits.
        candidates: String,
    },
    /// The file ends inside a record.
    #[error(
        "{file}: record {record} at byte {offset} is short: {found} of {expected} bytes; the file \
         is cut off or of another format"
    )]
    ShortRecord {
        /// Where.
        file: String,
        /// Number of the record, from 0.
        record: usize,
        /// Where the record starts.
        offset: u64,
        /// Bytes a record has.
        expected: u64,
        /// Bytes that are left.
        found: u64,
    },
    /// A label names no class.
    #[error(
        "{file}: record {record} at byte {offset} has label {label}, but there are {classes} \
         classes (0 to {})", classes.saturating_sub(1)
    )]
    LabelOutOfRange {
        /// Where.
        file: String,
        /// Number of the record, from 0.
        record: usize,
        /// Where the label lies.
        offset: u64,
        /// The label.
        label: i64,
        /// Number of classes.
        classes: usize,
    },
    /// The first bytes, or those of a header, are not those of the format.
    #[error("{file}: byte {offset}: {found}, expected {expected}")]
    WrongMagic {
        /// Where.
        file: String,
        /// Where in the file.
        offset: u64,
        /// What the format has there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A header claims more or fewer bytes than there are.
    #[error("{file}: byte {offset}: the header claims {claimed} bytes of {what}, found {found}")]
    SizeMismatch {
        /// Where.
        file: String,
        /// Where the bytes start.
        offset: u64,
        /// Of what.
        what: &'static str,
        /// Bytes claimed.
        claimed: u64,
        /// Bytes present; for compressed files the most that they can hold.
        found: u64,
    },
    /// Tokens where only images will do.
    #[error(
        "{0}: sequences of tokens, where images are needed; give images, or a network exported \
         with torch.export that takes tokens"
    )]
    NotImages(String),
    /// A token that no vocabulary has.
    #[error(
        "{file}: sequence {record}, place {place}, at byte {offset}: {value} is no token; tokens \
         and targets count from 0"
    )]
    NotAToken {
        /// Where.
        file: String,
        /// Number of the sequence, from 0.
        record: usize,
        /// Place in the sequence, from 0.
        place: usize,
        /// Where the number lies.
        offset: u64,
        /// The number.
        value: i64,
    },
    /// Images and labels differ in number.
    #[error("{images}: {image_count} images, but {labels} has {label_count} labels")]
    CountMismatch {
        /// The images' file.
        images: String,
        /// Number of images.
        image_count: usize,
        /// The labels' file.
        labels: String,
        /// Number of labels.
        label_count: usize,
    },
    /// The content breaks a rule of its format.
    #[error("{file}: byte {offset}: {reason}")]
    Malformed {
        /// Where.
        file: String,
        /// Where in the file.
        offset: u64,
        /// Which rule, and what to do.
        reason: String,
    },
    /// A Python batch that cannot be read.
    #[error("{file}: {fault}")]
    Pickle {
        /// Where.
        file: String,
        /// What is wrong.
        #[source]
        fault: PickleError,
    },
    /// An image cannot be decoded.
    #[error("{file}: not a readable image ({})", sentence(source))]
    UndecodableImage {
        /// Which image.
        file: String,
        /// What the decoder said.
        source: image::ImageError,
    },
    /// An image file that ends before its image does.
    #[error("{0}: the image is cut off; copy it again, or move it away")]
    CutOff(String),
    /// An image whose values have no plain reading as bytes.
    #[error("{file}: {what}; save it with 8 bits for each colour, as RGB or grey")]
    UnsuitableImage {
        /// Which image.
        file: String,
        /// What its values are.
        what: String,
    },
    /// A colour image for a network that takes grey ones.
    #[error(
        "{0}: a colour image, but the network takes grey ones; convert all images to grey first, \
         for example with Pillow's `convert(\"L\")`"
    )]
    NotGrey(String),
    /// Image files that cannot be read, all of them counted.
    #[error("{first}{others}")]
    BrokenImages {
        /// What is wrong with the first of them.
        #[source]
        first: Box<DataError>,
        /// The others, as a clause; empty where there is one only.
        others: String,
    },
    /// Images of which none lies in a folder that states its class.
    #[error(
        "{file}: {images} images lie in no class folder, such as {first}; sort them into one folder \
         for each class, or put the list of their classes beside them (val_annotations.txt of \
         Tiny-ImageNet, LOC_val_solution.csv of ILSVRC)"
    )]
    NoClassFolders {
        /// Where.
        file: String,
        /// How many.
        images: usize,
        /// The first of them.
        first: String,
    },
    /// Bytes of pixels where only those will do.
    #[error(
        "{0}: images of normalised numbers, where pixels are needed; save them as uint8 from 0 \
         to 255"
    )]
    NotPixels(String),
    /// More pixels than are decoded.
    #[error("{file}: {width}x{height} pixels, more than the {limit} that are allowed")]
    TooManyPixels {
        /// Which image.
        file: String,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// The most that are allowed.
        limit: u64,
    },
    /// Images differ in size and no size was asked for.
    #[error(
        "{file}: {found_width}x{found_height} pixels, but the first image has \
         {expected_width}x{expected_height}; ask for a size to scale all images to"
    )]
    ImageSize {
        /// The first image that differs.
        file: String,
        /// Width of the first image, in pixels.
        expected_width: usize,
        /// Height of the first image, in pixels.
        expected_height: usize,
        /// Width of this image.
        found_width: usize,
        /// Height of this image.
        found_height: usize,
    },
    /// Something is larger than any real data set of this kind.
    #[error("{file}: {what} takes {bytes} bytes, more than the {limit} that are allowed")]
    TooLarge {
        /// Where.
        file: String,
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The largest allowed size.
        limit: u64,
    },
    /// An IDX label is one byte.
    #[error("{file}: {classes} classes do not fit the one-byte labels of an IDX file (256)")]
    TooManyClasses {
        /// Where the file was to be written.
        file: String,
        /// Number of classes.
        classes: usize,
    },
    /// An example was asked for that is not there.
    #[error("example {index} was asked for, but there are {examples}")]
    ExampleOutOfRange {
        /// The example's index.
        index: usize,
        /// Number of examples.
        examples: usize,
    },
    /// A normalisation for other images.
    #[error(
        "the normalisation is for {normalization} channels, but the images have {images}; choose \
         another preset"
    )]
    ChannelMismatch {
        /// Channels of the normalisation.
        normalization: usize,
        /// Channels of the images.
        images: usize,
    },
    /// A normalisation that divides by zero or has no channel.
    #[error("not a normalisation: {0}")]
    InvalidNormalization(String),
    /// No normalisation has this name.
    #[error(
        "no normalisation is named `{name}`; known are {known}, and means and deviations such as \
         0.49,0.48,0.45/0.20,0.20,0.20"
    )]
    UnknownPreset {
        /// The name given.
        name: String,
        /// The names that exist.
        known: String,
    },
}

impl DataError {
    /// Whether an image file holds no image that can be used: it may be skipped.
    pub(super) fn is_broken_image(&self) -> bool {
        matches!(
            self,
            Self::UndecodableImage { .. } | Self::CutOff { .. } | Self::UnsuitableImage { .. }
        )
    }

    /// The first error of image files, with the names of some other files.
    pub(super) fn broken_images<'a>(
        first: Self,
        others: impl ExactSizeIterator<Item = &'a str>,
    ) -> Self {
        const SHOWN: usize = 3;
        let count = others.len();
        let named: Vec<String> = others.take(SHOWN).map(shortened).collect();
        let others = match count {
            0 => String::new(),
            _ => format!(
                "; {count} more image file(s) cannot be used: {}{}",
                named.join(", "),
                if count > SHOWN { ", ..." } else { "" }
            ),
        };
        Self::BrokenImages {
            first: Box::new(first),
            others,
        }
    }

    pub(super) fn io(file: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            file: file.into(),
            source,
        }
    }

    pub(super) fn empty(file: impl Into<String>, wanted: &'static str) -> Self {
        let file = file.into();
        Self::Empty { file, wanted }
    }

    pub(super) fn too_large(
        file: impl Into<String>,
        what: &'static str,
        bytes: u64,
        limit: u64,
    ) -> Self {
        Self::TooLarge {
            file: file.into(),
            what,
            bytes,
            limit,
        }
    }

    /// `place` in bytes is where what is claimed begins.
    pub(super) fn size_mismatch(
        file: impl Into<String>,
        place: usize,
        what: &'static str,
        claimed: usize,
        found: usize,
    ) -> Self {
        Self::SizeMismatch {
            file: file.into(),
            offset: place as u64,
            what,
            claimed: claimed as u64,
            found: found as u64,
        }
    }

    pub(super) fn malformed(file: &str, offset: usize, reason: impl Into<String>) -> Self {
        Self::Malformed {
            file: file.into(),
            offset: offset as u64,
            reason: reason.into(),
        }
    }
}

/// A path as errors show it.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.display().to_string()).into_owned()
}
