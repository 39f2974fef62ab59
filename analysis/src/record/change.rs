use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lesion_kind::LesionKind;

/// What was done to a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Nothing.
    Intact,
    /// Functions were disabled.
    Lesion(Lesion),
    /// Blocks ran in another order.
    Reordering(Reordering),
}

/// Disabled functions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lesion {
    /// Blocks all of whose functions are affected.
    pub blocks: Vec<usize>,
    /// Single functions, as (block, function).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<(usize, usize)>,
    /// How.
    pub kind: LesionKind,
    /// Whose statistics the normalisations use.
    pub batch_norm: BatchNormStatistics,
    /// Whether the weights were drawn at random instead of trained: a control.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub random_weights: bool,
}

/// Whose statistics the normalisations of a changed network use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum BatchNormStatistics {
    /// Those of the intact network.
    #[default]
    Frozen,
    /// Those of the changed network, re-measured on the calibration data.
    #[cfg_attr(feature = "cli", value(name = "recalibrate"))]
    Recalibrated,
}

/// Blocks in another order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reordering {
    /// Block that runs at each place.
    pub order: Vec<usize>,
    /// How the order was made.
    pub method: ReorderMethod,
    /// Kendall's tau against the trained order, over all pairs of blocks.
    pub kendall_tau: f64,
}

/// How an order was made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum ReorderMethod {
    /// Random pairs of equal shape exchanged one after another (Veit et al. 2016).
    Swaps {
        /// How many.
        swaps: usize,
    },
    /// Random neighbours exchanged one after another.
    Adjacent {
        /// How many.
        swaps: usize,
    },
    /// Each class of equal shape rotated.
    Rotate {
        /// By how many places.
        by: usize,
    },
    /// Each class reversed.
    Reverse,
    /// Uniform among the orders with this tau.
    Tau {
        /// The tau asked for.
        tau: f64,
    },
    /// Two given blocks exchanged.
    Exchange {
        /// The earlier one.
        first: usize,
        /// The later one.
        second: usize,
    },
}
