//! The modules of a network, by what their tensors look like.

use indexmap::IndexMap;

use super::run::Tensors;

/// What a module computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// A convolution with a weight `[outputs, group, kernel, kernel]`.
    Convolution {
        outputs: i64,
        group: i64,
        kernel: i64,
    },
    /// A normalisation of so many channels.
    Normalization { channels: i64 },
    /// A matrix.
    Matrix,
}

/// One module.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// The prefix of its tensors, without a dot at its end.
    pub name: String,
    pub kind: Kind,
    /// Its place in the file.
    pub place: usize,
}

impl Unit {
    pub fn convolves(&self) -> bool {
        matches!(self.kind, Kind::Convolution { .. })
    }

    /// Side of a convolution's kernel; 0 for others.
    pub fn kernel(&self) -> i64 {
        match self.kind {
            Kind::Convolution { kernel, .. } => kernel,
            _ => 0,
        }
    }
}

/// What PyTorch calls the tensors of a module, in its order.
const WEIGHTS: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

/// A tensor of the file: its name and shape.
type Held<'a> = (&'a str, Vec<i64>);

/// The name of a tensor in the file, and its name in PyTorch.
pub(super) type Renamed = (String, String);

/// All modules in the order of the file, and the names that tensors need to be those of PyTorch;
/// `None` where a tensor belongs to no module that is known.
pub(super) fn units(tensors: Tensors<'_>) -> Option<(Vec<Unit>, Vec<Renamed>)> {
    let mut modules: IndexMap<&str, Vec<Held<'_>>> = IndexMap::new();
    for (name, tensor) in tensors.state().tensors() {
        // A counter of batches is no part of what a network computes.
        if tensor.dim() == 0 || !tensor.is_floating_point() {
            continue;
        }
        let (module, _) = name.rsplit_once('.')?;
        modules
            .entry(module)
            .or_default()
            .push((name, tensor.size()));
    }
    let mut units = Vec::new();
    let mut renamed = Vec::new();
    for (place, (module, held)) in modules.into_iter().enumerate() {
        let Some(kind) = kind(&held) else {
            let (name, shape) = held.first()?;
            return tensors.stop(
                name,
                &format!("a module with a tensor {shape:?} is not known"),
            );
        };
        let known = |name: &str| {
            let leaf = name.rsplit('.').next();
            leaf.is_some_and(|leaf| WEIGHTS.contains(&leaf))
        };
        if !held.iter().all(|(name, _)| known(name)) {
            // A weight may stand behind its bias; statistics come last.
            let mut ordered: Vec<&Held<'_>> = held.iter().collect();
            ordered.sort_by_key(|(_, shape)| shape.len() < 2);
            for ((name, _), leaf) in ordered.into_iter().zip(WEIGHTS) {
                renamed.push(((*name).to_owned(), format!("{module}.{leaf}")));
            }
        }
        units.push(Unit {
            name: module.to_owned(),
            kind,
            place,
        });
    }
    Some((units, renamed))
}

fn kind(held: &[Held<'_>]) -> Option<Kind> {
    let (large, vectors): (Vec<_>, Vec<_>) = held.iter().partition(|(_, shape)| shape.len() > 1);
    let length = |outputs: i64| vectors.iter().all(|(_, shape)| *shape == [outputs]);
    match large.as_slice() {
        [] => {
            let channels = *vectors.first()?.1.first()?;
            let counted = [2, 4].contains(&vectors.len()) && length(channels);
            counted.then_some(Kind::Normalization { channels })
        }
        [(_, shape)] if vectors.len() <= 1 => match *shape.as_slice() {
            [outputs, group, kernel, width]
                if kernel == width && kernel % 2 == 1 && group > 0 && length(outputs) =>
            {
                Some(Kind::Convolution {
                    outputs,
                    group,
                    kernel,
                })
            }
            [outputs, _] if length(outputs) => Some(Kind::Matrix),
            _ => None,
        },
        _ => None,
    }
}
