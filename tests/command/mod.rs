//! The program as a person calls it.
#![allow(dead_code)]

use std::path::Path;
use std::process::Command;

use assert_cmd::assert::Assert;

/// The network that is shipped.
pub const MODEL: &str = "assets/preresnet20.safetensors";

/// The program in the project's folder, with output that nobody watches.
pub fn pathscope(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pathscope"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        .args(arguments);
    command
}

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> Assert {
    assert_cmd::Command::from_std(pathscope(arguments)).assert()
}

/// What a run that ended well printed as its result. Nothing that it prints has colours.
pub fn output(arguments: &[&str]) -> String {
    let assert = run(arguments).success();
    let (result, rest) = (&assert.get_output().stdout, &assert.get_output().stderr);
    let result = String::from_utf8(result.clone()).unwrap();
    assert!(
        !result.contains('\u{1b}') && !rest.contains(&0x1b),
        "{result}"
    );
    result
}

/// What a run that ended with `code` said of it.
pub fn complaint(arguments: &[&str], code: i32) -> String {
    let assert = run(arguments).code(code);
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

/// Deletes every block on a few examples and measures a few gradients.
pub fn measure(model: &str, folder: &Path) {
    let file = |name: &str| folder.join(name).display().to_string();
    let lesions = file("lesion.jsonl");
    let each = [
        "-q", "lesion", model, "--each", "--limit", "60", "--json", &lesions,
    ];
    run(&each).success();
    let spectrum = file("spectrum.jsonl");
    let few = [
        "-q",
        "gradient-spectrum",
        model,
        "--batches",
        "3",
        "--examples",
        "4",
        "--draws",
        "2",
        "--samples",
        "4",
        "--json",
        &spectrum,
    ];
    run(&few).success();
}
