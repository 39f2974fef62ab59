//! Results as people and files get them.

pub(crate) mod answer;
pub(crate) mod dry_run;
pub(crate) mod evaluation;
pub(crate) mod file;
pub(crate) mod network;
pub(crate) mod outcomes;
pub(crate) mod page;
pub(crate) mod paper;
pub(crate) mod picture_file;
pub(crate) mod smaller_network;
pub(crate) mod spectrum;
