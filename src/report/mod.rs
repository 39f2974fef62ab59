//! What people look at: pictures, pages and sentences from records.
//!
//! A [`Journal`] is a results file as it was written. [`plot`] has a function per picture, from
//! records to a [`Picture`], which is data until [`Picture::svg`] draws it: the same bytes for the
//! same records, with a text alternative inside.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

pub mod difference;
mod draw;
mod error_rate;
pub mod family;
mod fonts;
pub mod gradient;
mod group;
mod length;
pub mod lesions;
mod look;
mod merge;
mod node_data;
mod page;
mod path_counts;
mod pdf;
pub mod picture;
pub mod plot;
pub mod quantity;
mod raster;
mod run;
mod source;
pub mod table;
mod tensorboard;
#[cfg(test)]
mod test_support;
mod theme;
pub mod view;

pub use pathscope_analysis::record::{Journal, JournalError, TrainingLog};

pub use draw::DrawError;
pub use fonts::RenderError;
pub use length::{Length, LengthError};
pub use look::{Legend, Look, Title};
pub use merge::{MergeError, merge};
pub use node_data::node_data;
pub use page::{PageError, page};
pub use path_counts::PathCountsFile;
pub use pdf::pdf;
pub use picture::Picture;
pub use raster::png;
pub use run::Run;
pub use source::{Source, SourceError};
pub use tensorboard::events as tensorboard_events;
pub use theme::{Colour, Theme};
pub use view::{Finding, findings};

/// A p-value below this counts as significant.
const ALPHA: f64 = 0.05;
