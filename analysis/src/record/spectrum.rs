use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::check::{Fault, counts, paths, require};
use super::measure::Measure;

/// The gradient by path length over one mini-batch. Entry l of each list is for length l.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spectrum {
    /// Names the measurement within its file.
    pub key: String,
    /// Number of the mini-batch.
    pub batch: usize,
    /// Examples in it.
    pub examples: usize,
    /// Paths of each length, as decimal numbers.
    pub paths: Vec<String>,
    /// What each measure found; in the file a field of this record for each, named as the measure.
    #[serde(flatten, deserialize_with = "known_measures")]
    pub measures: BTreeMap<Measure, PerLength>,
    /// ||sum_l G_l - ordinary gradient|| / ||ordinary gradient||, the largest over examples;
    /// absent where lengths were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum_check: Option<f64>,
    /// Norm of the ordinary gradient, per example.
    pub gradient: Vec<f64>,
    /// ||G|| by number of functions of each stage, or of each type, on the path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub graded: Vec<GradedGradient>,
}

/// A quantity by path length and example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PerLength {
    /// Mean over the examples, by length.
    pub mean: Vec<f64>,
    /// Standard error of that mean from the random draws alone, by length, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<Vec<f64>>,
    /// The quantity for every example: `[examples][lengths]`.
    pub by_example: Vec<Vec<f64>>,
}

/// Mean over examples of the gradient of all paths with the same numbers of functions by grade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GradedGradient {
    /// Functions on the path in each stage, or of each type.
    pub counts: Vec<usize>,
    /// Mean over examples of the norm.
    pub norm: f64,
}

/// One path drawn at random, with the norm of its gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SampledPath {
    /// Names the measurement within its file.
    pub key: String,
    /// Number of the mini-batch.
    pub batch: usize,
    /// The path as (block, function) from the input on.
    pub path: Vec<(usize, usize)>,
    /// Norm of its gradient for every example.
    pub norms: Vec<f64>,
}

impl Spectrum {
    pub(super) fn check(&self) -> Result<(), Fault> {
        counts(0, self.examples, 1)?;
        self.paths.iter().try_for_each(|count| paths(count))?;
        let lengths = self.paths.len();
        let examples = self.examples;
        require(self.gradient.len() == examples, || {
            let found = self.gradient.len();
            format!("{examples} examples with the gradients of {found}")
        })?;
        for (measure, values) in &self.measures {
            let (rows, errors) = (&values.by_example, values.standard_error.as_ref());
            let fits = values.mean.len() == lengths
                && errors.is_none_or(|errors| errors.len() == lengths)
                && (rows.is_empty() || rows.len() == examples)
                && rows.iter().all(|row| row.len() == lengths);
            require(fits, || {
                format!("`{measure}` does not have {lengths} lengths of {examples} examples")
            })?;
        }
        Ok(())
    }
}

/// The fields that are measures; readers pass over fields that they do not know.
fn known_measures<'de, D>(deserializer: D) -> Result<BTreeMap<Measure, PerLength>, D::Error>
where
    D: Deserializer<'de>,
{
    struct Fields;

    impl<'de> Visitor<'de> for Fields {
        type Value = BTreeMap<Measure, PerLength>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("measures by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
            let mut measures = BTreeMap::new();
            while let Some(name) = fields.next_key::<String>()? {
                let known = Measure::ALL.into_iter().find(|known| known.name() == name);
                match known {
                    Some(measure) => {
                        measures.insert(measure, fields.next_value()?);
                    }
                    None => {
                        let IgnoredAny = fields.next_value()?;
                    }
                }
            }
            Ok(measures)
        }
    }

    deserializer.deserialize_map(Fields)
}
