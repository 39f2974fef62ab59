//! Which specifications can be built and run, whoever wrote them.

use super::fragment::{Node, Value};
use super::{Block, FeatureShape, Fragment, Layer, NetworkError, Operation, Specification};

/// Largest number of channels, classes or features, and largest side of an image.
const LONGEST: i64 = 1 << 24;
/// Largest kernel, stride or padding.
const LARGEST_WINDOW: i64 = 1 << 12;
/// Values between two layers, for one example.
const MOST_VALUES: i64 = 1 << 28;
/// Values of all layers together, for one example.
const MOST_VALUES_IN_ALL: i64 = 1 << 32;
/// Multiply-adds for one example, a hundred times those of the largest vision networks.
const MOST_WORK: i64 = 100_000_000_000_000;

impl Specification {
    /// Checks that every size is positive, that every layer takes what reaches it from inputs of
    /// shape `input`, and that one example costs a bounded amount of memory and work. Everything
    /// that is read from a file is checked so before it is built.
    ///
    /// # Errors
    /// The first layer that breaks a rule, by name or place.
    ///
    /// ```
    /// use pathscope_network::{Architecture, Family, FeatureShape, Operation, Unit};
    ///
    /// let images = FeatureShape { channels: 3, height: 32, width: 32 };
    /// let mut network = Architecture::cifar(Family::Preresnet, Unit::Basic, 20, 1, 3, 10)?.build()?;
    /// network.check(images)?;
    /// if let Operation::Convolution { stride, .. } = &mut network.stem[0].operation {
    ///     *stride = 0;
    /// }
    /// assert!(network.check(images).is_err());
    /// # Ok::<(), pathscope_network::NetworkError>(())
    /// ```
    pub fn check(&self, input: FeatureShape) -> Result<(), NetworkError> {
        let sides = [input.channels, input.height, input.width];
        if !sides.iter().all(|side| (1..=LONGEST).contains(side)) || too_many(input) {
            let reason = format!("inputs of shape {input}");
            return Err(NetworkError::Architecture(reason));
        }
        let mut work = Work::default();
        let x = work.run(&self.stem, input, "the stem")?;
        let x = self
            .blocks
            .iter()
            .enumerate()
            .try_fold(x, |x, (number, block)| work.block(number, block, x))?;
        work.run(&self.head, x, "the head")?;
        Ok(())
    }
}

/// What one example costs, as far as the layers have been followed.
#[derive(Default)]
struct Work {
    values: i64,
    work: i64,
}

impl Work {
    fn block(
        &mut self,
        number: usize,
        block: &Block<Layer>,
        x: FeatureShape,
    ) -> Result<FeatureShape, NetworkError> {
        let place = format!("block {number}");
        let u = self.run(&block.pre, x, &place)?;
        let gate = match &block.gate {
            Some(gate) => Some(self.run(gate, u, &place)?),
            None => None,
        };
        let functions = block.functions.iter().map(|function| &function.layers);
        let mut sum = None;
        for layers in functions.chain(&block.skip) {
            let term = self.run(layers, u, &place)?;
            if *sum.get_or_insert(term) != term {
                let reason = format!("{place} adds terms of different shapes");
                return Err(NetworkError::Architecture(reason));
            }
        }
        let sum = sum.ok_or_else(|| {
            NetworkError::Architecture(format!("{place} has neither a function nor a skip"))
        })?;
        if gate.is_some_and(|gate| gate != sum) {
            let reason = format!("the gate of {place} has another shape than what it gates");
            return Err(NetworkError::Architecture(reason));
        }
        self.run(&block.post, sum, &place)
    }

    fn run(
        &mut self,
        layers: &[Layer],
        input: FeatureShape,
        place: &str,
    ) -> Result<FeatureShape, NetworkError> {
        let mut x = input;
        for layer in layers {
            let refuse = |reason: String| NetworkError::LayerShape {
                layer: described(layer, place),
                found: x.to_string(),
                reason,
            };
            sizes(&layer.operation).map_err(|reason| refuse(reason.to_owned()))?;
            let output = layer.output_shape(x).map_err(|fault| match fault {
                NetworkError::LayerShape { reason, .. } => refuse(reason),
                fault => fault,
            })?;
            self.values = self.values.saturating_add(values(output));
            self.work = self.work.saturating_add(work(layer, output));
            if too_many(output) || self.values > MOST_VALUES_IN_ALL || self.work > MOST_WORK {
                return Err(refuse(format!(
                    "its output of shape {output} costs more memory or work than any network"
                )));
            }
            x = output;
        }
        Ok(x)
    }
}

/// A layer as errors call it.
fn described(layer: &Layer, place: &str) -> String {
    if layer.name.is_empty() {
        format!("{} of {place}", word(&layer.operation))
    } else {
        layer.name.clone()
    }
}

fn word(operation: &Operation) -> &'static str {
    match operation {
        Operation::Convolution { .. } => "convolution",
        Operation::GroupNorm { .. } => "group normalisation",
        Operation::BatchNorm { .. } => "batch normalisation",
        Operation::Relu => "ReLU",
        Operation::Sigmoid { .. } => "sigmoid",
        Operation::Factor { .. } => "factor",
        Operation::Mix { .. } => "mixing of streams",
        Operation::Bernoulli { .. } => "random choice",
        Operation::MaxPool { .. } => "maximum pooling",
        Operation::ZeroPad { .. } => "zero padding",
        Operation::AveragePool { .. } | Operation::GlobalAveragePool => "average pooling",
        Operation::PadShortcut { .. } => "padding shortcut",
        Operation::Narrow { .. } => "choice of channels",
        Operation::Linear { .. } => "linear layer",
        Operation::Fragment(_) => "graph",
    }
}

fn values(shape: FeatureShape) -> i64 {
    let sides = [shape.channels, shape.height, shape.width];
    sides.into_iter().fold(1, i64::saturating_mul)
}

fn too_many(shape: FeatureShape) -> bool {
    !(1..=MOST_VALUES).contains(&values(shape))
}

fn work(layer: &Layer, output: FeatureShape) -> i64 {
    match layer.operation {
        // Its groups divide its inputs, and its kernel is bounded: see `sizes`.
        Operation::Convolution {
            inputs,
            kernel,
            groups,
            ..
        } => values(output)
            .saturating_mul(inputs / groups)
            .saturating_mul(kernel * kernel),
        Operation::MaxPool { kernel, .. } | Operation::AveragePool { kernel, .. } => {
            values(output).saturating_mul(kernel * kernel)
        }
        _ => layer.multiply_adds(output),
    }
}

/// Whether the sizes of an operation are possible by themselves.
fn sizes(operation: &Operation) -> Result<(), &'static str> {
    let counts = |counts: &[i64]| counts.iter().all(|n| (1..=LONGEST).contains(n));
    let windows = |sides: &[i64]| sides.iter().all(|n| (1..=LARGEST_WINDOW).contains(n));
    let padding = |sides: &[i64]| sides.iter().all(|n| (0..=LARGEST_WINDOW).contains(n));
    let added = |epsilon: f64| epsilon.is_finite() && epsilon >= 0.0;
    let require = |holds: bool, rule: &'static str| if holds { Ok(()) } else { Err(rule) };
    const COUNTS: &str = "its channels or features are not between 1 and 2^24";
    const WINDOWS: &str = "its kernel or stride is not between 1 and 4096";
    const PADDING: &str = "its padding is not between 0 and 4096";
    const GROUPS: &str = "its groups do not divide its channels";
    const ADDED: &str = "what is added to its variance is negative or not a number";
    match *operation {
        Operation::Convolution {
            inputs,
            outputs,
            kernel,
            stride,
            padding: rim,
            groups,
            standardization,
            ..
        } => {
            require(counts(&[inputs, outputs]), COUNTS)?;
            require(windows(&[kernel, stride]), WINDOWS)?;
            require(padding(&[rim]), PADDING)?;
            let divides = groups >= 1 && inputs % groups == 0 && outputs % groups == 0;
            require(divides, GROUPS)?;
            require(standardization.is_none_or(added), ADDED)
        }
        Operation::GroupNorm {
            groups,
            channels,
            epsilon,
        } => {
            require(counts(&[channels]), COUNTS)?;
            require(groups >= 1 && channels % groups == 0, GROUPS)?;
            require(added(epsilon), ADDED)
        }
        Operation::BatchNorm { channels, epsilon } => {
            require(counts(&[channels]), COUNTS)?;
            require(added(epsilon), ADDED)
        }
        Operation::MaxPool {
            kernel,
            stride,
            padding: rim,
        } => {
            require(windows(&[kernel, stride]), WINDOWS)?;
            let half = "its padding is more than half of its kernel";
            require(rim >= 0 && rim <= kernel / 2, half)
        }
        Operation::AveragePool { kernel, stride, .. } => {
            require(windows(&[kernel, stride]), WINDOWS)
        }
        Operation::ZeroPad { padding: rim } => require(padding(&[rim]), PADDING),
        Operation::PadShortcut {
            stride,
            before,
            after,
        } => {
            require(windows(&[stride]), WINDOWS)?;
            let some = |n: i64| (0..=LONGEST).contains(&n);
            require(some(before) && some(after), COUNTS)
        }
        Operation::Narrow { first, count } => {
            require((0..=LONGEST).contains(&first) && counts(&[count]), COUNTS)
        }
        Operation::Linear {
            inputs, outputs, ..
        } => require(counts(&[inputs, outputs]), COUNTS),
        Operation::Fragment(ref fragment) => fragment_sizes(fragment),
        Operation::Mix {
            inputs,
            outputs,
            ref base,
            ..
        } => {
            require(counts(&[inputs, outputs]), COUNTS)?;
            let all = inputs.checked_mul(outputs);
            let complete = all.and_then(|all| usize::try_from(all).ok()) == Some(base.len());
            require(
                complete,
                "its weights are not one for each output and input",
            )?;
            let finite = base.iter().all(|weight| weight.is_finite());
            require(finite, "a weight is not a number")
        }
        Operation::Sigmoid { shift } => require(shift.is_finite(), "its shift is not a number"),
        Operation::Bernoulli { keep } => require(
            (0.0..=1.0).contains(&keep),
            "its probability is not between 0 and 1",
        ),
        Operation::Relu | Operation::Factor { .. } | Operation::GlobalAveragePool => Ok(()),
    }
}

/// Whether a fragment's shapes are positive and its operations use only what comes before them.
fn fragment_sizes(fragment: &Fragment) -> Result<(), &'static str> {
    let lengths = fragment.input.iter().chain(&fragment.output);
    if !lengths.clone().all(|n| (1..=LONGEST).contains(n)) {
        return Err("the shapes of its graph are not positive or too large");
    }
    let exists = |value: &Value, before: usize| match *value {
        Value::Input => true,
        Value::Parameter(number) => number < fragment.parameters.len(),
        Value::Output(node, _) => node < before,
    };
    let mut nodes = fragment.nodes.iter().enumerate();
    let ordered = |(place, node): (usize, &Node)| {
        let mut operands = node.operands().into_iter();
        operands.all(|value| exists(&value, place))
    };
    if !nodes.all(ordered) || !exists(&fragment.result, fragment.nodes.len()) {
        return Err("its graph uses what nothing before gives");
    }
    Ok(())
}
