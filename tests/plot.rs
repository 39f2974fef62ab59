//! `pathscope plot` and `pathscope export`, from the command line.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;
use predicates::prelude::*;

fn plot(words: &str, folder: &Path) -> Command {
    let mut command = cargo_bin_cmd!("pathscope");
    command
        .current_dir(folder)
        .arg("plot")
        .args(words.split_whitespace());
    command
}

fn results(name: &str) -> String {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = project.join("notebooks-rs/results").join(name);
    file.display().to_string()
}

fn svg_files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".svg"))
        .collect();
    names.sort();
    names
}

#[test]
fn real_results_give_every_picture_that_they_allow() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["lesion.jsonl", "reorder.jsonl", "spectrum.jsonl"]
        .map(results)
        .join(" ");
    plot(&files, folder.path())
        .assert()
        .success()
        .stdout(predicate::str::contains("lesion.svg: "));
    let expected = [
        "decay.svg",
        "deletions.svg",
        "lesion.svg",
        "measures.svg",
        "order.svg",
        "spectrum.svg",
        "swaps.svg",
        "synergy.svg",
    ];
    assert_eq!(svg_files(folder.path()), expected);
    for name in expected {
        let svg = fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(
            svg.contains("role=\"img\"") && svg.contains("<desc"),
            "{name}"
        );
    }
}

#[test]
fn the_same_file_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let draw = |output: &str| {
        let words = format!(
            "{} --kind lesion --theme dark -o {output}",
            results("lesion.jsonl")
        );
        plot(&words, folder.path()).assert().success();
        fs::read(folder.path().join(output)).unwrap()
    };
    let first = draw("first.svg");
    assert_eq!(first, draw("second.svg"));
    assert!(String::from_utf8(first).unwrap().contains("#16181C"));
}

#[test]
fn a_plot_for_a_paper_has_the_size_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let draw = |output: &str| {
        let words = format!(
            "{} --kind lesion --width 3.3in --height 2in --font-size 8pt --title none \
             --legend none --theme paper --dpi 600 -o {output}",
            results("lesion.jsonl")
        );
        plot(&words, folder.path()).assert().success();
        fs::read(folder.path().join(output)).unwrap()
    };
    let svg = String::from_utf8(draw("a.svg")).unwrap();
    assert!(svg.contains("width=\"3.3in\" height=\"2in\" viewBox=\"0 0 316.8 192\""));
    assert!(!svg.contains("<g fill-opacity=\"0\">") && !svg.contains("intact: "));
    let png = draw("a.png");
    let number = |place: usize| u32::from_be_bytes(png[place..place + 4].try_into().unwrap());
    assert_eq!((number(16), number(20)), (1_980, 1_200));
    assert_eq!(number(41), 23_622, "pixels per metre");
    let pdf = draw("a.pdf");
    assert_eq!(pdf, draw("b.pdf"), "the same bytes each time");
    assert!(String::from_utf8_lossy(&pdf).contains("/MediaBox [0 0 237.6 144]"));
}

#[test]
fn several_networks_share_an_axis_and_a_study_makes_a_sheet() {
    let folder = tempfile::tempdir().unwrap();
    let records = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/results/plain-control");
    let file = |name: &str| records.join(name).display().to_string();
    let words = format!(
        "{} {} -o both.svg",
        file("plain-each.jsonl"),
        file("resnet-each.jsonl")
    );
    plot(&words, folder.path()).assert().success();
    let svg = fs::read_to_string(folder.path().join("both.svg")).unwrap();
    assert!(svg.contains(">plain-20</text>") && svg.contains(">resnet-20</text>"));
    let words = format!("--veit {} -o study.svg", records.display());
    plot(&words, folder.path()).assert().success();
    let sheet = fs::read_to_string(folder.path().join("study-veit.svg")).unwrap();
    for panel in ["(a) ", "(b) ", "(c) ", "(d) ", "(e) "] {
        assert!(sheet.contains(panel), "{panel}");
    }
    assert!(folder.path().join("study-swaps.svg").is_file());
}

/// Writes the log of a training of three epochs.
fn write_log(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let lines = (0..3).map(|epoch| {
        let errors = 50 - 10 * epoch;
        format!(
            r#"{{"record":"epoch","epoch":{epoch},"loss":1.25,"errors":{errors},"examples":100,"learning_rate":0.1,"validation":{{"errors":4,"examples":10,"loss":0.75}},"seconds":1.0,"images_per_second":9.0}}"#
        )
    });
    let text: Vec<String> = std::iter::once(r#"{"record":"header","schema":1,"version":"0.1.0","command":"","recipe":{"architecture":{"depth":14,"k":2}},"seed":3,"source":{"place":"data","validation":0,"limit":null},"data_hash":"","examples":100,"parameters":77,"threads":1,"device":"cpu"}"#.to_owned())
        .chain(lines)
        .collect();
    fs::write(folder.join("log.jsonl"), text.join("\n")).unwrap();
}

#[test]
fn training_logs_share_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    for run in ["full", "restricted"] {
        write_log(&folder.path().join(run));
    }
    plot(
        "full/log.jsonl restricted/log.jsonl -o t.svg",
        folder.path(),
    )
    .assert()
    .success();
    let svg = fs::read_to_string(folder.path().join("t.svg")).unwrap();
    assert!(svg.contains("restricted (held out)"));
}

fn export(words: &str, folder: &Path) -> Command {
    let mut command = cargo_bin_cmd!("pathscope");
    command
        .current_dir(folder)
        .arg("export")
        .args(words.split_whitespace());
    command
}

const EVENTS: &str = "tensorboard/full-1/events.out.tfevents.0.pathscope";

fn training(name: &str) -> String {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = project.join("assets/results/path-restricted").join(name);
    file.display().to_string()
}

#[test]
fn training_logs_become_files_of_events() {
    let folder = tempfile::tempdir().unwrap();
    let logs = ["full-1.jsonl", "restricted-1.jsonl"]
        .map(training)
        .join(" ");
    let written = predicate::str::contains(EVENTS);
    export(&logs, folder.path())
        .assert()
        .success()
        .stdout(written);
    let events = fs::read(folder.path().join(EVENTS)).unwrap();
    export(&logs, folder.path()).assert().code(2);
    let again = format!("{logs} --force");
    export(&again, folder.path()).assert().success();
    assert!(fs::read(folder.path().join(EVENTS)).unwrap() == events);
    for (words, told) in [
        (results("lesion.jsonl"), "not a training log"),
        (format!("{0} {0}", training("full-1.jsonl")), "same name"),
    ] {
        let refusal = predicate::str::contains(told);
        export(&words, folder.path())
            .assert()
            .code(2)
            .stderr(refusal);
    }
}

mod needs_tensorboard {
    use super::*;

    /// Reads every scalar of a run; PATHSCOPE_PYTHON must have the package tensorboard.
    const READ: &str = "
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
run = EventAccumulator(sys.argv[1]); run.Reload()
print(json.dumps({tag: [[e.step, e.value] for e in run.Scalars(tag)] for tag in run.Tags()['scalars']}))
";

    #[test]
    #[ignore = "needs a Python with tensorboard"]
    fn tensorboard_reads_what_the_log_holds() {
        let folder = tempfile::tempdir().unwrap();
        write_log(&folder.path().join("full-1"));
        export("full-1/log.jsonl", folder.path()).assert().success();
        let python = std::env::var("PATHSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
        let run = folder.path().join(EVENTS);
        let output = std::process::Command::new(python)
            .args(["-c", READ, run.parent().unwrap().to_str().unwrap()])
            .output()
            .unwrap();
        let fault = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{fault}");
        let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        // What `write_log` writes: 50, 40 and 30 errors of 100, and 4 of 10 held out.
        for (tag, values) in [
            ("error/training", [0.5, 0.4, 0.3]),
            ("error/held_out", [0.4; 3]),
            ("loss/training", [1.25; 3]),
            ("loss/held_out", [0.75; 3]),
            ("learning_rate", [0.1; 3]),
        ] {
            let scalars = read[tag].as_array().unwrap();
            assert_eq!(scalars.len(), values.len(), "{tag}");
            for (epoch, (scalar, expected)) in scalars.iter().zip(values).enumerate() {
                assert_eq!(scalar[0], epoch);
                // TensorBoard keeps 32 bits.
                let found = scalar[1].as_f64().unwrap();
                assert!((found - expected).abs() < 1e-6, "{tag}: {scalar}");
            }
        }
    }
}

#[test]
fn counts_of_paths_and_families_are_drawn_too() {
    let folder = tempfile::tempdir().unwrap();
    let counts = cargo_bin_cmd!("pathscope")
        .args(["multiplicity", "--compare", "110x1,30x4", "--json"])
        .output()
        .unwrap();
    fs::write(folder.path().join("counts.json"), counts.stdout).unwrap();
    let mut table = String::from("depth,k,parameters,errors,examples,seed\n");
    for (depth, k, parameters, errors) in [
        (24, 1, 290_000, 77),
        (68, 1, 1_000_000, 63),
        (8, 4, 290_000, 93),
        (20, 4, 1_010_000, 60),
    ] {
        for seed in 0..2 {
            table += &format!("{depth},{k},{parameters},{},1000,{seed}\n", errors + seed);
        }
    }
    fs::write(folder.path().join("family.csv"), table).unwrap();
    plot("counts.json family.csv", folder.path())
        .assert()
        .success();
    assert_eq!(
        svg_files(folder.path()),
        ["multiplicity.svg", "threshold.svg"]
    );
}

#[test]
fn bad_input_says_what_to_give() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("words.txt"), "nothing\n").unwrap();
    for (words, told) in [
        (String::new(), "FILES"),
        ("no-such.jsonl".into(), "no-such.jsonl"),
        ("words.txt".into(), "no header"),
        (
            format!("{} --kind spectrum", results("lesion.jsonl")),
            "lesion",
        ),
        (
            format!("{} -o picture.gif", results("lesion.jsonl")),
            ".svg, .pdf or .png",
        ),
        (format!("{} --share 2", results("lesion.jsonl")), "--share"),
        (format!("{} --width 3", results("lesion.jsonl")), "3.3in"),
        (
            format!("{} --veit .", results("lesion.jsonl")),
            "cannot be used with",
        ),
    ] {
        plot(&words, folder.path())
            .assert()
            .code(2)
            .stderr(predicate::str::contains(told));
    }
}

#[test]
fn lesions_of_an_exported_network_become_node_data() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = |name: &str| format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let model = fixture("exported/gpt.pt2");
    let lesion = format!(
        "lesion {model} --data {} --each --results effects.jsonl",
        fixture("tokens/gpt.npz")
    );
    cargo_bin_cmd!("pathscope")
        .current_dir(folder.path())
        .args(lesion.split(' '))
        .assert()
        .success();
    let words = format!("effects.jsonl --graph {model} -o overlay");
    export(&words, folder.path()).assert().success();
    let written = fs::read(folder.path().join("overlay/effects.json")).unwrap();
    let overlay: serde_json::Value = serde_json::from_slice(&written).unwrap();
    let shown = overlay["graph"]["results"].as_object().unwrap();

    let text = fs::read_to_string(folder.path().join("effects.jsonl")).unwrap();
    let records: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let errors = |block: Option<u64>| {
        let is_it = |record: &&serde_json::Value| {
            record["change"]["blocks"][0].as_u64() == block && record["errors"].is_u64()
        };
        records.iter().find(is_it).unwrap()["errors"]
            .as_f64()
            .unwrap()
    };
    // What torch.export calls the first and the last product of blocks 0 and 1; 288 predictions.
    for (block, names) in [(0, ["linear", "linear_1"]), (1, ["linear_2", "linear_3"])] {
        let added = 100.0 * (errors(Some(block)) - errors(None)) / 288.0;
        for name in names {
            let value = shown[name]["value"].as_f64().unwrap();
            assert!((value - added).abs() < 1e-9, "{name}: {value} {added}");
        }
    }
    // The logits are no part of a block.
    assert!(!shown.contains_key("linear_12"));
    for (words, told) in [
        (words.clone(), "--force"),
        (
            format!("{} --graph {model}", results("lesion.jsonl")),
            "not of",
        ),
        (
            format!(
                "effects.jsonl --graph {}/assets/preresnet20.safetensors",
                env!("CARGO_MANIFEST_DIR")
            ),
            "no exported network",
        ),
    ] {
        let refusal = predicate::str::contains(told);
        export(&words, folder.path())
            .assert()
            .code(2)
            .stderr(refusal);
    }
}
