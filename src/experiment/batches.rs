//! Micro-batches of a data set, worked on by threads that share nothing.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Device, Kind, Tensor};

use super::ExperimentError;
use super::share::share_among;
use pathscope_data::{Dataset, Normalization, normalized_batch};
use pathscope_network::{FeatureShape, FrozenNetwork, channels_last};
use pathscope_team::Team;

/// How an experiment is computed. Nothing here but the size of a micro-batch can change a result,
/// and that only by rounding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComputeOptions {
    /// Where the network lies.
    pub device: Device,
    /// Threads, each with a micro-batch of its own.
    pub threads: usize,
    /// Examples per micro-batch; chosen for the cache where `None`.
    pub batch: Option<usize>,
    /// Bytes for activations, over all threads.
    pub memory: u64,
    /// Processes that share the work, each with so many threads and so much memory.
    pub team: Team,
}

impl Default for ComputeOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            device: Device::Cpu,
            threads,
            batch: None,
            memory: 1 << 30,
            team: Team::ALONE,
        }
    }
}

impl ComputeOptions {
    /// Threads that work at once: a GPU is fed by one.
    #[must_use]
    pub fn workers(&self) -> usize {
        if self.device == Device::Cpu {
            self.threads.max(1)
        } else {
            1
        }
    }

    /// Examples per micro-batch where one example needs `each` bytes for all it keeps, and its
    /// widest activation takes `widest` of them.
    ///
    /// # Errors
    /// [`ExperimentError::Memory`] where not even one example fits.
    pub fn micro_batch(&self, each: u64, widest: u64) -> Result<usize, ExperimentError> {
        let each = each.max(1) * self.workers() as u64;
        let fits = self.memory / each;
        if fits == 0 {
            return Err(ExperimentError::Memory {
                given: self.memory,
                needed: each,
            });
        }
        let wanted = match (self.batch, self.device) {
            (Some(batch), _) => batch as u64,
            (None, Device::Cpu) => (CACHE / widest.max(1)).clamp(1, 256),
            (None, _) => 512,
        };
        Ok(pathscope_network::count(wanted.clamp(1, fits))?)
    }
}

/// Bytes of the widest activation in one micro-batch that a core's cache holds beside what else
/// a block needs.
const CACHE: u64 = 2 << 20;

/// One micro-batch.
#[derive(Debug)]
pub(super) struct MicroBatch {
    /// Position of its first example in the data set.
    pub first: usize,
    /// Images `[N, C, H, W]`, normalised, channels-last; or tokens `[N, T]`.
    pub images: Tensor,
    /// Labels `[N]`, or `[N, T]` where every position has one.
    pub labels: Tensor,
}

/// The examples of an experiment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batches<'a> {
    pub data: &'a Dataset,
    pub normalization: &'a Normalization,
    pub options: ComputeOptions,
    pub stop: Option<fn() -> bool>,
}

impl Batches<'_> {
    /// What `work` gives for every micro-batch of `size` examples, in their order. It is called
    /// with the state of the thread that does it; there are as many threads as states.
    ///
    /// # Errors
    /// The first that `work` gives, or [`ExperimentError::Stopped`].
    pub fn map<S: Send, T: Send + Serialize + DeserializeOwned>(
        &self,
        size: usize,
        states: Vec<S>,
        work: impl Fn(&mut S, &MicroBatch) -> Result<T, ExperimentError> + Sync,
    ) -> Result<Vec<T>, ExperimentError> {
        let size = size.max(1);
        let on_cpu = self.options.device == Device::Cpu;
        // A thread with a micro-batch of its own beats two that share one: nothing to wait for,
        // and the activations stay in that core's cache.
        let before = tch::get_num_threads();
        if on_cpu {
            tch::set_num_threads(1);
        }
        let count = self.data.len().div_ceil(size);
        let found = share_among(self.options.team, count, states, |state, number| {
            if on_cpu {
                tch::set_num_threads(1);
            }
            if self.stop.is_some_and(|stop| stop()) {
                return Err(ExperimentError::Stopped);
            }
            let first = number * size;
            let end = (first + size).min(self.data.len());
            work(state, &self.load(first, end)?)
        });
        if on_cpu {
            tch::set_num_threads(before);
        }
        found
    }

    /// The examples from `first` on up to `end`.
    pub fn load(&self, first: usize, end: usize) -> Result<MicroBatch, ExperimentError> {
        let examples = (end - first) as i64;
        let integers = |numbers: &[u32]| -> Result<Tensor, ExperimentError> {
            let wide: Vec<i64> = numbers.iter().map(|&number| i64::from(number)).collect();
            Ok(Tensor::f_from_slice(&wide)?)
        };
        let inputs = match self.data.tokens(first..end) {
            Some(tokens) => integers(tokens)?.f_view([examples, -1])?,
            None => {
                let images = normalized_batch(self.data, first..end, self.normalization)?;
                let shape = self.input();
                let size = [examples, shape.channels, shape.height, shape.width];
                Tensor::f_from_slice(&images)?.f_view(size)?
            }
        };
        let mut labels = integers(self.data.labels_of(first..end))?;
        if self.data.positions() > 1 {
            labels = labels.f_view([examples, -1])?;
        }
        let device = self.options.device;
        Ok(MicroBatch {
            first,
            images: channels_last(&inputs.f_to_device(device)?)?,
            labels: labels.f_to_device(device)?,
        })
    }

    /// Shape of one image; `[T, 1, 1]` of T tokens.
    pub fn input(&self) -> FeatureShape {
        FeatureShape::of(&self.data.shape().axes())
    }

    /// A copy of `network` for each thread.
    pub fn copies(&self, network: &FrozenNetwork) -> Vec<FrozenNetwork> {
        let workers = 0..self.options.workers();
        workers.map(|_| network.shallow_clone()).collect()
    }
}

impl MicroBatch {
    /// The images in another kind of number; tokens as they are.
    pub fn images_as(&self, kind: Kind) -> Result<Tensor, ExperimentError> {
        if self.images.kind() == Kind::Int64 {
            return Ok(self.images.shallow_clone());
        }
        Ok(self.images.f_to_kind(kind)?)
    }
}
