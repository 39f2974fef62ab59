//! What a person should know about how a data set was read.

use std::fmt;

/// Something worth telling about how a data set was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataNote {
    /// Files in class folders are no images by their names and were left out.
    LeftOut {
        /// How many.
        files: usize,
        /// The first of them.
        first: String,
    },
    /// Images that lie in no class folder were left out.
    Unlabelled {
        /// How many.
        files: usize,
        /// The first of them.
        first: String,
    },
    /// Image files that cannot be read were skipped, as asked.
    Skipped {
        /// How many.
        files: usize,
        /// The first of them.
        first: String,
    },
    /// Image files note an orientation that was not applied.
    Turned {
        /// How many.
        files: usize,
        /// The first of them.
        first: String,
    },
    /// Class folders without images keep their labels.
    EmptyClasses {
        /// How many.
        classes: usize,
        /// The first of them.
        first: String,
    },
    /// The class folders are named by numbers, whose order is not that of the names.
    NumericClasses,
    /// The classes are some of those of ImageNet, found by their WordNet names.
    SomeOfImageNet(usize),
    /// Images were scaled further than needed before they were cut.
    Framed(String),
    /// The grey images are repeated in red, green and blue.
    GreyInColour,
    /// The images are normalised numbers, not pixels.
    Normalized,
}

impl fmt::Display for DataNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftOut { files, first } => write!(
                f,
                "{files} file(s) in class folders left out, no images by their names: {first}{}",
                more(*files)
            ),
            Self::Unlabelled { files, first } => write!(
                f,
                "{files} image(s) in no class folder left out: {first}{}",
                more(*files)
            ),
            Self::Skipped { files, first } => write!(
                f,
                "{files} image file(s) left out, since they cannot be used: {first}{}",
                more(*files)
            ),
            Self::Turned { files, first } => write!(
                f,
                "{files} image file(s) note an orientation that is not applied, as in torchvision's \
                 ImageFolder: {first}{}",
                more(*files)
            ),
            Self::EmptyClasses { classes, first } => write!(
                f,
                "{classes} class folder(s) without images keep their labels: {first}{}",
                more(*classes)
            ),
            Self::SomeOfImageNet(classes) => write!(
                f,
                "{classes} of ImageNet's 1000 classes, by the WordNet names of their folders"
            ),
            Self::Framed(how) => write!(f, "images are {how}"),
            Self::GreyInColour => {
                f.write_str("the images are grey; each is repeated in red, green and blue")
            }
            Self::Normalized => {
                f.write_str("the images are floating-point numbers, taken as normalised already")
            }
            Self::NumericClasses => f.write_str(
                "class folders are named by numbers: labels are these numbers in order \
                 (0, 1, 2, ..., 10), not the order of the names (0, 1, 10, ..., 2) that \
                 torchvision's ImageFolder uses",
            ),
        }
    }
}

fn more(count: usize) -> &'static str {
    if count > 1 { ", ..." } else { "" }
}
