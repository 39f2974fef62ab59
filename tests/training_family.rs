//! Several trainings in one process: each is what it would have been alone.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::asset;
use pathscope::format;
use pathscope::training::{RunRecord, read_log};
use tempfile::{TempDir, tempdir};

/// A folder with a data set and two recipes, of which `hot` diverges.
fn workplace() -> TempDir {
    let folder = tempdir().unwrap();
    let images = folder.path().join("images");
    fs::create_dir(&images).unwrap();
    for kind in ["images-idx3", "labels-idx1"] {
        let shipped = asset(&format!("fashion-mnist-2000/t10k-{kind}-ubyte.gz"));
        for split in ["t10k", "train"] {
            let name = format!("{split}-{kind}-ubyte.gz");
            std::os::unix::fs::symlink(&shipped, images.join(name)).unwrap();
        }
    }
    for (name, rate) in [("mild", "0.1"), ("hot", "1e30")] {
        let recipe = format!(
            "name = '{name}'\nabout = ''\ndata = 'fashion-mnist'\n\
             [architecture]\nfamily = 'preresnet'\ndepth = 8\nwidth = 4\n\
             [training]\nepochs = 2\nbatch = 8\nseed = 5\nlearning_rate = {rate}\n\
             schedule = {{ schedule = 'one_cycle', peak = 0.25 }}\n"
        );
        fs::write(folder.path().join(format!("{name}.toml")), recipe).unwrap();
    }
    folder
}

fn pathscope(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pathscope"));
    command
        .args(words.split(' '))
        .current_dir(folder)
        .env("COLUMNS", "500");
    command
}

fn output(folder: &Path, words: &str) -> Output {
    pathscope(folder, words).output().unwrap()
}

fn done(folder: &Path, words: &str) -> String {
    let output = output(folder, words);
    assert!(output.status.success(), "{words}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Everything of a finished run that is no time: its weights, bit by bit, and what its log says.
fn what_is_left(run: &Path) -> (Vec<(String, Vec<u32>)>, Vec<String>) {
    let state = format::open(&run.join("model.safetensors")).unwrap();
    let tensors = state.tensors().map(|(name, tensor)| {
        let flat = tensor.to_kind(tch::Kind::Float).flatten(0, -1);
        let values = Vec::<f32>::try_from(flat).unwrap();
        (
            name.to_owned(),
            values.into_iter().map(f32::to_bits).collect(),
        )
    });
    let log = read_log(&run.join("log.jsonl")).unwrap();
    let log = log.into_iter().map(|record| match record {
        RunRecord::Header(header) => format!("{:?} {}", header.recipe, header.data_hash),
        RunRecord::Epoch(epoch) => format!("{} {} {}", epoch.epoch, epoch.loss, epoch.errors),
        RunRecord::Result(result) => format!("{:?}", result.test),
    });
    (tensors.collect(), log.collect())
}

#[test]
fn each_run_is_what_it_would_have_been_alone() {
    let folder = workplace();
    let place = folder.path();
    let options = "--data images --limit 160";
    let printed = done(
        place,
        &format!(
            "train --recipes mild.toml,preresnet20-fashion --seeds 1,7 --depth 8 --width 2 \
             --epochs 1 {options} --at-once 2 --threads 2 -o all"
        ),
    );
    let names = [
        "mild-s1",
        "mild-s7",
        "preresnet20-fashion-s1",
        "preresnet20-fashion-s7",
    ];
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), names.len(), "{printed}");
    for (name, line) in names.iter().zip(lines) {
        assert!(
            line.starts_with(&format!("{name}: ")) && line.contains(" of 2000)"),
            "{line}"
        );
        let (recipe, seed) = name.split_once("-s").unwrap();
        let recipe = if recipe == "mild" {
            "mild.toml"
        } else {
            recipe
        };
        done(
            place,
            &format!(
                "train --recipe {recipe} --seed {seed} --depth 8 --width 2 --epochs 1 {options} \
                 --threads 1 -o alone/{name}"
            ),
        );
        let [together, alone] =
            ["all", "alone"].map(|folder| what_is_left(&place.join(folder).join(name)));
        assert_eq!(together, alone, "{name}");
    }
    // What a family is trained for.
    let folders = names.map(|name| format!("all/{name}")).join(" ");
    let table = done(place, &format!("table --format csv {folders}"));
    assert_eq!(table.lines().count(), 3, "{table}");
}

#[test]
fn killed_and_resumed_a_family_is_the_same() {
    let folder = workplace();
    let place = folder.path();
    let line = "train --recipe mild.toml --seeds 1-3 --data images --limit 400 --threads 2 \
                --checkpoint-batches 1 -o ";
    let start = Instant::now();
    done(place, &format!("{line}whole"));
    let length = start.elapsed();
    let names = ["mild-s1", "mild-s2", "mild-s3"];
    let mut kills = 0;
    for (attempt, share) in [0.2, 0.35, 0.5, 0.65, 0.8].into_iter().enumerate() {
        let broken = format!("broken{attempt}");
        let mut child = pathscope(place, &format!("{line}{broken}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + length.mul_f64(share);
        let begun = || {
            let checkpoint = |name| {
                place
                    .join(&broken)
                    .join(name)
                    .join("checkpoint.safetensors")
            };
            names.iter().all(|name| checkpoint(name).exists())
        };
        while (Instant::now() < until || !begun()) && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(2));
        }
        kills += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        done(place, &format!("train --resume -o {broken} --threads 2"));
        for name in names {
            let [whole, broken] =
                ["whole", &broken].map(|folder| what_is_left(&place.join(folder).join(name)));
            assert_eq!(whole, broken, "{name}");
        }
        // Nothing is left to do, which is done at once.
        done(place, &format!("train --resume -o {broken}"));
    }
    assert!(kills > 0, "every run ended before it was killed");
}

#[test]
fn one_run_that_diverges_leaves_the_others_alone() {
    let folder = workplace();
    let place = folder.path();
    let words = "train --recipes hot.toml,mild.toml --data images --limit 160 -o all";
    let failed = output(place, words);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    let said = String::from_utf8(failed.stderr).unwrap();
    assert!(said.contains("hot-s5: training diverged"), "{said}");
    assert!(
        said.contains("error: 1 of 2 trainings failed: hot-s5"),
        "{said}"
    );
    assert!(place.join("all/mild-s5/model.safetensors").exists());
    assert!(!place.join("all/hot-s5/model.safetensors").exists());
    // Nor does a family take a folder that holds one.
    let again = output(place, words);
    assert_eq!(again.status.code(), Some(2), "{again:?}");
}

#[test]
fn families_that_cannot_be_trained_are_refused() {
    let folder = workplace();
    let place = folder.path();
    let text = fs::read_to_string(place.join("mild.toml")).unwrap();
    for (file, name) in [("up.toml", "../up"), ("empty.toml", "")] {
        fs::write(
            place.join(file),
            text.replace("'mild'", &format!("'{name}'")),
        )
        .unwrap();
    }
    for (words, says) in [
        ("--recipes mild.toml,mild.toml", "`mild-s5` is there twice"),
        (
            "--recipe up.toml --seeds 1-2",
            "cannot be the name of a folder",
        ),
        ("--recipe mild.toml --seeds 3-1", "different seeds"),
        (
            "--recipe mild.toml --seeds 1 --seed 2",
            "cannot be used with",
        ),
    ] {
        let refused = output(
            place,
            &format!("train {words} --data images --limit 80 -o all"),
        );
        assert_eq!(refused.status.code(), Some(2), "{words}: {refused:?}");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains(says), "{words}: {said}");
        assert!(!place.join("all").exists(), "{words}");
    }
    // A list that was written by somebody else.
    for (list, says) in [
        ("runs = ['../elsewhere']", "cannot be the name of a folder"),
        ("runs = ['gone-s1']", "was not begun"),
        ("runs = 3", "runs.toml"),
    ] {
        fs::create_dir_all(place.join("odd")).unwrap();
        fs::write(place.join("odd/runs.toml"), list).unwrap();
        let refused = output(place, "train --resume -o odd");
        assert_eq!(refused.status.code(), Some(2), "{list}: {refused:?}");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains(says), "{list}: {said}");
    }
}
