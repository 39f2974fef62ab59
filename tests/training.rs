//! Training end to end: it learns, continues to the last bit, keeps its books and stops in time.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::shared;
use pathscope::data::{
    self, Augmentation, Dataset, ImageShape, Normalization, ReadRequest, Split, normalized_batch,
    write_idx_gz,
};
use pathscope::format;
use pathscope::network::{
    Factors, Family, Groups, Plan, Recalibration, Terms, TrainableNetwork, Unit, channels_last,
};
use pathscope::training::{
    Optimizer, OptimizerOptions, Precision, Recipe, RecipeArchitecture, Restriction, RunRecord,
    Schedule, SurvivalMode, Trainer, TrainingOptions, View, evaluate, read_log,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

fn architecture(depth: usize, k: usize, width: i64) -> RecipeArchitecture {
    RecipeArchitecture {
        family: Family::Preresnet,
        unit: Unit::Basic,
        depth,
        k,
        terms: Terms::Ways,
        factors: Factors::One,
        width: Some(width),
        widening: 1,
        stages: None,
        groups: None,
        shortcut: None,
    }
}

fn options(epochs: usize, restriction: Restriction) -> TrainingOptions {
    TrainingOptions {
        epochs,
        batch: 32,
        learning_rate: 0.1,
        seed: 1,
        label_smoothing: 0.0,
        average: None,
        precision: Precision::Float32,
        schedule: Schedule::OneCycle { peak: 0.2 },
        optimizer: OptimizerOptions {
            weight_decay: 0.0,
            ..OptimizerOptions::default()
        },
        augmentation: Augmentation::NONE,
        restriction,
    }
}

mod needs_shared {
    use super::*;

    /// Trains on 512 images of CIFAR-10 until each of them is told right.
    fn overfits(architecture: &RecipeArchitecture, epochs: usize, restriction: Restriction) {
        learns_by_heart(512, architecture, epochs, restriction);
    }

    fn learns_by_heart(
        images: usize,
        architecture: &RecipeArchitecture,
        epochs: usize,
        restriction: Restriction,
    ) {
        let folder = shared("data/cifar10/cifar-10-batches-bin");
        let request = ReadRequest {
            limit: Some(images),
            ..ReadRequest::new(Split::Train)
        };
        let data = data::open(folder.as_ref(), &request).unwrap();
        let normalization = Normalization::preset("cifar10").unwrap();
        let specification = architecture.build(3, 10).unwrap().build().unwrap();
        let network = TrainableNetwork::initialized(&specification, 1).unwrap();
        let options = options(epochs, restriction);
        let mut trainer = Trainer::new(network, options, normalization.clone()).unwrap();
        while !trainer.is_finished() {
            trainer.train_epoch(&data, |_| ()).unwrap();
        }
        let mut finished = trainer.finished_network().unwrap();
        // Statistics of what was trained are not those of what is evaluated.
        if restriction != Restriction::None || finished.specification().draws() {
            let batches = (0..data.len()).step_by(64).map(|start| {
                let pixels = normalized_batch(&data, start..start + 64, &normalization).unwrap();
                let batch = Tensor::from_slice(&pixels).view([64, 3, 32, 32]);
                channels_last(&batch).unwrap()
            });
            let plan = Plan::intact(finished.structure());
            let mut recalibration = Recalibration::new(finished, plan);
            for batch in batches {
                recalibration.add(&batch).unwrap();
            }
            finished = recalibration.finish();
        }
        let evaluation = evaluate(&finished, &data, &normalization, View::Whole).unwrap();
        assert_eq!((evaluation.errors, evaluation.examples), (0, images));
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn a_preresnet_overfits() {
        overfits(&architecture(8, 1, 16), 30, Restriction::None);
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn a_multi_resnet_overfits() {
        overfits(&architecture(8, 4, 8), 30, Restriction::None);
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn a_network_of_functions_that_continue_others_overfits() {
        let poly = RecipeArchitecture {
            terms: Terms::Poly,
            ..architecture(14, 2, 16)
        };
        overfits(&poly, 30, Restriction::None);
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn a_dense_network_overfits() {
        let dense = RecipeArchitecture {
            family: Family::Densenet,
            unit: Unit::Bottleneck,
            ..architecture(22, 1, 12)
        };
        overfits(&dense, 40, Restriction::None);
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn a_network_of_grouped_convolutions_overfits() {
        let grouped = RecipeArchitecture {
            family: Family::Resnet,
            unit: Unit::Bottleneck,
            groups: Some(Groups { count: 2, width: 4 }),
            ..architecture(11, 1, 8)
        };
        overfits(&grouped, 40, Restriction::None);
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn a_highway_network_overfits() {
        let highway = RecipeArchitecture {
            family: Family::Highway,
            ..architecture(8, 1, 16)
        };
        overfits(&highway, 80, Restriction::None);
    }

    /// Random zeros work against it: more channels and epochs for fewer images.
    #[test]
    #[ignore = "needs ../shared"]
    fn a_swapout_network_overfits() {
        let swapout = RecipeArchitecture {
            factors: Factors::Swapout,
            ..architecture(8, 1, 32)
        };
        learns_by_heart(256, &swapout, 160, Restriction::None);
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn a_fractal_network_overfits() {
        let fractal = RecipeArchitecture {
            family: Family::Fractal,
            ..architecture(12, 1, 16)
        };
        overfits(&fractal, 40, Restriction::None);
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn a_network_of_several_streams_overfits() {
        let streams = RecipeArchitecture {
            factors: Factors::HyperConnections,
            ..architecture(8, 1, 16)
        };
        overfits(&streams, 40, Restriction::None);
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn a_network_with_learned_factors_overfits() {
        let weighted = RecipeArchitecture {
            factors: Factors::SkipInit,
            ..architecture(8, 2, 16)
        };
        overfits(&weighted, 30, Restriction::None);
    }

    /// Leaving out paths works against learning by heart, so only a few are left out.
    #[test]
    #[ignore = "needs ../shared"]
    fn a_path_restricted_network_overfits() {
        let restriction = Restriction::EffectiveFunctions {
            functions: 11,
            backward_only: false,
        };
        overfits(&architecture(8, 4, 8), 40, restriction);
    }
}

/// Made-up grey images whose class shows in their brightness.
fn made_up(examples: usize, split: &str) -> Dataset {
    let mut generator = ChaCha8Rng::seed_from_u64(examples as u64);
    let labels: Vec<u16> = (0..examples).map(|example| (example % 4) as u16).collect();
    let pixels = labels
        .iter()
        .flat_map(|&label| std::iter::repeat_n(label, 28 * 28))
        .map(|label| (40 * label) as u8 + generator.random_range(0..40u8))
        .collect();
    let shape = ImageShape {
        channels: 1,
        height: 28,
        width: 28,
    };
    Dataset::new(shape, pixels, labels, 4, split).unwrap()
}

/// A folder of IDX files with 160 training and 40 test images.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, examples) in [("train", 160), ("t10k", 40)] {
        let made = folder.path().join(name);
        write_idx_gz(&made_up(examples, name), &made).unwrap();
        for file in fs::read_dir(&made).unwrap() {
            let file = file.unwrap();
            let old = file.file_name().into_string().unwrap();
            let kind = if old.contains("images") {
                "images-idx3"
            } else {
                "labels-idx1"
            };
            let new = folder.path().join(format!("{name}-{kind}-ubyte.gz"));
            fs::rename(file.path(), new).unwrap();
        }
        fs::remove_dir(made).unwrap();
    }
    folder
}

fn pathscope(arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("pathscope"));
    command.args(arguments).env("COLUMNS", "500");
    command
}

fn output(arguments: &[&str]) -> Output {
    pathscope(arguments).output().unwrap()
}

/// A training of a few seconds with everything that a checkpoint has to keep.
fn training<'a>(data: &'a str, run: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["train", "--recipe", "preresnet20-fashion", "--data", data];
    arguments.extend(["-o", run, "--depth", "8", "--width", "4", "--batch", "8"]);
    arguments.extend([
        "--epochs",
        "8",
        "--effective-paths",
        "2",
        "--average",
        "0.9",
    ]);
    arguments.extend(["--threads", "1", "--checkpoint-batches", "1", "--clip", "2"]);
    arguments
}

fn tensors(folder: &Path) -> Vec<(String, Vec<f32>)> {
    let state = format::open(&folder.join("model.safetensors")).unwrap();
    let values = |tensor: &Tensor| {
        let flat = tensor.to_kind(Kind::Float).contiguous().view([-1]);
        Vec::<f32>::try_from(flat).unwrap()
    };
    let mut tensors: Vec<(String, Vec<f32>)> = state
        .tensors()
        .map(|(name, tensor)| (name.to_owned(), values(tensor)))
        .collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    tensors
}

/// The log without its times.
fn epochs(folder: &Path) -> Vec<(usize, u64, usize)> {
    let records = read_log(&folder.join("log.jsonl")).unwrap();
    assert!(matches!(records.first(), Some(RunRecord::Header(_))));
    let epoch = |record| match record {
        RunRecord::Epoch(record) => Some((record.epoch, record.loss.to_bits(), record.errors)),
        _ => None,
    };
    records.into_iter().filter_map(epoch).collect()
}

#[test]
fn killed_at_twenty_random_moments_it_gives_the_same_weights() {
    let data = place();
    let data = data.path().to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    let whole = at("whole");
    let start = Instant::now();
    let uninterrupted = output(&training(data, whole.to_str().unwrap()));
    let length = start.elapsed();
    assert!(uninterrupted.status.success(), "{uninterrupted:?}");

    let mut generator = ChaCha8Rng::seed_from_u64(7);
    let (mut kills, mut folders, mut in_the_middle) = (0, 0, 0);
    while kills < 20 {
        folders += 1;
        let broken = at(&format!("broken{folders}"));
        let broken_name = broken.to_str().unwrap();
        let resume = ["train", "--resume", "-o", broken_name, "--threads", "1"];
        let often = ["--checkpoint-batches", "1"];
        let next = || match broken.join("checkpoint.safetensors").exists() {
            true => [&resume[..], &often].concat(),
            // Before its first checkpoint the same command begins it again.
            false => training(data, broken_name),
        };
        let mut finished = false;
        while kills < 20 && !finished {
            let mut child = pathscope(&next())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let share: f64 = generator.random_range(0.02..0.3);
            let until = Instant::now() + length.mul_f64(share).max(Duration::from_millis(30));
            while Instant::now() < until && child.try_wait().unwrap().is_none() {
                sleep(Duration::from_millis(2));
            }
            finished = child.try_wait().unwrap().is_some();
            if !finished {
                child.kill().unwrap();
                kills += 1;
                in_the_middle += usize::from(broken.join("checkpoint.safetensors").exists());
            }
            child.wait().unwrap();
        }
        if !finished {
            let last = output(&next());
            assert!(last.status.success(), "{last:?}");
        }
        assert_eq!(epochs(&whole), epochs(&broken));
        assert_eq!(tensors(&whole), tensors(&broken));
    }
    assert!(in_the_middle >= 5, "{in_the_middle} kills met a checkpoint");
}

#[test]
fn a_resumed_training_saves_its_models_as_it_was_begun_to() {
    let data = place();
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let name = run.to_str().unwrap();
    let mut arguments = training(data.path().to_str().unwrap(), name);
    arguments.extend(["--half", "--recalibrate", "2", "--evaluation", "small"]);
    assert!(output(&arguments).status.success());
    let card = || -> serde_json::Value {
        let state = format::open(&run.join("model.safetensors")).unwrap();
        let mut card: serde_json::Value =
            serde_json::from_str(&state.metadata()["pathscope"]).unwrap();
        card["training"]["results"]["seconds"] = 0.into();
        card
    };
    let (begun, weights) = (card(), tensors(&run));
    // What is stated was measured on what is stored.
    let model = format::load_model(&run.join("model.safetensors"), None).unwrap();
    let data = data::open(data.path(), &ReadRequest::new(Split::Test)).unwrap();
    let normalization = model.card.normalization.clone();
    let measured = evaluate(&model.network, &data, &normalization, View::Whole).unwrap();
    let stated = &begun["training"]["results"]["test"];
    assert_eq!(stated["errors"], measured.errors);
    assert_eq!(stated["loss"].as_f64(), Some(measured.loss));
    assert_eq!(begun["evaluation"], "small");
    assert_eq!(begun["training"]["recalibration"], 2);
    fs::remove_file(run.join("model.safetensors")).unwrap();
    let resume = ["train", "--resume", "-o", name, "--threads", "1"];
    assert!(output(&resume).status.success());
    assert_eq!(card(), begun);
    assert_eq!(tensors(&run), weights);
    let refused = output(&[&resume[..], &["--half"]].concat());
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn a_run_keeps_its_books() {
    let data = place();
    let data = data.path().to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut arguments = training(data, run.to_str().unwrap());
    arguments.extend(["--validation", "40", "--recalibrate", "2"]);
    let output = self::output(&arguments);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("2 random blocks of 3") && said.contains("0.667"),
        "{said}"
    );

    let records = read_log(&run.join("log.jsonl")).unwrap();
    assert_eq!(records.len(), 10);
    let (Some(RunRecord::Header(header)), Some(RunRecord::Result(result))) =
        (records.first(), records.last())
    else {
        panic!("{records:?}");
    };
    assert_eq!((header.examples, header.threads), (120, 1));
    assert_eq!(result.test.unwrap().examples, 40);
    assert!(result.test.unwrap().percent() < 50.0, "{result:?}");
    assert!(result.best_test.is_some());

    // The same folder is not written over.
    let again = self::output(&arguments);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--resume"));
}

#[test]
fn divergence_ends_the_run_and_keeps_the_last_good_checkpoint() {
    let data = place();
    let data = data.path().to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut arguments = vec!["train", "--recipe", "preresnet20-fashion", "--data", data];
    arguments.extend(["-o", run.to_str().unwrap(), "--depth", "8", "--width", "4"]);
    arguments.extend([
        "--learning-rate",
        "1e30",
        "--checkpoint-batches",
        "1",
        "--batch",
        "8",
    ]);
    let output = output(&arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("diverged") && said.contains("checkpoint"),
        "{said}"
    );
    let state = format::open(&run.join("checkpoint.safetensors")).unwrap();
    for (name, tensor) in state.tensors() {
        assert_eq!(tensor.isfinite().all().int64_value(&[]), 1, "{name}");
    }
    assert!(!run.join("model.safetensors").exists());
}

#[test]
fn a_checkpoint_with_tensors_that_no_training_has_is_refused_by_name() {
    let data = place();
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let name = run.to_str().unwrap();
    let begun = output(&training(data.path().to_str().unwrap(), name));
    assert!(begun.status.success(), "{begun:?}");
    let file = run.join("checkpoint.safetensors");
    let sound = format::open(&file).unwrap();
    type Damage = fn(&Tensor) -> Tensor;
    let not_a_number: Damage = |tensor| tensor.full_like(f64::NAN);
    let flat: Damage = |tensor| tensor.reshape([-1]);
    for (tensor, damage, says) in [
        ("network.conv1.weight", not_a_number, "not finite"),
        ("average.layer1.0.conv1.weight", not_a_number, "not finite"),
        ("momentum.0", not_a_number, "not finite"),
        ("network.conv1.weight", flat, "conv1.weight"),
    ] {
        let tensors: Vec<(String, Tensor)> = sound
            .tensors()
            .map(|(name, found)| {
                let found = if name == tensor {
                    damage(found)
                } else {
                    found.shallow_clone()
                };
                (name.to_owned(), found)
            })
            .collect();
        format::save_safetensors(
            &file,
            &tensors,
            sound.metadata(),
            format::FloatStorage::AsTheyAre,
        )
        .unwrap();
        let refused = output(&["train", "--resume", "-o", name, "--threads", "1"]);
        assert_eq!(refused.status.code(), Some(2), "{tensor}: {refused:?}");
        let said = String::from_utf8(refused.stderr).unwrap();
        for part in [
            "checkpoint.safetensors",
            tensor.split_once('.').unwrap().1,
            says,
        ] {
            assert!(said.contains(part), "{tensor}: {said}");
        }
    }
}

#[test]
fn a_long_gradient_is_shortened_to_the_norm_allowed() {
    let specification = architecture(8, 1, 4).build(1, 4).unwrap().build().unwrap();
    let moved = |clip: Option<f64>| {
        let network = TrainableNetwork::initialized(&specification, 1).unwrap();
        let options = OptimizerOptions {
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
            clip,
        };
        let mut optimizer = Optimizer::new(&network, options);
        let trained: Vec<Tensor> = network
            .named_parameters()
            .into_iter()
            .filter(|(_, role, _)| role.is_trained())
            .map(|(_, _, tensor)| tensor)
            .collect();
        let before: Vec<Tensor> = trained
            .iter()
            .map(|tensor| tensor.detach().copy())
            .collect();
        let loss = trained
            .iter()
            .map(|tensor| (tensor * 3.0).sum(Kind::Float))
            .reduce(|sum, term| sum + term)
            .unwrap();
        optimizer.step(&loss, 1.0).unwrap();
        let squares = trained
            .iter()
            .zip(&before)
            .map(|(now, before)| (now.detach() - before).norm().double_value(&[]).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let whole = 3.0 * (specification.parameter_count() as f64).sqrt();
    assert!((moved(None) - whole).abs() < 1e-3 * whole);
    assert!((moved(Some(0.5)) - 0.5).abs() < 1e-3);
    assert!((moved(Some(1e6)) - whole).abs() < 1e-3 * whole);
}

/// Each network that the paper is compared with takes a step by its recipe, on few and small images.
#[test]
fn recipes_of_the_compared_networks_take_a_step() {
    let images = |side: usize| {
        let shape = ImageShape {
            channels: 3,
            height: side,
            width: side,
        };
        let pixels = (0..4 * 3 * side * side).map(|place| (place * 37 % 251) as u8);
        Dataset::new(shape, pixels.collect(), vec![0, 3, 7, 9], 10, "made up").unwrap()
    };
    let compared = |name: &&str| {
        let prefixes = [
            "densenet",
            "resnext",
            "wide-",
            "preresnet56-",
            "preresnet110-skipinit",
            "highway",
            "swapout",
            "fractalnet",
            "resnet",
            "preresnet1001",
            "preresnet164",
        ];
        prefixes.iter().any(|prefix| name.starts_with(prefix))
    };
    let mut taken = 0;
    for name in Recipe::names().filter(compared) {
        let recipe = Recipe::named(name).unwrap();
        let specification = recipe.architecture.build(3, 10).unwrap().build().unwrap();
        let network = TrainableNetwork::initialized(&specification, 1).unwrap();
        let normalization = recipe.normalization().unwrap();
        let mut trainer = Trainer::new(network, recipe.training, normalization).unwrap();
        // A fractal network halves its images five times.
        let data = images(if name.starts_with("fractalnet") {
            32
        } else {
            8
        });
        let loss = trainer.step(&data).unwrap().measured.unwrap().loss;
        assert!(loss.is_finite(), "{name}: {loss}");
        taken += 1;
    }
    assert_eq!(taken, 24);
}

/// What a restriction makes rarer is scaled in the last convolution, which F after F shares with F.
#[test]
fn functions_that_continue_others_are_not_scaled_apart() {
    let continued = RecipeArchitecture {
        terms: Terms::Poly,
        ..architecture(14, 2, 4)
    };
    let trainer = |restriction| {
        let specification = continued.build(1, 4).unwrap().build().unwrap();
        let network = TrainableNetwork::initialized(&specification, 3).unwrap();
        let normalization = Normalization::preset("none").unwrap();
        Trainer::new(network, options(1, restriction), normalization)
    };
    let paths = |backward_only| Restriction::EffectivePaths {
        blocks: 3,
        backward_only,
    };
    assert!(
        trainer(paths(false))
            .unwrap_err()
            .to_string()
            .contains("scaled apart")
    );
    assert!(trainer(paths(true)).is_ok() && trainer(Restriction::None).is_ok());
}

/// The choices within a Swapout network depend on seed and iteration alone: a training that was interrupted
/// gives the same weights, another seed gives others.
#[test]
fn random_choices_within_the_network_are_drawn_again_alike() {
    let data = made_up(64, "made up");
    let normalization = Normalization::preset("none").unwrap();
    let swapout = RecipeArchitecture {
        factors: Factors::Swapout,
        ..architecture(14, 2, 4)
    };
    let specification = swapout.build(1, 4).unwrap().build().unwrap();
    let trained = |seed, steps| {
        let network = TrainableNetwork::initialized(&specification, 3).unwrap();
        let options = TrainingOptions {
            seed,
            ..options(1, Restriction::None)
        };
        let mut trainer = Trainer::new(network, options, normalization.clone()).unwrap();
        (0..steps)
            .map(|_| trainer.step(&data).unwrap().measured.unwrap().loss)
            .collect::<Vec<_>>()
    };
    let losses = trained(1, 3);
    assert_eq!(losses, trained(1, 3));
    assert_ne!(losses[0], trained(2, 1)[0]);
}

#[test]
fn every_restriction_takes_a_step_in_both_precisions() {
    let data = made_up(64, "made up");
    let normalization = Normalization::preset("none").unwrap();
    let specification = architecture(14, 2, 4).build(1, 4).unwrap().build().unwrap();
    let restrictions = [
        Restriction::None,
        Restriction::EffectivePaths {
            blocks: 3,
            backward_only: true,
        },
        Restriction::EffectiveFunctions {
            functions: 5,
            backward_only: false,
        },
        Restriction::EffectiveRange { from: 1, to: 3 },
        Restriction::StochasticDepth {
            last: 0.5,
            mode: SurvivalMode::Batch,
        },
        Restriction::StochasticDepth {
            last: 0.5,
            mode: SurvivalMode::Example,
        },
    ];
    for restriction in restrictions {
        let first = |precision| {
            let network = TrainableNetwork::initialized(&specification, 3).unwrap();
            let options = TrainingOptions {
                precision,
                ..options(1, restriction)
            };
            let mut trainer = Trainer::new(network, options, normalization.clone()).unwrap();
            let first = trainer.step(&data).unwrap().measured.unwrap().loss;
            let second = trainer.step(&data).unwrap().measured.unwrap().loss;
            assert!(second.is_finite(), "{restriction:?}");
            first
        };
        let (full, short) = (first(Precision::Float32), first(Precision::Bf16));
        assert!(
            (full - short).abs() < 0.05 * full,
            "{restriction:?}: {full} {short}"
        );
        assert!(full != short, "{restriction:?}: bfloat16 was not used");
    }
}

#[test]
fn a_range_of_lengths_is_read_from_a_measured_spectrum() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("spectrum.jsonl");
    let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");
    let model = format!("{assets}/preresnet20.safetensors");
    let mut arguments = vec!["gradient-spectrum", &model, "--measure", "coherent"];
    let name = journal.to_str().unwrap();
    arguments.extend([
        "--batches",
        "1",
        "--examples",
        "2",
        "--json",
        name,
        "--threads",
        "1",
    ]);
    let measured = output(&arguments);
    assert!(measured.status.success(), "{measured:?}");
    let data = place();
    let run = folder.path().join("run");
    let mut arguments = vec!["train", "--recipe", "preresnet20-fashion", "--width", "4"];
    arguments.extend([
        "--data",
        data.path().to_str().unwrap(),
        "--epochs",
        "1",
        "--threads",
        "1",
    ]);
    arguments.extend(["-o", run.to_str().unwrap(), "--effective-range"]);
    let from_file: Vec<&str> = arguments.iter().copied().chain([name]).collect();
    let trained = output(&from_file);
    assert!(trained.status.success(), "{trained:?}");
    let records = read_log(&run.join("log.jsonl")).unwrap();
    let Some(RunRecord::Header(header)) = records.first() else {
        panic!("{records:?}");
    };
    let Restriction::EffectiveRange { from, to } = header.recipe.training.restriction else {
        panic!("{header:?}");
    };
    assert!(from <= to && to <= 9, "{from}:{to}");
    let nothing: Vec<&str> = arguments.iter().copied().chain(["five:many"]).collect();
    let refused = output(&nothing);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("5:17"));
}

#[test]
fn a_dry_run_tells_what_a_training_takes() {
    let output = output(&[
        "train",
        "--recipe",
        "preresnet20-cifar10",
        "--dry-run",
        "--width",
        "4",
        "--threads",
        "1",
    ]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    for part in [
        "layer3.2",
        "multiply-adds",
        "MB",
        "images/s",
        "an epoch of 50000",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

#[test]
fn evaluations_and_tables_summarise_runs() {
    let data = place();
    let data = data.path().to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let runs: Vec<String> = ["1", "2", "3"]
        .iter()
        .map(|seed| {
            let run = folder.path().join(seed).to_str().unwrap().to_owned();
            let mut arguments = training(data, &run);
            arguments.extend(["--seed", seed]);
            assert!(output(&arguments).status.success());
            run
        })
        .collect();
    let models: Vec<String> = runs
        .iter()
        .map(|run| format!("{run}/model.safetensors"))
        .collect();
    let mut arguments = vec!["eval", "--threads", "1", "--data", data];
    arguments.extend(models.iter().map(String::as_str));
    let evaluated = output(&arguments);
    let said = String::from_utf8(evaluated.stdout).unwrap();
    assert_eq!(said.matches("of 40)").count(), 3, "{said}");
    assert!(
        said.contains("of 40") && said.contains("3 models") && said.contains("+-"),
        "{said}"
    );
    arguments.extend(["--ten-crop", "--json"]);
    let crops = output(&arguments);
    let json: serde_json::Value = serde_json::from_slice(&crops.stdout).unwrap();
    assert_eq!(json["models"][2]["examples"], 40);
    assert_eq!(json["models"][2]["ten_crop"], true);
    assert_eq!(json["summary_percent"]["runs"], 3);

    let mut arguments = vec!["table", "--markdown"];
    arguments.extend(runs.iter().map(String::as_str));
    let table = output(&arguments);
    let said = String::from_utf8(table.stdout).unwrap();
    let row = said
        .lines()
        .find(|line| line.contains("preresnet-8"))
        .unwrap();
    assert!(
        row.contains("8 x 160") && row.contains("| 3 ") && row.contains("+-"),
        "{said}"
    );
    arguments.extend(["--margin", "5"]);
    let one_design = output(&arguments);
    assert_eq!(one_design.status.code(), Some(2), "{one_design:?}");
}
