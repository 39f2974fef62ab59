//! Questions to a trained network: plans over the one structure, evaluated together.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod audit;
mod batches;
mod calibration;
mod commutator;
mod distance;
mod ensemble;
mod error;
mod fit;
mod greedy;
mod journal;
mod laboratory;
mod latency;
mod lesion;
mod not_finite;
mod outcomes;
mod packed;
mod pulse;
mod questions;
mod reorder;
mod scores;
mod sequential;
mod share;
mod spectrum;
mod stand_in;
mod study;
mod sweep;
mod tree;

pub use audit::{Agreement, Audit, Auditor, Border, NEGLIGIBLE_AT_THE_INPUT};
pub use batches::ComputeOptions;
pub use error::ExperimentError;
pub use fit::check_fit;
pub use greedy::Extent;
pub use journal::open_together;
pub use laboratory::{Laboratory, Origin};
pub use lesion::LesionOptions;
pub use outcomes::Outcomes;
pub use pathscope_analysis::record::JournalWriter as Journal;
pub use pathscope_analysis::record::{GradientPoint, Grading, Loss};
pub use questions::{Measurement, Questions};
pub use sequential::EarlyStop;
pub use spectrum::{SpectrumOptions, first_gradient};
pub use study::{Allotment, PILOT_EXAMPLES, Pilot, Scope};
pub use sweep::Sweep;
