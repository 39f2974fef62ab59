//! `pathscope gradient-spectrum`, `effective-range` and `threshold` by command line.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;
use pathscope::format::{FloatStorage, load_model, save_model};
use pathscope_analysis::record::{Record, Spectrum};

fn pathscope() -> Command {
    let mut command = cargo_bin_cmd!("pathscope");
    // So wide that no sentence is wrapped.
    command.args(["-q"]).env("COLUMNS", "500");
    command
}

fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("assets")
        .join(name)
}

const SMALL: [&str; 10] = [
    "--batches",
    "3",
    "--examples",
    "2",
    "--draws",
    "2",
    "--samples",
    "3",
    "--limit",
    "8",
];

fn printed(command: &mut Command) -> String {
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

fn refused(command: &mut Command, code: i32) -> String {
    let output = command.assert().code(code).get_output().stderr.clone();
    String::from_utf8(output).unwrap()
}

fn records(file: &Path) -> Vec<Record> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn spectra(file: &Path) -> Vec<Spectrum> {
    let of = |record| match record {
        Record::Spectrum(spectrum) => Some(spectrum),
        _ => None,
    };
    records(file).into_iter().filter_map(of).collect()
}

#[test]
fn a_shape_finds_the_trained_network_from_any_folder() {
    let folder = tempfile::tempdir().unwrap();
    let text = printed(
        pathscope()
            .current_dir(folder.path())
            .env("PATHSCOPE_ASSETS", asset(""))
            .args(["gradient-spectrum", "--depth", "20", "--k", "1"])
            .args(SMALL),
    );
    let first = text.lines().next().unwrap();
    assert!(first.contains("trained network of this shape"), "{text}");
    assert!(first.contains("preresnet20.safetensors"), "{text}");
    // Both units of length, path share, range with interval, cancellation, decay and prediction.
    for expected in [
        "one block is 2 layers",
        "cancellation",
        "of all paths",
        "the shortest that hold 95 %",
        "last length",
        "95 % intervals: bootstrap over 3 mini-batches",
        "of single examples, middle half",
        "rho =",
        "Binomial(n, ",
    ] {
        assert!(text.contains(expected), "no `{expected}` in\n{text}");
    }
    let check = text
        .lines()
        .find(|line| line.starts_with("check:"))
        .unwrap();
    let difference = check
        .split_whitespace()
        .find_map(|word| word.parse::<f64>().ok())
        .unwrap();
    assert!(difference < 1e-4, "{check}");
}

#[test]
fn a_shape_without_an_asset_says_that_it_is_untrained() {
    let text = printed(
        pathscope()
            .env("PATHSCOPE_ASSETS", asset(""))
            .args([
                "gradient-spectrum",
                "--blocks",
                "3",
                "--k",
                "3",
                "--width",
                "4",
            ])
            .args(["--by-function", "--float64"])
            .args(SMALL),
    );
    assert!(text.starts_with("an UNTRAINED network"), "{text}");
    assert!(text.contains("kinds of paths"), "{text}");
    let check = text
        .lines()
        .find(|line| line.starts_with("check:"))
        .unwrap();
    assert!(check.contains("e-1"), "64 bits: {check}");
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.jsonl");
    let killed = folder.path().join("killed.jsonl");
    let run = |file: &Path, threads: &str| {
        printed(
            pathscope()
                .arg("gradient-spectrum")
                .arg(asset("preresnet20.safetensors"))
                .args(SMALL)
                .args(["--sample-paths", "--max-length", "4", "--threads", threads])
                .arg("--json")
                .arg(file),
        )
    };
    let text = run(&whole, "1");
    assert!(!text.contains("check:"), "lengths were left out\n{text}");
    let found = spectra(&whole);
    assert_eq!(found.len(), 3);
    for spectrum in &found {
        assert_eq!(spectrum.examples, 2);
        assert_eq!(spectrum.paths, ["1", "9", "36", "84", "126"]);
        assert_eq!(spectrum.measures.len(), 3);
        for values in spectrum.measures.values() {
            assert_eq!(values.mean.len(), 5);
            assert_eq!(values.by_example.len(), 2);
        }
    }
    let drawn = records(&whole)
        .iter()
        .filter(|record| matches!(record, Record::SampledPath(_)))
        .count();
    assert_eq!(drawn, 3 * 5 * 3);
    // Killed in the middle of a line of the second mini-batch.
    let bytes = fs::read(&whole).unwrap();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let kept = lines.iter().take(20).map(|line| line.len()).sum::<usize>();
    fs::write(&killed, &bytes[..kept + 10]).unwrap();
    let again = run(&killed, "2");
    assert_eq!(again, text);
    let after = fs::read(&killed).unwrap();
    // The header states the command, which names file and threads.
    let rest = |bytes: &[u8]| {
        let first = bytes.iter().position(|&byte| byte == b'\n').unwrap();
        bytes[first..].to_vec()
    };
    assert!(rest(&after) == rest(&bytes), "a resumed run differs");
    let other = refused(
        pathscope()
            .arg("gradient-spectrum")
            .arg(asset("preresnet20.safetensors"))
            .args(SMALL)
            .arg("--json")
            .arg(&whole),
        2,
    );
    assert!(other.contains("another measurement"), "{other}");
}

#[test]
fn damaged_weights_are_reported_with_their_block() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.safetensors");
    let model = load_model(&asset("preresnet20.safetensors"), None).unwrap();
    tch::no_grad(|| {
        for (name, _, mut tensor) in model.network.named_parameters() {
            if name == "layer2.1.conv1.weight" {
                let _ = tensor.f_fill_(f64::NAN).unwrap();
            }
        }
    });
    save_model(&file, &model.card, &model.network, FloatStorage::AsTheyAre).unwrap();
    let problem = refused(
        pathscope()
            .arg("gradient-spectrum")
            .arg(&file)
            .args(["--data"])
            .arg(asset("fashion-mnist-2000"))
            .args(SMALL),
        2,
    );
    assert!(problem.contains("not finite"), "{problem}");
    assert!(problem.contains("block 4 (layer2.1)"), "{problem}");
}

#[test]
fn what_cannot_be_asked_is_bad_input() {
    let model = asset("preresnet20.safetensors");
    for (arguments, reason) in [
        (vec!["--logit", "10"], "10 classes"),
        (vec!["--logit", "some"], "max"),
        (vec!["--share", "1.5"], "share"),
        (vec!["--draws", "0"], "--draws"),
        (vec!["--batches", "0"], "--batches"),
        (vec!["--sample-paths"], "--results"),
        (vec!["--examples", "5000"], "examples"),
        (
            vec![
                "--plot",
                "picture.jpeg",
                "--batches",
                "1",
                "--examples",
                "1",
            ],
            ".png",
        ),
    ] {
        let problem = refused(
            pathscope()
                .arg("gradient-spectrum")
                .arg(&model)
                .args(["--measure", "coherent,energy", "--limit", "60"])
                .args(&arguments),
            2,
        );
        assert!(problem.contains(reason), "{arguments:?}: {problem}");
    }
    let problem = refused(pathscope().arg("gradient-spectrum"), 2);
    assert!(problem.contains("--depth"), "{problem}");
}

#[test]
fn stages_pictures_and_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("spectrum.svg");
    let text = printed(
        pathscope()
            .arg("gradient-spectrum")
            .arg(asset("preresnet20.safetensors"))
            .args(["--by-stage", "--at", "stem", "--logit", "max"])
            .args(SMALL)
            .arg("--plot")
            .arg(&picture),
    );
    assert!(text.contains("kinds of paths"), "{text}");
    let svg = fs::read_to_string(&picture).unwrap();
    assert!(
        svg.starts_with("<svg") && svg.contains("effective range"),
        "{svg}"
    );
    let text = printed(
        pathscope()
            .arg("gradient-spectrum")
            .arg("--checkpoints")
            .arg(asset("preresnet2*.safetensors"))
            .args(SMALL),
    );
    assert!(text.contains("checkpoint"), "{text}");
    assert_eq!(text.matches("preresnet20.safetensors").count(), 3, "{text}");
}

#[test]
fn a_family_grows() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (blocks, k) in [(3, 1), (6, 1), (9, 1), (3, 2), (3, 3)] {
        let file = folder.path().join(format!("{blocks}-{k}.jsonl"));
        printed(
            pathscope()
                .env("PATHSCOPE_ASSETS", asset(""))
                .args([
                    "gradient-spectrum",
                    "--width",
                    "4",
                    "--measure",
                    "coherent,sampled",
                ])
                .args(["--blocks", &blocks.to_string(), "--k", &k.to_string()])
                .args(SMALL)
                .arg("--json")
                .arg(&file),
        );
        files.push(file);
    }
    let answer = folder.path().join("ranges.json");
    let picture = folder.path().join("ranges.svg");
    let text = printed(
        pathscope()
            .arg("effective-range")
            .args(&files)
            .arg("--json")
            .arg(&answer)
            .arg("--plot")
            .arg(&picture),
    );
    for expected in [
        "width of the effective range, blocks against n",
        "width of the effective range, blocks against k",
        "rho: factor per function on a path against n",
        "p (exponent 1)",
        "k = 1 ",
        "n = 3 ",
    ] {
        assert!(text.contains(expected), "no `{expected}` in\n{text}");
    }
    assert!(text.contains("linear"), "{text}");
    let answer: serde_json::Value = serde_json::from_slice(&fs::read(&answer).unwrap()).unwrap();
    assert_eq!(answer["members"].as_array().unwrap().len(), 5);
    assert_eq!(answer["members"][2]["blocks"], 9);
    assert!(answer["growth"][0]["laws"][0][1]["exponent"].is_number());
    for name in ["width-n", "width-k", "centre-n", "rho-n"] {
        let svg = folder.path().join(format!("ranges-{name}.svg"));
        assert!(fs::read_to_string(svg).unwrap().starts_with("<svg"));
    }
    let problem = refused(
        pathscope()
            .args(["effective-range", "--measure", "energy"])
            .args(&files),
        2,
    );
    assert!(problem.contains("--measure energy"), "{problem}");
}

#[test]
fn a_threshold_is_found_or_said_not_to_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("members.csv");
    let mut text = "depth,k,parameters,errors,examples,seed\n".to_owned();
    for seed in 0..3 {
        for (depth, errors) in [(8, 90), (24, 70), (32, 60)] {
            let errors = errors + seed;
            text += &format!("{depth},1,{},{},1000,{seed}\n", depth * 1_000, 80 + seed);
            text += &format!("{},2,{},{errors},1000,{seed}\n", depth / 2, depth * 1_010);
            text += &format!("{},4,{},50,1000,{seed}\n", depth / 4, depth * 1_020);
        }
    }
    fs::write(&list, text).unwrap();
    let picture = folder.path().join("threshold.svg");
    let answer = folder.path().join("threshold.json");
    let text = printed(
        pathscope()
            .arg("threshold")
            .arg(&list)
            .arg("--json")
            .arg(&answer)
            .arg("--plot")
            .arg(&picture),
    );
    assert!(text.contains("From n0 = 16"), "{text}");
    assert!(text.contains("95 % interval over trainings"), "{text}");
    assert!(text.contains("No crossing in the range measured"), "{text}");
    let answer: serde_json::Value = serde_json::from_slice(&fs::read(&answer).unwrap()).unwrap();
    assert_eq!(
        answer["thresholds"][0]["threshold"]["crossing"]["kind"],
        "at"
    );
    for k in [2, 4] {
        let svg = folder.path().join(format!("threshold-k{k}.svg"));
        assert!(fs::read_to_string(svg).unwrap().starts_with("<svg"));
    }
    let problem = refused(
        pathscope()
            .args(["threshold", "--tolerance", "0.001"])
            .arg(&list),
        2,
    );
    assert!(problem.contains("equal parameters"), "{problem}");
    // A trained model states depth, k, parameters and its test: one network makes no family.
    let problem = refused(
        pathscope()
            .arg("threshold")
            .arg(asset("preresnet20.safetensors")),
        2,
    );
    assert!(problem.contains("k = 2"), "{problem}");
}
