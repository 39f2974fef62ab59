use serde::{Deserialize, Serialize};

use super::{TrainingError, TrainingOptions};
use pathscope_data::{ImageShape, Normalization};
use pathscope_network::{
    Architecture, Factors, Family, Groups, NetworkError, Shortcut, Terms, Unit,
};

/// A training from first values to finished model, as a TOML file states it.
///
/// ```
/// use pathscope_training::Recipe;
///
/// let recipe = Recipe::named("preresnet110-cifar10")?;
/// let architecture = recipe.architecture.build(3, 10)?;
/// assert_eq!(architecture.stages, [18, 18, 18]);
/// # Ok::<(), pathscope_training::TrainingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What it is called.
    pub name: String,
    /// What it is for, and where its settings come from.
    pub about: String,
    /// The data that it is meant for.
    pub data: RecipeData,
    /// Name of the normalisation; that of the data without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<String>,
    /// The network.
    pub architecture: RecipeArchitecture,
    /// How it is trained.
    pub training: TrainingOptions,
    /// What the paper reports for the same setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<PaperRow>,
}

/// Data sets that recipes name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipeData {
    /// Handwritten digits.
    Mnist,
    /// Articles of clothing (Xiao et al., arXiv 1708.07747).
    FashionMnist,
    /// Krizhevsky 2009, 10 classes.
    Cifar10,
    /// Krizhevsky 2009, 100 classes.
    Cifar100,
    /// ILSVRC 2012, as a folder of images by class.
    Imagenet,
}

impl RecipeData {
    /// Size of its images.
    #[must_use]
    pub fn shape(self) -> ImageShape {
        let (channels, side) = match self {
            Self::Mnist | Self::FashionMnist => (1, 28),
            Self::Cifar10 | Self::Cifar100 => (3, 32),
            Self::Imagenet => (3, 224),
        };
        ImageShape {
            channels,
            height: side,
            width: side,
        }
    }

    /// Number of its classes.
    #[must_use]
    pub fn classes(self) -> usize {
        match self {
            Self::Mnist | Self::FashionMnist | Self::Cifar10 => 10,
            Self::Cifar100 => 100,
            Self::Imagenet => 1000,
        }
    }

    /// Number of its training examples.
    #[must_use]
    pub fn examples(self) -> usize {
        match self {
            Self::Mnist | Self::FashionMnist => 60_000,
            Self::Cifar10 | Self::Cifar100 => 50_000,
            Self::Imagenet => 1_281_167,
        }
    }

    /// Name of its normalisation.
    #[must_use]
    pub fn normalization(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Imagenet => "imagenet",
        }
    }
}

/// The network of a recipe, for any number of channels and classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeArchitecture {
    /// Order of operations.
    pub family: Family,
    /// Layers of a residual function.
    #[serde(default = "basic")]
    pub unit: Unit,
    /// Number of layers by the usual count.
    pub depth: usize,
    /// Residual functions in each block.
    #[serde(default = "one")]
    pub k: usize,
    /// What they take: each the block's input, or the output of the one before.
    #[serde(default, skip_serializing_if = "is_default")]
    pub terms: Terms,
    /// What multiplies skips and functions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub factors: Factors,
    /// Channels of the stem and of the first stage: 16 for CIFAR networks, 64 for ImageNet,
    /// unless told; the growth rate of dense networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<i64>,
    /// Factor on the channels of every stage, not of the stem: the w of Zagoruyko & Komodakis.
    #[serde(default = "unwidened")]
    pub widening: i64,
    /// Blocks in each of four stages: an ImageNet network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<[usize; 4]>,
    /// Groups of the 3x3 convolutions of bottlenecks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Groups>,
    /// How skips cross a change of shape; type A, and B for bottlenecks, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortcut: Option<Shortcut>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn basic() -> Unit {
    Unit::Basic
}

fn one() -> usize {
    1
}

fn unwidened() -> i64 {
    1
}

impl RecipeArchitecture {
    /// The architecture for `channels`-channel images of `classes` classes.
    ///
    /// # Errors
    /// [`NetworkError::Architecture`] where no network has that depth.
    pub fn build(&self, channels: i64, classes: i64) -> Result<Architecture, NetworkError> {
        let mut architecture = match self.stages {
            None => {
                let Self {
                    family,
                    unit,
                    depth,
                    k,
                    ..
                } = *self;
                Architecture::cifar(family, unit, depth, k, channels, classes)?
            }
            Some(stages) => Architecture {
                channels,
                classes,
                ..Architecture::imagenet(self.family, self.unit, stages, self.k)?
            },
        };
        if architecture.depth() != self.depth {
            return Err(NetworkError::Architecture(format!(
                "the stages {:?} make {} layers, not {}",
                architecture.stages,
                architecture.depth(),
                self.depth
            )));
        }
        if let Some(width) = self.width {
            architecture = architecture.with_width(width);
        }
        architecture = architecture.widened(self.widening);
        architecture.groups = self.groups;
        architecture.terms = self.terms;
        architecture.factors = self.factors;
        if let Some(shortcut) = self.shortcut {
            architecture.shortcut = shortcut;
        }
        Ok(architecture)
    }

    /// Trained values of such a network for the images and classes of `data`.
    ///
    /// # Errors
    /// As [`RecipeArchitecture::build`].
    pub fn parameters(&self, data: RecipeData) -> Result<i64, NetworkError> {
        let architecture = self.build(data.shape().channels as i64, data.classes() as i64)?;
        Ok(architecture.build()?.parameter_count())
    }

    /// What such a network is called: `preresnet-110`, `multi-resnet-20 k=4`.
    #[must_use]
    pub fn title(&self) -> String {
        let family = match (self.family, self.k) {
            (Family::Preresnet, k) if k == 1 || self.terms != Terms::Ways => "preresnet",
            (Family::Preresnet, _) => "multi-resnet",
            (Family::Resnet, _) => "resnet",
            (Family::Plain, _) => "plain",
            (Family::Densenet, _) => "densenet",
            (Family::Highway, _) => "highway",
            (Family::Fractal, _) => "fractal",
        };
        let mut title = format!("{family}-{}", self.depth);
        match self.terms {
            Terms::Ways if self.k == 1 => {}
            Terms::Ways => title += &format!(" k={}", self.k),
            Terms::Poly => title += &format!(" poly-{}", self.k),
            Terms::Mpoly => title += &format!(" mpoly-{}", self.k),
        }
        match self.factors {
            Factors::One => {}
            Factors::Learned => title += " learned factors",
            Factors::SkipInit => title += " SkipInit",
            Factors::Swapout => title += " swapout",
            Factors::HyperConnections => title += " hyper-connections",
        }
        if let (Family::Densenet, Some(growth)) = (self.family, self.width) {
            title += &format!(" growth {growth}");
        }
        if self.widening != 1 {
            title += &format!(" w={}", self.widening);
        }
        if let Some(Groups { count, width }) = self.groups {
            title += &format!(" {count}x{width}d");
        }
        title
    }
}

/// A row of the tables of Abdi & Nahavandi (arXiv 1609.05672), in per cent of test error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperRow {
    /// Number of the table, in Roman figures.
    pub table: String,
    /// The error printed: of one run, or the median.
    pub error: f64,
    /// Mean over five runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Standard deviation over five runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// Error with ten crops of each image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ten_crop: Option<f64>,
}

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every recipe that is shipped.
        const PRESETS: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("recipes/", $name, ".toml")))),*
        ];
    };
}

presets![
    "preresnet20-fashion",
    "preresnet110-fashion",
    "preresnet110-fashion-restricted",
    "multi-resnet20x4-fashion",
    "resnet110-cifar10",
    "multi-resnet8x23-cifar10",
    "multi-resnet14x10-cifar10",
    "preresnet24-cifar10",
    "preresnet68-cifar10",
    "preresnet110-cifar10",
    "multi-resnet8x4-cifar10",
    "multi-resnet20x4-cifar10",
    "multi-resnet30x4-cifar10",
    "multi-resnet200x5-cifar10",
    "multi-resnet398x5-cifar10",
    "multi-resnet26x2w10-cifar10",
    "multi-resnet26x4w10-cifar10",
    "multi-resnet200x5-cifar100",
    "multi-resnet398x5-cifar100",
    "multi-resnet26x2w10-cifar100",
    "multi-resnet26x4w10-cifar100",
    "preresnet34-imagenet",
    "preresnet200-imagenet",
    "multi-resnet18x2-imagenet",
    "multi-resnet101x2-imagenet",
    "resnet1202-cifar10",
    "preresnet164-cifar10",
    "preresnet1001-cifar10",
    "resnet110-cifar10-stochastic-depth",
    "resnet1001-cifar10-stochastic-depth",
    "wide-resnet16x8-cifar10",
    "wide-resnet28x10-cifar10",
    "wide-resnet40x4-cifar10",
    "resnext29-8x64d-cifar10",
    "densenet100x12-cifar10",
    "densenet100x24-cifar10",
    "densenet-bc100x12-cifar10",
    "preresnet56-poly2-cifar10",
    "preresnet56-mpoly2-cifar10",
    "preresnet56-2way-cifar10",
    "preresnet56-learned-cifar10",
    "preresnet110-skipinit-cifar10",
    "preresnet56-hyper-connections-cifar10",
    "highway19-cifar10",
    "highway32-cifar10",
    "fractalnet20-cifar10",
    "swapout20-cifar10",
    "swapout32-cifar10",
    "preresnet20-cifar10",
    "preresnet110-cifar10-restricted",
    "preresnet110-cifar10-stochastic-depth",
    "preresnet110-cifar10-modern",
    "multi-resnet30x4-cifar10-modern",
];

impl Recipe {
    /// The recipe that is shipped under `name`.
    ///
    /// # Errors
    /// [`TrainingError::UnknownRecipe`].
    pub fn named(name: &str) -> Result<Self, TrainingError> {
        match PRESETS.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => Self::parse(text, name),
            None => Err(TrainingError::UnknownRecipe {
                name: name.to_owned(),
                known: Self::names().collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// The names of the recipes that are shipped.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// Reads the TOML `text` of a recipe that lies at `origin`.
    ///
    /// # Errors
    /// [`TrainingError::Recipe`] with line and column, or with what no training can have.
    pub fn parse(text: &str, origin: &str) -> Result<Self, TrainingError> {
        let refuse = |fault: String| TrainingError::Recipe {
            origin: origin.to_owned(),
            fault,
        };
        let recipe: Self = toml::from_str(text).map_err(|fault: toml::de::Error| {
            // Its own text is a drawing of several lines, which quotes the file as it is.
            let start = fault.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
            let message = pathscope_file::sentence(&fault.message());
            refuse(format!("line {line}, column {column}: {message}"))
        })?;
        recipe.check().map_err(|fault| refuse(fault.to_string()))?;
        Ok(recipe)
    }

    /// Refuses what no training can have.
    ///
    /// # Errors
    /// A number that is out of range, a network that cannot be built, a restriction that it cannot
    /// meet, or a normalisation that is not known.
    pub fn check(&self) -> Result<(), TrainingError> {
        self.training.check()?;
        self.normalization()?;
        let (channels, classes) = (self.data.shape().channels, self.data.classes());
        let architecture = self.architecture.build(channels as i64, classes as i64)?;
        let restriction = &self.training.restriction;
        restriction.check(&architecture.build()?.functions())
    }

    /// The recipe as TOML; reading it gives the same recipe, to the last bit.
    ///
    /// # Errors
    /// [`TrainingError::Recipe`] for numbers that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, TrainingError> {
        toml::to_string(self).map_err(|fault| TrainingError::Recipe {
            origin: self.name.clone(),
            fault: fault.to_string(),
        })
    }

    /// The normalisation of the inputs.
    ///
    /// # Errors
    /// A name that is not known.
    pub fn normalization(&self) -> Result<Normalization, TrainingError> {
        let name = self.normalization.as_deref();
        Ok(name.unwrap_or(self.data.normalization()).parse()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_can_be_built_and_written() {
        for name in Recipe::names() {
            let recipe = Recipe::named(name).unwrap();
            assert_eq!(recipe.name, name);
            let text = recipe.to_toml().unwrap();
            assert_eq!(Recipe::parse(&text, name).unwrap(), recipe);
        }
    }

    /// Counted by hand from the layers: 3x3 convolutions, normalisations, linear layer.
    #[test]
    fn parameters_to_the_last_one() {
        // 16 channels, 9 blocks: stem 432; stages 3 x 2 convolutions of 16, 32 and 64 channels.
        let stage = |inputs: i64, outputs: i64| {
            9 * inputs * outputs + 9 * outputs * outputs + 4 * 9 * outputs * outputs
        };
        let normalisations = 2 * (6 * 16 + (16 + 5 * 32) + (32 + 5 * 64) + 64);
        let whole = 432 + stage(16, 16) + stage(16, 32) + stage(32, 64) + normalisations + 650;
        let recipe = Recipe::named("preresnet20-cifar10").unwrap();
        assert_eq!(recipe.architecture.parameters(recipe.data).unwrap(), whole);
    }

    #[test]
    fn networks_that_nobody_can_build_are_refused_where_a_recipe_is_read() {
        let whole = include_str!("recipes/preresnet20-fashion.toml");
        let endless = "stages = [9223372036854775807, 9223372036854775807, 3, 1]";
        let side = "between 1 and 65536";
        for (depth, more, says) in [
            ("depth = 21", "", "21"),
            ("depth = 17179869186", "", "the most"),
            ("depth = 18446744073709551614", "", ""),
            ("depth = 20", "k = 9000000000000000000", "the most"),
            ("depth = 20", endless, "the most"),
            ("depth = 20", "widening = 9223372036854775807", side),
            ("depth = 20", "width = 0", side),
        ] {
            let text = whole.replace("depth = 20", depth);
            let text = text.replace("k = 1\nwidth = 16", more);
            let refusal = Recipe::parse(&text, "odd.toml").unwrap_err().to_string();
            assert!(
                refusal.contains("odd.toml") && refusal.contains(says),
                "{depth} {more}: {refusal}"
            );
        }
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let text = include_str!("recipes/preresnet20-fashion.toml").replace("epochs", "epoch");
        let error = Recipe::parse(&text, "mine.toml").unwrap_err().to_string();
        for part in ["mine.toml", "epoch"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
