use std::cell::RefCell;

use pathscope_file::shortened;

use crate::StateDict;
use crate::assumption::{Assumptions, Groups};
use pathscope_network::{Layer, Operation};

/// The shapes of a state dict's tensors, what is stated or assumed beside them, and where the
/// attempts to make a network of them stop.
#[derive(Clone, Copy)]
pub(super) struct Tensors<'a> {
    state: &'a StateDict,
    assumptions: &'a Assumptions,
    stop: &'a RefCell<Stop>,
}

/// Where recognition stopped that got furthest.
#[derive(Debug, Default)]
pub(super) struct Stop {
    /// How many tensors of the file stand before it.
    place: usize,
    /// What stands there, as the end of a sentence.
    pub what: Option<String>,
    /// The first normalisation of which the groups are not known.
    pub groups: Option<String>,
}

impl Stop {
    /// Notes a stop at the tensor `name` of `state`, if no attempt got further.
    pub fn note(&mut self, state: &StateDict, name: &str, what: &str) {
        let place = state.names().position(|held| held == name);
        let place = place.map_or(0, |place| place + 1);
        if self.what.is_none() || place > self.place {
            self.place = place;
            self.what = Some(format!("at `{}`: {what}", shortened(name)));
        }
    }
}

impl<'a> Tensors<'a> {
    pub fn of(state: &'a StateDict, assumptions: &'a Assumptions, stop: &'a RefCell<Stop>) -> Self {
        Self {
            state,
            assumptions,
            stop,
        }
    }

    /// The same for tensors that have other names.
    pub fn of_renamed<'b>(self, state: &'b StateDict) -> Tensors<'b>
    where
        'a: 'b,
    {
        Tensors { state, ..self }
    }

    pub fn state(self) -> &'a StateDict {
        self.state
    }

    /// Notes where this attempt stops; `None`, for the one that gives up.
    pub fn stop<T>(self, name: &str, what: &str) -> Option<T> {
        self.stop.borrow_mut().note(self.state, name, what);
        None
    }

    pub fn has(self, name: &str) -> bool {
        self.state.get(name).is_some()
    }

    /// Whether the module `name` has a weight.
    pub fn has_weight(self, name: &str) -> bool {
        self.has(&format!("{name}.weight"))
    }

    pub fn shape(self, name: &str) -> Option<Vec<i64>> {
        self.state.get(name).map(tch::Tensor::size)
    }

    /// The stride that the convolutions below `prefix` state, where the file does.
    pub fn stated_stride(self, prefix: &str) -> Option<i64> {
        let inside = |name: &str| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        let strides = self.state.modules().filter_map(|(name, stated)| {
            let counts = inside(name) && stated.class == "Conv2d";
            counts.then(|| stated.whole("stride"))?
        });
        strides.max()
    }

    /// The max-pool that the file states; `None` where it states nothing of its modules.
    fn stated_pool(self) -> Option<Option<Operation>> {
        self.state.modules().next()?;
        let pool = self
            .state
            .modules()
            .find(|(_, stated)| stated.class == "MaxPool2d");
        Some(pool.and_then(|(_, stated)| {
            Some(Operation::MaxPool {
                kernel: stated.whole("kernel_size")?,
                stride: stated.whole("stride")?,
                padding: stated.whole("padding")?,
            })
        }))
    }

    /// First axis of a tensor: outputs of a convolution, channels of a normalisation.
    pub fn outputs(self, name: &str) -> Option<i64> {
        self.shape(name)?.first().copied()
    }

    /// How many names `name(0)`, `name(1)`, ... there are without a gap.
    pub fn count(self, name: impl Fn(usize) -> String) -> usize {
        (0..).take_while(|&number| self.has(&name(number))).count()
    }

    /// An empty run of layers on `channels` channels.
    pub fn run(self, channels: i64) -> Run<'a> {
        Run {
            tensors: self,
            channels,
            layers: Vec::new(),
            standardization: None,
            groups: self.assumptions.groups,
        }
    }

    /// An empty run of layers on as many channels as the convolution `name` takes.
    pub fn images(self, name: &str) -> Option<Run<'a>> {
        match *self.shape(&format!("{name}.weight"))?.as_slice() {
            [_, channels, _, _] => Some(self.run(channels)),
            _ => None,
        }
    }
}

/// Layers one after the other: their names are given, their sizes read from the shapes.
#[derive(Clone)]
pub(super) struct Run<'a> {
    tensors: Tensors<'a>,
    pub channels: i64,
    pub layers: Vec<Layer>,
    /// Whether the convolutions that follow standardise their weights.
    pub standardization: Option<f64>,
    /// Over what normalisations without running statistics go, where that is known.
    pub groups: Option<Groups>,
}

impl Run<'_> {
    /// A square convolution padded by half its kernel. What its weight lacks in inputs it has in
    /// groups. What the file states of it wins.
    pub fn convolution(mut self, name: &str, stride: i64) -> Option<Self> {
        let weight = format!("{name}.weight");
        let shape = self.tensors.shape(&weight)?;
        let &[outputs, group, kernel, width] = shape.as_slice() else {
            return self.tensors.stop(&weight, "a convolution is expected here");
        };
        if kernel != width || kernel % 2 == 0 || group < 1 || self.channels % group != 0 {
            let what = format!(
                "its shape {shape:?} fits no square convolution of {} channels",
                self.channels
            );
            return self.tensors.stop(&weight, &what);
        }
        let stated = self.tensors.state.stated(name);
        if let Some(stated) = stated {
            let plain = stated.class == "Conv2d"
                && stated.whole("dilation") == Some(1)
                && stated
                    .padding_mode
                    .as_deref()
                    .is_none_or(|mode| mode == "zeros");
            if !plain {
                let what = format!("its module ({}) is no plain convolution", stated.class);
                return self.tensors.stop(&weight, &what);
            }
        }
        let number = |name| stated.and_then(|stated| stated.whole(name));
        let operation = Operation::Convolution {
            inputs: self.channels,
            outputs,
            kernel,
            stride: number("stride").unwrap_or(stride),
            padding: number("padding").unwrap_or(kernel / 2),
            groups: self.channels / group,
            bias: self.tensors.has(&format!("{name}.bias")),
            standardization: self.standardization,
        };
        self.layers.push(Layer::new(name, operation));
        self.channels = outputs;
        Some(self)
    }

    /// The convolution `projection` and the normalisation behind it, where the file has them.
    pub fn projected(self, projection: &str, normalization: &str, stride: i64) -> Option<Self> {
        match self.tensors.has_weight(projection) {
            true => self
                .convolution(projection, stride)?
                .normalization(normalization),
            false => Some(self),
        }
    }

    /// Batch normalisation where there are running statistics, normalisation over groups of
    /// channels where there are none.
    pub fn normalization(mut self, name: &str) -> Option<Self> {
        let scale = format!("{name}.weight");
        let channels = self.tensors.outputs(&scale)?;
        if channels != self.channels {
            let what = format!("{channels} channels, where {} come", self.channels);
            return self.tensors.stop(&scale, &what);
        }
        let stated = self.tensors.state.stated(name);
        let epsilon = stated.and_then(|stated| stated.number("eps"));
        let epsilon = epsilon.or(self.tensors.assumptions.epsilon).unwrap_or(1e-5);
        let operation = if self.tensors.has(&format!("{name}.running_mean")) {
            Operation::BatchNorm { channels, epsilon }
        } else {
            let groups = match stated.map(|stated| stated.class.as_str()) {
                Some("GroupNorm") => stated.and_then(|stated| stated.whole("num_groups")),
                Some("InstanceNorm2d") => Some(channels),
                Some(class) => {
                    let what = format!("its module ({class}) keeps no statistics");
                    return self.tensors.stop(&scale, &what);
                }
                None => self.groups.map(|groups| groups.of(channels)),
            };
            let Some(groups) = groups else {
                self.tensors.stop.borrow_mut().groups.get_or_insert(scale);
                return None;
            };
            if groups < 1 || channels % groups != 0 {
                let what = format!("{channels} channels make no {groups} groups");
                return self.tensors.stop(&scale, &what);
            }
            Operation::GroupNorm {
                groups,
                channels,
                epsilon,
            }
        };
        self.layers.push(Layer::new(name, operation));
        Some(self)
    }

    /// The final matrix and its bias, after the mean over all positions: `name`, or the only
    /// other matrix that fits. Without one the network ends in features.
    pub fn classifier(self, name: &str) -> Option<Self> {
        let inputs = self.channels;
        let mut run = self.then(Operation::GlobalAveragePool);
        let fits = |name: &str| match *run.tensors.shape(&format!("{name}.weight"))?.as_slice() {
            [outputs, held] | [outputs, held, 1, 1] if held == inputs => Some(outputs),
            _ => None,
        };
        let (name, outputs) = match fits(name) {
            Some(outputs) => (name.to_owned(), outputs),
            None if run.tensors.has_weight(name) => {
                let what = format!("a matrix of {inputs} columns is expected");
                return run.tensors.stop(&format!("{name}.weight"), &what);
            }
            None => {
                let matrices = run.tensors.state.tensors();
                let matrices = matrices.filter(|(_, tensor)| tensor.dim() == 2);
                let mut names = matrices.filter_map(|(name, _)| name.strip_suffix(".weight"));
                match (names.next(), names.next()) {
                    (Some(only), None) if fits(only).is_some() => (only.to_owned(), fits(only)?),
                    _ => return Some(run),
                }
            }
        };
        let operation = Operation::Linear {
            inputs,
            outputs,
            bias: run.tensors.has(&format!("{name}.bias")),
        };
        run.layers.push(Layer::new(name, operation));
        Some(run)
    }

    pub fn relu(self) -> Self {
        self.then(Operation::Relu)
    }

    /// An operation without parameters that keeps the number of channels.
    pub fn then(mut self, operation: Operation) -> Self {
        self.layers.push(Layer::new("", operation));
        self
    }

    /// The mean over two by two pixels where `stride` is 2, nothing where it is 1.
    pub fn average_pool(self, stride: i64) -> Self {
        match stride {
            1 => self,
            _ => self.then(Operation::mean_of_four(stride, true)),
        }
    }

    /// The maximum over three by three pixels, every second one, as after ImageNet stems; or
    /// what the file states instead.
    pub fn max_pool(self) -> Self {
        match self.tensors.stated_pool() {
            None => self.then(Operation::STEM_POOL),
            Some(Some(stated)) => self.then(stated),
            Some(None) => self,
        }
    }

    /// A max-pool only where the file states one.
    pub fn max_pool_if_stated(self) -> Self {
        match self.tensors.stated_pool() {
            Some(Some(stated)) => self.then(stated),
            _ => self,
        }
    }
}
