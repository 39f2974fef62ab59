//! Pathscope: which blocks of a trained residual network matter, does their order matter, which
//! path lengths carry the gradient, how many paths is that, and would width now buy more than
//! depth?

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

pub mod cli;
pub use pathscope_data as data;
pub use pathscope_experiment as experiment;
pub use pathscope_file as file;
pub use pathscope_format as format;
pub use pathscope_network as network;
pub use pathscope_report as report;
pub use pathscope_team as team;
pub use pathscope_training as training;
