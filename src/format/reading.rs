//! Other networks that the same tensors fit: what their names and shapes do not say.

use pathscope_network::{Block, Function, Layer, Operation, Specification};

/// One way to read tensors as a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// How it is asked for, such as `pool=yes`.
    pub name: String,
    /// What it differs by, in words.
    pub words: String,
    /// The network.
    pub specification: Specification,
}

impl Reading {
    pub(super) fn new(name: &str, words: &str, specification: Specification) -> Self {
        Self {
            name: name.to_owned(),
            words: words.to_owned(),
            specification,
        }
    }

    /// What the reading decides: the name before its `=`.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.name.split('=').next().unwrap_or_default()
    }
}

/// The readings that differ from `specification` in one respect.
#[must_use]
pub fn readings(specification: &Specification) -> Vec<Reading> {
    let mut all = Vec::new();
    let mut offer = |name: &str, words: &str, change: &mut dyn FnMut(&mut Specification)| {
        let mut other = specification.clone();
        change(&mut other);
        if other != *specification {
            all.push(Reading::new(name, words, other));
        }
    };
    let pooled = |layer: &Layer| matches!(layer.operation, Operation::MaxPool { .. });
    if specification.stem.iter().any(pooled) {
        offer("pool=no", "no max-pool after the stem", &mut |other| {
            other.stem.retain(|layer| !pooled(layer));
        });
    } else {
        offer("pool=yes", "a max-pool after the stem", &mut |other| {
            other.stem.push(Layer::new("", Operation::STEM_POOL));
        });
    }
    for (place, name, words) in [
        (0, "stride=first", "the stride in the first convolution"),
        (1, "stride=second", "the stride in the second convolution"),
    ] {
        offer(name, words, &mut |other| {
            other
                .blocks
                .iter_mut()
                .for_each(|block| move_stride(block, place));
        });
    }
    for (form, name, words) in [
        (
            Padding::Centred,
            "shortcut=centred",
            "zero channels on both sides",
        ),
        (Padding::Behind, "shortcut=behind", "zero channels behind"),
        (
            Padding::Averaged,
            "shortcut=averaged",
            "shortcuts that average instead of subsampling",
        ),
    ] {
        offer(name, words, &mut |other| {
            other.blocks.iter_mut().for_each(|block| pad(block, form));
        });
    }
    offer("relu=no", "no ReLU after the additions", &mut |other| {
        for block in &mut other.blocks {
            block
                .post
                .retain(|layer| layer.operation != Operation::Relu);
        }
    });
    for epsilon in [1e-5, 1e-3, 1e-2, 1e-1] {
        let name = format!("epsilon={epsilon:e}");
        let words = format!("{epsilon:e} added to variances");
        offer(&name, &words, &mut |other| set_epsilon(other, epsilon));
    }
    all
}

/// Puts a block's stride into its convolution at `place`, where it stands in the other of the
/// first two.
fn move_stride(block: &mut Block<Layer>, place: usize) {
    for function in &mut block.functions {
        let mut strides =
            function
                .layers
                .iter_mut()
                .filter_map(|layer| match &mut layer.operation {
                    Operation::Convolution { stride, .. } => Some(stride),
                    _ => None,
                });
        if let (Some(first), Some(second)) = (strides.next(), strides.next()) {
            let (whole, one) = (*first * *second, 1);
            if *first == 1 || *second == 1 {
                (*first, *second) = match place {
                    0 => (whole, one),
                    _ => (one, whole),
                };
            }
        }
    }
}

/// Forms of shortcuts without parameters.
#[derive(Clone, Copy)]
enum Padding {
    Centred,
    Behind,
    Averaged,
}

fn pad(block: &mut Block<Layer>, form: Padding) {
    // The zero channels of a layer that adds channels are where its function puts those.
    let embeds = |function: &Function<Layer>| {
        let last = function.layers.last().map(|layer| &layer.operation);
        matches!(last, Some(Operation::PadShortcut { .. }))
    };
    if block.functions.iter().any(embeds) {
        return;
    }
    let averaging = |stride| Layer::new("", Operation::mean_of_four(stride, true));
    let Some(skip) = &mut block.skip else { return };
    if let [.., last] = skip.as_slice()
        && let Operation::PadShortcut {
            stride,
            before,
            after,
        } = last.operation
    {
        let averaged = skip.iter().find_map(|layer| match layer.operation {
            Operation::AveragePool { stride, .. } => Some(stride),
            _ => None,
        });
        let (stride, missing) = (averaged.unwrap_or(stride), before + after);
        let padded =
            |stride, before| Layer::new("", Operation::pad(stride, before, missing - before));
        *skip = match form {
            Padding::Centred => vec![padded(stride, missing / 2)],
            Padding::Behind => vec![padded(stride, 0)],
            Padding::Averaged if stride == 1 => return,
            Padding::Averaged => vec![averaging(stride), padded(1, missing / 2)],
        };
    } else if let [convolution, ..] = skip.as_mut_slice()
        && let Operation::Convolution {
            stride, kernel: 1, ..
        } = &mut convolution.operation
        && *stride == 2
        && matches!(form, Padding::Averaged)
    {
        *stride = 1;
        skip.insert(0, averaging(2));
    }
}

fn set_epsilon(specification: &mut Specification, value: f64) {
    let blocks = specification.blocks.iter_mut().flat_map(|block| {
        let functions = block
            .functions
            .iter_mut()
            .flat_map(|function| &mut function.layers);
        let around = block.pre.iter_mut().chain(&mut block.post);
        around
            .chain(functions)
            .chain(block.skip.iter_mut().flatten())
    });
    let ends = specification.stem.iter_mut().chain(&mut specification.head);
    for layer in blocks.chain(ends) {
        if let Operation::BatchNorm { epsilon, .. } = &mut layer.operation {
            *epsilon = value;
        }
    }
}
