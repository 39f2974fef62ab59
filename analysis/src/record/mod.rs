//! What experiments and trainings write and everything else reads: JSON Lines, one header and then
//! one record per measurement.
//!
//! Blocks and functions count from 0, in the order in which data meets them. Losses are in nats,
//! shares and rates lie between 0 and 1, gradients are L2 norms of one example's gradient. A
//! [`Journal`] is a results file as it was written, and a [`JournalWriter`] one that grows.

mod change;
mod check;
mod commutator;
mod distance;
mod ensemble;
mod error;
mod family;
mod header;
mod journal;
mod latency;
mod lines;
mod lock;
mod measure;
mod number;
mod options;
mod outcome;
mod removal;
mod spectrum;
mod text;
mod training;
mod wrong;

pub use crate::lesion_kind::LesionKind;
pub use change::{BatchNormStatistics, Change, Lesion, ReorderMethod, Reordering};
pub use commutator::Commutator;
pub use distance::Distance;
pub use ensemble::Ensemble;
pub use error::JournalError;
pub use family::FamilyMember;
pub use header::{
    BlockIdentity, DataIdentity, Header, ModelIdentity, SCHEMA_VERSION, Shard, StatisticsAudit,
};
pub use journal::{Journal, JournalWriter};
pub use latency::{Latency, RunTime};
pub use lines::LineWriter;
pub use lock::FolderLock;
pub use measure::{Meaning, Measure};
pub use options::{
    EnsembleSettings, GradientPoint, Grading, InputNormalization, LesionSettings, Loss, Options,
    ReorderSettings, SpectrumSettings,
};
pub use outcome::{Outcome, Screened};
pub use removal::Removal;
pub use spectrum::{GradedGradient, PerLength, SampledPath, Spectrum};
pub use training::{
    DataSource, EpochRecord, Evaluation, RecipeSummary, TRAINING_SCHEMA_VERSION, TrainedShape,
    TrainingHeader, TrainingLog, TrainingRecord, TrainingResult, read_training,
};
pub use wrong::WrongExamples;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use check::Fault;

/// A line of a results file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", remote = "Self")]
#[schemars(!remote)]
pub enum Record {
    /// The first line: what was measured, and how to do it again.
    Header(Header),
    /// A plan evaluated on every example: a lesion, a reordering, or the network as it is.
    Outcome(Outcome),
    /// How far two blocks are from commuting.
    Commutator(Commutator),
    /// How far the activations at two depths are apart.
    Distance(Distance),
    /// The gradient by path length, over one mini-batch.
    Spectrum(Spectrum),
    /// One path drawn, with its gradient.
    SampledPath(SampledPath),
    /// What a set of sub-networks is as an ensemble.
    Ensemble(Ensemble),
    /// One step of a greedy removal.
    Removal(Removal),
    /// How long the networks of a greedy removal take.
    Latency(Latency),
}

impl Record {
    /// The name of the measurement within its file; a header has none.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Header(_) => None,
            Self::Outcome(record) => Some(&record.key),
            Self::Commutator(record) => Some(&record.key),
            Self::Distance(record) => Some(&record.key),
            Self::Spectrum(record) => Some(&record.key),
            Self::SampledPath(record) => Some(&record.key),
            Self::Ensemble(record) => Some(&record.key),
            Self::Removal(record) => Some(&record.key),
            Self::Latency(record) => Some(&record.key),
        }
    }

    /// Whether `other` would be written as the same line; losses that are not numbers included.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let line = |record: &Self| serde_json::to_string(record).ok();
        self == other || line(self).is_some_and(|text| line(other) == Some(text))
    }

    fn check(&self) -> Result<(), Fault> {
        match self {
            Self::Header(record) => record.check(),
            Self::Outcome(record) => record.check(),
            Self::Commutator(record) => record.check(),
            Self::Distance(record) => record.check(),
            Self::Spectrum(record) => record.check(),
            Self::SampledPath(_) => Ok(()),
            Self::Ensemble(record) => record.check(),
            Self::Removal(record) => record.check(),
            Self::Latency(record) => record.check(),
        }
    }
}

/// As derived, and then checked: what is read may come from anywhere.
impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let record = Self::deserialize(deserializer)?;
        record.check().map_err(serde::de::Error::custom)?;
        Ok(record)
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

#[cfg(test)]
mod tests;
