use std::str::FromStr;

use super::{DataError, ImageShape};
use serde::{Deserialize, Serialize};

/// Mean and standard deviation of each channel, in units of the largest pixel value (pixel / 255):
/// the network sees `(pixel / 255 - mean) / standard_deviation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Normalization {
    mean: Vec<f32>,
    standard_deviation: Vec<f32>,
}

#[derive(Deserialize)]
struct Fields {
    mean: Vec<f32>,
    standard_deviation: Vec<f32>,
}

impl TryFrom<Fields> for Normalization {
    type Error = DataError;

    fn try_from(fields: Fields) -> Result<Self, DataError> {
        Self::new(fields.mean, fields.standard_deviation)
    }
}

const NAMES: [&str; 8] = [
    "imagenet",
    "cifar10",
    "cifar100",
    "mnist",
    "fashion-mnist",
    "half",
    "none",
    "bytes",
];

impl Normalization {
    /// A normalisation with one mean and one standard deviation for each channel, or one of each
    /// for all channels.
    ///
    /// # Errors
    ///
    /// Lists of different or no length, values that are not finite, or a deviation that is not
    /// positive.
    pub fn new(mean: Vec<f32>, standard_deviation: Vec<f32>) -> Result<Self, DataError> {
        let invalid = |reason: String| Err(DataError::InvalidNormalization(reason));
        if mean.is_empty() || mean.len() != standard_deviation.len() {
            let (means, deviations) = (mean.len(), standard_deviation.len());
            return invalid(format!(
                "{means} means and {deviations} standard deviations"
            ));
        }
        if let Some(value) = mean.iter().find(|value| !value.is_finite()) {
            return invalid(format!("the mean {value}"));
        }
        if let Some(value) = standard_deviation
            .iter()
            .find(|v| !(v.is_finite() && **v > 0.0))
        {
            return invalid(format!("the standard deviation {value}"));
        }
        Ok(Self {
            mean,
            standard_deviation,
        })
    }

    /// A normalisation that is known by name:
    ///
    /// - `imagenet`: torchvision's;
    /// - `cifar10`, `cifar100`: of the Multi-ResNet paper's code and Wide-ResNet
    ///   (125.3, 123.0, 113.9 and 63.0, 62.1, 66.7; 129.3, 124.1, 112.4 and 68.2, 65.4, 70.4, all
    ///   / 255);
    /// - `mnist`, `fashion-mnist`: of the training sets (.1307, .3081; .2860, .3530);
    /// - `half`: mean and deviation .5, any number of channels;
    /// - `none`: pixel / 255, any number of channels;
    /// - `bytes`: pixels as they are, 0 to 255, any number of channels.
    ///
    /// # Errors
    ///
    /// A name that is not in this list.
    ///
    /// ```
    /// use pathscope_data::Normalization;
    ///
    /// assert_eq!(Normalization::preset("mnist")?.mean(), [0.1307]);
    /// assert!(Normalization::preset("svhn").is_err());
    /// # Ok::<(), pathscope_data::DataError>(())
    /// ```
    pub fn preset(name: &str) -> Result<Self, DataError> {
        let bytes = |values: [f32; 3]| values.map(|value| value / 255.0).to_vec();
        let (mean, standard_deviation) = match name {
            "imagenet" => (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]),
            "cifar10" => (bytes([125.3, 123.0, 113.9]), bytes([63.0, 62.1, 66.7])),
            "cifar100" => (bytes([129.3, 124.1, 112.4]), bytes([68.2, 65.4, 70.4])),
            "mnist" => (vec![0.1307], vec![0.3081]),
            "fashion-mnist" => (vec![0.2860], vec![0.3530]),
            "half" => (vec![0.5], vec![0.5]),
            "none" => (vec![0.0], vec![1.0]),
            "bytes" => (vec![0.0], vec![1.0 / 255.0]),
            _ => {
                let known = NAMES.join(", ");
                return Err(DataError::UnknownPreset {
                    name: name.into(),
                    known,
                });
            }
        };
        Self::new(mean, standard_deviation)
    }

    /// The names that [`preset`](Self::preset) knows.
    pub fn preset_names() -> &'static [&'static str] {
        &NAMES
    }

    /// What [`preset`](Self::preset) calls it; `None` for other numbers.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        let is_it = |name: &&&str| Self::preset(name).is_ok_and(|preset| preset == *self);
        NAMES.iter().find(is_it).copied()
    }

    /// Mean of each channel, in pixel / 255; one value may stand for all channels where it holds
    /// for any image (`half`, `none`).
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Standard deviation of each channel, in pixel / 255.
    pub fn standard_deviation(&self) -> &[f32] {
        &self.standard_deviation
    }

    /// Checks that this normalisation suits images of a shape.
    ///
    /// # Errors
    ///
    /// Another number of channels.
    pub fn check(&self, shape: ImageShape) -> Result<(), DataError> {
        if self.mean.len() == shape.channels || self.holds_for_any() {
            return Ok(());
        }
        Err(DataError::ChannelMismatch {
            normalization: self.mean.len(),
            images: shape.channels,
        })
    }

    /// Mean 0 or 1/2 says nothing of particular images.
    fn holds_for_any(&self) -> bool {
        matches!(
            (self.mean.as_slice(), self.standard_deviation.as_slice()),
            ([0.0], [1.0]) | ([0.5], [0.5])
        )
    }

    /// Mean and standard deviation of each channel of images of a shape.
    pub(super) fn scales(&self, shape: ImageShape) -> Vec<(f32, f32)> {
        let pairs = self.mean.iter().zip(&self.standard_deviation).cycle();
        pairs
            .take(shape.channels)
            .map(|(&mean, &deviation)| (mean, deviation))
            .collect()
    }

    /// The normalised value of each byte, for each channel.
    ///
    /// The order of operations is torchvision's (divide by 255, subtract, divide), so that values
    /// agree to the last bit.
    ///
    /// # Errors
    /// A normalisation for another number of channels.
    pub fn tables(&self, shape: ImageShape) -> Result<Vec<[f32; 256]>, DataError> {
        self.check(shape)?;
        let scales = self.scales(shape).into_iter();
        Ok(scales
            .map(|(mean, deviation)| {
                std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / deviation)
            })
            .collect())
    }
}
impl FromStr for Normalization {
    type Err = DataError;

    /// The name of a preset, or the means and standard deviations of the channels in pixel / 255:
    /// `0.4914,0.4822,0.4465/0.2023,0.1994,0.2010`.
    ///
    /// ```
    /// use pathscope_data::Normalization;
    ///
    /// let normalization: Normalization = "0.5,0.4,0.3/0.2,0.2,0.2".parse()?;
    /// assert_eq!(normalization.mean(), [0.5, 0.4, 0.3]);
    /// assert_eq!("half".parse::<Normalization>()?, Normalization::preset("half")?);
    /// assert!("0.5/0.2,x".parse::<Normalization>().is_err());
    /// # Ok::<(), pathscope_data::DataError>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, DataError> {
        let numbers = |list: &str| -> Option<Vec<f32>> {
            list.split(',')
                .map(|number| number.trim().parse().ok())
                .collect()
        };
        let lists = text
            .split_once('/')
            .and_then(|(means, deviations)| Some((numbers(means)?, numbers(deviations)?)));
        match lists {
            Some((means, deviations)) => Self::new(means, deviations),
            None => Self::preset(text),
        }
    }
}
