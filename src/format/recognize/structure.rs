//! Networks under unknown names, read from their structure: the tree of prefixes says what
//! belongs to a block, the order in the file what follows what, the shapes which normalisation
//! belongs to which convolution and where a stage begins.

use indexmap::IndexMap;

use super::layered::{FunctionNames, Place, joined, padded, post_activation, pre_activation};
use super::run::{Run, Tensors};
use super::units::{Kind, Unit, units};
use super::{Assumed, Candidate, Reading};
use pathscope_network::{Block, Family, Layer, Specification};

pub(super) fn candidate(tensors: Tensors<'_>) -> Option<Candidate> {
    let (units, renamed) = units(tensors)?;
    let mut state = tensors.state().below("");
    for (held, name) in &renamed {
        let tensor = state.remove(held)?;
        state.put(name.clone(), tensor, "");
    }
    let named = tensors.of_renamed(&state);
    let words = |unit: &Unit| unit.name.split('.').count();
    let deepest = units.iter().map(words).max()?;
    (1..deepest).find_map(|depth| {
        let layout = Arrangement::at_depth(&units, depth)?;
        let mut readings = layout.readings(named).into_iter();
        let first = readings.next()?;
        Some(Candidate {
            alternatives: readings.collect(),
            renamed: renamed.clone(),
            ..layout.described(first.specification)
        })
    })
}

/// Which units make the blocks, and which stand around them.
struct Arrangement<'u> {
    stem: &'u Unit,
    /// Behind the stem's convolution.
    first: Option<&'u Unit>,
    blocks: Vec<(String, BlockUnits<'u>)>,
    /// Behind the last block.
    last: Option<&'u Unit>,
    /// Whether the shortcuts of all blocks are projections.
    all_project: bool,
}

/// What names and shapes leave open.
#[derive(Clone, Copy, PartialEq)]
struct Choice {
    /// Whether depthwise and pointwise convolutions run in the other order than in the file.
    swapped: bool,
    /// Whether projections take what the first normalisation gives, not the block's input.
    shares: bool,
}

impl<'u> Arrangement<'u> {
    /// Blocks are what the first `depth` words of names have in common.
    fn at_depth(units: &'u [Unit], depth: usize) -> Option<Self> {
        let mut groups: IndexMap<String, Vec<&Unit>> = IndexMap::new();
        for unit in units {
            let words: Vec<&str> = unit.name.split('.').take(depth).collect();
            groups.entry(words.join(".")).or_default().push(unit);
        }
        let convolutions = |group: &[&Unit]| group.iter().filter(|unit| unit.convolves()).count();
        let (inner, outer): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|(_, group)| convolutions(group) > 1);
        let outer: Vec<&Unit> = outer.into_iter().flat_map(|(_, group)| group).collect();
        let mut stems = outer.iter().filter(|unit| unit.convolves());
        let (Some(&stem), None) = (stems.next(), stems.next()) else {
            return None;
        };
        let Kind::Convolution { outputs, .. } = stem.kind else {
            return None;
        };
        let mut channels = outputs;
        let mut blocks = Vec::new();
        for (name, group) in inner {
            let parts = BlockUnits::of(&group, channels)?;
            channels = parts.outputs;
            blocks.push((name, parts));
        }
        let norms = outer.iter().copied();
        let mut norms = norms.filter(|unit| matches!(unit.kind, Kind::Normalization { .. }));
        let after_stem = |unit: &Unit| unit.kind == Kind::Normalization { channels: outputs };
        let behind = |unit: &Unit| unit.kind == Kind::Normalization { channels };
        let (first, last) = match (norms.next(), norms.next(), norms.next()) {
            (Some(one), None, None) if after_stem(one) => (Some(one), None),
            (Some(one), None, None) if behind(one) => (None, Some(one)),
            (Some(one), Some(two), None) if after_stem(one) && behind(two) => {
                (Some(one), Some(two))
            }
            _ => return None,
        };
        Some(Self {
            stem,
            first,
            last,
            all_project: blocks.iter().all(|(_, parts)| parts.projection.is_some()),
            blocks: Some(blocks).filter(|blocks| blocks.len() > 1)?,
        })
    }

    fn order(&self) -> Family {
        match self.last {
            Some(_) => Family::Preresnet,
            None => Family::Resnet,
        }
    }

    /// The networks that the units make, the likeliest first.
    fn readings(&self, tensors: Tensors<'_>) -> Vec<Reading> {
        let mut found: Vec<Reading> = Vec::new();
        for (swapped, shares, name, words) in [
            (
                false,
                true,
                "projection=shared",
                "projections of what the first normalisation gives",
            ),
            (
                false,
                false,
                "projection=input",
                "projections of the blocks' inputs",
            ),
            (
                true,
                true,
                "pairs=swapped",
                "depthwise and pointwise convolutions swapped",
            ),
        ] {
            let network = self.network(tensors, Choice { swapped, shares });
            let new = |network: &Specification| {
                found
                    .iter()
                    .all(|reading| reading.specification != *network)
            };
            if let Some(network) = network.filter(new) {
                found.push(Reading::new(name, words, network));
            }
        }
        found
    }

    fn network(&self, tensors: Tensors<'_>, choice: Choice) -> Option<Specification> {
        let large = self.stem.kernel() > 5;
        let stride = if large { 2 } else { 1 };
        let mut stem = tensors
            .images(&self.stem.name)?
            .convolution(&self.stem.name, stride)?;
        if let Some(first) = self.first {
            stem = stem.normalization(&first.name)?.relu();
        }
        stem = if large {
            stem.max_pool()
        } else {
            stem.max_pool_if_stated()
        };
        let mut channels = stem.channels;
        let mut blocks = Vec::new();
        for (number, (name, parts)) in self.blocks.iter().enumerate() {
            let begins =
                parts.outputs != channels || (parts.projection.is_some() && !self.all_project);
            let usual = if number > 0 && begins { 2 } else { 1 };
            let place = Place {
                stride: tensors.stated_stride(name).unwrap_or(usual),
                name: name.clone(),
                channels,
            };
            blocks.push(self.block(tensors, &place, parts, choice)?);
            channels = parts.outputs;
        }
        let mut head = tensors.run(channels);
        if let Some(last) = self.last {
            head = head.normalization(&last.name)?.relu();
        }
        let head = head.classifier("")?;
        Some(joined(stem, blocks, head))
    }

    fn block<'t>(
        &self,
        tensors: Tensors<'t>,
        place: &Place,
        parts: &BlockUnits<'_>,
        choice: Choice,
    ) -> Option<Block<Layer>> {
        let input = tensors.run(place.channels);
        let names = parts.names(choice.swapped);
        let skip = |input: Run<'t>, _: i64| match parts.projection {
            None => padded(input, parts.outputs, place.stride),
            Some((projection, normalization)) => {
                let run = input.convolution(&projection.name, place.stride)?;
                match normalization {
                    Some(normalization) => run.normalization(&normalization.name),
                    None => Some(run),
                }
            }
        };
        if self.order() == Family::Resnet {
            return post_activation(place, &names, input, skip);
        }
        let shares = choice.shares && parts.projection.is_some();
        pre_activation(place, &names, input, shares, skip)
    }

    fn described(&self, specification: Specification) -> Candidate {
        let large = self.stem.kernel() > 5;
        let order = match self.order() {
            Family::Preresnet => "before the convolutions",
            _ => "after the addition",
        };
        let normalization = match large {
            true => Assumed::preset("imagenet"),
            false => Assumed::cifar10_within_images(),
        };
        Candidate::new(
            specification,
            self.order(),
            format!("read from the structure of its tensors, ReLU {order}"),
            if large { 224 } else { 32 },
            normalization,
        )
    }
}

/// The units of one block.
struct BlockUnits<'u> {
    /// The convolutions of the function, in the order of the file.
    convolutions: Vec<&'u Unit>,
    /// The normalisations of the function; one for each convolution, or for each pair.
    normalizations: Vec<&'u Unit>,
    /// The convolution of the shortcut, and its normalisation.
    projection: Option<(&'u Unit, Option<&'u Unit>)>,
    /// Channels that leave the block.
    outputs: i64,
}

impl<'u> BlockUnits<'u> {
    /// Takes the units of a block apart that `channels` channels enter.
    fn of(group: &[&'u Unit], channels: i64) -> Option<Self> {
        let (convolutions, mut norms): (Vec<&Unit>, Vec<&Unit>) =
            group.iter().copied().partition(|unit| unit.convolves());
        let normalizes = |unit: &&Unit| matches!(unit.kind, Kind::Normalization { .. });
        if !norms.iter().all(normalizes) {
            return None;
        }
        let whole = outputs(&convolutions, channels);
        let (convolutions, projection, outputs) = match whole {
            Some(outputs) => (convolutions, None, outputs),
            None => convolutions.iter().rev().find_map(|&projection| {
                let rest = convolutions.iter().copied();
                let rest: Vec<&Unit> = rest.filter(|unit| unit.name != projection.name).collect();
                let outputs = outputs(&rest, channels)?;
                let fits = projection.kind
                    == Kind::Convolution {
                        outputs,
                        group: channels,
                        kernel: 1,
                    };
                fits.then_some((rest, Some(projection), outputs))
            })?,
        };
        let counts = [convolutions.len(), convolutions.len() / 2];
        let separable = convolutions.len() == 4;
        let counts = &counts[..if separable { 2 } else { 1 }];
        let projection = match projection {
            Some(projection) if counts.iter().any(|count| norms.len() == count + 1) => {
                let at = |name: &str| group.iter().position(|unit| unit.name == name);
                let place = at(&projection.name)?;
                let mut behind = group.get(place + 1..)?.iter();
                let next = behind.find(|unit| !unit.convolves());
                let normalization = *next.or(norms.last())?;
                norms.retain(|unit| unit.name != normalization.name);
                Some((projection, Some(normalization)))
            }
            other => other.map(|projection| (projection, None)),
        };
        counts.contains(&norms.len()).then_some(Self {
            convolutions,
            normalizations: norms,
            projection,
            outputs,
        })
    }

    /// The names in the order in which they run.
    fn names(&self, swapped: bool) -> FunctionNames {
        let mut convolutions = self.convolutions.clone();
        if swapped {
            convolutions
                .chunks_exact_mut(2)
                .for_each(|pair| pair.reverse());
        }
        let every = convolutions.len() / self.normalizations.len().max(1);
        let pre = self.normalizations.first().is_some_and(|norm| {
            // In pairs, a normalisation follows or precedes both.
            self.convolutions
                .first()
                .is_some_and(|convolution| norm.place < convolution.place)
        });
        let mut norms = self.normalizations.iter();
        let normalizations = (0..convolutions.len()).map(|number| {
            let has = if pre {
                number % every == 0
            } else {
                (number + 1) % every == 0
            };
            has.then(|| norms.next().map(|norm| norm.name.clone()))?
        });
        let normalizations = normalizations.collect();
        let spatial = convolutions.iter().position(|unit| unit.kernel() > 1);
        FunctionNames {
            normalizations,
            strided: spatial.unwrap_or(0),
            convolutions: convolutions.iter().map(|unit| unit.name.clone()).collect(),
        }
    }
}

/// Channels that leave a function of these convolutions, in whatever order its pairs run; `None`
/// where they are not such as residual functions have.
fn outputs(convolutions: &[&Unit], channels: i64) -> Option<i64> {
    let kernels: Vec<i64> = convolutions.iter().map(|unit| unit.kernel()).collect();
    let chained = |order: &[&Unit]| {
        order
            .iter()
            .try_fold(channels, |channels, unit| match unit.kind {
                Kind::Convolution {
                    outputs,
                    group,
                    kernel,
                } => {
                    let groups = channels / group;
                    let dense = groups == 1 || kernel > 1;
                    (channels % group == 0 && outputs % groups == 0 && dense).then_some(outputs)
                }
                _ => None,
            })
    };
    match *kernels.as_slice() {
        [a, b] if a > 1 && b > 1 => chained(convolutions),
        [1, b, 1] if b > 1 => chained(convolutions),
        [a, b, c, d] if a == c && b == d && (a == 1) != (b == 1) => {
            let mut swapped = convolutions.to_vec();
            swapped.chunks_exact_mut(2).for_each(|pair| pair.reverse());
            chained(convolutions).or_else(|| chained(&swapped))
        }
        _ => None,
    }
}
