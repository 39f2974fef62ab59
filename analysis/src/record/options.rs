use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::change::BatchNormStatistics;
use super::measure::Measure;
use crate::lesion_kind::LesionKind;

/// The question of a results file, with everything that its results depend on beside network,
/// examples and seed. A run is resumed only into a file with equal options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "experiment", content = "options", rename_all = "kebab-case")]
pub enum Options {
    /// Functions disabled.
    Lesion(LesionSettings),
    /// Blocks in another order.
    Reorder(ReorderSettings),
    /// Sub-networks as an ensemble.
    Ensemble(EnsembleSettings),
    /// The gradient by path length.
    GradientSpectrum(SpectrumSettings),
}

impl Options {
    /// The experiment's name, which is that of its command.
    #[must_use]
    pub fn experiment(&self) -> &'static str {
        match self {
            Self::Lesion(_) => "lesion",
            Self::Reorder(_) => "reorder",
            Self::Ensemble(_) => "ensemble",
            Self::GradientSpectrum(_) => "gradient-spectrum",
        }
    }

    pub(super) fn content(&self) -> Content<'_> {
        match self {
            Self::Lesion(settings) => Content::Lesion(settings),
            Self::Reorder(settings) => Content::Reorder(settings),
            Self::Ensemble(settings) => Content::Ensemble(settings),
            Self::GradientSpectrum(settings) => Content::GradientSpectrum(settings),
        }
    }

    /// The options as indented JSON, without the experiment's name.
    ///
    /// # Errors
    /// Numbers that JSON cannot write.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&self.content())
    }
}

/// What an experiment asks alone, without its name.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    Lesion(&'a LesionSettings),
    Reorder(&'a ReorderSettings),
    Ensemble(&'a EnsembleSettings),
    GradientSpectrum(&'a SpectrumSettings),
}

/// How the inputs were normalised: per channel, in units of the largest pixel value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InputNormalization {
    /// Mean of each channel.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel.
    pub standard_deviation: Vec<f64>,
}

/// What the results of lesions depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LesionSettings {
    /// Which statistics the normalisations of the changed network use.
    pub batch_norm: BatchNormStatistics,
    /// SHA-256 of the examples that means and statistics are measured on.
    pub calibration: String,
    /// What happens to a function.
    pub kind: LesionKind,
    /// Normalisation of the inputs.
    pub normalization: InputNormalization,
    /// Whether the weights were drawn at random instead of trained.
    #[serde(default)]
    pub random_weights: bool,
    /// Width in percentage points of the confidence sequence at which a measurement stops early;
    /// all examples are measured where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<f64>,
    /// The margin in percentage points whose verdicts decide how much is measured; all examples are
    /// where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<f64>,
    /// Percentage points of error that a greedy removal may cost: every second example, from the first
    /// on, chooses the block, the others judge. All examples choose where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<f64>,
}

/// What the results of reorderings depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReorderSettings {
    /// Normalisation of the inputs.
    pub normalization: InputNormalization,
}

/// What the results of ensembles depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnsembleSettings {
    /// SHA-256 of the other networks that were compared with.
    pub against: Vec<String>,
    /// The largest set of blocks of the test of additivity, where one was given.
    pub most: Option<usize>,
    /// Normalisation of the inputs.
    pub normalization: InputNormalization,
}

/// What the gradient by path length depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "SpectrumSettingsForm")]
#[schemars(!from)]
pub struct SpectrumSettings {
    /// Where the gradient is taken.
    pub at: GradientPoint,
    /// Number of mini-batches.
    pub batches: usize,
    /// Bits of a floating-point number: 32 or 64.
    pub bits: u32,
    /// Examples in each mini-batch.
    pub examples: usize,
    /// By what paths were told apart beside their length.
    pub grading: Option<Grading>,
    /// The longest paths that were looked at; all where absent.
    pub longest: Option<usize>,
    /// What the gradient is of.
    pub loss: Loss,
    /// The measures, each with its number of random draws for every mini-batch and length: 1 where
    /// nothing is drawn.
    pub measures: BTreeMap<Measure, u64>,
    /// Normalisation of the inputs.
    pub normalization: InputNormalization,
    /// Whether the drawn paths were recorded one by one.
    pub record_paths: bool,
}

/// Where the gradient is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum GradientPoint {
    /// At the normalised image.
    #[default]
    #[serde(rename = "Input")]
    Input,
    /// At the stem's output.
    #[serde(rename = "Stem")]
    Stem,
}

/// The scalar whose gradient is taken, one for each example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Loss {
    /// Cross-entropy of the label; of a sequence, its sum over the positions.
    #[default]
    #[serde(rename = "CrossEntropy")]
    CrossEntropy,
    /// The logit of one class; of a sequence, its sum over the positions.
    #[serde(rename = "Logit")]
    Logit(usize),
    /// The largest logit; of a sequence, the sum of the largest of every position.
    #[serde(rename = "LargestLogit")]
    LargestLogit,
}

/// By what paths are told apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Grading {
    /// By their length: the number of functions on them.
    #[serde(rename = "Length")]
    Length,
    /// By the number of functions in each stage, given the stage of every block of the plan.
    #[serde(rename = "Stage")]
    Stage(Vec<usize>),
    /// By the number of functions of each type: first, second, ... of its block.
    #[serde(rename = "Function")]
    Function,
}

/// [`SpectrumSettings`] as they are read: older files give a field for each measure, and
/// `Logit(3)` and `Stage([0, 1])` as text.
#[derive(Deserialize)]
struct SpectrumSettingsForm {
    at: GradientPoint,
    batches: usize,
    bits: u32,
    examples: usize,
    #[serde(deserialize_with = "with_text_form")]
    grading: Option<Grading>,
    longest: Option<usize>,
    #[serde(deserialize_with = "with_text_form")]
    loss: Loss,
    measures: Option<BTreeMap<Measure, u64>>,
    #[serde(default)]
    coherent: bool,
    #[serde(default)]
    draws: u64,
    #[serde(default)]
    samples: u64,
    normalization: InputNormalization,
    record_paths: bool,
}

impl From<SpectrumSettingsForm> for SpectrumSettings {
    fn from(form: SpectrumSettingsForm) -> Self {
        let older = || {
            let draws = [
                (Measure::Coherent, u64::from(form.coherent)),
                (Measure::Energy, form.draws),
                (Measure::Sampled, form.samples),
            ];
            draws.into_iter().filter(|(_, draws)| *draws > 0).collect()
        };
        Self {
            at: form.at,
            batches: form.batches,
            bits: form.bits,
            examples: form.examples,
            grading: form.grading,
            longest: form.longest,
            loss: form.loss,
            measures: form.measures.unwrap_or_else(older),
            normalization: form.normalization,
            record_paths: form.record_paths,
        }
    }
}

/// Reads `{"Name":[0,1]}`, and the older text `Name([0, 1])`.
fn with_text_form<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: serde::de::DeserializeOwned,
    D: Deserializer<'de>,
{
    let value = Value::deserialize(deserializer)?;
    let text = value.as_str().and_then(|text| text.strip_suffix(')'));
    let parts = text.and_then(|text| text.split_once('('));
    let inner = parts.and_then(|(name, inner)| Some((name, serde_json::from_str(inner).ok()?)));
    let value = match inner {
        Some((name, inner)) => Value::Object([(name.to_owned(), inner)].into_iter().collect()),
        None => value,
    };
    serde_json::from_value(value).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_older_files_are_read() {
        let text = r#"{"experiment":"gradient-spectrum","options":{"at":"Stem","batches":6,"bits":32,
            "coherent":true,"draws":4,"examples":4,"grading":"Stage([0, 0, 1])","longest":null,
            "loss":"Logit(3)","normalization":{"mean":[0.5],"standard_deviation":[0.25]},
            "record_paths":false,"samples":0}}"#;
        let Options::GradientSpectrum(read) = serde_json::from_str(text).unwrap() else {
            panic!("{text}");
        };
        let measures = BTreeMap::from([(Measure::Coherent, 1), (Measure::Energy, 4)]);
        assert_eq!((read.loss, &read.measures), (Loss::Logit(3), &measures));
        assert_eq!(read.grading, Some(Grading::Stage(vec![0, 0, 1])));
        let options = Options::GradientSpectrum(read);
        let again = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<Options>(&again).unwrap(), options);
    }
}
