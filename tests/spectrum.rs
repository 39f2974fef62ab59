//! The gradient by path length against brute force over all paths: dense Jacobians of every skip
//! and every function by autograd, multiplied out path by path.

use std::collections::BTreeMap;

use pathscope::data::{Dataset, ImageShape, Normalization, normalized_batch};
use pathscope::experiment::{
    ComputeOptions, GradientPoint, Grading, Journal, Laboratory, Loss, Origin, SpectrumOptions,
};
use pathscope::network::{
    Architecture, Factors, Family, FrozenNetwork, FunctionIndex, FunctionState, Pass, Plan,
    Shortcut, Terms, TrainableNetwork, Unit,
};
use pathscope_analysis::record::{Measure, Options, Record, SampledPath, Spectrum};
use pathscope_analysis::{Path, PathPolynomial, Seed};
use tch::{Device, Kind, Tensor};

const SIDE: usize = 8;

fn architecture(
    family: Family,
    unit: Unit,
    shortcut: Shortcut,
    functions: &[usize],
) -> Architecture {
    let blocks = functions.len();
    Architecture {
        family,
        unit,
        stem: pathscope::network::Stem::Cifar,
        stages: vec![blocks - blocks / 2, blocks / 2],
        functions: functions.to_vec(),
        terms: Terms::Ways,
        factors: Factors::One,
        groups: None,
        stem_width: 2,
        width: 2,
        shortcut,
        channels: 1,
        classes: 3,
    }
}

fn network(architecture: &Architecture) -> TrainableNetwork {
    tch::manual_seed(5);
    let network = TrainableNetwork::initialized(&architecture.build().unwrap(), 3).unwrap();
    tch::no_grad(|| {
        for (name, _, mut tensor) in network.named_parameters() {
            let small = ["bn", "norm", "factor", "read", "write", "mix"];
            if small.iter().any(|part| name.contains(part)) {
                let noise = Tensor::rand_like(&tensor) * 0.5;
                let _ = tensor.f_add_(&noise).unwrap();
            }
        }
    });
    network
}

fn data(examples: usize) -> Dataset {
    let pixels = (0..examples * SIDE * SIDE)
        .map(|i| ((i * 2_654_435_761) >> 7) as u8)
        .collect();
    let labels = (0..examples).map(|example| (example % 3) as u16).collect();
    let shape = ImageShape {
        channels: 1,
        height: SIDE,
        width: SIDE,
    };
    Dataset::new(shape, pixels, labels, 3, "made up").unwrap()
}

fn options(batch: usize) -> SpectrumOptions {
    SpectrumOptions {
        measures: BTreeMap::from([(Measure::Coherent, 1)]),
        record_paths: false,
        loss: Loss::CrossEntropy,
        at: GradientPoint::Input,
        longest: None,
        grading: None,
        batches: 1,
        examples: batch,
        seed: Seed(0),
        deadline: None,
    }
}

fn every_measure(draws: u64, samples: u64) -> BTreeMap<Measure, u64> {
    BTreeMap::from([
        (Measure::Coherent, 1),
        (Measure::Energy, draws),
        (Measure::Sampled, samples),
    ])
}

fn header_options(options: &SpectrumOptions, laboratory: &Laboratory<'_>) -> Options {
    Options::GradientSpectrum(options.settings(64, laboratory.normalization()))
}

fn compute(threads: usize) -> ComputeOptions {
    ComputeOptions {
        threads,
        ..ComputeOptions::default()
    }
}

fn measure(
    network: &TrainableNetwork,
    data: &Dataset,
    options: &SpectrumOptions,
    kind: Kind,
    threads: usize,
) -> (Vec<Spectrum>, Vec<SampledPath>) {
    let normalization = Normalization::preset("half").unwrap();
    let laboratory =
        Laboratory::new(network, data, data, &normalization, compute(threads)).unwrap();
    let header = laboratory
        .header(header_options(options, &laboratory), Origin::default())
        .unwrap();
    let mut journal = Journal::in_memory(header);
    laboratory
        .spectrum(&laboratory.intact(), options, kind, &mut journal, &|_| {})
        .unwrap();
    let (mut spectra, mut paths) = (Vec::new(), Vec::new());
    for record in journal.records() {
        match record {
            Record::Spectrum(spectrum) => spectra.push(spectrum.clone()),
            Record::SampledPath(path) => paths.push(path.clone()),
            _ => {}
        }
    }
    (spectra, paths)
}

/// Dense Jacobian `[outputs, inputs]` of `f` at `x`, one backward pass for each output.
fn jacobian(f: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> Tensor {
    let x = x.copy().set_requires_grad(true);
    let y = f(&x).reshape([-1]);
    if !y.requires_grad() {
        // Nothing flows: the functions of a block without a skip are detached.
        let (outputs, inputs) = (y.numel() as i64, x.numel() as i64);
        return Tensor::zeros([outputs, inputs], (Kind::Double, Device::Cpu));
    }
    let rows: Vec<Tensor> = (0..y.size()[0])
        .map(|row| {
            let gradient = Tensor::run_backward(&[y.get(row)], &[&x], true, false);
            gradient[0].reshape([-1])
        })
        .collect();
    Tensor::stack(&rows, 0)
}

/// For one example: Jacobians `[block][0 for the skip, 1 + i for function i]`, the stem's
/// Jacobian, and the cotangent of the last block's output.
fn pieces(
    network: &TrainableNetwork,
    data: &Dataset,
    example: usize,
) -> (Vec<Vec<Tensor>>, Tensor, Tensor) {
    let frozen = FrozenNetwork::freeze(network, Kind::Double).unwrap();
    let structure = frozen.structure();
    let pass = &Pass::EVALUATION;
    let normalization = Normalization::preset("half").unwrap();
    let pixels = normalized_batch(data, example..example + 1, &normalization).unwrap();
    let pixels: Vec<f64> = pixels.into_iter().map(f64::from).collect();
    let input = Tensor::from_slice(&pixels).view([1, 1, SIDE as i64, SIDE as i64]);
    let stem = jacobian(|x| structure.stem(x, pass).unwrap(), &input);
    let mut x = tch::no_grad(|| structure.stem(&input, pass)).unwrap();
    let plan = Plan::intact(structure);
    let mut blocks = Vec::new();
    for step in plan.steps() {
        let index = step.block;
        // With functions detached the values stay, so the mask of a final ReLU does too.
        let detached = plan.clone().with_block(index, FunctionState::Detached);
        let through = |plan: &Plan| {
            let step = plan.steps()[index.position()].clone();
            jacobian(|x| structure.step(&step, x, pass).unwrap(), &x)
        };
        let skip = through(&detached);
        let mut all = vec![skip.shallow_clone()];
        for function in 0..step.functions.len() {
            let function = FunctionIndex {
                block: index,
                function,
            };
            all.push(through(&detached.clone().with_function(function, FunctionState::On)) - &skip);
        }
        blocks.push(all);
        x = tch::no_grad(|| structure.step(step, &x, pass)).unwrap();
    }
    let leaf = x.copy().set_requires_grad(true);
    let label = Tensor::from_slice(&[i64::from(data.labels()[example])]);
    let loss = structure
        .head(&leaf, pass)
        .unwrap()
        .cross_entropy_loss::<Tensor>(&label, None, tch::Reduction::Sum, -100, 0.0);
    loss.backward();
    (blocks, stem, leaf.grad().reshape([1, -1]))
}

/// A path and its gradient `[pixels]`.
struct Found {
    steps: Vec<(usize, usize)>,
    length: usize,
    gradient: Tensor,
}

/// The path polynomials of a network's blocks.
fn polynomial(network: &TrainableNetwork) -> PathPolynomial {
    let specification = network.specification();
    let blocks = specification.block_paths(&Plan::intact(specification));
    PathPolynomial::with_lengths(blocks.unwrap()).unwrap()
}

/// Every path, as brute force gives it.
fn every_path(network: &TrainableNetwork, data: &Dataset, example: usize) -> Vec<Found> {
    let (blocks, stem, cotangent) = pieces(network, data, example);
    let polynomial = polynomial(network);
    let found = |path: Path| {
        let steps: Vec<(usize, usize)> = path
            .0
            .iter()
            .map(|step| (step.block, step.function))
            .collect();
        let mut gradient = cotangent.shallow_clone();
        for (block, pieces) in blocks.iter().enumerate().rev() {
            let taken = steps.iter().find(|step| step.0 == block);
            gradient = gradient.matmul(&pieces[taken.map_or(0, |step| step.1 + 1)]);
        }
        Found {
            steps,
            length: polynomial.length_of(&path),
            gradient: gradient.matmul(&stem).reshape([-1]),
        }
    };
    polynomial.enumerate().map(found).collect()
}

fn norm(tensor: &Tensor) -> f64 {
    tensor.norm().double_value(&[])
}

fn close(found: f64, expected: f64, scale: f64, what: &str) {
    assert!(
        (found - expected).abs() <= 1e-10 * scale,
        "{what}: {found} instead of {expected}"
    );
}

fn cases() -> Vec<(String, Architecture)> {
    let mut cases = Vec::new();
    for (family, unit, shortcut, functions) in [
        (Family::Resnet, Unit::Basic, Shortcut::A, vec![1; 5]),
        (Family::Resnet, Unit::Basic, Shortcut::ACentred, vec![2; 4]),
        (
            Family::Resnet,
            Unit::Bottleneck,
            Shortcut::B,
            vec![2, 1, 2, 1],
        ),
        (Family::Preresnet, Unit::Basic, Shortcut::A, vec![1; 8]),
        (Family::Preresnet, Unit::Basic, Shortcut::B, vec![2; 5]),
        (
            Family::Preresnet,
            Unit::Basic,
            Shortcut::C,
            vec![1, 2, 2, 1],
        ),
        (
            Family::Preresnet,
            Unit::BottleneckStrideFirst,
            Shortcut::B,
            vec![1, 2, 1],
        ),
    ] {
        let name = format!("{family:?} {unit:?} {shortcut:?} {functions:?}");
        cases.push((name, architecture(family, unit, shortcut, &functions)));
    }
    // F and F after F, three orders, G after F; the block that changes the shape has F alone.
    for (terms, family, unit, functions) in [
        (Terms::Poly, Family::Preresnet, Unit::Basic, [2; 4]),
        (Terms::Poly, Family::Resnet, Unit::Bottleneck, [2; 4]),
        (Terms::Poly, Family::Preresnet, Unit::Basic, [3, 1, 2, 3]),
        (Terms::Mpoly, Family::Resnet, Unit::Basic, [2; 4]),
        (
            Terms::Mpoly,
            Family::Preresnet,
            Unit::Bottleneck,
            [3, 2, 1, 2],
        ),
    ] {
        let network = Architecture {
            terms,
            ..architecture(family, unit, Shortcut::B, &functions)
        };
        cases.push((
            format!("{terms:?} {family:?} {unit:?} {functions:?}"),
            network,
        ));
    }
    for factors in [Factors::Learned, Factors::SkipInit, Factors::Swapout] {
        for family in [Family::Resnet, Family::Preresnet] {
            let network = Architecture {
                factors,
                ..architecture(family, Unit::Basic, Shortcut::B, &[1, 2, 1])
            };
            cases.push((format!("{factors:?} {family:?}"), network));
        }
    }
    // Four streams between the blocks.
    for family in [Family::Resnet, Family::Preresnet] {
        let network = Architecture {
            factors: Factors::HyperConnections,
            ..architecture(family, Unit::Basic, Shortcut::A, &[1, 2, 1])
        };
        cases.push((format!("hyper-connections {family:?}"), network));
    }
    // Two and three columns whose values are carried side by side.
    for depth in [6, 12] {
        let network = Architecture::cifar(Family::Fractal, Unit::Basic, depth, 1, 1, 3).unwrap();
        cases.push((format!("fractal {depth}"), network.with_width(2)));
    }
    // Gated layers, and one without a skip; all layers without.
    for family in [Family::Highway, Family::Plain] {
        let network = architecture(family, Unit::Basic, Shortcut::B, &[1; 6]);
        cases.push((format!("{family:?}"), network));
    }
    for unit in [Unit::Basic, Unit::Bottleneck] {
        let network = architecture(Family::Densenet, unit, Shortcut::B, &[1; 6]);
        cases.push((format!("densenet {unit:?}"), network));
    }
    cases
}

#[test]
fn every_length_is_the_sum_of_its_paths() {
    for (name, architecture) in cases() {
        let network = network(&architecture);
        let data = data(2);
        let (spectra, _) = measure(&network, &data, &options(2), Kind::Double, 1);
        let spectrum = &spectra[0];
        assert!(
            spectrum.sum_check.unwrap() < 1e-10,
            "{name}: {:?}",
            spectrum.sum_check
        );
        let coherent = &spectrum.measures[&Measure::Coherent];
        for example in 0..2 {
            let paths = every_path(&network, &data, example);
            for length in 0..=polynomial(&network).longest() {
                let gradients: Vec<&Tensor> = paths
                    .iter()
                    .filter(|path| path.length == length)
                    .map(|path| &path.gradient)
                    .collect();
                assert_eq!(
                    spectrum.paths[length],
                    gradients.len().to_string(),
                    "{name}"
                );
                if gradients.is_empty() {
                    assert_eq!(coherent.by_example[example][length], 0.0, "{name}");
                    continue;
                }
                let sum = Tensor::stack(&gradients, 0).sum_dim_intlist(
                    [0].as_slice(),
                    false,
                    Kind::Double,
                );
                let found = coherent.by_example[example][length];
                close(found, norm(&sum), spectrum.gradient[example], &name);
            }
        }
    }
}

#[test]
fn float32_sums_to_the_ordinary_gradient() {
    for functions in [vec![1; 9], vec![2; 4], vec![3, 1, 4, 2], vec![5, 5]] {
        for family in [Family::Resnet, Family::Preresnet] {
            for shortcut in [Shortcut::A, Shortcut::ACentred, Shortcut::B, Shortcut::C] {
                let network = network(&architecture(family, Unit::Basic, shortcut, &functions));
                let (spectra, _) = measure(&network, &data(4), &options(4), Kind::Float, 1);
                let check = spectra[0].sum_check.unwrap();
                assert!(
                    check < 1e-4,
                    "{family:?} {shortcut:?} {functions:?}: {check}"
                );
            }
        }
    }
}

/// Functions that continue others, and layers that add channels.
#[test]
fn other_polynomials_sum_to_the_ordinary_gradient() {
    for (name, architecture) in cases() {
        let network = network(&architecture);
        let (spectra, _) = measure(&network, &data(4), &options(4), Kind::Float, 1);
        let check = spectra[0].sum_check.unwrap();
        assert!(check < 1e-4, "{name}: {check}");
    }
}

/// Every block type, numbers of functions from 1 to 5, equal and unequal, in 64 bits.
#[test]
fn float64_sums_to_the_ordinary_gradient() {
    let functions = [
        vec![1; 4],
        vec![2; 3],
        vec![3; 3],
        vec![4; 2],
        vec![5; 2],
        vec![1, 5, 2, 3],
    ];
    let units = [Unit::Basic, Unit::Bottleneck, Unit::BottleneckStrideFirst];
    for functions in &functions {
        for family in [Family::Resnet, Family::Preresnet] {
            for unit in units {
                for shortcut in [Shortcut::A, Shortcut::B, Shortcut::C] {
                    // Bottlenecks widen fourfold, which padding with zeros cannot always do.
                    let architecture = architecture(family, unit, shortcut, functions);
                    if architecture.build().is_err() {
                        assert!(shortcut == Shortcut::A && unit != Unit::Basic);
                        continue;
                    }
                    let network = network(&architecture);
                    let (spectra, _) = measure(&network, &data(2), &options(2), Kind::Double, 1);
                    let check = spectra[0].sum_check.unwrap();
                    assert!(
                        check < 1e-10,
                        "{family:?} {unit:?} {shortcut:?} {functions:?}: {check}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_gradient_of_a_logit_and_that_at_the_stem_sum_up_too() {
    let functions = vec![2, 1, 3];
    let network = network(&architecture(
        Family::Preresnet,
        Unit::Basic,
        Shortcut::B,
        &functions,
    ));
    for loss in [Loss::CrossEntropy, Loss::Logit(2), Loss::LargestLogit] {
        for at in [GradientPoint::Input, GradientPoint::Stem] {
            let asked = SpectrumOptions {
                loss,
                at,
                ..options(3)
            };
            let (spectra, _) = measure(&network, &data(3), &asked, Kind::Double, 1);
            let check = spectra[0].sum_check.unwrap();
            assert!(check < 1e-10, "{loss:?} {at:?}: {check}");
        }
    }
}

#[test]
fn drawn_paths_have_the_gradients_of_brute_force() {
    for (name, architecture) in cases() {
        let network = network(&architecture);
        let data = data(2);
        let asked = SpectrumOptions {
            measures: BTreeMap::from([(Measure::Coherent, 1), (Measure::Sampled, 7)]),
            record_paths: true,
            ..options(2)
        };
        let (spectra, drawn) = measure(&network, &data, &asked, Kind::Double, 1);
        let counts = polynomial(&network).counts();
        let lengths = counts.iter().filter(|count| **count > 0_u32.into());
        assert_eq!(drawn.len(), 7 * lengths.count(), "{name}");
        for example in 0..2 {
            let paths = every_path(&network, &data, example);
            for path in &drawn {
                let found = paths.iter().find(|found| found.steps == path.path).unwrap();
                close(
                    path.norms[example],
                    norm(&found.gradient),
                    spectra[0].gradient[example],
                    &name,
                );
            }
        }
    }
}

/// Over 20 seeds the mean of an unbiased estimate lies within 3 standard errors of the truth.
#[test]
fn energy_and_sampling_are_unbiased() {
    let functions = vec![2, 1, 2, 2, 1];
    let architecture = architecture(Family::Preresnet, Unit::Basic, Shortcut::B, &functions);
    let network = network(&architecture);
    let data = data(1);
    let paths = every_path(&network, &data, 0);
    let asked = SpectrumOptions {
        measures: every_measure(16, 16),
        ..options(1)
    };
    let runs: Vec<Spectrum> = (0..20)
        .map(|seed| {
            let asked = SpectrumOptions {
                seed: Seed(seed),
                ..asked.clone()
            };
            measure(&network, &data, &asked, Kind::Double, 1)
                .0
                .swap_remove(0)
        })
        .collect();
    for length in 0..=functions.len() {
        let norms: Vec<f64> = paths
            .iter()
            .filter(|path| path.length == length)
            .map(|path| norm(&path.gradient))
            .collect();
        let energy: f64 = norms.iter().map(|norm| norm * norm).sum();
        let mean = norms.iter().sum::<f64>() / norms.len() as f64;
        let estimates =
            |pick: &dyn Fn(&Spectrum) -> f64| runs.iter().map(pick).collect::<Vec<f64>>();
        let energies = estimates(&|run| run.measures[&Measure::Energy].mean[length]);
        let means = estimates(&|run| run.measures[&Measure::Sampled].mean[length]);
        for (what, found, expected) in [("energy", energies, energy), ("sampled", means, mean)] {
            let n = found.len() as f64;
            let average = found.iter().sum::<f64>() / n;
            let variance = found
                .iter()
                .map(|value| (value - average).powi(2))
                .sum::<f64>()
                / (n - 1.0);
            let allowed = 3.0 * (variance / n).sqrt() + 1e-12 * expected;
            assert!(
                (average - expected).abs() <= allowed,
                "{what} at length {length}: {average} instead of {expected} +- {allowed}"
            );
        }
    }
}

#[test]
fn short_paths_alone_are_those_of_the_whole() {
    let functions = vec![2; 5];
    let architecture = architecture(Family::Preresnet, Unit::Basic, Shortcut::A, &functions);
    let network = network(&architecture);
    let (whole, _) = measure(&network, &data(3), &options(3), Kind::Double, 1);
    let asked = SpectrumOptions {
        longest: Some(2),
        ..options(3)
    };
    let (short, _) = measure(&network, &data(3), &asked, Kind::Double, 1);
    assert_eq!(short[0].sum_check, None);
    let (whole, short) = (
        &whole[0].measures[&Measure::Coherent],
        &short[0].measures[&Measure::Coherent],
    );
    assert_eq!(short.mean.len(), 3);
    for (found, expected) in short.mean.iter().zip(&whole.mean) {
        close(*found, *expected, *expected, "a short length");
    }
}

#[test]
fn stages_and_types_add_up_to_lengths() {
    let functions = vec![2, 2, 1, 2];
    let architecture = architecture(Family::Resnet, Unit::Basic, Shortcut::B, &functions);
    let network = network(&architecture);
    let data = data(1);
    let paths = every_path(&network, &data, 0);
    let stage = |block: usize| usize::from(block >= 2);
    for (grading, component) in [
        (
            Grading::Stage(vec![0, 0, 1, 1]),
            &(|step: &(usize, usize)| stage(step.0)) as &dyn Fn(&(usize, usize)) -> usize,
        ),
        (Grading::Function, &|step: &(usize, usize)| step.1),
    ] {
        let asked = SpectrumOptions {
            grading: Some(grading),
            ..options(1)
        };
        let (spectra, _) = measure(&network, &data, &asked, Kind::Double, 1);
        assert!(!spectra[0].graded.is_empty());
        for graded in &spectra[0].graded {
            let same = paths.iter().filter(|path| {
                let of = |c: usize| path.steps.iter().filter(move |step| component(step) == c);
                (0..2).all(|c| of(c).count() == graded.counts[c])
            });
            let gradients: Vec<&Tensor> = same.map(|path| &path.gradient).collect();
            let sum =
                Tensor::stack(&gradients, 0).sum_dim_intlist([0].as_slice(), false, Kind::Double);
            close(graded.norm, norm(&sum), spectra[0].gradient[0], "a grade");
        }
    }
}

#[test]
fn threads_change_nothing() {
    let functions = vec![1; 6];
    let architecture = architecture(Family::Preresnet, Unit::Basic, Shortcut::A, &functions);
    let network = network(&architecture);
    let asked = SpectrumOptions {
        measures: every_measure(3, 4),
        batches: 2,
        ..options(20)
    };
    let one = measure(&network, &data(40), &asked, Kind::Float, 1);
    let three = measure(&network, &data(40), &asked, Kind::Float, 3);
    assert_eq!(one.0, three.0);
}

#[test]
fn a_gradient_that_is_no_number_names_its_block() {
    let functions = vec![1; 6];
    let architecture = architecture(Family::Preresnet, Unit::Basic, Shortcut::A, &functions);
    let network = network(&architecture);
    tch::no_grad(|| {
        for (name, _, mut tensor) in network.named_parameters() {
            if name == "layer1.1.conv2.weight" {
                let _ = tensor.f_fill_(f64::NAN).unwrap();
            }
        }
    });
    let problem = refusal(&network, &options(2));
    assert!(problem.contains("not finite"), "{problem}");
    assert!(problem.contains("behind block 1 (layer1.1)"), "{problem}");
}

fn refusal(network: &TrainableNetwork, options: &SpectrumOptions) -> String {
    let data = data(2);
    let normalization = Normalization::preset("half").unwrap();
    let laboratory = Laboratory::new(network, &data, &data, &normalization, compute(1)).unwrap();
    let header = laboratory
        .header(header_options(options, &laboratory), Origin::default())
        .unwrap();
    let mut journal = Journal::in_memory(header);
    let plan = laboratory.intact();
    laboratory
        .spectrum(&plan, options, Kind::Float, &mut journal, &|_| {})
        .unwrap_err()
        .to_string()
}
