use crate::format::StateDict;
use crate::network::{Layer, Operation};

/// The shapes of a state dict's tensors.
#[derive(Clone, Copy)]
pub(super) struct Tensors<'a>(&'a StateDict);

impl<'a> Tensors<'a> {
    pub fn of(state: &'a StateDict) -> Self {
        Self(state)
    }

    pub fn has(self, name: &str) -> bool {
        self.0.get(name).is_some()
    }

    pub fn shape(self, name: &str) -> Option<Vec<i64>> {
        self.0.get(name).map(tch::Tensor::size)
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
}

impl Run<'_> {
    /// A square convolution padded by half its kernel. What its weight lacks in inputs it has in
    /// groups.
    pub fn convolution(mut self, name: &str, stride: i64) -> Option<Self> {
        let shape = self.tensors.shape(&format!("{name}.weight"))?;
        let &[outputs, group, kernel, width] = shape.as_slice() else {
            return None;
        };
        if kernel != width || kernel % 2 == 0 || group < 1 || self.channels % group != 0 {
            return None;
        }
        let operation = Operation::Convolution {
            inputs: self.channels,
            outputs,
            kernel,
            stride,
            padding: kernel / 2,
            groups: self.channels / group,
            bias: self.tensors.has(&format!("{name}.bias")),
            standardization: self.standardization,
        };
        self.layers.push(Layer::new(name, operation));
        self.channels = outputs;
        Some(self)
    }

    /// Batch normalisation where there are running statistics, normalisation over 32 groups
    /// (the number that all code bases share) where there are none.
    pub fn normalization(mut self, name: &str) -> Option<Self> {
        let channels = self.tensors.outputs(&format!("{name}.weight"))?;
        if channels != self.channels {
            return None;
        }
        let epsilon = 1e-5;
        let operation = if self.tensors.has(&format!("{name}.running_mean")) {
            Operation::BatchNorm { channels, epsilon }
        } else if channels % 32 == 0 {
            Operation::GroupNorm {
                groups: 32,
                channels,
                epsilon,
            }
        } else {
            return None;
        };
        self.layers.push(Layer::new(name, operation));
        Some(self)
    }

    /// The final matrix and its bias, after the mean over all positions.
    pub fn classifier(self, name: &str) -> Option<Self> {
        let inputs = self.channels;
        let mut run = self.then(Operation::GlobalAveragePool);
        let shape = run.tensors.shape(&format!("{name}.weight"))?;
        let outputs = match *shape.as_slice() {
            [outputs, held] | [outputs, held, 1, 1] if held == inputs => outputs,
            _ => return None,
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
        if stride == 1 {
            return self;
        }
        self.then(Operation::AveragePool { kernel: 2, stride })
    }

    /// The maximum over three by three pixels, every second one, as after ImageNet stems.
    pub fn max_pool(self) -> Self {
        self.then(Operation::MaxPool {
            kernel: 3,
            stride: 2,
            padding: 1,
        })
    }
}
