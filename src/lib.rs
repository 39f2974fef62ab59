//! Pathscope: which blocks of a trained residual network matter, does their order matter, which
//! path lengths carry the gradient, how many paths is that, and would width now buy more than
//! depth?

pub mod cli;
pub mod data;
pub mod experiment;
pub mod format;
pub mod network;
pub mod report;
pub mod team;
pub mod training;
