//! The pages of results in the guide: pictures and tables follow from the records that are committed, and
//! the cheapest measurement of each page gives its records again.
//!
//! `UPDATE_GOLDEN=1 cargo test --release --test results` rewrites the pictures; `scripts/results/tables.py`
//! writes the tables.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use common::*;
use serde_json::Value;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_commands_of_the_pages_draw_their_pictures() {
    let pages = project().join("docs/src/results");
    let folder = tempfile::tempdir().unwrap();
    symlink(project().join("assets"), folder.path().join("assets")).unwrap();
    let program = assert_cmd::cargo::cargo_bin("pathscope");
    let mut shown = BTreeSet::new();
    for page in glob::glob(pages.join("*.md").to_str().unwrap()).unwrap() {
        let page = fs::read_to_string(page.unwrap()).unwrap();
        let plots = page
            .lines()
            .filter_map(|line| line.strip_prefix("    pathscope plot "));
        for plot in plots {
            // The shell expands the names of files.
            let output = Command::new("sh")
                .args(["-c", &format!("{} plot {plot}", program.display())])
                .current_dir(folder.path())
                .output()
                .unwrap();
            let fault = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{plot}: {fault}");
        }
        let names = page.split("](pictures/").skip(1);
        shown.extend(names.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
    }
    assert!(!shown.is_empty());
    for name in &shown {
        let drawn = fs::read(folder.path().join(name)).unwrap();
        let file = pages.join("pictures").join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &drawn).unwrap();
        }
        assert!(
            fs::read(&file).unwrap_or_default() == drawn,
            "{name} differs"
        );
    }
}

/// Runs a script of the project with the Python that has torch where one is named.
fn script(name: &str, arguments: &[&str]) -> String {
    let python = std::env::var("PATHSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
    let output = Command::new(python)
        .arg(project().join("scripts/results").join(name))
        .args(arguments)
        .output()
        .unwrap();
    let fault = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}: {printed}{fault}");
    printed
}

mod needs_python {
    use super::*;

    #[test]
    #[ignore = "needs Python 3.10"]
    fn the_tables_follow_from_the_records() {
        script("tables.py", &["--check"]);
    }
}

/// Whether two records say the same: numbers to 1 % (libtorch may compute otherwise on another machine),
/// bits of wrong examples not at all, since one that stands on the edge may fall.
fn agree(name: &str, here: &Value, there: &Value) {
    match (here, there) {
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{name}: {a:?} {b:?}");
            for (key, value) in a {
                if key != "sum_check" && key != "wrong" {
                    agree(&format!("{name} {key}"), value, &b[key]);
                }
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{name}");
            for (place, (a, b)) in a.iter().zip(b).enumerate() {
                agree(&format!("{name} {place}"), a, b);
            }
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            let counts = a.fract() == 0.0 && b.fract() == 0.0;
            let room: f64 = if counts { 2.0 } else { 1e-9 };
            let scale = a.abs().max(b.abs());
            assert!((a - b).abs() <= room.max(0.01 * scale), "{name}: {a} {b}");
        }
        _ => assert_eq!(here, there, "{name}"),
    }
}

mod needs_shared {
    use super::*;

    const CIFAR: &str = "data/cifar10/cifar-10-batches-bin";

    /// Measures again what a file below `assets/results` holds, and compares. Model and data are below
    /// `../shared` unless their paths are absolute.
    fn again(file: &str, command: &str, model: &str, data: &str, options: &str) {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("results.jsonl");
        let (model, data) = (shared(model), shared(data));
        let mut arguments = vec!["-q", command, &model, "--data", &data];
        arguments.extend(options.split_whitespace());
        arguments.extend(["--results", results.to_str().unwrap()]);
        succeed(folder.path(), &arguments);
        let (here, there) = (
            records(&results),
            records(&project().join("assets/results").join(file)),
        );
        assert_eq!(here.len(), there.len(), "{file}");
        for (here, there) in here.iter().zip(&there) {
            agree(file, here, there);
        }
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn the_spectrum_of_the_smallest_of_the_family() {
        again(
            "cifar10-family/spectrum-8x4-s1.jsonl",
            "gradient-spectrum",
            "models/cifar10-family/8x4-s1.safetensors",
            CIFAR,
            "--batches 8 --examples 2 --draws 4 --samples 10",
        );
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn the_estimate_beside_the_exact_sums() {
        again(
            "cifar10-family/spectrum-8x4-s2.jsonl",
            "gradient-spectrum",
            "models/cifar10-family/8x4-s2.safetensors",
            CIFAR,
            "--batches 8 --examples 2 --draws 4 --samples 10",
        );
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn the_deletions_in_the_smallest_of_the_family() {
        again(
            "lesion-table/8x4-s1-frozen.jsonl",
            "lesion",
            "models/cifar10-family/8x4-s1.safetensors",
            CIFAR,
            "--each --bn frozen",
        );
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn the_deletions_in_a_vision_transformer() {
        let model = project().join("assets/results/kinds/vit.pt2");
        again(
            "kinds/lesion-vit.jsonl",
            "lesion",
            model.to_str().unwrap(),
            CIFAR,
            "--each --normalize cifar10",
        );
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn the_deletions_and_lengths_in_a_highway_network() {
        let model = project().join("assets/results/systems/highway-s1.safetensors");
        let model = model.to_str().unwrap();
        let lesions = "systems/lesion-highway-s1.jsonl";
        again(lesions, "lesion", model, CIFAR, "--each");
        let spectrum = "systems/spectrum-highway-s1.jsonl";
        let options = "--batches 4 --examples 4 --draws 4 --samples 10";
        again(spectrum, "gradient-spectrum", model, CIFAR, options);
    }

    #[test]
    #[ignore = "needs ../shared"]
    fn the_deletions_in_a_go_network() {
        again(
            "kinds/lesion-katago.jsonl",
            "lesion",
            "models/real/katago-b6c96.pt2",
            "models/real/katago-b6c96.npz",
            "--each --limit 500",
        );
    }
}

mod needs_shared_and_torch {
    use super::*;

    /// The exact sums by path length agree with plain PyTorch to 1e-3 at every length.
    #[test]
    #[ignore = "needs ../shared and a Python with torch"]
    fn plain_pytorch_gives_the_same_spectrum() {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("results.jsonl");
        let results = results.to_str().unwrap();
        let model = shared("models/cifar10-family/8x4-s1.safetensors");
        let data = shared("data/cifar10/cifar-10-batches-bin");
        let measure = "--measure coherent --limit 16 --batches 1 --examples 16 --results";
        let mut arguments = vec!["-q", "gradient-spectrum", &model, "--data", &data];
        arguments.extend(measure.split_whitespace());
        arguments.push(results);
        succeed(folder.path(), &arguments);
        let printed = script("independent_spectrum.py", &[&model, &data, results]);
        assert!(printed.contains("at most 1e-3"), "{printed}");
    }
}
