use tch::{Device, Kind, Reduction, Tensor};

use super::{Evaluation, TrainingError};
use pathscope_data::{Dataset, Normalization, normalized_batch};
use pathscope_network::{FrozenNetwork, Mode, Pass, Plan, TrainableNetwork, channels_last};

/// What of an image the network sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// All of it.
    #[default]
    Whole,
    /// The mean probability over four corners, the centre, and their mirror images (Krizhevsky et
    /// al. 2012), each of this height and width in pixels.
    TenCrops {
        /// Height of a crop.
        height: usize,
        /// Width of a crop.
        width: usize,
    },
    /// All of it, the mean probability over passes in which random choices are drawn as in training: the
    /// stochastic inference of Singh et al. (arXiv 1605.06465).
    Sampled {
        /// How many there are.
        passes: u32,
        /// Of the choices.
        seed: u64,
    },
}

/// Evaluates `network`, where it lies, on every example of `data`, in full float32.
///
/// # Errors
/// Data that do not fit the network, or images that are smaller than a crop.
pub fn evaluate(
    network: &TrainableNetwork,
    data: &Dataset,
    normalization: &Normalization,
    view: View,
) -> Result<Evaluation, TrainingError> {
    pathscope_torch::with_full_float32(|| measure(network, data, normalization, view))
}

fn measure(
    network: &TrainableNetwork,
    data: &Dataset,
    normalization: &Normalization,
    view: View,
) -> Result<Evaluation, TrainingError> {
    let device = network.device();
    // On a CPU, batches that stay in the cache are faster than big ones.
    let together = if device == Device::Cpu { 64 } else { 512 };
    let network = FrozenNetwork::freeze(network, Kind::Float)?;
    let plan = Plan::intact(network.structure());
    let [channels, height, width] = data.shape().axes();
    let (mut loss, mut errors) = (0.0, 0);
    for start in (0..data.len()).step_by(together) {
        let end = (start + together).min(data.len());
        let pixels = normalized_batch(data, start..end, normalization)?;
        let size = [(end - start) as i64, channels, height, width];
        let batch = Tensor::f_from_slice(&pixels)?.f_view(size)?;
        let batch = batch.f_to_device(device)?;
        let labels = data.labels_of(start..end).iter();
        let labels: Vec<i64> = labels.map(|&label| i64::from(label)).collect();
        let labels = Tensor::f_from_slice(&labels)?.f_to_device(device)?;
        let logits = |batch: &Tensor, mode: Mode| -> Result<Tensor, TrainingError> {
            let batch = channels_last(batch)?;
            let pass = Pass {
                mode,
                ..Pass::EVALUATION
            };
            Ok(network.forward(&batch, &plan, &pass)?)
        };
        let probabilities = |batch: &Tensor, mode: Mode| -> Result<Tensor, TrainingError> {
            Ok(logits(batch, mode)?.f_softmax(-1, Kind::Float)?)
        };
        let mean = |several: Vec<Tensor>| -> Result<Tensor, TrainingError> {
            let mean = Tensor::f_stack(&several, 0)?.f_mean_dim(0i64, false, Kind::Float)?;
            Ok(mean.f_clamp_min(1e-30)?.f_log()?)
        };
        let log_probabilities = match view {
            View::Whole => logits(&batch, Mode::Evaluation)?.f_log_softmax(-1, Kind::Float)?,
            View::Sampled { passes, seed } => {
                // Every pass and every part of the data has choices of its own.
                let seeds = (0..u64::from(passes)).map(|pass| seed ^ pass << 32 ^ start as u64);
                let several = seeds.map(|seed| probabilities(&batch, Mode::Sampled { seed }));
                mean(several.collect::<Result<_, _>>()?)?
            }
            View::TenCrops { height, width } => {
                let crops = ten_crops(&batch, height, width)?;
                let crops = crops.iter();
                let several = crops.map(|crop| probabilities(crop, Mode::Evaluation));
                mean(several.collect::<Result<_, _>>()?)?
            }
        };
        let weight: Option<Tensor> = None;
        loss += log_probabilities
            .f_nll_loss(&labels, weight, Reduction::Sum, -100)?
            .f_double_value(&[])?;
        let wrong = log_probabilities
            .f_argmax(-1, false)?
            .f_ne_tensor(&labels)?
            .f_sum(Kind::Int64)?;
        errors += pathscope_network::count(wrong.f_int64_value(&[])?)?;
    }
    Ok(Evaluation {
        errors,
        examples: data.len(),
        loss: loss / data.len().max(1) as f64,
    })
}

/// Corners, centre and their mirror images of a batch `[N, C, H, W]`.
fn ten_crops(batch: &Tensor, height: usize, width: usize) -> Result<Vec<Tensor>, TrainingError> {
    let size = batch.size();
    let (height, width) = (height as i64, width as i64);
    let (down, right) = match size.as_slice() {
        &[_, _, h, w] if h >= height && w >= width && (h, w) != (height, width) => {
            (h - height, w - width)
        }
        _ => {
            return Err(TrainingError::NoRoomForCrops {
                height,
                width,
                images: format!("{size:?}"),
            });
        }
    };
    let corners = [
        (0, 0),
        (0, right),
        (down, 0),
        (down, right),
        (down / 2, right / 2),
    ];
    let mut crops = Vec::with_capacity(10);
    for (top, left) in corners {
        let crop = batch.f_narrow(2, top, height)?.f_narrow(3, left, width)?;
        crops.push(crop.f_flip([3])?);
        crops.push(crop);
    }
    Ok(crops)
}
