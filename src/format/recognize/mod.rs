//! From the names and shapes of a bare state dict to the architecture that they belong to.
//!
//! One file is one family of code bases: it says in which order names come and what stands
//! between them; sizes, groups, biases and kinds of normalisation are read from the shapes. A
//! family fits only where it explains every tensor, so that nothing is left out in silence.

mod cifar;
mod densenet;
mod hugging_face;
mod imagenet;
mod layered;
mod resnetv2;
mod run;
mod structure;
mod units;
mod weiaicunzai;
mod wide;

use std::cell::RefCell;
use std::collections::HashSet;

use pathscope_file::shortened;

use self::run::{Stop, Tensors};
use super::assumption::Assumptions;
use super::error::few;
use super::reading::{Reading, readings};
use super::{Fault, LoadNote, ModelCard, StateDict};
use pathscope_data::{Framing, Interpolation, Normalization, Scale};
use pathscope_network::{Family, FeatureShape, Function, Layer, Operation, Specification};

/// An architecture that fits a state dict.
#[derive(Debug)]
pub(super) struct Recognition {
    pub card: ModelCard,
    /// What was assumed.
    pub remarks: Vec<LoadNote>,
    /// Other networks of the same tensors that fit as well.
    pub alternatives: Vec<Reading>,
    /// Names that tensors get first: theirs, then those that the network gives them.
    pub renamed: Vec<(String, String)>,
}

/// What a family makes of a state dict.
struct Candidate {
    specification: Specification,
    family: Family,
    /// Whose names these are, and what they do not say.
    origin: String,
    /// Side of the images that the family is trained on.
    side: i64,
    normalization: Assumed,
    alternatives: Vec<Reading>,
    renamed: Vec<(String, String)>,
}

impl Candidate {
    /// A network whose names say all there is to know.
    fn new(
        specification: Specification,
        family: Family,
        origin: String,
        side: i64,
        normalization: Assumed,
    ) -> Self {
        Self {
            specification,
            family,
            origin,
            side,
            normalization,
            alternatives: Vec::new(),
            renamed: Vec::new(),
        }
    }
}

/// The normalisation that a family's code applies to its inputs.
struct Assumed {
    name: &'static str,
    values: Option<Normalization>,
}

impl Assumed {
    fn preset(name: &'static str) -> Self {
        let values = Normalization::preset(name).ok();
        Self { name, values }
    }

    /// The form of the CIFAR-10 statistics that is common in PyTorch code (the deviations are
    /// means over images of the deviation within each).
    fn cifar10_within_images() -> Self {
        let values = Normalization::new(vec![0.4914, 0.4822, 0.4465], vec![0.2023, 0.1994, 0.2010]);
        Self {
            name: ".4914 .4822 .4465 / .2023 .1994 .2010",
            values: values.ok(),
        }
    }
}

const FAMILIES: [fn(Tensors<'_>) -> Option<Candidate>; 8] = [
    imagenet::candidate,
    cifar::candidate,
    densenet::candidate,
    wide::candidate,
    weiaicunzai::candidate,
    resnetv2::candidate,
    hugging_face::candidate,
    structure::candidate,
];

/// Activations other than ReLU, by their classes in PyTorch.
const ACTIVATIONS: [&str; 15] = [
    "LeakyReLU",
    "PReLU",
    "ReLU6",
    "ELU",
    "SELU",
    "CELU",
    "GELU",
    "SiLU",
    "Mish",
    "Hardswish",
    "Hardtanh",
    "Softplus",
    "Tanh",
    "Sigmoid",
    "GLU",
];

/// Finds the architecture of a state dict that does not state it.
///
/// # Errors
/// [`Fault::UnknownArchitecture`] with the names that were seen and where recognition stopped, or
/// [`Fault::UnknownGroups`].
pub(super) fn recognize(
    state: &StateDict,
    assumptions: &Assumptions,
) -> Result<Recognition, Fault> {
    let stop = RefCell::new(Stop::default());
    let tensors = Tensors::of(state, assumptions, &stop);
    let mut activations = state.modules();
    let found = match activations.find(|(_, stated)| ACTIVATIONS.contains(&&*stated.class)) {
        Some((name, stated)) => {
            let what = format!(
                " at the module `{}`: {} is no ReLU",
                shortened(name),
                stated.class
            );
            stop.borrow_mut().what = Some(what);
            None
        }
        None => FAMILIES
            .iter()
            .filter_map(|family| family(tensors))
            .filter(|candidate| explains(candidate, tensors))
            .find_map(describe),
    };
    if let Some(recognition) = found {
        return assumed(recognition, assumptions);
    }
    let Stop {
        mut what, groups, ..
    } = stop.take();
    if let Some(name) = state.names().find(|name| name.ends_with(".zero_point")) {
        let name = shortened(name);
        what = Some(format!(
            " at `{name}`: the network is quantised; save it before it is quantised"
        ));
    }
    if let Some(entry) = groups {
        return Err(Fault::UnknownGroups(shortened(&entry)));
    }
    let names: Vec<&str> = state.names().collect();
    Err(Fault::UnknownArchitecture {
        names: few(names.iter().copied()),
        stop: what.map_or_else(String::new, |what| format!("; recognition stopped {what}")),
    })
}

/// The reading that was asked for.
fn assumed(mut recognition: Recognition, assumptions: &Assumptions) -> Result<Recognition, Fault> {
    for wanted in &assumptions.readings {
        let mut offered = recognition.alternatives.clone();
        offered.extend(readings(&recognition.card.specification));
        let Some(reading) = offered.iter().find(|reading| reading.name == *wanted) else {
            let mut names: Vec<&str> = offered.iter().map(|reading| &*reading.name).collect();
            names.dedup();
            return Err(Fault::Assumption {
                assumption: shortened(wanted),
                offered: format!(
                    "it is read so already, or does not fit; others are {}",
                    names.join(", ")
                ),
            });
        };
        let fits = reading.specification.shapes(recognition.card.input);
        fits?;
        recognition.card.specification = reading.specification.clone();
    }
    Ok(recognition)
}

/// Whether every tensor beside those of `candidate` lies outside of its modules: an attention
/// gate that a family does not know stands inside one.
fn explains(candidate: &Candidate, tensors: Tensors<'_>) -> bool {
    let known: HashSet<String> = candidate
        .specification
        .parameters()
        .into_iter()
        .map(|parameter| parameter.name)
        .chain(candidate.renamed.iter().map(|(held, _)| held.clone()))
        .collect();
    let module = |name: &str| name.split('.').next().map(str::to_owned);
    let modules: HashSet<_> = known.iter().map(|name| module(name)).collect();
    let unexplained = tensors
        .state()
        .names()
        .filter(|name| !name.ends_with("num_batches_tracked"))
        .find(|name| !known.contains(*name) && modules.contains(&module(name)));
    match unexplained {
        None => true,
        Some(name) => {
            let title = title(&candidate.specification, candidate.family);
            let what = format!("no layer of a {title} has such a tensor");
            tensors.stop::<()>(name, &what).is_some()
        }
    }
}

fn describe(candidate: Candidate) -> Option<Recognition> {
    let Candidate {
        specification,
        family,
        origin,
        side,
        normalization,
        alternatives,
        renamed,
    } = candidate;
    let channels = specification.input_channels()?;
    let input = FeatureShape {
        channels,
        height: side,
        width: side,
    };
    specification.shapes(input).ok()?;
    let normalization = if channels == 3 {
        normalization
    } else {
        Assumed::preset("half")
    };
    let title = title(&specification, family);
    let remarks = vec![
        LoadNote::Recognized {
            title: title.clone(),
            origin,
        },
        LoadNote::AssumedNormalization(normalization.name),
    ];
    Some(Recognition {
        card: ModelCard {
            title,
            specification,
            input,
            normalization: normalization.values?,
            // What torchvision evaluates its networks for ImageNet with.
            framing: (side == 224).then_some(Framing {
                scale: Scale::ShorterSide(256),
                interpolation: Interpolation::Bilinear,
            }),
            class_names: Vec::new(),
            evaluation: None,
            training: None,
        },
        remarks,
        alternatives,
        renamed,
    })
}

/// `resnet-50`, `preresnet-110`, `densenet-121`, `resnext-50 32x4d`, `resnet-110 depthwise`: the depth counts
/// convolutions on one way, those of single channels with what mixes them as one, and the linear
/// layer.
fn title(specification: &Specification, family: Family) -> String {
    let mut depth = 2;
    let mut grouped = None;
    let mut depthwise = false;
    let convolves = |layer: &&Layer| matches!(layer.operation, Operation::Convolution { .. });
    if family == Family::Densenet {
        // The transitions between stages.
        let shared = specification.blocks.iter().flat_map(|block| &block.pre);
        depth += shared.filter(convolves).count();
    }
    for block in &specification.blocks {
        let layers = block
            .functions
            .first()
            .map(|function: &Function<Layer>| &function.layers);
        for layer in layers.into_iter().flatten() {
            if let Operation::Convolution {
                inputs,
                outputs,
                groups,
                ..
            } = layer.operation
            {
                let single = groups > 1 && groups == inputs;
                depthwise |= single;
                depth += usize::from(!single);
                if groups > 1 && !single {
                    grouped.get_or_insert((groups, outputs / groups));
                }
            }
        }
    }
    match (family, grouped) {
        (Family::Densenet, _) => format!("densenet-{depth}"),
        (_, Some((groups, width))) => format!("resnext-{depth} {groups}x{width}d"),
        (Family::Preresnet, _) => format!("preresnet-{depth}"),
        _ if depthwise => format!("resnet-{depth} depthwise"),
        _ => format!("resnet-{depth}"),
    }
}
