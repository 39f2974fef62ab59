use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Reduction, Tensor};

use super::average::Average;
use super::borders::Borders;
use super::foreach;
use super::optimizer::{gradients, trained};
use super::playback::{Playback, Recorder};
use super::store::Store;
use super::{Optimizer, Parallel, Precision, TrainingError, TrainingOptions};
use pathscope_data::{Change, Dataset, Normalization, augmented_batch};
use pathscope_network::{Exchange, Mode, Pass, Plan, TrainableNetwork, channels_last};
use pathscope_torch::{CudaGraph, Value, call};

/// Running statistics of a normalisation move by this share per mini-batch, as in PyTorch.
const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// Steps on CUDA between two looks at the loss, each of which waits for the device.
const UNSEEN: usize = 32;

/// The machinery of a step, the same on every device: it computes a mini-batch, or replays the
/// recording of one.
#[derive(Debug)]
pub(super) struct Machine {
    device: Device,
    kind: Kind,
    /// The network in short numbers, and what is copied into it before every step.
    short: Option<Short>,
    /// What gradients are taken at, one for each trained tensor.
    leaves: Vec<Tensor>,
    playback: Playback,
    /// The images, once the first step has shown them; nothing where batches are made on the CPU.
    store: Option<Option<Store>>,
    /// What a recorded step reads.
    inputs: Option<Inputs>,
    unseen: Unseen,
}

/// A network that computes in short numbers beside the one that is trained.
#[derive(Debug)]
struct Short {
    network: TrainableNetwork,
    copies: Vec<Tensor>,
    originals: Vec<Tensor>,
}

/// What steps have measured on the device since anybody looked.
#[derive(Debug)]
struct Unseen {
    /// Loss summed over examples and examples classified wrongly, float64.
    sums: Tensor,
    steps: usize,
    examples: usize,
}

/// What a step reads.
#[derive(Debug)]
struct Inputs {
    /// Float64: [`RATES`] numbers, then label, place in the store and direction there of every
    /// example.
    numbers: Tensor,
    /// `[N, C, H, W]`, where they are not in the store.
    images: Option<Tensor>,
}

/// Learning rate, and the shares of old and new in a running average.
const RATES: i64 = 3;

/// What is trained.
pub(super) struct Trained<'a> {
    pub network: &'a TrainableNetwork,
    pub optimizer: &'a mut Optimizer,
    pub average: Option<&'a Average>,
    pub options: &'a TrainingOptions,
    pub normalization: &'a Normalization,
    pub parallel: Parallel,
}

/// A mini-batch.
pub(super) struct Batch<'a> {
    pub data: &'a Dataset,
    /// The examples of this process.
    pub indices: &'a [usize],
    /// Their share of the whole mini-batch.
    pub share: f64,
    pub plan: &'a Plan,
    pub gates: Option<&'a [Tensor]>,
    /// Whether it is as most others are: every function on, and of full size.
    pub is_usual: bool,
    pub epoch: u64,
    pub iteration: u64,
    pub rate: f64,
}

/// The seed of the random choices within the network: the iteration and the examples' first place in the
/// data decide, so a resumed training draws as one without a break, and each process for itself.
fn choices(seed: u64, batch: &Batch<'_>) -> u64 {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(batch.iteration);
    let first = batch.indices.first().copied().unwrap_or_default();
    generator.next_u64() ^ first as u64
}

/// What was measured since the last look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Mean loss over the examples.
    pub loss: f64,
    /// Examples classified wrongly.
    pub errors: usize,
    /// Examples trained on.
    pub examples: usize,
}

impl Machine {
    pub fn new(
        network: &TrainableNetwork,
        precision: Precision,
        device: Device,
    ) -> Result<Self, TrainingError> {
        let mut recorder: Option<Box<dyn Recorder>> = None;
        if device.is_cuda() {
            // Mini-batches have one size, for which the fastest algorithm is worth a search.
            tch::Cuda::cudnn_set_benchmark(true);
            if let Some(graph) = CudaGraph::new(device)? {
                recorder = Some(Box::new(graph));
            }
        }
        let (kind, short) = match precision {
            Precision::Float32 => (Kind::Float, None),
            Precision::Bf16 => (Kind::BFloat16, Some(Short::of(network, Kind::BFloat16)?)),
        };
        let computing = short.as_ref().map_or(network, |short| &short.network);
        Ok(Self {
            device,
            kind,
            leaves: trained(computing),
            short,
            playback: Playback::new(recorder),
            store: None,
            inputs: None,
            unseen: Unseen {
                sums: Tensor::f_zeros([2], (Kind::Double, device))?,
                steps: 0,
                examples: 0,
            },
        })
    }

    /// Trains on a mini-batch. Gives what was measured, where somebody looked, and why steps
    /// cannot be recorded, where that was found out.
    ///
    /// # Errors
    /// Data that do not fit, or where libtorch refuses.
    pub fn step(
        &mut self,
        mut trained: Trained<'_>,
        batch: &Batch<'_>,
    ) -> Result<(Option<Measured>, Option<String>), TrainingError> {
        let inputs = self.load(&trained, batch)?;
        let is_alone = trained.parallel.whole.size() == 1;
        let looks = !self.device.is_cuda() || !is_alone;
        let examples = batch.indices.len();
        let mut measured = None;
        let mut remark = None;
        {
            let Self {
                kind,
                short,
                leaves,
                store,
                unseen,
                playback,
                ..
            } = self;
            let pace = Pace {
                kind: *kind,
                // What processes share is cast as it is met.
                short: short.as_ref().filter(|_| is_alone),
                leaves,
                store: store.as_ref().and_then(Option::as_ref),
                sums: (!looks).then_some(&unseen.sums),
            };
            let mut work = || {
                measured = pace.compute(&mut trained, batch, &inputs)?;
                Ok(())
            };
            if batch.is_usual && !looks {
                remark = playback.step(work)?;
            } else {
                work()?;
            }
        }
        if !looks {
            self.unseen.steps += 1;
            self.unseen.examples += examples;
            if self.unseen.steps >= UNSEEN {
                measured = self.look()?;
            }
        }
        Ok((measured, remark))
    }

    /// What was measured since the last look; nothing where there was no step since.
    pub fn look(&mut self) -> Result<Option<Measured>, TrainingError> {
        let Unseen {
            sums,
            steps,
            examples,
        } = &mut self.unseen;
        if *examples == 0 {
            return Ok(None);
        }
        let seen = sums.f_to_device(Device::Cpu)?;
        let (loss, errors) = (seen.f_double_value(&[0])?, seen.f_double_value(&[1])?);
        let _ = sums.f_zero_()?;
        let measured = Measured {
            loss: loss / *examples as f64,
            errors: pathscope_network::count(errors as i64)?,
            examples: *examples,
        };
        (*steps, *examples) = (0, 0);
        Ok(Some(measured))
    }

    /// Writes what the step reads; a batch of the usual size always into the same tensors.
    fn load(&mut self, trained: &Trained<'_>, batch: &Batch<'_>) -> Result<Inputs, TrainingError> {
        let TrainingOptions {
            augmentation, seed, ..
        } = trained.options;
        let Batch { data, indices, .. } = *batch;
        if self.store.is_none() {
            let (normalization, device) = (trained.normalization, self.device);
            self.store = Some(match device.is_cuda() {
                true => Store::new(data, augmentation, normalization, self.kind, device)?,
                false => None,
            });
        }
        let kept = |average: &Average| average.kept(batch.iteration);
        let kept = trained.average.map_or(0.0, kept);
        let mut numbers = vec![batch.rate, kept, 1.0 - kept];
        numbers.extend(indices.iter().map(|&index| f64::from(data.labels()[index])));
        let mut images = None;
        if let Some(Some(store)) = &self.store {
            let changes = Change::of(indices, augmentation, *seed, batch.epoch);
            let places = indices.iter().zip(&changes);
            let places = places.map(|(&index, change)| store.place(index, change));
            let places: Vec<(i64, i64)> = places.collect();
            numbers.extend(places.iter().map(|&(place, _)| place as f64));
            numbers.extend(places.iter().map(|&(_, direction)| direction as f64));
        } else {
            let (normalization, epoch) = (trained.normalization, batch.epoch);
            let pixels = augmented_batch(data, indices, augmentation, normalization, *seed, epoch)?;
            let [channels, height, width] = data.shape().axes();
            let size = [indices.len() as i64, channels, height, width];
            images = Some(Tensor::f_from_slice(&pixels)?.f_view(size)?);
        }
        let numbers = Tensor::f_from_slice(&numbers)?;
        if !self.device.is_cuda() {
            return Ok(Inputs { numbers, images });
        }
        let is_same = |inputs: &&Inputs| inputs.numbers.size() == numbers.size();
        if let Some(inputs) = self.inputs.as_ref().filter(is_same) {
            overwrite(&inputs.numbers, &numbers)?;
            if let (Some(there), Some(images)) = (&inputs.images, &images) {
                overwrite(there, images)?;
            }
            return Ok(inputs.shallow_clone());
        }
        let inputs = Inputs {
            numbers: numbers.f_to_device(self.device)?,
            images: images
                .map(|images| images.f_to_device(self.device))
                .transpose()?,
        };
        if indices.len() == trained.options.batch {
            self.inputs = Some(inputs.shallow_clone());
        }
        Ok(inputs)
    }
}

impl Inputs {
    fn shallow_clone(&self) -> Self {
        Self {
            numbers: self.numbers.shallow_clone(),
            images: self.images.as_ref().map(Tensor::shallow_clone),
        }
    }
}

/// Copies to the device without waiting for it: the driver has taken memory that is not pinned
/// when the call returns.
fn overwrite(to: &Tensor, from: &Tensor) -> Result<(), TrainingError> {
    let without_waiting = Value::Bool(true);
    let arguments = [to.into(), from.into(), without_waiting];
    call("aten::copy_", "", &arguments)?;
    Ok(())
}

/// What of the machine computes.
struct Pace<'a> {
    kind: Kind,
    short: Option<&'a Short>,
    leaves: &'a [Tensor],
    store: Option<&'a Store>,
    /// Where sums are kept; nothing where every step is looked at.
    sums: Option<&'a Tensor>,
}

impl Pace<'_> {
    /// Forward, loss, backward, optimiser and average. Nothing here waits for the device where
    /// sums are kept there.
    fn compute(
        &self,
        trained: &mut Trained<'_>,
        batch: &Batch<'_>,
        inputs: &Inputs,
    ) -> Result<Option<Measured>, TrainingError> {
        let examples = batch.indices.len() as i64;
        let rates = inputs
            .numbers
            .f_narrow(0, 0, RATES)?
            .f_to_kind(Kind::Float)?;
        let rate = |number: i64| rates.f_select(0, number);
        let whole = inputs
            .numbers
            .f_slice(0, RATES, None, 1)?
            .f_to_kind(Kind::Int64)?
            .f_view([-1, examples])?;
        let labels = whole.f_select(0, 0)?;
        let images = match (&inputs.images, self.store) {
            (Some(images), _) => channels_last(images)?.f_to_kind(self.kind)?,
            (None, Some(store)) => store.images(&whole.f_select(0, 1)?, &whole.f_select(0, 2)?)?,
            (None, None) => {
                return Err(TrainingError::Internal("a mini-batch has no images"));
            }
        };
        let network = match self.short {
            Some(short) => short.renewed()?,
            None => trained.network,
        };
        let parallel = trained.parallel;
        let borders = (parallel.group.size() > 1).then(|| Borders::new(parallel));
        let pass = Pass {
            mode: Mode::Training {
                momentum: BATCH_NORM_MOMENTUM,
                seed: choices(trained.options.seed, batch),
            },
            gates: batch.gates,
            exchange: borders.as_ref().map(|borders| borders as &dyn Exchange),
            ..Pass::EVALUATION
        };
        let logits = network.forward(&images, batch.plan, &pass)?;
        let (weight, none): (Option<Tensor>, i64) = (None, -100);
        let smoothing = trained.options.label_smoothing;
        let loss =
            logits.f_cross_entropy_loss(&labels, weight, Reduction::Mean, none, smoothing)?;
        let wrong = logits
            .f_detach()?
            .f_argmax(-1, false)?
            .f_ne_tensor(&labels)?
            .f_sum(Kind::Int64)?;
        let measured = match self.sums {
            Some(sums) => {
                let loss = loss.f_detach()?.f_to_kind(Kind::Double)?;
                let sum = loss.f_mul_scalar(examples as f64)?;
                let step = Tensor::f_stack(&[sum, wrong.f_to_kind(Kind::Double)?], 0)?;
                let _ = sums.shallow_clone().f_add_(&step)?;
                None
            }
            None => {
                let measured = looked_at(&loss, &wrong, batch, parallel)?;
                if !measured.loss.is_finite() {
                    return Ok(Some(measured));
                }
                Some(measured)
            }
        };
        let gradients = match parallel.whole.size() {
            1 => gradients(&loss, self.leaves)?,
            _ => shared_gradients(&loss, trained.optimizer, batch, borders, parallel)?,
        };
        let optimizer = &mut trained.optimizer;
        optimizer.descend(gradients, &rate(0)?, parallel.group)?;
        if let Some(average) = trained.average {
            average.follow(&rate(1)?, &rate(2)?)?;
        }
        Ok(measured)
    }
}

/// The gradients summed over the processes that have the same functions.
fn shared_gradients(
    loss: &Tensor,
    optimizer: &mut Optimizer,
    batch: &Batch<'_>,
    borders: Option<Borders>,
    parallel: Parallel,
) -> Result<Vec<Option<Tensor>>, TrainingError> {
    optimizer.clear();
    let loss = match parallel.peers.size() {
        1 => loss.shallow_clone(),
        _ => loss.f_mul_scalar(batch.share)?,
    };
    match borders {
        Some(borders) => borders.backward(&loss)?,
        None => loss.f_backward()?,
    }
    let gradients = optimizer.left_gradients()?;
    let there = gradients.iter().flatten().map(Tensor::shallow_clone);
    parallel.sum(&mut there.collect::<Vec<_>>())?;
    Ok(gradients)
}

/// Loss and errors of a mini-batch over all processes.
fn looked_at(
    loss: &Tensor,
    wrong: &Tensor,
    batch: &Batch<'_>,
    parallel: Parallel,
) -> Result<Measured, TrainingError> {
    let wrong = wrong.f_int64_value(&[])?;
    let wrong = if batch.share > 0.0 { wrong as f64 } else { 0.0 };
    let mut sums = [loss.f_double_value(&[])? * batch.share, wrong];
    parallel.peers.sum_wide(&mut sums);
    let [loss, wrong] = sums;
    Ok(Measured {
        loss,
        errors: pathscope_network::count(wrong as i64)?,
        examples: batch.indices.len(),
    })
}

impl Short {
    fn of(network: &TrainableNetwork, kind: Kind) -> Result<Self, TrainingError> {
        let short = network.with_convolutions_in(kind)?;
        let both = short.named_parameters().into_iter();
        let (copies, originals) = both
            .zip(network.named_parameters())
            .map(|((_, _, copy), (_, _, original))| (copy, original))
            .filter(|(copy, original)| copy.kind() != original.kind())
            .unzip();
        Ok(Self {
            network: short,
            copies,
            originals,
        })
    }

    /// The network with the present values of the one that is trained.
    fn renewed(&self) -> Result<&TrainableNetwork, TrainingError> {
        tch::no_grad(|| foreach::copy(&self.copies, &self.originals))?;
        Ok(&self.network)
    }
}

impl Recorder for CudaGraph {
    fn begin(&mut self) -> Result<(), TrainingError> {
        Ok(CudaGraph::begin(self)?)
    }

    fn end(&mut self) -> Result<(), TrainingError> {
        Ok(CudaGraph::end(self)?)
    }

    fn replay(&mut self) -> Result<(), TrainingError> {
        Ok(CudaGraph::replay(self)?)
    }
}
