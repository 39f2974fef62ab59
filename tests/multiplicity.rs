//! `pathscope multiplicity`, from the command line.

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;
use predicates::prelude::*;
use serde_json::Value;

fn pathscope(words: &str) -> Command {
    let mut command = cargo_bin_cmd!("pathscope");
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("multiplicity")
        .args(words.split_whitespace());
    command
}

fn json(words: &str) -> Value {
    let output = pathscope(words).arg("--json").output().unwrap();
    let fault = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{fault}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_110_layer_network_of_the_paper() {
    let file = json("--depth 110 --k 1 --between 5:17");
    let network = &file["networks"][0];
    assert_eq!(file["type"], "multiplicity");
    assert_eq!(network["configurations"], "18014398509481984");
    assert_eq!(network["paths"], "18014398509481984");
    assert_eq!(network["parameters"], 1_727_962);
    let mean = |unit: &str| network[unit]["mean"].as_f64().unwrap();
    assert!((mean("modules") - 27.0).abs() < 27.0 * 1e-12);
    assert!((mean("layers") - 54.0).abs() < 54.0 * 1e-12);
    // sum(comb(54, l) for l in range(5, 18)) / 2**54, Python
    let share = network["between"]["share"].as_f64().unwrap();
    assert!((share - 0.004_536_670_150_778_743).abs() < 1e-15);
    pathscope("--depth 110 --k 1 --between 5:17")
        .assert()
        .success()
        .stdout(predicate::str::contains(
            "5 to 17 blocks (10 to 34 layers): 0.454 %",
        ))
        .stdout(predicate::str::contains("2^54"));
    pathscope("--depth 110 --k 1 --format csv")
        .assert()
        .success()
        .stdout(predicate::str::contains("18014398509481984"));
}

#[test]
fn both_conventions_of_the_figure() {
    // k = 2, n = 3: four configurations a block against three paths.
    let network = &json("--blocks 3 --k 2")["networks"][0];
    assert_eq!(
        (&network["configurations"], &network["paths"]),
        (&"64".into(), &"27".into())
    );
    let single = &json("--blocks 1 --k 2")["networks"][0];
    assert_eq!(
        (&single["configurations"], &single["paths"]),
        (&"4".into(), &"3".into())
    );
    let unequal = &json("--functions 2,3,1")["networks"][0];
    assert_eq!(
        (&unequal["configurations"], &unequal["paths"]),
        (&"64".into(), &"24".into())
    );
    let counts: Vec<&str> = unequal["modules"]["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|count| count.as_str().unwrap())
        .collect();
    // (1 + 2z)(1 + 3z)(1 + z)
    assert_eq!(counts, ["1", "6", "11", "6"]);
}

#[test]
fn designs_of_equal_parameters_side_by_side() {
    let file = json("--compare 110x1,30x4");
    let networks = file["networks"].as_array().unwrap();
    assert_eq!(networks.len(), 2);
    assert_eq!(networks[1]["paths"], "6103515625");
    assert!((networks[1]["modules"]["mean"].as_f64().unwrap() - 11.2).abs() < 1e-9);
    pathscope("--compare 110x1,30x4 --between 5:17")
        .assert()
        .success()
        .stdout(predicate::str::contains("multi-resnet-30 k=4"))
        .stdout(predicate::str::contains("1,727,962"));
}

#[test]
fn a_model_file_and_what_is_left_after_deletions() {
    let file = json("--model assets/preresnet20.safetensors --drop-block 4,layer1.0");
    let networks = file["networks"].as_array().unwrap();
    assert_eq!(
        (&networks[0]["paths"], &networks[1]["paths"]),
        (&"512".into(), &"128".into())
    );
    let file = json("--blocks 3 --k 4 --drop-block 0.1,2.3,2.0");
    // 5^3 paths; then (1 + 3)(1 + 4)(1 + 2).
    let networks = file["networks"].as_array().unwrap();
    assert_eq!(
        (&networks[0]["paths"], &networks[1]["paths"]),
        (&"125".into(), &"60".into())
    );
}

#[test]
fn projections_give_lengths_in_layers_a_law_of_their_own() {
    let network = &json("--depth 29 --arch preresnet-bottleneck")["networks"][0];
    // Nine bottlenecks of three convolutions; the first of each stage has one in its skip.
    assert_eq!(network["layers"]["counts"][0], "0");
    assert_eq!(network["layers"]["counts"][3], "1");
    pathscope("--depth 29 --arch preresnet-bottleneck")
        .assert()
        .success()
        .stdout(predicate::str::contains("skips with convolutions"));
}

#[test]
fn a_picture_with_a_text_alternative() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("laws.svg");
    pathscope("--compare 110x1,30x4 --between 5:17 --plot")
        .arg(&file)
        .assert()
        .success();
    let svg = std::fs::read_to_string(&file).unwrap();
    for part in ["<title", "<desc", "role=\"img\"", "5 to 17 blocks", "<text"] {
        assert!(svg.contains(part), "{part}");
    }
    let wrong = folder.path().join("laws.gif");
    pathscope("--depth 20 --plot").arg(&wrong).assert().code(2);
}

#[test]
fn deep_networks_do_not_overflow() {
    let network = &json("--blocks 10000 --k 8")["networks"][0];
    let log10 = network["log10_paths"].as_f64().unwrap();
    assert!((log10 - 10_000.0 * 9f64.log10()).abs() < 1e-6);
    assert_eq!(network["paths"].as_str().unwrap().len(), 9_543);
}

#[test]
fn bad_input_says_what_to_give() {
    for (words, told) in [
        ("", "--depth"),
        ("--blocks 0", "block"),
        ("--blocks 5 --k 0", "1 or more"),
        ("--depth 111", "2 n + 2"),
        ("--depth 20 --between 9:3", "3:9"),
        ("--depth 20 --between some", "5:17"),
        ("--compare 110", "110x1"),
        ("--depth 20 --drop-block 99", "block"),
        ("--compare 20x1 --drop-block 2", "--depth"),
        ("--blocks 99999999999 --k 9", "too many"),
        ("--model no-such-file", "no-such-file"),
        (
            "--depth 20 --model assets/preresnet20.safetensors",
            "cannot be used",
        ),
    ] {
        pathscope(words)
            .assert()
            .code(2)
            .stderr(predicate::str::contains(told));
    }
}

/// FractalNet-20: five stages of z + (z + z^2)^2.
#[test]
fn paths_of_columns_side_by_side() {
    let network = &json("--depth 20 --arch fractal")["networks"][0];
    assert_eq!(network["paths"], "3125");
    assert_eq!(network["modules"]["counts"][5], "1");
    // Mean length of a stage: (1 + 2 + 2 * 3 + 4) / 5.
    assert!((network["modules"]["mean"].as_f64().unwrap() - 13.0).abs() < 1e-12);
    pathscope("--depth 20 --arch fractal")
        .assert()
        .success()
        .stdout(predicate::str::contains("ways through all blocks"));
    pathscope("--depth 21 --arch fractal").assert().code(2);
    pathscope("--blocks 4 --arch fractal").assert().code(2);
}
