use pathscope_analysis::Seed;
use pathscope_analysis::record::LesionKind;

use super::*;
use crate::{ComputeOptions, LesionOptions, Sweep};
use pathscope_data::{Dataset, ImageShape, Normalization};
use pathscope_network::{Block, Function, Layer, Operation, Specification, TrainableNetwork};

macro_rules! kinds {
    ($($kind:ident in $module:ident),*) => {
        [LesionKind::Delete, LesionKind::Skip, $(LesionKind::$kind),*]
    };
}

/// Three blocks that add their input to itself, then clip what is negative.
fn identities() -> Specification {
    let block = |name: &str| Block {
        gate: None,
        mean: false,
        name: name.into(),
        pre: Vec::new(),
        skip: Some(Vec::new()),
        functions: vec![Function { layers: Vec::new() }],
        post: vec![Layer::new("", Operation::Relu)],
    };
    let head = Operation::Linear {
        inputs: 3,
        outputs: 4,
        bias: true,
    };
    Specification {
        stem: Vec::new(),
        blocks: ["a", "b", "c"].map(block).into(),
        head: vec![
            Layer::new("", Operation::GlobalAveragePool),
            Layer::new("head", head),
        ],
    }
}

fn images() -> Dataset {
    let shape = ImageShape {
        channels: 3,
        height: 4,
        width: 4,
    };
    let pixels = (0..10 * 48).map(|pixel| (pixel * 37 % 256) as u8).collect();
    let labels = (0..10).map(|example| example % 4).collect();
    Dataset::new(shape, pixels, labels, 4, "made-up images").unwrap()
}

#[test]
fn identity_functions_stay_whole_in_every_kind_of_lesion() {
    let network = TrainableNetwork::initialized(&identities(), 1).unwrap();
    let data = images();
    let normalization = Normalization::new(vec![0.5; 3], vec![0.25; 3]).unwrap();
    let options = ComputeOptions::default();
    let laboratory = Laboratory::new(&network, &data, &data, &normalization, options).unwrap();
    for kind in pathscope_analysis::stand_in_kinds!(kinds) {
        let lesions = LesionOptions {
            kind,
            ..LesionOptions::default()
        };
        let questions = laboratory.questions();
        let mut plans = vec![questions.intact()];
        plans.extend(questions.each_block(lesions).into_iter().map(|m| m.plan));
        let logits = |plans: &[Plan]| {
            let substitutes = laboratory.measure_substitutes(kind, Seed(2)).unwrap();
            Sweep::new(laboratory.frozen(), &data, &normalization, options)
                .with_substitutes(substitutes)
                .logits(plans)
                .unwrap()
        };
        // Plans that share a beginning would see what another one had overwritten.
        let together = logits(&plans);
        for (plan, found) in plans.iter().zip(&together) {
            let alone = logits(std::slice::from_ref(plan)).swap_remove(0);
            assert_eq!(found, &alone, "{kind:?}");
        }
        // Deleted or cut, the first block only clips: half of what it adds up to intact.
        if matches!(kind, LesionKind::Delete | LesionKind::Skip) {
            let bias = network.named_parameters().pop().unwrap().2.detach();
            let twice = (&together[1] - &bias) * 2.0 + &bias;
            let difference = (&together[0] - twice).abs().max().double_value(&[]);
            assert!(difference < 1e-4, "{kind:?}: {difference}");
        }
    }
}
