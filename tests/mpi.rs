//! Several processes under mpirun: the same results as one, and nothing lost when one dies.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pathscope::data::{Dataset, ImageShape, write_idx_gz};
use pathscope::format::{StateDict, open};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use tempfile::TempDir;

fn asset(name: &str) -> String {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    assets.join(name).display().to_string()
}

/// `ranks` processes of one thread each; one process without a launcher for none.
fn pathscope(ranks: usize, arguments: &[&str], folder: &Path) -> Command {
    let program = env!("CARGO_BIN_EXE_pathscope");
    let mut command = if ranks == 0 {
        Command::new(program)
    } else {
        let mut command = Command::new("mpirun");
        let ranks = ranks.to_string();
        command.args(["--allow-run-as-root", "--oversubscribe", "-n", &ranks]);
        // Any number of cores will do, and no network.
        command.args(["--bind-to", "none", "--mca", "btl", "self,vader", program]);
        command
    };
    command.args(arguments).current_dir(folder);
    command
        .env("OMP_NUM_THREADS", "1")
        // What mpirun starts sees a terminal.
        .env("NO_COLOR", "1")
        .env("COLUMNS", "80")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn succeed(ranks: usize, arguments: &[&str], folder: &Path) -> String {
    let output = pathscope(ranks, arguments, folder).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// What a command prints and records alone, which must be what it does with 1, 2 and 3 processes.
fn same_for_any_number(arguments: &[&str]) {
    let run = |ranks: usize| {
        let folder = TempDir::new().unwrap();
        let arguments = [arguments, &["--json", "out.jsonl", "--threads", "1"]].concat();
        let printed = succeed(ranks, &arguments, folder.path());
        let recorded = fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
        (printed, recorded)
    };
    let alone = run(0);
    assert!(alone.1.lines().count() > 3);
    for ranks in 1..=3 {
        assert!(run(ranks) == alone, "{ranks} processes of {arguments:?}");
    }
}

#[test]
fn lesions_are_the_same_for_any_number_of_processes() {
    let model = asset("preresnet20.safetensors");
    same_for_any_number(&[
        "lesion", &model, "--each", "--random", "3", "--limit", "300",
    ]);
    let kinds = ["--kind", "noise", "--limit", "150"];
    same_for_any_number(&[&["lesion", &model, "--each"], &kinds[..]].concat());
    let renewed = ["--bn", "recalibrate", "--limit", "100"];
    same_for_any_number(&[&["lesion", &model, "--each"], &renewed[..]].concat());
}

#[test]
fn orders_are_the_same_for_any_number_of_processes() {
    let model = asset("multi-resnet20x4.safetensors");
    let asked = [
        "--swaps",
        "2",
        "--count",
        "2",
        "--commutators",
        "--limit",
        "100",
    ];
    same_for_any_number(&[&["reorder", &model], &asked[..]].concat());
}

#[test]
fn gradients_are_the_same_for_any_number_of_processes() {
    let model = asset("preresnet20.safetensors");
    let asked = ["--batches", "5", "--examples", "12", "--measure", "all"];
    let few = [
        "--draws",
        "2",
        "--samples",
        "3",
        "--by-stage",
        "--sample-paths",
    ];
    same_for_any_number(&[&["gradient-spectrum", &model], &asked[..], &few[..]].concat());
}

#[test]
fn a_study_is_the_same_for_any_number_of_processes() {
    let model = asset("preresnet20.safetensors");
    let arguments = ["study", &model, "--output", "study", "--budget", "4s"];
    let alone = TempDir::new().unwrap();
    succeed(0, &arguments, alone.path());
    for ranks in 2..=3 {
        let together = TempDir::new().unwrap();
        let place = |folder: &TempDir, name: &str| folder.path().join("study").join(name);
        fs::create_dir(together.path().join("study")).unwrap();
        // Times differ from run to run, and with them what is allotted.
        let plan = "study.json";
        fs::copy(place(&alone, plan), place(&together, plan)).unwrap();
        succeed(ranks, &arguments, together.path());
        let read = |folder, name| fs::read_to_string(place(folder, name)).unwrap();
        assert_eq!(
            read(&alone, "spectrum.jsonl"),
            read(&together, "spectrum.jsonl")
        );
        for name in ["lesion.jsonl", "reorder.jsonl"] {
            // One may come further than the other before time is up.
            let (a, b) = (read(&alone, name), read(&together, name));
            assert!(a.starts_with(&b) || b.starts_with(&a), "{name}");
            assert!(a.lines().count().min(b.lines().count()) > 3);
        }
    }
}

#[test]
fn bad_input_is_told_once() {
    let folder = TempDir::new().unwrap();
    let output = pathscope(3, &["lesion", "missing.pt"], folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let errors = told(&output);
    let lines = errors.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(lines.count(), 1, "{errors}");
}

#[test]
fn of_other_commands_the_first_process_does_it_all() {
    let folder = TempDir::new().unwrap();
    let model = asset("preresnet20.safetensors");
    let once = succeed(0, &["inspect", &model], folder.path());
    assert_eq!(succeed(2, &["inspect", &model], folder.path()), once);
}

/// Runs until `ready`, then kills one of the processes; the launcher ends with it.
fn kill_one(rank: usize, mut running: Child, ready: impl Fn() -> bool) {
    let begin = Instant::now();
    while !ready() {
        assert!(running.try_wait().unwrap().is_none(), "it ended too early");
        assert!(begin.elapsed() < Duration::from_secs(300), "it is too slow");
        thread::sleep(Duration::from_millis(5));
    }
    let process = process_of(running.id(), rank);
    let killed = Command::new("kill")
        .args(["-9", &process.to_string()])
        .status();
    assert!(killed.unwrap().success());
    let output = running.wait_with_output().unwrap();
    assert!(!output.status.success(), "{}", told(&output));
}

/// The process of `rank` among the children of a launcher.
fn process_of(launcher: u32, rank: usize) -> u32 {
    let is_child = |folder: &PathBuf| {
        let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line == format!("PPid:\t{launcher}"))
    };
    let has_rank = |folder: &PathBuf| {
        let wanted = format!("OMPI_COMM_WORLD_RANK={rank}");
        let environment = fs::read(folder.join("environ")).unwrap_or_default();
        environment
            .split(|&byte| byte == 0)
            .any(|entry| entry == wanted.as_bytes())
    };
    let folders = fs::read_dir("/proc")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let found = folders.filter(is_child).find(has_rank).unwrap();
    found
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_sweep_loses_no_record_when_a_process_dies() {
    let model = asset("preresnet20.safetensors");
    let arguments = [
        "lesion", &model, "--random", "4", "--count", "40", "--limit", "200",
    ];
    let arguments = [&arguments[..], &["--json", "out.jsonl", "--threads", "1"]].concat();
    let whole = TempDir::new().unwrap();
    succeed(0, &arguments, whole.path());
    let whole = fs::read_to_string(whole.path().join("out.jsonl")).unwrap();
    for rank in [1, 0] {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("out.jsonl");
        let recorded = || fs::read_to_string(&file).unwrap_or_default();
        let running = pathscope(2, &arguments, folder.path()).spawn().unwrap();
        kill_one(rank, running, || recorded().lines().count() > 60);
        let kept = recorded();
        assert!(kept.len() < whole.len() && whole.starts_with(&kept));
        succeed(2, &arguments, folder.path());
        assert!(recorded() == whole, "process {rank}");
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Noise {
    Images,
    /// The same for every label.
    OneImage,
}

/// A folder of IDX files with 160 training and 40 test images of noise: no rounding error meets
/// areas of one value, where it would switch many ReLUs at once.
fn noise(kind: Noise) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, examples) in [("train", 160), ("t10k", 40)] {
        let mut generator = ChaCha8Rng::seed_from_u64(examples);
        let mut pixels = vec![0; examples as usize * 28 * 28];
        generator.fill_bytes(&mut pixels);
        if kind == Noise::OneImage {
            let (first, others) = pixels.split_at_mut(28 * 28);
            others
                .chunks_exact_mut(28 * 28)
                .for_each(|image| image.copy_from_slice(first));
        }
        let labels = (0..examples).map(|example| (example % 4) as u16).collect();
        let shape = ImageShape {
            channels: 1,
            height: 28,
            width: 28,
        };
        let data = Dataset::new(shape, pixels, labels, 4, name).unwrap();
        let made = folder.path().join(name);
        write_idx_gz(&data, &made).unwrap();
        for kind in ["images-idx3", "labels-idx1"] {
            let from = made.join(format!("t10k-{kind}-ubyte.gz"));
            fs::rename(from, folder.path().join(format!("{name}-{kind}-ubyte.gz"))).unwrap();
        }
    }
    folder
}

/// Twenty steps of a small network with `k` functions in each block.
fn training<'a>(data: &'a str, k: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let begin = [
        "train",
        "--recipe",
        "preresnet20-fashion",
        "--data",
        data,
        "-o",
        "run",
    ];
    let network = [
        "--depth",
        "8",
        "--width",
        "4",
        "--k",
        k,
        "--shift",
        "0",
        "--no-flip",
    ];
    let steps = [
        "--batch",
        "8",
        "--epochs",
        "1",
        "--learning-rate",
        "0.02",
        "--threads",
        "1",
    ];
    [&begin, &network[..], &steps, more].concat()
}

/// Whether processes train what one alone does, to rounding: 1e-4 of the norm of every tensor
/// after twenty steps.
///
/// Rounding may switch a ReLU whose input is almost zero, as it does for one process with another
/// number of threads, and then a gradient jumps. That is chance, and some seed is free of it; a
/// wrong gradient is wrong for every seed.
fn agrees(ranks: usize, arguments: &[&str], way: &str) -> bool {
    ["1", "2", "3", "4", "5", "6"].iter().any(|seed| {
        let (serial, apart) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let arguments = [arguments, &["--seed", seed]].concat();
        succeed(0, &arguments, serial.path());
        let arguments = [&arguments[..], &["--parallel", way]].concat();
        succeed(ranks, &arguments, apart.path());
        let mut serial = state(serial.path());
        let mut apart = state(apart.path());
        if way != "model" {
            // An estimate from half as many values has another number of degrees of freedom.
            for state in [&mut serial, &mut apart] {
                let variances = state.names().filter(|name| name.ends_with("running_var"));
                let variances: Vec<String> = variances.map(str::to_owned).collect();
                variances.iter().for_each(|name| drop(state.take(name)));
            }
        }
        distance(&serial, &apart) < 1e-4
    })
}

/// The tensors of a training's checkpoint.
fn state(folder: &Path) -> StateDict {
    open(&folder.join("run/checkpoint.safetensors")).unwrap()
}

/// Largest distance of a tensor from its counterpart, as a share of its norm.
fn distance(a: &StateDict, b: &StateDict) -> f64 {
    let names: Vec<&str> = a.names().collect();
    assert_eq!(names, b.names().collect::<Vec<_>>());
    let of = |name: &&str| {
        let (a, b) = (a.get(name).unwrap(), b.get(name).unwrap());
        let norm = |tensor: &Tensor| tensor.to_kind(Kind::Double).norm().double_value(&[]);
        norm(&(a - b)) / (norm(a) + 1e-2)
    };
    names.iter().map(of).fold(0.0, f64::max)
}

#[test]
fn functions_trained_apart_are_those_trained_together() {
    let data = noise(Noise::Images);
    let place = data.path().to_str().unwrap();
    let restricted = ["--effective-functions", "4"];
    let gated = ["--stochastic-depth", "0.5", "--per-example"];
    let others = ["--clip", "0.5", "--average", "0.9"];
    let cases: [(&str, &[&str], &[usize]); 6] = [
        ("2", &[], &[2, 3]),
        ("3", &[], &[2, 3]),
        ("4", &[], &[2, 3]),
        ("3", &restricted, &[2]),
        ("2", &gated, &[2]),
        ("2", &others, &[2]),
    ];
    for (k, more, every) in cases {
        for &ranks in every {
            let arguments = training(place, k, more);
            assert!(
                agrees(ranks, &arguments, "model"),
                "{k} on {ranks}, {more:?}"
            );
        }
    }
}

#[test]
fn examples_trained_apart_give_the_gradient_of_all() {
    // Of equal images, any have the same statistics; their labels make the gradients differ.
    let data = noise(Noise::OneImage);
    let place = data.path().to_str().unwrap();
    let arguments = training(place, "1", &[]);
    for ranks in 2..=3 {
        assert!(agrees(ranks, &arguments, "data"), "{ranks}");
    }
    let arguments = training(place, "2", &[]);
    assert!(agrees(4, &arguments, "hybrid:2"));
}

#[test]
fn what_cannot_be_shared_is_refused_in_a_line() {
    let data = noise(Noise::Images);
    let place = data.path().to_str().unwrap();
    for (way, reason) in [("model", "has one"), ("hybrid:3", "3 groups of equal size")] {
        let folder = TempDir::new().unwrap();
        let arguments = training(place, "1", &["--parallel", way]);
        let output = pathscope(2, &arguments, folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(told(&output).contains(reason), "{}", told(&output));
    }
}

#[test]
fn a_training_goes_on_after_a_process_died_with_any_number_of_others() {
    let data = noise(Noise::Images);
    let place = data.path().to_str().unwrap();
    let longer = ["--parallel", "model", "--checkpoint-batches", "3"];
    let mut arguments = training(place, "3", &longer);
    let epochs = arguments
        .iter()
        .position(|word| *word == "--epochs")
        .unwrap();
    arguments[epochs + 1] = "6";
    let whole = TempDir::new().unwrap();
    succeed(2, &arguments, whole.path());
    for (rank, ranks) in [(1, 2), (0, 3)] {
        let folder = TempDir::new().unwrap();
        let running = pathscope(2, &arguments, folder.path()).spawn().unwrap();
        let log = folder.path().join("run/log.jsonl");
        let epochs = || fs::read_to_string(&log).unwrap_or_default().lines().count();
        kill_one(rank, running, || epochs() > 2);
        let resume = [
            "train",
            "--resume",
            "-o",
            "run",
            "--parallel",
            "model",
            "--threads",
            "1",
        ];
        succeed(ranks, &resume, folder.path());
        // To the last bit with as many processes; more of them round otherwise.
        let distance = distance(&state(whole.path()), &state(folder.path()));
        assert!(distance == 0.0 || ranks == 3, "{distance}");
        assert_eq!(epochs(), 8);
    }
}

#[test]
fn the_comparison_of_table_v_runs_on_what_there_is() {
    let folder = TempDir::new().unwrap();
    let small = [
        "--depth",
        "8",
        "--width",
        "4",
        "--batches",
        "8",
        "--steps",
        "1",
    ];
    let arguments = [
        &["bench", "parallel", "--json", "--functions", "2,3"],
        &small[..],
    ]
    .concat();
    for (ranks, rows) in [(0, 4), (2, 6), (4, 8)] {
        let printed = succeed(ranks, &arguments, folder.path());
        let found: Vec<serde_json::Value> = serde_json::from_str(&printed).unwrap();
        assert_eq!(found.len(), rows, "{printed}");
        for row in found {
            assert!(row["measured"].as_f64().unwrap() > 0.0);
            assert!(row["predicted"].as_f64().unwrap() > 0.0);
        }
    }
}
