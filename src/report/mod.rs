//! What people look at: pictures, pages and sentences from records.
//!
//! A [`Journal`] is a results file as it was written. [`plot`] has a function per picture, from
//! records to a [`Picture`], which is data until [`Picture::svg`] draws it: the same bytes for the
//! same records, with a text alternative inside.

mod chart;
pub mod difference;
pub mod draws;
#[cfg(test)]
mod example;
pub mod family;
mod findings;
pub mod gradient;
mod journal;
pub mod lesions;
mod matrix;
mod merge;
mod page;
mod path_counts;
pub mod picture;
pub mod plot;
pub mod quantity;
mod raster;
pub mod removals;
mod run;
mod scale;
mod source;
mod svg;
mod theme;
mod training_log;

pub use findings::{Finding, findings};
pub use journal::{Journal, JournalError};
pub use merge::{MergeError, merge};
pub use page::{PageError, page};
pub use path_counts::PathCountsFile;
pub use picture::Picture;
pub use raster::{RasterError, png};
pub use run::Run;
pub use source::{Source, SourceError};
pub use svg::DrawError;
pub use theme::{Colour, Theme};
pub use training_log::{Epoch, HeldOut, TrainingLog};
