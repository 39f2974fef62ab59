//! Training: stochastic gradient descent over the one structure, with the paths that each
//! mini-batch trains as a plan.
//!
//! A [`Recipe`] says what is trained how; a [`Trainer`] holds a network while it is trained; a
//! [`Run`] is a training with its folder, its log and its checkpoints, from which it continues to
//! the last bit as if it had never stopped.
//!
//! # What each restriction trains
//!
//! | restriction | forward | backward | BN statistics | factor at test time |
//! |---|---|---|---|---|
//! | none | all | all | of the whole network | 1 |
//! | effective paths m | m of n blocks | the same | of restricted networks | m / n |
//! | effective functions m | m of k n functions | the same | of restricted networks | m / (k n) |
//! | effective range a:b | a (k+1)/k to b (k+1)/k blocks | the same | of restricted networks | their mean / n |
//! | drop-path | one column, or what is left of each mean | the same | of restricted networks | 1 |
//! | stochastic depth, batch | blocks that survive | the same | of restricted networks | 1 - l / n (1 - p) |
//! | stochastic depth, example | all, gated | blocks that survive | of gated networks | the same |
//! | backward only | all | m of n blocks | of the whole network | 1 |
//!
//! A function that is left out is not computed. The factor at test time is folded into the last
//! convolution of each function by [`Trainer::finished_network`], whose batch-norm
//! statistics are then re-measured.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod average;
mod borders;
mod checkpoint;
mod drop_path;
mod error;
mod evaluation;
mod finish;
mod foreach;
mod optimizer;
mod options;
mod paper;
mod parallel;
mod planner;
mod playback;
mod recipe;
mod restriction;
mod run;
mod run_log;
mod schedule;
mod step;
mod store;
mod trainer;

pub use pathscope_analysis::record::{DataSource, EpochRecord, Evaluation};

pub use checkpoint::{Checkpoint, CheckpointCard, Saving};
pub use error::TrainingError;
pub use evaluation::{View, evaluate};
pub use optimizer::{Optimizer, OptimizerOptions};
pub use options::{Precision, TrainingOptions};
pub use paper::{PaperTable, QuotedRow};
pub use parallel::Parallel;
pub use planner::{Bench, Costs};
pub use recipe::{PaperRow, Recipe, RecipeArchitecture, RecipeData};
pub use restriction::{Restriction, SurvivalMode};
pub use run::{Advance, Run, RunOptions, TrainingData};
pub use run_log::{RunHeader, RunRecord, RunResult, read_log};
pub use schedule::Schedule;
pub use step::Measured;
pub use trainer::{EpochSummary, Position, StepSummary, Trainer};
