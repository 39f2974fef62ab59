//! The one model that everything shares: a stem, residual blocks, and a head.
//!
//! ```text
//! x0 = stem(input)                                     [N, C, H, W]
//! u  = pre(x)
//! x' = post( skip(u) + sum_i f_i(u) ),   i = 1..k
//! logits = head(x_n)                                   [N, classes]
//! ```
//!
//! [`ResidualNetwork`] holds that structure over any kind of layer: [`Layer`] is the plain
//! description, [`TrainableLayer`] carries parameters under autograd, and [`FrozenLayer`] is
//! folded for analysis. A [`Plan`] says what is computed, and `resolve` is the one place that
//! reads it.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod architecture;
mod chance;
mod check;
mod convolution;
mod cost;
mod densenet;
mod error;
mod exchange;
mod factors;
mod fractal;
mod fragment;
mod frozen;
mod fused;
mod gate;
mod highway;
mod images;
mod index;
mod initialize;
mod kernel;
mod linearization;
mod normalization;
mod operation;
mod passages;
mod plan;
mod prune;
mod recalibration;
mod residual;
mod resolve;
mod shape;
mod statistics;
mod streams;
mod substitutes;
mod trainable;
mod winograd;

pub use architecture::{Architecture, Family, Groups, Shortcut, Stem, Terms, Unit};
pub use cost::Cost;
pub use densenet::dense_block;
pub use error::{NetworkError, count, length};
pub use exchange::Exchange;
pub use factors::{BlockFactors, Factors};
pub use fractal::is_fractal;
pub use fragment::{
    Argument, Fragment, Granularity, Length, Node, Opened, Sizes, Value, is_allowed, is_real,
};
pub use frozen::{FrozenLayer, FrozenNetwork, channels_last, duplicate};
pub use index::{BlockIndex, FunctionIndex};
pub use initialize::random_batch;
pub use kernel::{Geometry, Kernel};
pub use linearization::{Linearization, LinearizedBlock, cross_entropy_cotangent};
pub use operation::{Layer, Operation, Parameter, Role};
pub use plan::{FunctionState, Plan, Step};
pub use recalibration::Recalibration;
pub use residual::{Block, Forward, Function, Mode, Pass, ResidualNetwork, Specification};
pub use shape::{BlockShape, FeatureShape};
pub use statistics::{Moments, StoredStatistics};
pub use substitutes::{StandIn, Substitutes};
pub use trainable::{TrainableLayer, TrainableNetwork};
