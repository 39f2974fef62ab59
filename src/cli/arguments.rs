//! Groups of arguments that several commands share.

use std::path::{Path, PathBuf};

use clap::Args;
use pathscope_analysis::record::{Header, Shard};
use tch::Device;

use super::terminal::Terminal;
use super::{Problem, ranks};
use crate::data::{self, Dataset, Normalization, ReadRequest, Split};
use crate::experiment::{Cell, ComputeOptions, ExperimentError, Journal, Laboratory, check_fit};
use crate::format::{Model, load_model};

/// The model to look at.
#[derive(Debug, Args)]
pub(super) struct ModelArguments {
    /// Model file: pathscope's safetensors, or a PyTorch checkpoint of a known architecture.
    pub model: PathBuf,
    /// Normalisation of the inputs, where the file does not state it: imagenet, cifar10,
    /// cifar100, mnist, fashion-mnist, half or none.
    #[arg(long, value_name = "PRESET")]
    pub normalize: Option<String>,
}

impl ModelArguments {
    /// Reads the model and tells what was recognised.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn load(&self, terminal: &Terminal) -> Result<Model, Problem> {
        let normalization = self
            .normalize
            .as_deref()
            .map(Normalization::preset)
            .transpose()?;
        let model = load_model(&self.model, normalization)?;
        for note in &model.notes {
            terminal.remark(&format!("note: {note}"));
        }
        Ok(model)
    }
}

/// The examples to measure on.
#[derive(Debug, Args)]
pub(super) struct DataArguments {
    /// Data set: a folder, archive or file of CIFAR, IDX (MNIST), images by class, or .npz of
    /// images, or of tokens [N, T] for networks that take these. Without it, the evaluation set
    /// that is shipped for the model.
    #[arg(long, value_name = "PLACE")]
    pub data: Option<PathBuf>,
    /// Use the training split instead of the test split.
    #[arg(long)]
    pub train_split: bool,
    /// Use the first N examples only.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

impl DataArguments {
    /// Reads the examples for `model`, which lies at `file`.
    ///
    /// # Errors
    /// No data, or data that do not fit the model.
    pub fn load(&self, model: &Model, file: &Path) -> Result<Dataset, Problem> {
        let location = match (&self.data, &model.card.evaluation) {
            (Some(location), _) => location.clone(),
            (None, Some(name)) => file.parent().unwrap_or(Path::new(".")).join(name),
            (None, None) => {
                return Err(Problem::BadInput(format!(
                    "{} names no evaluation set; give one with --data (a CIFAR, IDX or image \
                     folder, an archive, or .npz of images or tokens)",
                    file.display()
                )));
            }
        };
        self.at(&location, model)
    }

    /// Reads the examples at `location` for `model`.
    ///
    /// # Errors
    /// Data that do not fit the model.
    pub fn at(&self, location: &Path, model: &Model) -> Result<Dataset, Problem> {
        let input = model.card.input;
        let side = |length: i64| usize::try_from(length).unwrap_or(0);
        let request = ReadRequest {
            size: Some((side(input.height), side(input.width))),
            limit: self.limit,
            ..ReadRequest::new(if self.train_split {
                Split::Train
            } else {
                Split::Test
            })
        };
        let data = data::open(location, &request)?;
        check_fit(&model.card.specification, &data)?;
        if data.tokens(0..0).is_some() {
            return Ok(data);
        }
        let shape = data.shape();
        if side(input.channels) != shape.channels {
            return Err(Problem::BadInput(format!(
                "the model takes images of {} channel(s), but {} has {}",
                input.channels,
                location.display(),
                shape.channels
            )));
        }
        let classes = model.card.specification.classes().unwrap_or(0);
        // Without names, the classes of a data set are those that it happens to show.
        let named = !data.class_names().is_empty();
        if data.classes() > classes || (named && data.classes() != classes) {
            return Err(Problem::BadInput(format!(
                "the model tells {classes} classes apart, but {} has {}",
                location.display(),
                data.classes()
            )));
        }
        Ok(data)
    }
}

/// Where and how to compute.
#[derive(Debug, Args)]
pub(super) struct ComputeArguments {
    /// Device: cpu, or cuda:0 with a libtorch that has CUDA.
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    pub device: String,
    /// Examples per micro-batch; chosen from --memory and the cache without it.
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Threads; all cores without it. The results do not depend on it.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Memory for activations, such as 500M or 2G.
    #[arg(long, default_value = "1G", value_name = "BYTES", value_parser = bytes)]
    pub memory: u64,
}

impl ComputeArguments {
    /// All of it, checked.
    ///
    /// # Errors
    /// A device that is not there, or no threads or examples at all.
    pub fn options(&self) -> Result<ComputeOptions, Problem> {
        if self.batch == Some(0) {
            return Err(Problem::BadInput("--batch needs at least 1".into()));
        }
        Ok(ComputeOptions {
            device: self.device()?,
            threads: self.threads()?,
            batch: self.batch,
            memory: self.memory,
            team: ranks::team(),
        })
    }

    /// The device to compute on.
    ///
    /// # Errors
    /// A device that is not there.
    pub fn device(&self) -> Result<Device, Problem> {
        let refuse = |why: String| Err(Problem::BadInput(why));
        let number = match self.device.as_str() {
            "cpu" => return Ok(Device::Cpu),
            "cuda" => Some(0),
            other => other
                .strip_prefix("cuda:")
                .and_then(|number| number.parse::<usize>().ok()),
        };
        let Some(number) = number else {
            return refuse(format!(
                "unknown device `{}`; give cpu or cuda:0",
                self.device
            ));
        };
        let devices = tch::Cuda::device_count();
        if i64::try_from(number).is_ok_and(|number| number < devices) {
            Ok(Device::Cuda(number))
        } else if devices == 0 {
            refuse(format!(
                "device `{}` is not there: this libtorch sees no CUDA device (see the README on \
                 building with a CUDA libtorch)",
                self.device
            ))
        } else {
            refuse(format!(
                "device `{}` is not there: there are {devices}",
                self.device
            ))
        }
    }

    /// How many threads each process uses: of the cores of its machine its share, and as many as
    /// the process with fewest, so that all cut the work into the same pieces.
    ///
    /// # Errors
    /// None at all.
    pub fn threads(&self) -> Result<usize, Problem> {
        match self.threads {
            Some(0) => Err(Problem::BadInput("--threads needs at least 1".into())),
            Some(threads) => Ok(threads),
            None => ranks::threads(),
        }
    }
}

/// Where results go besides the terminal.
#[derive(Debug, Args)]
pub(super) struct JournalArguments {
    /// Write every measurement as a line of JSON here. An interrupted run that is given the same
    /// file again goes on where it stopped.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Measure only this part of the sweep: 3/8 is the third of eight processes, on any machines.
    /// `pathscope merge` joins their files.
    #[arg(long, value_name = "PART/PARTS", requires = "json")]
    pub shard: Option<Shard>,
}

impl JournalArguments {
    /// Opens the journal that `header` begins, in memory where no file was asked for.
    ///
    /// # Errors
    /// A file of another measurement, or one that cannot be written.
    pub fn open(&self, header: Header, terminal: &Terminal) -> Result<Journal, Problem> {
        let Some(file) = &self.json else {
            return Ok(Journal::in_memory(header));
        };
        let header = Header {
            shard: self.shard,
            ..header
        };
        let journal = Journal::open_together(ranks::team(), file, header)?;
        if journal.was_repaired() {
            terminal.remark(&format!(
                "note: an unfinished last line of {} was cut off and is measured again",
                file.display()
            ));
        }
        Ok(journal)
    }

    /// Measures `cells` with a progress bar.
    ///
    /// # Errors
    /// What the laboratory says, or that the person interrupted.
    pub fn measure(
        &self,
        laboratory: &Laboratory<'_>,
        cells: &[Cell],
        journal: &mut Journal,
        terminal: &Terminal,
    ) -> Result<(), Problem> {
        self.with_bar(terminal, cells.len(), |progress| {
            laboratory.measure(cells, journal, progress)
        })
    }

    /// Does `work`, which tells of steps done, with a progress bar over so many `steps`.
    ///
    /// # Errors
    /// What the work says, or that the person interrupted.
    pub fn with_bar<T>(
        &self,
        terminal: &Terminal,
        steps: usize,
        work: impl FnOnce(&dyn Fn(u64)) -> Result<T, ExperimentError>,
    ) -> Result<T, Problem> {
        let bar = terminal.progress(steps as u64, "measuring");
        let outcome = work(&|done| bar.inc(done));
        bar.finish_and_clear();
        outcome.map_err(|error| self.explain(error))
    }

    /// Refuses `what`, whose measurements depend on one another, as a part of several.
    ///
    /// # Errors
    /// `--shard` with it.
    pub fn refuse_shard(&self, what: Option<&str>) -> Result<(), Problem> {
        match (self.shard, what) {
            (Some(shard), Some(what)) => Err(Problem::BadInput(format!(
                "--shard {shard} divides a sweep of independent measurements, which {what} is not; \
                 leave one of them out"
            ))),
            _ => Ok(()),
        }
    }

    /// What an experiment's error means to the person.
    pub fn explain(&self, error: ExperimentError) -> Problem {
        match (error, &self.json) {
            (ExperimentError::Stopped, Some(file)) => Problem::Interrupted(format!(
                "what was measured is in {}; the same command goes on from there",
                file.display()
            )),
            (ExperimentError::Stopped, None) => {
                Problem::Interrupted("give --json FILE to keep what was measured".into())
            }
            (error, _) => error.into(),
        }
    }
}

/// `500M`, `2G`, `65536`.
fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim_end_matches(['B', 'b']).trim_end_matches('i');
    let (number, unit) = match text.char_indices().last() {
        Some((end, 'k' | 'K')) => (&text[..end], 1 << 10),
        Some((end, 'm' | 'M')) => (&text[..end], 1 << 20),
        Some((end, 'g' | 'G')) => (&text[..end], 1 << 30),
        _ => (text, 1),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "give a size such as 500M or 2G".to_owned())?;
    number
        .checked_mul(unit)
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| "out of range".to_owned())
}

/// A share strictly between 0 and 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|&share: &f64| share > 0.0 && share < 1.0)
        .ok_or_else(|| "give a share between 0 and 1, such as 0.95".to_owned())
}
