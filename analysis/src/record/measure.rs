use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the gradient of the paths of one length is measured.
///
/// A new measure is a variant here, with its words, and its computation in the experiment; tables
/// and pictures go through [`Measure::ALL`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Norm of the exact sum of the gradients of all paths of the length.
    Coherent,
    /// Summed squared norms of the gradients of its paths, by random signs.
    Energy,
    /// Mean norm of paths drawn at random (Veit et al. 2016).
    Sampled,
}

/// What the recorded numbers of a measure are, from which shares and norms of single paths follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The norm of what all paths of a length give together.
    Norm,
    /// The sum of the squared norms of its paths.
    SquaredNorms,
    /// The mean norm of one of its paths.
    NormOfOnePath,
}

impl Measure {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 3] = [Self::Coherent, Self::Energy, Self::Sampled];

    /// As the records name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Coherent => "coherent",
            Self::Energy => "energy",
            Self::Sampled => "sampled",
        }
    }

    /// What it is called in sentences.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Coherent => "coherent sum",
            Self::Energy => "path energy",
            Self::Sampled => "sampled estimate",
        }
    }

    /// Its definition.
    #[must_use]
    pub fn definition(self) -> &'static str {
        match self {
            Self::Coherent => "coherent sum: norm of the exact gradient of all paths of a length",
            Self::Energy => "path energy: root of the summed squared norms of its paths",
            Self::Sampled => "sampled estimate: mean norm of a path times the number of paths",
        }
    }

    /// What its recorded numbers are.
    #[must_use]
    pub fn meaning(self) -> Meaning {
        match self {
            Self::Coherent => Meaning::Norm,
            Self::Energy => Meaning::SquaredNorms,
            Self::Sampled => Meaning::NormOfOnePath,
        }
    }
}

impl Meaning {
    /// How much of the gradient a length carries, up to a factor that all lengths share: of a
    /// `recorded` number, and the number of `paths` of the length as a ratio to the commonest one.
    #[must_use]
    pub fn magnitude(self, recorded: f64, paths: f64) -> f64 {
        match self {
            Self::Norm => recorded,
            Self::SquaredNorms => recorded.max(0.0).sqrt(),
            Self::NormOfOnePath => recorded * paths,
        }
    }

    /// The norm of one path, as its mean or root mean square over paths, of a `recorded` number
    /// and the natural logarithm of the number of paths of the length; `None` where single paths
    /// cannot be told from their sum.
    #[must_use]
    pub fn norm_of_one_path(self, recorded: f64, ln_paths: f64) -> Option<f64> {
        match self {
            Self::Norm => None,
            Self::SquaredNorms => Some((0.5 * (recorded.max(0.0).ln() - ln_paths)).exp()),
            Self::NormOfOnePath => Some(recorded),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
