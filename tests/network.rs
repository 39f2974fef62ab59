//! The one structure: parameter counts against the paper, the frozen execution against the
//! trainable one, and the linearization against autograd.

use pathscope::network::{
    Architecture, Block, BlockIndex, Factors, Family, FeatureShape, FrozenNetwork, FunctionIndex,
    FunctionState, Groups, Linearization, NetworkError, Pass, Plan, Shortcut, Terms,
    TrainableNetwork, Unit, cross_entropy_cotangent,
};
use tch::{Kind, Tensor};

fn parameters(architecture: &Architecture) -> f64 {
    architecture.build().unwrap().parameter_count() as f64 / 1e6
}

fn preresnet(depth: usize, k: usize) -> Architecture {
    Architecture::cifar(Family::Preresnet, Unit::Basic, depth, k, 3, 10).unwrap()
}

/// Abdi & Nahavandi, arXiv 1609.05672, Tables I to III; the counts to three digits follow from
/// the published Lua code by hand.
#[test]
fn parameter_counts_are_the_papers() {
    for (depth, k, millions) in [
        (110, 1, 1.728),
        (68, 1, 1.047),
        (20, 4, 1.075),
        (8, 4, 0.297),
        (8, 23, 1.702),
        (14, 10, 1.713),
        (24, 1, 0.293),
        (30, 4, 1.557),
    ] {
        let found = parameters(&preresnet(depth, k));
        assert!(
            (found - millions).abs() < 0.001,
            "{depth} layers, k = {k}: {found} M"
        );
    }
    let wide = |k| {
        Architecture::cifar(Family::Preresnet, Unit::Basic, 26, k, 3, 10)
            .unwrap()
            .widened(10)
    };
    let deep = |depth| {
        let unit = Unit::BottleneckStrideFirst;
        Architecture::cifar(Family::Preresnet, unit, depth, 5, 3, 10).unwrap()
    };
    for (architecture, millions) in [
        (deep(200), 10.2),
        (deep(398), 20.4),
        (wide(2), 72.0),
        (wide(4), 145.0),
    ] {
        let found = parameters(&architecture);
        assert!(
            (found / millions - 1.0).abs() < 0.01,
            "{millions} M: {found} M"
        );
    }
    // torchvision 0.26: sum(p.numel() for p in torchvision.models.resnet18().parameters())
    let resnet = |unit, stages| Architecture::imagenet(Family::Resnet, unit, stages, 1).unwrap();
    let count = |architecture: Architecture| architecture.build().unwrap().parameter_count();
    assert_eq!(count(resnet(Unit::Basic, [2, 2, 2, 2])), 11_689_512);
    assert_eq!(count(resnet(Unit::Bottleneck, [3, 4, 6, 3])), 25_557_032);
    // The same of torchvision.models.densenet121().
    let dense =
        Architecture::imagenet(Family::Densenet, Unit::Bottleneck, [6, 12, 24, 16], 1).unwrap();
    let dense = dense.with_width(32);
    assert_eq!((dense.depth(), count(dense)), (121, 7_978_856));
}

#[test]
fn earlier_stages_get_the_odd_blocks() {
    assert_eq!(preresnet(24, 1).stages, [4, 4, 3]);
    assert_eq!(preresnet(30, 4).stages, [5, 5, 4]);
    assert!(Architecture::cifar(Family::Preresnet, Unit::Basic, 25, 1, 3, 10).is_err());
    assert!(Architecture::cifar(Family::Preresnet, Unit::Basic, 4, 1, 3, 10).is_err());
}

/// One of every kind: both orders of operations, all shortcuts, both units, several functions,
/// unequal functions, both stems, no skips.
fn zoo() -> Vec<(String, Architecture)> {
    let mut zoo = Vec::new();
    for family in [Family::Resnet, Family::Preresnet] {
        for shortcut in [Shortcut::A, Shortcut::ACentred, Shortcut::B, Shortcut::C] {
            for k in [1, 3] {
                let mut architecture =
                    Architecture::cifar(family, Unit::Basic, 14, k, 3, 10).unwrap();
                architecture.shortcut = shortcut;
                zoo.push((format!("{family:?} {shortcut:?} k {k}"), architecture));
            }
        }
        for unit in [Unit::Bottleneck, Unit::BottleneckStrideFirst] {
            let architecture = Architecture::cifar(family, unit, 20, 2, 3, 10).unwrap();
            zoo.push((format!("{family:?} {unit:?}"), architecture));
        }
        let mut unequal = Architecture::cifar(family, Unit::Basic, 14, 1, 3, 10).unwrap();
        unequal.functions = vec![1, 3, 2, 5, 1, 4];
        zoo.push((format!("{family:?} unequal"), unequal));
        let mut imagenet = Architecture::imagenet(family, Unit::Basic, [1, 2, 1, 1], 2).unwrap();
        imagenet.classes = 10;
        zoo.push((format!("{family:?} imagenet stem"), imagenet));
    }
    let plain = Architecture::cifar(Family::Plain, Unit::Basic, 11, 1, 3, 10).unwrap();
    zoo.push(("plain".into(), plain));
    let highway = Architecture::cifar(Family::Highway, Unit::Basic, 11, 1, 3, 10).unwrap();
    zoo.push(("highway".into(), highway));
    for factors in [Factors::Learned, Factors::SkipInit, Factors::Swapout] {
        let mut weighted =
            Architecture::cifar(Family::Preresnet, Unit::Basic, 14, 2, 3, 10).unwrap();
        weighted.factors = factors;
        zoo.push((format!("{factors:?}"), weighted));
    }
    for unit in [Unit::Basic, Unit::Bottleneck] {
        let dense = Architecture::cifar(Family::Densenet, unit, 16, 1, 3, 10).unwrap();
        zoo.push((format!("densenet {unit:?}"), dense.with_width(6)));
        for (terms, k) in [(Terms::Poly, 2), (Terms::Mpoly, 3)] {
            let mut continued = Architecture::cifar(Family::Preresnet, unit, 20, k, 3, 10).unwrap();
            continued.terms = terms;
            zoo.push((format!("{terms:?} {unit:?}"), continued));
        }
    }
    zoo
}

/// A network whose normalisations have statistics of their own, as after training.
fn calibrated(architecture: &Architecture) -> TrainableNetwork {
    tch::manual_seed(7);
    let specification = architecture.build().unwrap();
    let network = TrainableNetwork::initialized(&specification, 1).unwrap();
    tch::no_grad(|| {
        for (name, _, mut tensor) in network.named_parameters() {
            if tensor.dim() == 1 && (name.contains("bn") || name.contains("norm")) {
                let noise = Tensor::rand_like(&tensor) * 0.5;
                let _ = tensor.f_add_(&noise).unwrap();
            }
        }
    });
    network
}

fn images() -> Tensor {
    tch::manual_seed(11);
    Tensor::randn([4, 3, 17, 17], (Kind::Float, tch::Device::Cpu))
}

fn relative(found: &Tensor, expected: &Tensor) -> f64 {
    let difference = (found - expected).norm().double_value(&[]);
    difference / expected.norm().double_value(&[])
}

#[test]
fn frozen_agrees_with_trainable() {
    for (name, architecture) in zoo() {
        let network = calibrated(&architecture);
        let frozen = FrozenNetwork::freeze(&network, Kind::Float).unwrap();
        let intact = Plan::intact(network.structure());
        let plans = [
            intact.clone(),
            intact.with_block(BlockIndex::new(1), FunctionState::Off),
        ];
        for plan in plans {
            let batch = images();
            let expected =
                tch::no_grad(|| network.forward(&batch, &plan, &Pass::EVALUATION)).unwrap();
            let found = frozen.forward(&batch, &plan, &Pass::EVALUATION).unwrap();
            let error = relative(&found, &expected);
            assert!(error < 1e-5, "{name}: {error}");
            assert_eq!(found.size(), [4, 10]);
        }
    }
}

#[test]
fn frozen_batches_do_not_see_each_other_or_change_their_input() {
    let (_, architecture) = zoo().swap_remove(0);
    let frozen = FrozenNetwork::freeze(&calibrated(&architecture), Kind::Float).unwrap();
    let plan = Plan::intact(frozen.structure());
    let batch = images();
    let before = batch.copy();
    let whole = frozen.forward(&batch, &plan, &Pass::EVALUATION).unwrap();
    assert!(batch.equal(&before));
    let half = frozen
        .forward(&batch.narrow(0, 2, 2), &plan, &Pass::EVALUATION)
        .unwrap();
    assert!(relative(&half, &whole.narrow(0, 2, 2)) < 1e-6);
}

/// Sum over all paths of the pull-back, through every piece of every block, is the gradient.
#[test]
fn linearization_is_the_gradient() {
    for (name, architecture) in zoo() {
        let network = calibrated(&architecture);
        let frozen = FrozenNetwork::freeze(&network, Kind::Double).unwrap();
        let plan = Plan::intact(network.structure());
        let labels = Tensor::from_slice(&[1i64, 3, 5, 9]);
        let batch = images().to_kind(Kind::Double);

        let input = batch.copy().set_requires_grad(true);
        let logits = frozen
            .structure()
            .forward(&input, &plan, &Pass::EVALUATION)
            .unwrap();
        let loss =
            logits.cross_entropy_loss::<Tensor>(&labels, None, tch::Reduction::Sum, -100, 0.0);
        loss.backward();
        let expected = input.grad();

        let linearization = Linearization::at(&frozen, &plan, &batch).unwrap();
        let cotangent = cross_entropy_cotangent(linearization.logits(), &labels).unwrap();
        let mut stack = linearization.through_head(cotangent).unwrap();
        for (_, block) in linearization.blocks().iter().rev() {
            let sum = block.through_post(stack).unwrap();
            let mut u = block.through_skip(&sum).unwrap();
            for function in 0..block.functions() {
                let term = block.through_function(function, &sum).unwrap().unwrap();
                u = Some(match u {
                    Some(u) => u + term,
                    None => term,
                });
            }
            stack = block.through_pre(u.unwrap()).unwrap();
        }
        let found = linearization.through_stem(stack).unwrap();
        let error = relative(&found, &expected);
        assert!(error < 1e-10, "{name}: {error}");
    }
}

#[test]
fn plans_that_cannot_run_are_refused() {
    let plain = Architecture::cifar(Family::Plain, Unit::Basic, 11, 1, 3, 10).unwrap();
    let specification = plain.build().unwrap();
    let image = FeatureShape {
        channels: 3,
        height: 32,
        width: 32,
    };
    let shapes = specification.shapes(image).unwrap();
    let plan = Plan::intact(&specification);
    assert!(plan.check(&specification, &shapes).is_ok());
    // Layer 3 halves the resolution: nothing can stand in for it without a skip.
    let without = plan
        .clone()
        .with_block(BlockIndex::new(3), FunctionState::Off);
    assert!(without.check(&specification, &shapes).is_err());
    let swapped = plan.reordered(&[3, 1, 2, 0, 4, 5, 6, 7, 8]);
    assert!(swapped.check(&specification, &shapes).is_err());
    let within = plan.reordered(&[0, 2, 1, 3, 4, 5, 6, 7, 8]);
    assert!(within.check(&specification, &shapes).is_ok());
}

/// What a description cannot mean is an error instead of another network.
#[test]
fn impossible_architectures_are_refused() {
    let base = |family| Architecture::cifar(family, Unit::Basic, 16, 1, 3, 10).unwrap();
    let groups = Some(Groups { count: 2, width: 4 });
    for architecture in [
        Architecture {
            terms: Terms::Poly,
            ..base(Family::Plain)
        },
        Architecture {
            terms: Terms::Mpoly,
            ..base(Family::Densenet)
        },
        Architecture {
            functions: vec![2; 12],
            ..base(Family::Densenet)
        },
        Architecture {
            functions: vec![2; 14],
            ..base(Family::Highway)
        },
        Architecture {
            factors: Factors::Swapout,
            ..base(Family::Plain)
        },
        Architecture {
            terms: Terms::Poly,
            factors: Factors::Learned,
            ..Architecture::cifar(Family::Preresnet, Unit::Basic, 14, 2, 3, 10).unwrap()
        },
        Architecture {
            groups,
            ..Architecture::cifar(Family::Resnet, Unit::Basic, 14, 1, 3, 10).unwrap()
        },
        Architecture {
            unit: Unit::Bottleneck,
            groups: Some(Groups {
                count: 1 << 15,
                width: 1 << 15,
            }),
            ..Architecture::cifar(Family::Resnet, Unit::Bottleneck, 20, 1, 3, 10).unwrap()
        },
    ] {
        let refused = architecture.build();
        assert!(
            matches!(refused, Err(NetworkError::Architecture { .. })),
            "{architecture:?}"
        );
    }
    // 100 layers are 96 in dense blocks; 99 would not divide.
    assert!(Architecture::cifar(Family::Densenet, Unit::Bottleneck, 99, 1, 3, 10).is_err());
}

/// F alone, F after F alone, and both: orders are read off the layers, and what functions share counts once.
#[test]
fn a_function_that_continues_another_has_its_order() {
    let mut architecture = preresnet(14, 2);
    architecture.terms = Terms::Poly;
    let specification = architecture.build().unwrap();
    let orders: Vec<Vec<usize>> = specification.blocks.iter().map(Block::orders).collect();
    // Blocks 2 and 4 change the shape.
    let both = vec![1, 2];
    let one = vec![1];
    assert_eq!(
        orders,
        [
            both.clone(),
            both.clone(),
            one.clone(),
            both.clone(),
            one,
            both
        ]
    );
    let input = FeatureShape {
        channels: 3,
        height: 8,
        width: 8,
    };
    let intact = Plan::intact(&specification);
    let cost = specification.cost(&intact, input).unwrap();
    assert_eq!(cost.parameters as i64, specification.parameter_count());
    let without = |function| {
        let block = BlockIndex::new(1);
        let plan = intact.clone();
        plan.with_function(FunctionIndex { block, function }, FunctionState::Off)
    };
    let functions = |plan: &Plan| {
        specification.block_paths(plan).unwrap()[1]
            .functions
            .clone()
    };
    assert_eq!(functions(&intact), [1, 2]);
    assert_eq!(functions(&without(0)), [2]);
    assert_eq!(functions(&without(1)), [1]);
    // F after F holds all tensors of F.
    let parameters = |plan| specification.cost(&plan, input).unwrap().parameters;
    assert_eq!(parameters(without(0)), cost.parameters);
    assert!(parameters(without(1)) < cost.parameters);
}
