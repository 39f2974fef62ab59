//! What the outcomes of lesions say together.

use std::collections::BTreeMap;

use pathscope_analysis::record::{
    BatchNormStatistics, Change, Header, Lesion, Outcome, Reordering,
};
use pathscope_analysis::{McNemar, holm};

use crate::group::{common, grouped};

/// The network as it is, among outcomes.
pub fn intact<'a>(outcomes: &[&'a Outcome]) -> Option<&'a Outcome> {
    outcomes
        .iter()
        .copied()
        .find(|outcome| outcome.change == Change::Intact)
}

/// The lesion of an outcome.
pub(super) fn lesion(outcome: &Outcome) -> Option<&Lesion> {
    match &outcome.change {
        Change::Lesion(lesion) => Some(lesion),
        _ => None,
    }
}

/// The reordering of an outcome.
pub(super) fn reordering(outcome: &Outcome) -> Option<&Reordering> {
    match &outcome.change {
        Change::Reordering(reordering) => Some(reordering),
        _ => None,
    }
}

/// What a lesion was made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A whole block.
    Block(usize),
    /// One function of a block.
    Function(usize, usize),
}

impl Target {
    /// The only target of a lesion; none where it has several.
    pub fn of(lesion: &Lesion) -> Option<Self> {
        match (lesion.blocks.as_slice(), lesion.functions.as_slice()) {
            (&[block], []) => Some(Self::Block(block)),
            ([], &[(block, function)]) => Some(Self::Function(block, function)),
            _ => None,
        }
    }

    /// Its block.
    pub fn block(self) -> usize {
        match self {
            Self::Block(block) | Self::Function(block, _) => block,
        }
    }

    /// As commands take it: `17` or `17.2`.
    pub fn name(self) -> String {
        match self {
            Self::Block(block) => block.to_string(),
            Self::Function(block, function) => format!("{block}.{function}"),
        }
    }
}

/// A target as reports name it: `block 3 (layer1.3)`, `function 2 of block 3 (layer1.3)`.
pub(super) fn target_name(header: &Header, target: Target) -> String {
    let block = block_name(header, target.block());
    match target {
        Target::Block(_) => format!("block {block}"),
        Target::Function(_, function) => format!("function {function} of block {block}"),
    }
}

/// In words, how functions were disabled.
pub fn method(lesion: &Lesion) -> String {
    let kind = lesion.kind.done();
    let norm = match lesion.batch_norm {
        BatchNormStatistics::Frozen => "",
        BatchNormStatistics::Recalibrated => ", BN recalibrated",
    };
    let weights = if lesion.random_weights {
        ", untrained weights"
    } else {
        ""
    };
    format!("{kind}{norm}{weights}")
}

/// One disabled target, against the intact network on the same examples.
#[derive(Clone, Debug)]
pub struct SingleLesion<'a> {
    /// What was hit.
    pub target: Target,
    /// What came of it.
    pub outcome: &'a Outcome,
    /// The comparison; none without an intact network on the same examples.
    pub against_intact: Option<McNemar>,
    /// Holm's p-value over all single lesions of the same method that were not settled early.
    pub adjusted_p: Option<f64>,
}

/// The lesions that were not drawn at random.
fn undrawn<'a>(outcomes: &[&'a Outcome]) -> impl Iterator<Item = (&'a Lesion, &'a Outcome)> {
    let undrawn = outcomes.iter().filter(|outcome| outcome.draw.is_none());
    undrawn.filter_map(|&outcome| Some((lesion(outcome)?, outcome)))
}

/// The single lesions, by method in the order of the file, each by target.
pub fn single_lesions<'a>(outcomes: &[&'a Outcome]) -> Vec<(String, Vec<SingleLesion<'a>>)> {
    let intact = intact(outcomes);
    // A random set may hold one block only; it is no question about that block.
    let singles = undrawn(outcomes).filter_map(|(lesion, outcome)| {
        let single = SingleLesion {
            target: Target::of(lesion)?,
            outcome,
            // Another network's intact outcome says nothing about a control.
            against_intact: intact
                .filter(|_| !lesion.random_weights)
                .and_then(|intact| outcome.against(intact).ok()),
            adjusted_p: None,
        };
        Some((method(lesion), single))
    });
    let mut methods = grouped(singles);
    for (_, list) in &mut methods {
        list.sort_by_key(|single| single.target);
        // A target that comes again is no second test.
        list.dedup_by_key(|single| single.target);
        let comparisons: Vec<Option<&McNemar>> = list
            .iter()
            .map(|single| {
                let found = single.against_intact.as_ref();
                found.filter(|_| !single.outcome.is_settled())
            })
            .collect();
        let adjusted = adjusted(&comparisons);
        for (single, p) in list.iter_mut().zip(adjusted) {
            single.adjusted_p = p;
        }
    }
    methods
}

/// Holm's p-value of each comparison over all of them; none where there is no comparison.
pub(super) fn adjusted(comparisons: &[Option<&McNemar>]) -> Vec<Option<f64>> {
    let raw: Vec<f64> = comparisons
        .iter()
        .flatten()
        .map(|found| found.p_value)
        .collect();
    // Fails for p-values outside 0..1 only.
    let mut adjusted = holm(&raw).ok().into_iter().flatten();
    comparisons
        .iter()
        .map(|found| found.and_then(|_| adjusted.next()))
        .collect()
}

/// Random draws of several blocks or functions disabled, by method in the order of the
/// file and then by their number.
pub(super) fn random_lesions<'a>(
    outcomes: &[&'a Outcome],
) -> Vec<(String, BTreeMap<usize, Vec<&'a Outcome>>)> {
    let drawn = outcomes.iter().filter(|outcome| outcome.draw.is_some());
    let sized = drawn.filter_map(|&outcome| {
        let lesion = lesion(outcome)?;
        let size = lesion.blocks.len() + lesion.functions.len();
        (size > 0).then(|| (method(lesion), (size, outcome)))
    });
    let by_size = |(method, sized): (String, Vec<(usize, &'a Outcome)>)| {
        let mut sizes: BTreeMap<usize, Vec<&Outcome>> = BTreeMap::new();
        for (size, outcome) in sized {
            sizes.entry(size).or_default().push(outcome);
        }
        (method, sizes)
    };
    grouped(sized).into_iter().map(by_size).collect()
}

/// Pairs of blocks deleted together, with their synergy in nats: how much more loss the pair
/// costs than its blocks do one by one,
/// `loss(pair) - loss(first) - loss(second) + loss(intact)`.
pub fn synergies(outcomes: &[&Outcome]) -> Vec<(usize, usize, f64)> {
    let Some(intact) = intact(outcomes) else {
        return Vec::new();
    };
    let single = |(lesion, outcome): (&Lesion, &Outcome)| match Target::of(lesion)? {
        Target::Block(block) => Some(((method(lesion), block), outcome.loss)),
        Target::Function(..) => None,
    };
    let singles: BTreeMap<(String, usize), f64> = undrawn(outcomes).filter_map(single).collect();
    let mut found = Vec::new();
    // Pairs among random sets are a sample of the matrix, not the matrix.
    for (lesion, outcome) in undrawn(outcomes).filter(|(lesion, _)| lesion.functions.is_empty()) {
        let &[first, second] = lesion.blocks.as_slice() else {
            continue;
        };
        let alone = |block| singles.get(&(method(lesion), block));
        if let (Some(a), Some(b)) = (alone(first), alone(second)) {
            found.push((first, second, outcome.loss - a - b + intact.loss));
        }
    }
    found.sort_by_key(|&(first, second, _)| (first, second));
    found.dedup_by_key(|&mut (first, second, _)| (first, second));
    found
}

/// What the pointer shows of an outcome.
pub(super) fn hover(header: &Header, outcome: &Outcome, what: &str) -> String {
    format!(
        "{what}: error {}, loss {} nats ({})",
        crate::error_rate::error(outcome),
        super::quantity::significant(outcome.loss, 4),
        header.model.title,
    )
}

/// A block as reports name it: `3 (layer1.3)`.
pub(super) fn block_name(header: &Header, block: usize) -> String {
    match header.model.blocks.get(block) {
        Some(identity) => format!("{block} ({})", identity.name),
        None => block.to_string(),
    }
}

/// What lies at a depth.
pub(super) fn depth_name(header: &Header, depth: usize) -> String {
    match depth < header.model.blocks.len() {
        true => format!("input of block {}", block_name(header, depth)),
        false => "input of the head".into(),
    }
}

/// Layers of a block, where all blocks have as many.
pub fn layers_per_block(header: &Header) -> Option<usize> {
    common(header.model.blocks.iter().map(|block| block.layers))
}

/// Whether the skip of a block changes the shape.
pub(super) fn changes_shape(header: &Header, block: usize) -> bool {
    let identity = header.model.blocks.get(block);
    identity.is_some_and(|identity| identity.changes_shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support;

    #[test]
    fn a_block_that_is_drawn_at_random_is_no_second_test() {
        let journal = test_support::lesions();
        let outcomes = journal.outcomes();
        let drawn = outcomes.iter().filter(|outcome| {
            outcome.draw.is_some() && lesion(outcome).and_then(Target::of).is_some()
        });
        assert!(drawn.count() > 0);
        let methods = single_lesions(&outcomes);
        let targets: Vec<Target> = methods[0].1.iter().map(|single| single.target).collect();
        assert_eq!(targets, (0..9).map(Target::Block).collect::<Vec<_>>());
    }
}
