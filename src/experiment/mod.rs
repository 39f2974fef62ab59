//! Questions to a trained network: plans over the one structure, evaluated together.

mod batches;
mod calibration;
mod commutator;
mod ensemble;
mod error;
mod fit;
mod greedy;
mod journal;
mod laboratory;
mod latency;
mod lesion;
mod outcomes;
mod packed;
mod reorder;
mod sequential;
mod share;
mod spectrum;
mod study;
mod sweep;
mod tree;

pub use batches::ComputeOptions;
pub use error::ExperimentError;
pub use fit::check_fit;
pub use journal::Journal;
pub use laboratory::{Cell, Laboratory};
pub use lesion::LesionOptions;
pub use outcomes::Outcomes;
pub use sequential::paired_sequence;
pub use spectrum::{Grading, Loss, Place, SpectrumOptions};
pub use study::{Allotment, PILOT_EXAMPLES, Pilot, Scope};
pub use sweep::Sweep;
