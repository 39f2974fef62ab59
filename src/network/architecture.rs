use serde::{Deserialize, Serialize};

use super::{Block, Factors, Layer, NetworkError, Operation, Specification};

/// The order of operations in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Convolution-BN-ReLU, and ReLU after the addition (He et al., arXiv 1512.03385).
    Resnet,
    /// BN-ReLU-convolution, identity skips (He et al., arXiv 1603.05027); with k functions per
    /// block the multi-residual network of Abdi & Nahavandi (arXiv 1609.05672).
    Preresnet,
    /// Every layer adds channels to those that it takes (Huang et al., arXiv 1608.06993): its skip is the
    /// identity with zero channels behind, its function gives the new ones. Basic units are the plain
    /// form, bottlenecks the form BC; the width is the growth rate.
    Densenet,
    /// Convolution-ReLU layers with gates between carrying and computing (Srivastava et al., arXiv
    /// 1505.00387): no normalisation.
    Highway,
    /// Convolution-BN-ReLU layers in columns of 1, 2, 4, ... that are joined by their mean, without skips
    /// (Larsson et al., arXiv 1605.07648); each stage ends in a maximum over two by two pixels.
    Fractal,
    /// No skips at all: convolution-BN-ReLU layers in the manner of VGG, the control.
    Plain,
}

/// What the k functions of a block take, and so its path polynomial (Zhang et al., arXiv 1611.05725).
/// A block that changes the shape has the first function alone where others would continue it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum Terms {
    /// Each the block's input: F + G, 1 + k z
    #[default]
    Ways,
    /// Each the output of the one before, with the same convolutions and normalisations of its own:
    /// F + F after F, 1 + z + ... + z^k
    Poly,
    /// Each the output of the one before, with convolutions of its own: F + G after F
    Mpoly,
}

/// The layers of one residual function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3, 1x1 convolutions; the last widens by 4. The stride is in the 3x3 convolution.
    Bottleneck,
    /// The same with the stride in the first 1x1 convolution, as in the Multi-ResNet code.
    BottleneckStrideFirst,
}

/// The layers before the first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stem {
    /// One 3x3 convolution at full resolution.
    Cifar,
    /// A 7x7 convolution of stride 2, BN, ReLU, and 3x3 max-pooling of stride 2.
    Imagenet,
}

/// What carries the skip over a change of shape (He et al., arXiv 1512.03385, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Shortcut {
    /// Subsampling and zero channels behind; no parameters.
    A,
    /// Subsampling, and as many zero channels before as behind: the form of type A in common
    /// CIFAR code bases.
    ACentred,
    /// A 1x1 convolution where the shape changes.
    B,
    /// A 1x1 convolution in every block.
    C,
}

/// Groups of channels in the 3x3 convolutions of bottlenecks (ResNeXt, Xie et al., arXiv 1611.05431).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Groups {
    /// How many there are: the cardinality.
    pub count: i64,
    /// Channels of each in the first stage; doubled from stage to stage.
    pub width: i64,
}

/// A description from which every family of networks is built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Architecture {
    /// Order of operations.
    pub family: Family,
    /// Layers of a residual function.
    pub unit: Unit,
    /// Layers before the first block.
    pub stem: Stem,
    /// Blocks in each stage; every stage but the first halves the resolution.
    pub stages: Vec<usize>,
    /// Residual functions in each block, in order.
    pub functions: Vec<usize>,
    /// What they take.
    pub terms: Terms,
    /// What multiplies skips and functions.
    pub factors: Factors,
    /// Channels of the stem's output.
    pub stem_width: i64,
    /// Channels of the 3x3 convolutions of the first stage; doubled from stage to stage.
    pub width: i64,
    /// Groups of the 3x3 convolutions of bottlenecks, instead of one of `width` channels.
    pub groups: Option<Groups>,
    /// How skips cross a change of shape.
    pub shortcut: Shortcut,
    /// Channels of the images.
    pub channels: i64,
    /// Classes to tell apart.
    pub classes: i64,
}

/// Most functions of a network, a hundred times those of the deepest that were trained: what a file asks
/// for costs a bounded amount of memory before anything is known about it.
const MOST_FUNCTIONS: usize = 1 << 17;

/// `k` functions in each of `blocks` blocks.
fn functions(blocks: usize, k: usize) -> Result<Vec<usize>, NetworkError> {
    few_enough(blocks.saturating_mul(k.max(1)))?;
    Ok(vec![k; blocks])
}

fn few_enough(functions: usize) -> Result<(), NetworkError> {
    if functions > MOST_FUNCTIONS {
        let reason = format!("{functions} functions in all; {MOST_FUNCTIONS} is the most");
        return Err(NetworkError::Architecture(reason));
    }
    Ok(())
}

/// The sum, or the largest number there is.
fn sum(numbers: &[usize]) -> usize {
    let add = |sum: usize, &number: &usize| sum.saturating_add(number);
    numbers.iter().fold(0, add)
}

impl Architecture {
    /// A CIFAR network of `depth` layers with `k` functions per block and 16 channels in its
    /// first stage, for `channels`-channel images of `classes` classes.
    ///
    /// The depth counts the convolutions on one way through the network and the linear layer:
    /// 2 n + 2 for n basic blocks, 3 n + 2 for bottlenecks, n + 2 for plain and Highway layers, and of dense
    /// networks n + 4 for basic, 2 n + 4 for bottlenecks. Where n does
    /// not divide by three, earlier stages get the odd blocks (24 layers: 4, 4, 3). A fractal network has
    /// three or five stages of 1, 2, 4, ... layers, and the linear one is not counted.
    ///
    /// # Errors
    /// [`NetworkError::Architecture`] where no number of blocks gives that depth.
    pub fn cifar(
        family: Family,
        unit: Unit,
        depth: usize,
        k: usize,
        channels: i64,
        classes: i64,
    ) -> Result<Self, NetworkError> {
        if family == Family::Fractal {
            return Self::fractal(depth, k, channels, classes);
        }
        let layers_per_block = family.layers_per_block(unit);
        let around = family.layers_around(3);
        let refuse = NetworkError::Architecture;
        let inner = depth
            .checked_sub(around)
            .filter(|inner| inner % layers_per_block == 0);
        let blocks = inner
            .map(|inner| inner / layers_per_block)
            .filter(|&blocks| blocks >= 3);
        let blocks = blocks.ok_or_else(|| {
            refuse(format!(
                "a depth of {depth} is not {layers_per_block} n + {around} with n >= 3 blocks"
            ))
        })?;
        Ok(Self {
            family,
            unit,
            stem: Stem::Cifar,
            stages: (0..3).map(|stage| (blocks + 2 - stage) / 3).collect(),
            functions: functions(blocks, k)?,
            terms: Terms::Ways,
            factors: Factors::One,
            stem_width: 16,
            width: 16,
            groups: None,
            shortcut: if unit == Unit::Basic {
                Shortcut::A
            } else {
                Shortcut::B
            },
            channels,
            classes,
        })
    }

    fn fractal(depth: usize, k: usize, channels: i64, classes: i64) -> Result<Self, NetworkError> {
        let refuse = NetworkError::Architecture;
        if k != 1 {
            let rule = "a fractal network has as many functions as columns end; leave k at 1";
            return Err(refuse(rule.into()));
        }
        let stages = [3, 5].into_iter().find_map(|stages| {
            let layers = depth.checked_div(stages)?;
            (depth.is_multiple_of(stages) && layers.is_power_of_two()).then(|| vec![layers; stages])
        });
        let stages = stages.ok_or_else(|| {
            refuse(format!(
                "a depth of {depth} is not 3 or 5 stages of 1, 2, 4, ... layers, such as 12 or 20"
            ))
        })?;
        few_enough(depth.saturating_mul(2))?;
        Ok(Self {
            family: Family::Fractal,
            unit: Unit::Basic,
            stem: Stem::Cifar,
            functions: super::fractal::functions(&stages).unwrap_or_default(),
            stages,
            terms: Terms::Ways,
            factors: Factors::One,
            stem_width: 16,
            width: 16,
            groups: None,
            shortcut: Shortcut::A,
            channels,
            classes,
        })
    }

    /// An ImageNet network with the given blocks in each of four stages and `k` functions in
    /// every block: 18 layers are basic 2, 2, 2, 2; 101 are bottlenecks 3, 4, 23, 3.
    ///
    /// # Errors
    /// [`NetworkError::Architecture`] for more functions than any network has.
    pub fn imagenet(
        family: Family,
        unit: Unit,
        stages: [usize; 4],
        k: usize,
    ) -> Result<Self, NetworkError> {
        Ok(Self {
            family,
            unit,
            stem: Stem::Imagenet,
            stages: stages.to_vec(),
            functions: functions(sum(&stages), k)?,
            terms: Terms::Ways,
            factors: Factors::One,
            stem_width: 64,
            width: 64,
            groups: None,
            shortcut: Shortcut::B,
            channels: 3,
            classes: 1000,
        })
    }

    /// Sets the channels of the stem and of the first stage; of dense networks the growth rate alone, with
    /// twice as many channels in the stem of bottlenecks.
    #[must_use]
    pub fn with_width(mut self, width: i64) -> Self {
        self.width = width;
        match (self.family, self.unit) {
            (Family::Densenet, Unit::Basic) => {}
            (Family::Densenet, _) => self.stem_width = width.saturating_mul(2),
            _ => self.stem_width = width,
        }
        self
    }

    /// Multiplies the channels of every stage by `factor`; the stem keeps its own (Zagoruyko &
    /// Komodakis, arXiv 1605.07146). Type A shortcuts become type B: they can only double.
    #[must_use]
    pub fn widened(mut self, factor: i64) -> Self {
        self.width = self.width.saturating_mul(factor);
        if factor != 1 && matches!(self.shortcut, Shortcut::A | Shortcut::ACentred) {
            self.shortcut = Shortcut::B;
        }
        self
    }

    /// The number of layers by the usual count: convolutions on one way, and the linear layer.
    #[must_use]
    pub fn depth(&self) -> usize {
        let around = self.family.layers_around(self.stages.len());
        self.family
            .layers_per_block(self.unit)
            .saturating_mul(sum(&self.stages))
            .saturating_add(around)
    }

    /// Builds the description of every layer, under the names that torchvision gives to the
    /// layers they share (`layer2.0.conv1`); function `i` of several has the prefix
    /// `functions.i`.
    ///
    /// # Errors
    /// [`NetworkError::Architecture`] for numbers that make no network.
    pub fn build(&self) -> Result<Specification, NetworkError> {
        self.check()?;
        match self.family {
            Family::Densenet => return Ok(super::densenet::build(self)),
            Family::Fractal => return Ok(super::fractal::build(self)),
            _ => {}
        }
        let mut blocks = Vec::new();
        let mut inputs = self.stem_width;
        for (stage, &count) in self.stages.iter().enumerate() {
            let width = self.width << stage;
            let outputs = match self.unit {
                Unit::Basic => width,
                _ if matches!(self.family, Family::Plain | Family::Highway) => width,
                _ => width * 4,
            };
            let groups = self.groups.map_or(1, |groups| groups.count);
            let inner = self
                .groups
                .map_or(width, |groups| (groups.count * groups.width) << stage);
            for position in 0..count {
                let place = Place {
                    name: format!("layer{}.{position}", stage + 1),
                    inputs,
                    inner,
                    outputs,
                    groups,
                    stride: if position == 0 && stage > 0 { 2 } else { 1 },
                    functions: self.functions.get(blocks.len()).copied().unwrap_or(1),
                    opens_stage: position == 0,
                    follows_normalised: stage == 0 && self.stem == Stem::Imagenet,
                };
                let block = match self.family {
                    Family::Resnet => self.post_activation(&place)?,
                    Family::Preresnet => self.pre_activation(&place)?,
                    Family::Highway => {
                        super::highway::block(&place.name, inputs, outputs, place.stride)
                    }
                    Family::Plain | Family::Densenet | Family::Fractal => plain(&place),
                };
                blocks.push(self.factors.on(block, blocks.len(), sum(&self.stages)));
                inputs = outputs;
            }
        }
        let network = Specification {
            stem: self.stem(),
            blocks,
            head: self.head(inputs),
        };
        Ok(match self.factors {
            Factors::HyperConnections => super::streams::around(network),
            _ => network,
        })
    }

    fn check(&self) -> Result<(), NetworkError> {
        let refuse = |reason: String| Err(NetworkError::Architecture(reason));
        let blocks = sum(&self.stages);
        few_enough(blocks.max(sum(&self.functions)))?;
        if blocks == 0 {
            return refuse("it has no blocks; give at least one stage with a block".into());
        }
        if self.stages.len() > 16 {
            return refuse(format!("{} stages; 16 is the most", self.stages.len()));
        }
        if self.functions.len() != blocks || self.functions.contains(&0) {
            return refuse(format!(
                "{blocks} blocks need {blocks} numbers of functions, each 1 or more; found {:?}",
                self.functions
            ));
        }
        let residual = matches!(self.family, Family::Resnet | Family::Preresnet);
        if self.terms != Terms::Ways && !residual {
            return refuse("only residual blocks have functions that continue others".into());
        }
        if self.factors != Factors::One && !(residual && self.terms == Terms::Ways) {
            let rule = "factors need residual blocks whose functions each take the block's input";
            return refuse(rule.into());
        }
        let pads = matches!(self.shortcut, Shortcut::A | Shortcut::ACentred);
        if self.factors == Factors::HyperConnections && !pads {
            let rule = "hyper-connections need shortcuts without weights; give shortcut = \"A\"";
            return refuse(rule.into());
        }
        let fractal = super::fractal::functions(&self.stages);
        if self.family == Family::Fractal && fractal.as_ref() != Some(&self.functions) {
            let rule = "every stage of a fractal network has as many layers, a power of two, and as many \
                        functions in each as columns end there";
            return refuse(rule.into());
        }
        let single = matches!(self.family, Family::Densenet | Family::Highway);
        if single && self.functions.iter().any(|&k| k != 1) {
            let rule = "a layer of a dense or Highway network has one function; give k = 1";
            return refuse(rule.into());
        }
        if self.groups.is_some() && (self.unit == Unit::Basic || !residual) {
            return refuse("groups need residual bottlenecks; give unit = \"bottleneck\"".into());
        }
        let side = 1..=1 << 16;
        let fits = |groups: Groups| {
            let sizes = [groups.count, groups.width];
            sizes.iter().all(|size| side.contains(size))
                && side.contains(&(groups.count * groups.width))
        };
        if !self.groups.is_none_or(fits) {
            return refuse("groups have between 1 and 65536 channels in all".into());
        }
        let sizes = [self.stem_width, self.width, self.channels, self.classes];
        if sizes.iter().any(|size| !side.contains(size)) {
            return refuse("widths, channels and classes lie between 1 and 65536".into());
        }
        Ok(())
    }

    fn stem(&self) -> Vec<Layer> {
        let width = self.stem_width;
        let normalised = [batch_norm("bn1", width), relu()];
        match self.stem {
            Stem::Cifar if self.family == Family::Highway => {
                vec![convolution("conv1", self.channels, width, 3, 1), relu()]
            }
            Stem::Cifar => {
                let mut stem = vec![convolution("conv1", self.channels, width, 3, 1)];
                if self.family != Family::Preresnet {
                    stem.extend(normalised);
                }
                stem
            }
            Stem::Imagenet => {
                let mut stem = vec![convolution("conv1", self.channels, width, 7, 2)];
                stem.extend(normalised);
                stem.push(Layer::new("", Operation::STEM_POOL));
                stem
            }
        }
    }

    fn head(&self, inputs: i64) -> Vec<Layer> {
        let mut head = Vec::new();
        if self.family == Family::Preresnet {
            // The ImageNet stem owns the name `bn1`.
            head.extend([batch_norm("bn_final", inputs), relu()]);
        }
        head.extend(classifier("fc", inputs, self.classes));
        head
    }

    /// `ReLU(skip(x) + sum_i f_i(x))`.
    fn post_activation(&self, place: &Place) -> Result<Block<Layer>, NetworkError> {
        let functions = self.functions(place, |place, convolutions, normalizations| {
            let mut layers = Vec::new();
            for (number, convolution) in (1..).zip(self.unit_convolutions(place, convolutions)) {
                if number > 1 {
                    layers.push(relu());
                }
                let channels = outputs(&convolution);
                layers.push(convolution);
                layers.push(batch_norm(format!("{normalizations}.bn{number}"), channels));
            }
            layers
        });
        Ok(Block {
            post: vec![relu()],
            ..Block::new(&place.name, Some(self.skip(place, true)?), functions)
        })
    }

    /// `skip(u) + sum_i f_i(u)`; in the block that opens a stage, u = ReLU(BN(x)) is shared by
    /// all functions and the skip.
    fn pre_activation(&self, place: &Place) -> Result<Block<Layer>, NetworkError> {
        let mut pre = Vec::new();
        if place.opens_stage && !place.follows_normalised {
            let norm = batch_norm(format!("{}.bn1", place.name), place.inputs);
            pre.extend([norm, relu()]);
        }
        let functions = self.functions(place, |place, convolutions, normalizations| {
            let mut layers = Vec::new();
            let mut channels = place.inputs;
            for (number, convolution) in (1..).zip(self.unit_convolutions(place, convolutions)) {
                // The shared BN-ReLU, or the stem's, is the first one of a stage's first block.
                if number > 1 || !place.opens_stage {
                    layers.push(batch_norm(format!("{normalizations}.bn{number}"), channels));
                    layers.push(relu());
                }
                channels = outputs(&convolution);
                layers.push(convolution);
            }
            layers
        });
        Ok(Block {
            pre,
            ..Block::new(&place.name, Some(self.skip(place, false)?), functions)
        })
    }

    /// The functions of a block. `unit` makes the layers of one for a place, with the prefixes of its
    /// convolutions and of its normalisations.
    fn functions(
        &self,
        place: &Place,
        unit: impl Fn(&Place, &str, &str) -> Vec<Layer>,
    ) -> Vec<Vec<Layer>> {
        let prefix = |number| place.function_prefix(number);
        if self.terms == Terms::Ways {
            let function = |number| unit(place, &prefix(number), &prefix(number));
            return (0..place.functions).map(function).collect();
        }
        let again = Place {
            name: place.name.clone(),
            inputs: place.outputs,
            stride: 1,
            opens_stage: false,
            ..*place
        };
        let changes = place.stride != 1 || place.inputs != place.outputs;
        let passes = if changes { 1 } else { place.functions };
        let mut layers = Vec::new();
        let function = |pass: usize| {
            let convolutions = match self.terms {
                Terms::Poly => prefix(0),
                _ => prefix(pass),
            };
            let at = if pass == 0 { place } else { &again };
            layers.extend(unit(at, &convolutions, &prefix(pass)));
            layers.clone()
        };
        (0..passes).map(function).collect()
    }

    fn unit_convolutions(&self, place: &Place, prefix: &str) -> Vec<Layer> {
        let name = |number: usize| format!("{prefix}.conv{number}");
        let (inputs, inner, outputs) = (place.inputs, place.inner, place.outputs);
        let (first, second) = match self.unit {
            Unit::BottleneckStrideFirst => (place.stride, 1),
            _ => (1, place.stride),
        };
        match self.unit {
            Unit::Basic => vec![
                convolution(name(1), inputs, inner, 3, place.stride),
                convolution(name(2), inner, outputs, 3, 1),
            ],
            Unit::Bottleneck | Unit::BottleneckStrideFirst => vec![
                convolution(name(1), inputs, inner, 1, first),
                Layer {
                    operation: grouped(inner, place.groups, second),
                    name: name(2),
                },
                convolution(name(3), inner, outputs, 1, 1),
            ],
        }
    }

    fn skip(&self, place: &Place, normalise: bool) -> Result<Vec<Layer>, NetworkError> {
        let changes = place.stride != 1 || place.inputs != place.outputs;
        let pad = |before, after| {
            let operation = Operation::pad(place.stride, before, after);
            Ok(vec![Layer::new("", operation)])
        };
        let missing = place.outputs - place.inputs;
        match self.shortcut {
            Shortcut::C => {}
            _ if !changes => return Ok(Vec::new()),
            Shortcut::A | Shortcut::ACentred if missing < 0 => {
                return Err(NetworkError::Architecture(format!(
                    "a type A shortcut cannot narrow {} channels to {} in {}; use type B",
                    place.inputs, place.outputs, place.name
                )));
            }
            Shortcut::A => return pad(0, missing),
            Shortcut::ACentred => return pad(missing / 2, missing - missing / 2),
            Shortcut::B => {}
        }
        let name = |number: u8| format!("{}.downsample.{number}", place.name);
        let (inputs, outputs) = (place.inputs, place.outputs);
        let mut skip = vec![convolution(name(0), inputs, outputs, 1, place.stride)];
        if normalise {
            skip.push(batch_norm(name(1), outputs));
        }
        Ok(skip)
    }
}

/// Where a block stands.
struct Place {
    name: String,
    inputs: i64,
    inner: i64,
    outputs: i64,
    groups: i64,
    stride: i64,
    functions: usize,
    opens_stage: bool,
    /// The input has been through BN and ReLU already (ImageNet stem).
    follows_normalised: bool,
}

impl Place {
    fn function_prefix(&self, function: usize) -> String {
        function_prefix(&self.name, self.functions, function)
    }
}

/// Prefix of the layers of function `function` of the block called `name`, which has `functions`.
pub(super) fn function_prefix(name: &str, functions: usize, function: usize) -> String {
    if functions == 1 {
        name.to_owned()
    } else {
        format!("{name}.functions.{function}")
    }
}

impl Family {
    /// Convolutions of a block's function.
    #[must_use]
    pub fn layers_per_block(self, unit: Unit) -> usize {
        match (self, unit) {
            (Self::Plain | Self::Highway | Self::Fractal, _) | (Self::Densenet, Unit::Basic) => 1,
            (Self::Densenet, _) | (_, Unit::Basic) => 2,
            (_, Unit::Bottleneck | Unit::BottleneckStrideFirst) => 3,
        }
    }

    /// Layers of a network of so many stages beside those of its blocks, by the usual count: stem, linear
    /// layer, and transitions between dense stages.
    #[must_use]
    pub fn layers_around(self, stages: usize) -> usize {
        match self {
            Self::Densenet => stages.saturating_add(1),
            Self::Fractal => 0,
            _ => 2,
        }
    }
}

fn plain(place: &Place) -> Block<Layer> {
    let name = |own: &str| format!("{}.{own}", place.name);
    let (inputs, outputs) = (place.inputs, place.outputs);
    let layers = vec![
        convolution(name("conv1"), inputs, outputs, 3, place.stride),
        batch_norm(name("bn1"), outputs),
    ];
    Block {
        post: vec![relu()],
        ..Block::new(&place.name, None, [layers])
    }
}

/// A 3x3 convolution of `channels` channels in `groups` groups.
fn grouped(channels: i64, groups: i64, stride: i64) -> Operation {
    Operation::Convolution {
        inputs: channels,
        outputs: channels,
        kernel: 3,
        stride,
        padding: 1,
        groups,
        bias: false,
        standardization: None,
    }
}

pub(super) fn convolution(
    name: impl Into<String>,
    inputs: i64,
    outputs: i64,
    kernel: i64,
    stride: i64,
) -> Layer {
    let padding = kernel / 2;
    let operation = Operation::Convolution {
        inputs,
        outputs,
        kernel,
        stride,
        padding,
        groups: 1,
        bias: false,
        standardization: None,
    };
    Layer::new(name, operation)
}

fn outputs(convolution: &Layer) -> i64 {
    match convolution.operation {
        Operation::Convolution { outputs, .. } => outputs,
        _ => 0,
    }
}

pub(super) fn batch_norm(name: impl Into<String>, channels: i64) -> Layer {
    let epsilon = 1e-5;
    Layer::new(name, Operation::BatchNorm { channels, epsilon })
}

/// The mean over all positions, and the matrix called `name`.
pub(super) fn classifier(name: &str, inputs: i64, outputs: i64) -> [Layer; 2] {
    let linear = Operation::Linear {
        inputs,
        outputs,
        bias: true,
    };
    [
        Layer::new("", Operation::GlobalAveragePool),
        Layer::new(name, linear),
    ]
}

pub(super) fn relu() -> Layer {
    Layer::new("", Operation::Relu)
}
