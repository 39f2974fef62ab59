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
//! folded for analysis. There is one forward pass, and a [`Plan`] says what it computes.

mod architecture;
mod cost;
mod error;
mod exchange;
mod fragment;
mod frozen;
mod index;
mod initialize;
mod kernel;
mod linearization;
mod operation;
mod plan;
mod prune;
mod residual;
mod shape;
mod substitutes;
mod trainable;
mod winograd;

pub use architecture::{Architecture, Family, Shortcut, Stem, Unit};
pub use cost::Cost;
pub use error::NetworkError;
pub use exchange::Exchange;
pub use fragment::{Fragment, Length, Node, Primitive, Value};
pub use frozen::{FrozenLayer, FrozenNetwork, channels_last, duplicate};
pub use index::{BlockIndex, FunctionIndex};
pub use initialize::random_batch;
pub use kernel::{Geometry, Kernel};
pub use linearization::{Linearization, LinearizedBlock, cross_entropy_cotangent};
pub use operation::{Layer, Operation, Parameter, Role};
pub use plan::{BranchState, Plan, Step, Substitution};
pub use residual::{Block, Branch, Forward, Mode, Pass, ResidualNetwork, Specification};
pub use shape::{BlockShape, FeatureShape};
pub use substitutes::Substitutes;
pub use trainable::{TrainableLayer, TrainableNetwork};
