use pathscope_analysis::Seed;
use pathscope_analysis::record::LesionKind;

use super::*;
use crate::LesionOptions;
use pathscope_network::{Architecture, Family, FunctionIndex, FunctionState, Unit};

/// Nine blocks of two functions, or nine plain layers.
fn network(family: Family) -> Specification {
    let k = if family == Family::Plain { 1 } else { 2 };
    let depth = if family == Family::Plain { 11 } else { 20 };
    let architecture = Architecture::cifar(family, Unit::Basic, depth, k, 3, 10).unwrap();
    architecture.build().unwrap()
}

fn questions(network: &Specification) -> Questions<'_> {
    Questions::new(network, FeatureShape::of(&[3, 32, 32])).unwrap()
}

fn of_kind(kind: LesionKind) -> LesionOptions {
    LesionOptions {
        kind,
        ..LesionOptions::default()
    }
}

fn block(position: usize) -> BlockIndex {
    BlockIndex::new(position)
}

#[test]
fn a_kind_decides_what_a_lesion_puts_into_the_plan() {
    let network = network(Family::Preresnet);
    let questions = questions(&network);
    let substitute = FunctionState::Substitute;
    for (kind, skip, state) in [
        (LesionKind::Delete, true, FunctionState::Off),
        (LesionKind::Skip, false, FunctionState::On),
        (LesionKind::Mean, true, substitute(LesionKind::Mean)),
        (LesionKind::Noise, true, substitute(LesionKind::Noise)),
    ] {
        let lesion = questions.lesion(&[block(4)], &[], of_kind(kind)).unwrap();
        let step = &lesion.plan.steps()[4];
        assert_eq!(step.skip, skip);
        assert_eq!(step.functions, [state; 2]);
        assert_eq!(lesion.plan.steps()[3], questions.intact().steps()[3]);
        assert_eq!(lesion.key, "lesion 4");
    }
}

#[test]
fn lesions_of_what_does_not_exist_are_refused() {
    let network = network(Family::Preresnet);
    let questions = questions(&network);
    let function = |position, function| FunctionIndex {
        block: block(position),
        function,
    };
    let ask = |blocks: &[BlockIndex], functions: &[FunctionIndex], kind| {
        let asked = questions.lesion(blocks, functions, of_kind(kind));
        asked.map_err(|refusal| refusal.to_string())
    };
    let refusal = ask(&[block(9)], &[], LesionKind::Delete).unwrap_err();
    assert!(refusal.contains("block 9 does not exist"), "{refusal}");
    let refusal = ask(&[], &[function(3, 2)], LesionKind::Mean).unwrap_err();
    assert!(refusal.contains("function 2 of block 3"), "{refusal}");
    // A skip belongs to all functions of its block.
    let refusal = ask(&[], &[function(3, 1)], LesionKind::Skip).unwrap_err();
    assert!(refusal.contains("3.1 has no skip of its own"), "{refusal}");
    assert!(questions.each_function(of_kind(LesionKind::Skip)).is_err());
    let all = questions.each_function(of_kind(LesionKind::Delete));
    assert_eq!(all.unwrap().len(), 18);
}

#[test]
fn plain_layers_that_change_the_shape_cannot_be_removed() {
    let network = network(Family::Plain);
    let questions = questions(&network);
    let removable = questions.removable().into_iter();
    let removable: Vec<usize> = removable.map(BlockIndex::position).collect();
    let preserving: Vec<usize> = (0..network.blocks.len())
        .filter(|&block| questions.shapes()[block].is_preserving())
        .collect();
    assert_eq!(removable, preserving);
    assert!(removable.len() < network.blocks.len());
    // A span is a run of neighbours: none reaches over a layer that stays.
    for span in questions.each_span(2, LesionOptions::default()) {
        let deleted = span.plan.deleted_blocks();
        let deleted: Vec<usize> = deleted.map(BlockIndex::position).collect();
        assert_eq!(deleted[1], deleted[0] + 1);
    }
}

#[test]
fn random_sets_grow_by_one_block() {
    let network = network(Family::Resnet);
    let questions = questions(&network);
    let draw = |most, draws| {
        let options = LesionOptions::default();
        questions.random_sets(most, draws, Seed(7), options)
    };
    let sets = draw(4, 3).unwrap();
    assert_eq!(sets.len(), 12);
    let deleted = |measurement: &Measurement| -> Vec<BlockIndex> {
        measurement.plan.deleted_blocks().collect()
    };
    for (smaller, larger) in sets.iter().zip(&sets[3..]) {
        let (smaller, larger) = (deleted(smaller), deleted(larger));
        assert_eq!(smaller.len() + 1, larger.len());
        assert!(smaller.iter().all(|block| larger.contains(block)));
    }
    let refusal = draw(10, 1).unwrap_err().to_string();
    assert!(refusal.contains("cannot remove 10"), "{refusal}");
}

#[test]
fn depths_are_compared_within_stages() {
    let network = network(Family::Preresnet);
    let pairs = questions(&network).depths_of_equal_shape();
    // Inputs of blocks 0 to 3 are those of the first stage; the last stage ends at the head.
    let first_stage = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]];
    assert_eq!(pairs[..6], first_stage);
    assert_eq!(pairs.last(), Some(&[8, 9]));
    assert_eq!(pairs.len(), 6 + 3 + 3);
}
