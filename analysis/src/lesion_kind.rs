use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a function is disabled.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum LesionKind {
    /// Its output is left out; the skip stays.
    #[default]
    Delete,
    /// Its output is replaced by its mean over a calibration set.
    Mean,
    /// Its output is replaced by that for another example.
    Resample,
    /// Its output is replaced by Gaussian noise of its mean and deviation per channel.
    Noise,
    /// Its output is replaced by the linear map of its input that fits it best on a calibration
    /// set: per channel, the same at every position. The map's own multiply-adds are not counted.
    Linear,
    /// The skip is cut instead.
    Skip,
}

impl LesionKind {
    /// What was done to the functions, in words.
    #[must_use]
    pub fn done(self) -> &'static str {
        match self {
            Self::Delete => "deleted",
            Self::Mean => "replaced by their mean",
            Self::Resample => "replaced by another example's",
            Self::Noise => "replaced by noise",
            Self::Linear => "replaced by a linear map",
            Self::Skip => "skip cut instead",
        }
    }
}

/// Calls the macro `$apply` with every kind that replaces outputs by something measured, and the
/// module that measures it: `Kind in module, ...`. Whoever measures declares these modules with it,
/// so that a new kind is a line here and a file there.
#[macro_export]
macro_rules! stand_in_kinds {
    ($apply:ident) => {
        $apply! { Mean in mean, Resample in resample, Noise in noise, Linear in linear }
    };
}
