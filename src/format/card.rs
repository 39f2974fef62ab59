//! What is written about a network beside its tensors.

use pathscope_data::{Framing, Normalization};
use pathscope_network::{FeatureShape, Specification};
use serde::{Deserialize, Serialize};

/// What pathscope writes into the metadata of its model files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// What the network is called: its family, depth and functions.
    pub title: String,
    /// Every layer of the network.
    pub specification: Specification,
    /// Shape of the images.
    pub input: FeatureShape,
    /// What makes pixels into inputs.
    pub normalization: Normalization,
    /// How images are brought to the shape, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framing: Option<Framing>,
    /// Names of the classes, where they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
    /// The evaluation set that is shipped for it, as a file name under `assets/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<String>,
    /// How it was trained: command, options, results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<serde_json::Value>,
}
