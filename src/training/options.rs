use serde::{Deserialize, Serialize};

use super::{OptimizerOptions, Restriction, Schedule, TrainingError};
use pathscope_data::Augmentation;

/// In which numbers activations and their gradients are computed and kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits.
    #[default]
    Float32,
    /// bfloat16 for activations and convolutions; weights, statistics of normalisation, the
    /// linear layer and the loss stay in 32 bits. Meant for CUDA; CPUs without instructions for
    /// bfloat16 are slower with it.
    Bf16,
}

impl Precision {
    /// Whether nothing is shortened.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self == Self::Float32
    }
}

/// Everything that decides how a network is trained, apart from the network and the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingOptions {
    /// Times that every example is seen.
    pub epochs: usize,
    /// Examples per mini-batch.
    pub batch: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// From which first values, order, changes and restrictions are drawn.
    pub seed: u64,
    /// Share of the probability that the other classes are given in the target.
    #[serde(default)]
    pub label_smoothing: f64,
    /// Share of itself that a running average of the network keeps per mini-batch; the average
    /// is what is evaluated and saved. At mini-batch t it is at most (1 + t) / (10 + t), so that
    /// the first values are forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    /// In which numbers it is computed.
    #[serde(default, skip_serializing_if = "Precision::is_full")]
    pub precision: Precision,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// Momentum, weight decay and clipping.
    #[serde(default)]
    pub optimizer: OptimizerOptions,
    /// Random changes of the images.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// Which paths a mini-batch trains.
    #[serde(default)]
    pub restriction: Restriction,
}

/// The numbers that a field may have.
#[derive(Clone, Copy)]
enum Allowed {
    /// From 0 to 1.
    Share,
    /// From 0, and below 1.
    ProperShare,
    /// From 0, as far as 32 bits reach.
    NotNegative,
    /// Above 0, as far as 32 bits reach.
    Positive,
}

impl Allowed {
    fn holds(self, value: f64) -> bool {
        let fits = value <= f64::from(f32::MAX);
        match self {
            Self::Share => (0.0..=1.0).contains(&value),
            Self::ProperShare => (0.0..1.0).contains(&value),
            Self::NotNegative => value >= 0.0 && fits,
            Self::Positive => value > 0.0 && fits,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Share => "from 0 to 1",
            Self::ProperShare => "from 0, and below 1",
            Self::NotNegative => "0 or more, and finite in 32 bits",
            Self::Positive => "above 0, and finite in 32 bits",
        }
    }
}

impl TrainingOptions {
    /// Refuses what no training can have, such as a share above 1.
    ///
    /// # Errors
    /// [`TrainingError::OutOfRange`].
    pub fn check(&self) -> Result<(), TrainingError> {
        use Allowed::{NotNegative, Positive, ProperShare, Share};
        let (optimizer, augmentation) = (&self.optimizer, &self.augmentation);
        let mut numbers = vec![
            ("learning_rate", self.learning_rate, NotNegative),
            ("label_smoothing", self.label_smoothing, Share),
            ("optimizer.momentum", optimizer.momentum, ProperShare),
            (
                "optimizer.weight_decay",
                optimizer.weight_decay,
                NotNegative,
            ),
            ("augmentation.colour", augmentation.colour, Share),
            ("augmentation.lighting", augmentation.lighting, NotNegative),
        ];
        numbers.extend(self.average.map(|kept| ("average", kept, Share)));
        numbers.extend(
            optimizer
                .clip
                .map(|norm| ("optimizer.clip", norm, Positive)),
        );
        match &self.schedule {
            Schedule::Step { milestones } => {
                let shares = milestones.iter();
                numbers.extend(shares.map(|&share| ("schedule.milestones", share, Share)));
            }
            Schedule::Cosine { warm_up } => {
                numbers.push(("schedule.warm_up", *warm_up, ProperShare));
            }
            Schedule::OneCycle { peak } => numbers.push(("schedule.peak", *peak, ProperShare)),
        }
        let mut numbers = numbers.into_iter();
        match numbers.find(|&(_, value, allowed)| !allowed.holds(value)) {
            None => Ok(()),
            Some((field, value, allowed)) => Err(TrainingError::OutOfRange {
                field,
                value,
                allowed: allowed.words(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Recipe;

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        let recipe = Recipe::named("preresnet20-cifar10").unwrap();
        let sound: toml::Table = recipe.to_toml().unwrap().parse().unwrap();
        let one_cycle = "schedule = { schedule = 'one_cycle', peak = VALUE }";
        let cosine = "schedule = { schedule = 'cosine', warm_up = VALUE }";
        let step = "schedule = { schedule = 'step', milestones = [0.5, VALUE] }";
        // Text, numbers that are allowed, numbers that are not.
        for (text, good, bad) in [
            ("learning_rate = VALUE", "0.0 3e38", "-0.1 1e39"),
            ("label_smoothing = VALUE", "0.0 1.0", "-1.0 1e308"),
            ("average = VALUE", "0.0 1.0", "-0.5 1.5"),
            ("optimizer = { momentum = VALUE }", "0.0 0.99", "1.0 -1.0"),
            (
                "optimizer = { weight_decay = VALUE }",
                "0.0 2.0",
                "-1.0 inf",
            ),
            ("optimizer = { clip = VALUE }", "1e-9 1.0", "0.0 nan"),
            (one_cycle, "0.0 0.9", "1.0 nan"),
            (cosine, "0.0 0.9", "1.0 -0.1"),
            (step, "0.0 1.0", "2.0 -0.1"),
        ] {
            let (name, _) = text.rsplit_once(" = ").unwrap();
            let name = name.split(' ').next_back().unwrap();
            let read = |value: &str| {
                let mut recipe = sound.clone();
                let field: toml::Table = text.replace("VALUE", value).parse().unwrap();
                recipe["training"].as_table_mut().unwrap().extend(field);
                Recipe::parse(&recipe.to_string(), "odd.toml")
            };
            for value in good.split(' ') {
                read(value).unwrap();
            }
            for value in bad.split(' ') {
                let refusal = read(value).unwrap_err().to_string();
                assert!(
                    refusal.contains("odd.toml") && refusal.contains(name),
                    "{value}: {refusal}"
                );
            }
        }
    }
}
