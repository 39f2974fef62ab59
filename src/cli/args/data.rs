use std::path::{Path, PathBuf};

use clap::Args;

use super::number::positive;
use super::output::folder_of;
use crate::cli::{Problem, Terminal};
use crate::data::{
    self, ClassOrder, DataError, DataNote, Dataset, Framing, Interpolation, ReadRequest, Scale,
    Split,
};
use crate::experiment::check_fit;
use crate::format::{Model, ModelCard};

/// The examples to measure on.
#[derive(Debug, Args)]
pub(crate) struct DataArguments {
    /// Data set: CIFAR, IDX (MNIST), a folder of images by class, or .npz of images or of tokens
    /// [N, T]; also in an archive [default: the evaluation set that the model names]
    #[arg(long, value_name = "PLACE")]
    pub data: Option<PathBuf>,
    /// Use the training split instead of the test split
    #[arg(long)]
    pub train_split: bool,
    /// Number of examples to use, the first ones [default: all]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub limit: Option<usize>,
    #[command(flatten)]
    folder: FolderArguments,
}

/// How folders of images are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Folders of images")]
struct FolderArguments {
    /// Shorter side to which images are scaled before the cut, in pixels [default: the model's; 256
    /// for networks of torchvision and timm]
    #[arg(long, value_name = "SIDE", value_parser = positive)]
    resize: Option<usize>,
    /// Side of the square that is cut from the centre, in pixels [default: the model's input]
    #[arg(long, value_name = "SIDE", value_parser = positive)]
    crop: Option<usize>,
    /// Interpolation for scaling, antialiased as Pillow's [default: the model's, else bilinear]
    #[arg(long, value_enum)]
    interpolation: Option<Interpolation>,
    /// Order of class folders that are named by numbers
    #[arg(long, value_enum, default_value = "number")]
    class_order: ClassOrder,
    #[command(flatten)]
    broken: BrokenImages,
    /// Largest image that is decoded, in pixels
    #[arg(long, value_name = "N", default_value_t = 64 << 20)]
    max_pixels: u64,
}

/// What becomes of image files that cannot be read.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct BrokenImages {
    /// Leave out image files that cannot be read, and say how many
    #[arg(long)]
    pub skip_broken: bool,
}

impl BrokenImages {
    /// A reader's error, which names this option where it helps.
    pub fn problem(error: DataError) -> Problem {
        match error {
            DataError::BrokenImages { .. } => {
                Problem::from(error).advised("--skip-broken leaves such files out")
            }
            _ => error.into(),
        }
    }
}

impl FolderArguments {
    /// How images are brought to `size` for a model that states `framing`. Errors: a square that
    /// does not fit into what it is cut from.
    fn framing(&self, framing: Option<Framing>, size: (usize, usize)) -> Result<Framing, Problem> {
        let mut framing = framing.unwrap_or_default();
        if let Some(side) = self.resize {
            if side < size.0.max(size.1) {
                return Err(Problem::BadInput(format!(
                    "images scaled to a shorter side of {side} (--resize) do not cover {}x{}; raise \
                     --resize or lower --crop",
                    size.1, size.0
                )));
            }
            framing.scale = Scale::ShorterSide(side);
        }
        framing.interpolation = self.interpolation.unwrap_or(framing.interpolation);
        Ok(framing)
    }

    /// Whether a note says no more than what was asked for.
    fn states(&self, note: &DataNote) -> bool {
        let framing = self.resize.is_some() && self.interpolation.is_some();
        matches!(note, DataNote::Framed { .. }) && framing
    }
}

/// A reader's error with what to do about it, in words of the command line.
fn advised(error: DataError) -> Problem {
    match error {
        DataError::TooManyPixels { .. } => {
            Problem::from(error).advised("--max-pixels raises the limit")
        }
        _ => BrokenImages::problem(error),
    }
}

impl DataArguments {
    /// Reads the examples for `model`, which lies at `file`, as [`at`](Self::at) does. Errors: no
    /// data, or data that do not fit the model.
    pub fn load(
        &self,
        model: &Model,
        file: &Path,
        terminal: &Terminal,
    ) -> Result<Dataset, Problem> {
        let location = match (&self.data, &model.card.evaluation) {
            (Some(location), _) => location.clone(),
            (None, Some(name)) => folder_of(file).join(name),
            (None, None) => {
                return Err(Problem::BadInput(format!(
                    "{} names no evaluation set; give a data set with --data (a CIFAR, IDX or \
                     image folder, an archive, or .npz of images or tokens)",
                    file.display()
                )));
            }
        };
        self.at(&location, &model.card, terminal)
    }

    /// Reads the examples at `location` for the model of a card, and prints what a person should
    /// know about them. Errors: data that do not fit the model.
    pub fn at(
        &self,
        location: &Path,
        card: &ModelCard,
        terminal: &Terminal,
    ) -> Result<Dataset, Problem> {
        let input = card.input;
        let size = |length: i64| {
            usize::try_from(length)
                .map_err(|_| Problem::Internal(format!("an input of {input} has a negative size")))
        };
        let folder = &self.folder;
        let cut = match folder.crop {
            Some(side) => (side, side),
            None => (size(input.height)?, size(input.width)?),
        };
        let split = match self.train_split {
            true => Split::Train,
            false => Split::Test,
        };
        let request = ReadRequest {
            size: Some(cut),
            framing: folder.framing(card.framing, cut)?,
            channels: Some(size(input.channels)?),
            classes: card.specification.classes(),
            class_order: folder.class_order,
            limit: self.limit,
            max_pixels: folder.max_pixels,
            skip_broken: folder.broken.skip_broken,
            ..ReadRequest::new(split)
        };
        let data = data::open(location, &request).map_err(advised)?;
        for note in data.notes().iter().filter(|note| !folder.states(note)) {
            let remedy = match note {
                DataNote::NumericClasses => " (choose with --class-order)",
                DataNote::Framed { .. } => " (choose with --resize, --crop and --interpolation)",
                _ => "",
            };
            terminal.remark(&format!("note: {note}{remedy}"));
        }
        check_fit(&card.specification, &data)?;
        if data.holds_tokens() {
            return Ok(data);
        }
        let shape = data.shape();
        if size(input.channels)? != shape.channels {
            return Err(Problem::BadInput(format!(
                "the model takes images with {} channel(s), but those of {} have {}",
                input.channels,
                location.display(),
                shape.channels
            )));
        }
        let classes = card.specification.classes().ok_or_else(|| {
            Problem::BadInput(format!(
                "the head of {} does not end in classes; only classifiers can be evaluated",
                card.title
            ))
        })?;
        check_classes(&data, classes, location)?;
        Ok(data)
    }
}

/// Refuses data of other classes than the model's.
fn check_classes(data: &Dataset, classes: usize, location: &Path) -> Result<(), Problem> {
    // Without names, the classes of a data set are those that it happens to show.
    let named = !data.class_names().is_empty();
    if data.classes() <= classes && !(named && data.classes() != classes) {
        return Ok(());
    }
    let advice = match (named, data.classes(), classes) {
        (.., 1) => {
            "; a network with a single output has one class: give it an output for each class"
        }
        (true, 1, _) => {
            "; its images lie in one folder: sort them into one for each class, or put the list of \
             their classes beside them (val_annotations.txt, LOC_val_solution.csv)"
        }
        (true, _, 1000) => {
            "; some of ImageNet's classes are matched where their folders have WordNet names, such \
             as n01440764"
        }
        _ => "",
    };
    Err(Problem::BadInput(format!(
        "the model has {classes} {}, but the data set {} has {}{advice}",
        if classes == 1 { "class" } else { "classes" },
        location.display(),
        data.classes()
    )))
}
