//! The diff command on results of the shipped network and of a changed copy of it.

mod common;

use std::fs;
use std::path::Path;

use common::{measure, pathscope, refuse, shipped_model, succeed};

/// A copy of the shipped network some of whose weights are changed.
fn changed(file: &Path) {
    let mut bytes = fs::read(shipped_model()).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    // The fractions' highest bits of a stretch of the float16 values: they grow or shrink by up to
    // half, none changes its sign (a variance must not) and none becomes infinite.
    let values = &mut bytes[8 + header..];
    let (from, to) = (values.len() / 3, values.len() / 2);
    for high in values[from..to].iter_mut().skip(1).step_by(2) {
        *high ^= 0x02;
    }
    fs::write(file, bytes).unwrap();
}

#[test]
fn two_networks_are_compared_in_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let model = place("changed.safetensors");
    changed(Path::new(&model));
    for (name, model) in [("a", &shipped_model()), ("b", &model)] {
        fs::create_dir(place(name)).unwrap();
        measure(model, Path::new(&place(name)));
    }
    let (a, b) = (place("a"), place("b"));

    let text = succeed(folder.path(), &["diff", &a, &b]);
    for part in [
        "error",
        "effective range (coherent)",
        "rho (sampled)",
        "deletions change the error",
        "points",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let text = succeed(folder.path(), &["diff", &a, &b, "--json"]);
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let error = &found["error"];
    let (first, second) = (&error["first"], &error["second"]);
    let errors = |of: &serde_json::Value| of["errors"].as_f64().unwrap();
    let change = 100.0 * (errors(second) - errors(first)) / 60.0;
    assert!((error["change"].as_f64().unwrap() - change).abs() < 1e-9);
    assert_ne!(errors(first), errors(second), "the copy is another network");
    assert_eq!(found["blocks"].as_array().unwrap().len(), 9);
    // The exact test is that of the discordant counts, corrected for all tests together.
    let test = &error["mcnemar"];
    let counts = ["only_first_wrong", "only_second_wrong"].map(|name| test[name].as_u64().unwrap());
    assert_eq!(
        counts[1] as i64 - counts[0] as i64,
        (errors(second) - errors(first)) as i64
    );
    assert!(error["p_value"].as_f64() >= test["p_value"].as_f64());
    let range = &found["effective_ranges"][0];
    let ends = |of: &str, end: &str| range[of][end].as_i64().unwrap();
    let moved = ["first", "last"].map(|end| ends("second", end) - ends("first", end));
    assert_eq!(range["first_change"], moved[0]);
    assert_eq!(range["shift"], moved[0].abs().max(moved[1].abs()));
    let shift = found["quantities"]["effective_range.shift"]
        .as_f64()
        .unwrap();
    assert_eq!(range["shift"].as_f64(), Some(shift));

    // Conditions: none met is 0, one met is 1, an unknown name is 2 with the known ones.
    let above = format!("effective_range.shift > {shift}");
    succeed(folder.path(), &["diff", &a, &b, "--fail-if", &above]);
    let at_least = format!("effective_range.shift >= {shift}");
    let both = ["diff", &a, &b, "--fail-if", &above, "--fail-if", &at_least];
    let failed = pathscope().args(both).assert().code(1);
    let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(said.contains(&at_least) && !said.contains(&above), "{said}");
    let said = refuse(&["diff", &a, &b, "--fail-if", "range.shift > 2"]);
    for name in [
        "range.shift",
        "effective_range.shift",
        "error.change",
        "rho.p",
        "block.0.change",
    ] {
        assert!(said.contains(name), "{name}: {said}");
    }
    let said = refuse(&["diff", &a, &b, "--fail-if", "effective_range.shift"]);
    assert!(said.contains("NAME COMPARISON NUMBER"), "{said}");
}

#[test]
fn a_run_does_not_differ_from_itself() {
    let folder = tempfile::tempdir().unwrap();
    measure(&shipped_model(), folder.path());
    let place = folder.path().to_str().unwrap();
    let conditions = [
        "error.change != 0",
        "effective_range.shift != 0",
        "blocks.changed > 0",
    ];
    let mut arguments = vec!["diff", place, place];
    for condition in conditions {
        arguments.extend(["--fail-if", condition]);
    }
    assert!(succeed(folder.path(), &arguments).contains("0 of 9 deletions"));
}

#[test]
fn runs_without_results_are_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    assert!(refuse(&["diff", place, place]).contains("no results there"));
}
