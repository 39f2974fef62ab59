//! Whether a network is fed as it was trained: the statistics that its batch normalisations store
//! are compared with those of what reaches them.

use std::collections::HashMap;

use tch::Tensor;

use super::batches::Batches;
use super::sweep::widest;
use super::{ComputeOptions, ExperimentError};
use pathscope_data::{Augmentation, Change, Dataset, ImageShape, Normalization};
use pathscope_network::{
    FeatureShape, Layer, Moments, Operation, Plan, Specification, TrainableNetwork, channels_last,
};
use pathscope_team::Team;

/// How one batch normalisation agrees with what reaches it.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Its name in the checkpoint.
    pub layer: String,
    /// The block it belongs to; `None` in stem and head.
    pub block: Option<usize>,
    /// Root mean square over channels of the difference of means, in stored standard deviations.
    pub shift: f64,
    /// Root mean square over channels of the logarithm of the ratio of variances.
    pub spread: f64,
}

impl Agreement {
    /// Both in one figure; 0 where all statistics are equal.
    #[must_use]
    pub fn discrepancy(&self) -> f64 {
        self.shift.hypot(self.spread)
    }
}

/// How the batch normalisations of a network agree with what reaches them.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    /// Images that went through.
    pub images: usize,
    /// How they were shifted.
    pub border: Border,
    /// Every normalisation, in the order of the network.
    pub agreements: Vec<Agreement>,
}

/// Most images that an audit takes, and the multiply-adds that it may cost.
const MOST_IMAGES: i64 = 256;
const FEWEST_IMAGES: i64 = 16;
const WORK: i64 = 32_000_000_000;

/// A discrepancy at the first normalisation that leaves nothing to explain: one layer scatters more
/// than several together.
pub const NEGLIGIBLE_AT_THE_INPUT: f64 = 0.06;

/// Blocks behind a change at which two readings are compared.
const WINDOW: usize = 3;

/// What comes in from outside where images are shifted, as training often does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Border {
    /// Images stay where they are.
    None,
    /// They are flipped and shifted by up to four pixels, black comes in.
    Black,
    /// They are flipped and shifted by up to four pixels, the mean colour comes in.
    Mean,
}

impl Border {
    /// All, in the order in which they are preferred.
    const ALL: [Self; 3] = [Self::None, Self::Black, Self::Mean];

    /// What comes in, once normalised: `[C, 1, 1]`, or one number for all channels.
    fn colour(self, normalization: &Normalization) -> Result<Option<Tensor>, ExperimentError> {
        let mean = Tensor::f_from_slice(normalization.mean())?;
        let deviation = Tensor::f_from_slice(normalization.standard_deviation())?;
        let black = mean.f_neg()?.f_div(&deviation)?.f_view([-1, 1, 1])?;
        Ok(match self {
            Self::None => None,
            Self::Black => Some(black),
            Self::Mean => Some(black.f_zeros_like()?),
        })
    }
}

/// Side of the largest images that training shifts: larger ones are cropped at random.
const SHIFTED: usize = 64;

/// A network, and how it is fed.
#[derive(Clone, Copy, Debug)]
pub struct Auditor<'a> {
    network: &'a TrainableNetwork,
    data: &'a Dataset,
    input: FeatureShape,
    options: ComputeOptions,
}

impl<'a> Auditor<'a> {
    /// An auditor of a network that stores batch statistics, on images; `None` for others.
    #[must_use]
    pub fn new(
        network: &'a TrainableNetwork,
        data: &'a Dataset,
        options: ComputeOptions,
    ) -> Option<Self> {
        let mut layers = network.specification().layers();
        let normalizes = layers.any(|layer| matches!(layer.operation, Operation::BatchNorm { .. }));
        (normalizes && !data.holds_tokens()).then_some(Self {
            network,
            data,
            input: FeatureShape::of(&data.shape().axes()),
            // One process: what every one of them reads is the same.
            options: ComputeOptions {
                team: Team::ALONE,
                ..options
            },
        })
    }

    /// The shape of the images.
    #[must_use]
    pub fn images(&self) -> ImageShape {
        self.data.shape()
    }

    /// The audit of the network as it is, with `normalization` of its inputs and shifts that
    /// let in `border`.
    ///
    /// # Errors
    /// Images that do not fit the network.
    pub fn audit(
        &self,
        normalization: &Normalization,
        border: Border,
    ) -> Result<Audit, ExperimentError> {
        self.of(self.network, normalization, border, usize::MAX)
    }

    /// The median discrepancies of the network itself, as `audit` found it, and of another network
    /// of the same tensors, both at the first blocks where they differ. `None` where they do not,
    /// or where the other cannot be fed.
    ///
    /// # Errors
    /// Where libtorch refuses.
    pub fn compare(
        &self,
        audit: &Audit,
        other: &Specification,
        normalization: &Normalization,
    ) -> Result<Option<[f64; 2]>, ExperimentError> {
        let own = self.network.specification();
        let Some(first) = first_difference(own, other) else {
            return Ok(None);
        };
        let blocks = (first + WINDOW).min(other.blocks.len());
        let mut cut = other.clone();
        cut.blocks.truncate(blocks);
        if blocks < other.blocks.len() {
            cut.head.clear();
        }
        if cut.check(self.input).is_err() {
            return Ok(None);
        }
        let mut held = tensors(self.network);
        let network = TrainableNetwork::load(&cut, |name| held.remove(name))?;
        let found = self.of(&network, normalization, audit.border, blocks)?;
        let near = |agreements: &[Agreement]| {
            let near = agreements.iter().take(found.agreements.len());
            let near = near.filter(|agreement| agreement.block.is_none_or(|block| block >= first));
            median(near.map(Agreement::discrepancy))
        };
        Ok(near(&audit.agreements)
            .zip(near(&found.agreements))
            .map(|(own, other)| [own, other]))
    }

    /// The discrepancy at the first normalisation with `normalization` of the inputs, and with the
    /// channels of the images in reverse order where `reversed`; and the border with which it is
    /// smallest.
    ///
    /// # Errors
    /// A normalisation that does not fit the images.
    pub fn at_the_input(
        &self,
        normalization: &Normalization,
        reversed: bool,
    ) -> Result<(f64, Border), ExperimentError> {
        let mut cut = self.network.specification().clone();
        let normalizes = |layer: &Layer| matches!(layer.operation, Operation::BatchNorm { .. });
        let blocks = usize::from(!cut.stem.iter().any(normalizes));
        let several = cut.blocks.len() > blocks;
        cut.blocks.truncate(blocks.max(1));
        if several {
            cut.head.clear();
        }
        let mut held = tensors(self.network);
        if reversed
            && let Some(first) = cut.parameters().first()
            && let Some(weight) = held.get_mut(&first.name)
        {
            *weight = weight.f_flip([1])?;
        }
        let network = TrainableNetwork::load(&cut, |name| held.remove(name))?;
        let side = self.data.shape().height.max(self.data.shape().width);
        let borders = if side <= SHIFTED {
            Border::ALL.len()
        } else {
            1
        };
        let mut best = (f64::INFINITY, Border::None);
        for border in Border::ALL.into_iter().take(borders) {
            let found = self.of(&network, normalization, border, blocks)?;
            let first = found.agreements.first().map(Agreement::discrepancy);
            if let Some(first) = first.filter(|first| *first < best.0) {
                best = (first, border);
            }
            if best.0 < NEGLIGIBLE_AT_THE_INPUT {
                break;
            }
        }
        Ok(best)
    }

    /// The audit of `network`, which may be another than the auditor's, up to so many blocks.
    fn of(
        &self,
        network: &TrainableNetwork,
        normalization: &Normalization,
        border: Border,
        blocks: usize,
    ) -> Result<Audit, ExperimentError> {
        let images = self.count()?;
        let few = self.data.select(&spread(images, self.data.len()))?;
        let batches = Batches {
            data: &few,
            normalization,
            options: self.options,
            stop: None,
        };
        let copies = (0..self.options.workers()).map(|_| network.to_device(self.options.device));
        let copies = copies.collect::<Result<Vec<_>, _>>()?;
        let widest = widest(network.specification(), &batches)?;
        let size = self.options.micro_batch(8 * widest, widest)?;
        let parts = batches.map(size, copies, |network, batch| {
            let examples = pathscope_network::length(&batch.images, 0)?;
            let images = match border.colour(normalization)? {
                Some(colour) => shifted(&batch.images, &colour, batch.first)?,
                None => batch.images.shallow_clone(),
            };
            let found = network.reaching_statistics(&images, blocks)?;
            Ok((examples as f64, found))
        })?;
        let agreements = network.stored_statistics(blocks)?.into_iter().enumerate();
        let agreements = agreements.map(|(place, stored)| {
            let here = parts.iter();
            let here = here.filter_map(|(count, all)| Some((*count, all.get(place)?)));
            let [shift, spread] = apart(&stored.moments, &pooled(here));
            Agreement {
                layer: stored.layer,
                block: stored.block,
                shift,
                spread,
            }
        });
        Ok(Audit {
            images,
            border,
            agreements: agreements.collect(),
        })
    }

    /// How many images go through.
    fn count(&self) -> Result<usize, ExperimentError> {
        let specification = self.network.specification();
        let plan = Plan::intact(specification);
        let cost = specification.cost(&plan, self.input)?.multiply_adds;
        let cost = i64::try_from(cost).unwrap_or(i64::MAX).max(1);
        let images = (WORK / cost).clamp(FEWEST_IMAGES, MOST_IMAGES);
        Ok(pathscope_network::count(images)?.min(self.data.len()))
    }
}

impl Audit {
    /// The median discrepancy over all normalisations.
    #[must_use]
    pub fn discrepancy(&self) -> f64 {
        median(self.agreements.iter().map(Agreement::discrepancy)).unwrap_or_default()
    }

    /// Whether every normalisation agrees so well that no other reading could fit clearly better.
    #[must_use]
    pub fn is_close(&self) -> bool {
        let close = |agreement: &Agreement| agreement.discrepancy() < CLOSE;
        self.agreements.iter().all(close)
    }

    /// The first normalisation that does not agree; `None` where all do.
    ///
    /// A network that is fed as in training has a median discrepancy of 0.03 to 0.16, and single
    /// layers deviate up to four times as much as those before them; a fault shows as a jump where
    /// it begins, and fades behind it.
    #[must_use]
    pub fn disagreement(&self) -> Option<&Agreement> {
        // The means of few images scatter more.
        let scatter = |images: f64| 2.0 / images.max(1.0).sqrt();
        let few = scatter(self.images as f64) - scatter(MOST_IMAGES as f64);
        let most = MOST + few.max(0.0);
        let mut before: Vec<f64> = Vec::with_capacity(self.agreements.len());
        let agrees_mostly = self.discrepancy() <= most;
        self.agreements.iter().find(|agreement| {
            let usual = median(before.iter().copied()).filter(|_| agrees_mostly);
            let bound = usual.map_or(most, |usual| most.max(JUMP * usual));
            let found = agreement.discrepancy();
            before.push(found);
            found.is_nan() || found > bound
        })
    }
}

/// The largest median of a network that is fed as in training, over the most images.
const MOST: f64 = 0.3;
/// How much more than those before it a single layer deviates at most.
const JUMP: f64 = 5.0;
/// The largest discrepancy of a layer that leaves nothing to explain.
const CLOSE: f64 = 0.12;

/// `images` `[N, C, H, W]`, the first of which is example `first`, flipped and shifted as in
/// training; `colour` comes in.
fn shifted(images: &Tensor, colour: &Tensor, first: usize) -> Result<Tensor, ExperimentError> {
    let augmentation = Augmentation::default();
    let reach = augmentation.shift as i64;
    let size = images.size();
    let &[count, _, height, width] = size.as_slice() else {
        return Ok(images.shallow_clone());
    };
    let colour = colour.f_to_device(images.device())?;
    let padded = images.f_sub(&colour)?.f_constant_pad_nd([reach; 4])?;
    let indices: Vec<usize> = (first..).take(pathscope_network::count(count)?).collect();
    let mut moved = Vec::with_capacity(indices.len());
    for (number, change) in (0..).zip(Change::of(&indices, &augmentation, 0, 0)) {
        let image = padded.f_select(0, number)?;
        let image = image.f_narrow(1, reach - change.down as i64, height)?;
        let image = image.f_narrow(2, reach - change.right as i64, width)?;
        moved.push(if change.mirrored {
            image.f_flip([2])?
        } else {
            image
        });
    }
    Ok(channels_last(&Tensor::f_stack(&moved, 0)?.f_add(&colour)?)?)
}

/// The first block that differs; 0 where the stems do.
fn first_difference(one: &Specification, other: &Specification) -> Option<usize> {
    if one.stem != other.stem {
        return Some(0);
    }
    let mut pairs = one.blocks.iter().zip(&other.blocks);
    pairs.position(|(one, other)| one != other)
}

fn tensors(network: &TrainableNetwork) -> HashMap<String, Tensor> {
    let named = network.named_parameters().into_iter();
    let detached = named.map(|(name, _, tensor)| (name, tensor.detach()));
    detached.collect()
}

/// `count` places of `all`, evenly spread: data sets may be sorted by class.
fn spread(count: usize, all: usize) -> Vec<usize> {
    let numbers = 0..count;
    numbers.map(|number| number * all / count.max(1)).collect()
}

/// The moments of all parts together, each with its number of examples.
fn pooled<'m>(parts: impl Iterator<Item = (f64, &'m Moments)> + Clone) -> Moments {
    let examples: f64 = parts.clone().map(|(count, _)| count).sum();
    let mut all = Moments::default();
    for (count, part) in parts.clone() {
        all.mean.resize(part.mean.len(), 0.0);
        for (sum, mean) in all.mean.iter_mut().zip(&part.mean) {
            *sum += mean * count / examples;
        }
    }
    all.variance = vec![0.0; all.mean.len()];
    for (count, part) in parts {
        let values = part.mean.iter().zip(&part.variance).zip(&all.mean);
        for (sum, ((mean, variance), whole)) in all.variance.iter_mut().zip(values) {
            *sum += (variance + (mean - whole).powi(2)) * count / examples;
        }
    }
    all
}

/// Shift and spread between stored moments and those that were found.
fn apart(stored: &Moments, found: &Moments) -> [f64; 2] {
    /// Added to variances, whatever the network adds: readings that differ in that stay comparable.
    const EPSILON: f64 = 1e-5;
    let channels = stored.mean.len().max(1) as f64;
    let (mut shift, mut spread) = (0.0, 0.0);
    for channel in 0..stored.mean.len() {
        let (Some(mean), Some(variance)) = (found.mean.get(channel), found.variance.get(channel))
        else {
            return [f64::NAN; 2];
        };
        // A channel that never changes has no variance to compare.
        let held = stored.variance.get(channel).copied().unwrap_or(f64::NAN) + EPSILON;
        shift += (mean - stored.mean[channel]).powi(2) / held;
        spread += ((variance + EPSILON) / held).ln().powi(2);
    }
    [(shift / channels).sqrt(), (spread / channels).sqrt()]
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
