//! Groups of arguments that several commands share, and what they stand for.

mod compute;
mod data;
mod format;
mod model;
pub(crate) mod number;
mod output;
mod picture;
mod recipe;
mod results;
mod selector;
mod shape;
mod table;
mod training_log;

pub(crate) use compute::ComputeArguments;
pub(crate) use data::{BrokenImages, DataArguments};
pub(crate) use format::{Format, FormatArguments};
pub(crate) use model::{ModelArguments, ReadingArguments, Subject};
pub(crate) use output::{OutputArguments, PICTURES};
pub(crate) use picture::{DENSITY, PictureArguments};
pub(crate) use recipe::RecipeArguments;
pub(crate) use results::ResultsArguments;
pub(crate) use selector::Selection;
pub(crate) use shape::ShapeArguments;
pub(crate) use table::TableArguments;
pub(crate) use training_log::training_log;
