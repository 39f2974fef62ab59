//! What every command says of itself: an example that runs.

#![allow(clippy::print_stdout)]

use std::path::Path;

use assert_cmd::cargo::cargo_bin_cmd;
use clap::CommandFactory;
use pathscope::cli::Cli;

/// The words after `Example: pathscope` in the help of each command that does something itself.
fn examples() -> Vec<(String, Vec<String>)> {
    fn walk(command: &clap::Command, name: &str, found: &mut Vec<(String, Vec<String>)>) {
        for inner in command
            .get_subcommands()
            .filter(|inner| inner.get_name() != "help")
        {
            walk(inner, &format!("{name} {}", inner.get_name()), found);
        }
        if command.has_subcommands() {
            return;
        }
        let about = command.get_long_about().or(command.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        let example = about
            .lines()
            .find_map(|line| line.split_once("Example: pathscope "))
            .unwrap_or_else(|| panic!("{name} has no line `Example: pathscope ...`"));
        let words = example.1.split_whitespace().map(str::to_owned).collect();
        found.push((name.to_owned(), words));
    }
    let mut found = Vec::new();
    walk(&Cli::command(), "pathscope", &mut found);
    found
}

/// A folder as after a clone, with the shipped images where `data get` puts a data set.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    for shipped in ["assets", "notebooks-rs"] {
        std::os::unix::fs::symlink(project.join(shipped), folder.path().join(shipped)).unwrap();
    }
    let data = folder.path().join("fashion-mnist");
    std::fs::create_dir(&data).unwrap();
    for kind in ["images-idx3", "labels-idx1"] {
        let shipped = project.join(format!("assets/fashion-mnist-2000/t10k-{kind}-ubyte.gz"));
        for split in ["train", "t10k"] {
            std::fs::copy(&shipped, data.join(format!("{split}-{kind}-ubyte.gz"))).unwrap();
        }
    }
    folder
}

/// The files that a shell in `folder` puts for a pattern; any other word as it is.
fn expanded(folder: &Path, word: &str) -> Vec<String> {
    if !word.contains('*') {
        return vec![word.to_owned()];
    }
    let pattern = folder.join(word);
    glob::glob(pattern.to_str().unwrap())
        .unwrap()
        .map(|file| file.unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_example_runs() {
    let examples = examples();
    assert!(examples.len() >= 8, "{examples:?}");
    let folder = workplace();
    for (name, words) in examples {
        if words.first().is_some_and(|word| word == "data") {
            println!("skipped: the example of {name} needs the network");
            continue;
        }
        let example = words.join(" ");
        println!("pathscope {example}");
        let words = words.iter().flat_map(|word| expanded(folder.path(), word));
        let run = cargo_bin_cmd!("pathscope")
            .current_dir(folder.path())
            .arg("--quiet")
            .args(words)
            .output()
            .unwrap();
        let fault = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "pathscope {example}: {fault}");
    }
}

#[test]
fn manual_pages_completions_and_schemas_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let pathscope = || {
        let mut command = cargo_bin_cmd!("pathscope");
        command.current_dir(folder.path());
        command
    };
    pathscope().args(["man", "man1"]).assert().success();
    let page =
        std::fs::read_to_string(folder.path().join("man1/pathscope-multiplicity.1")).unwrap();
    assert!(page.contains("configurations"), "{page}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = pathscope().args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(script.stdout).unwrap();
        assert!(script.contains("multiplicity"), "{shell}");
    }
    pathscope()
        .args(["completions", "no-shell"])
        .assert()
        .code(2);
    for (what, field) in [
        ("records", "kendall_tau"),
        ("multiplicity", "log10_paths"),
        ("family", "parameters"),
    ] {
        let output = pathscope().args(["schema", what]).output().unwrap();
        let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(schema["$schema"].is_string());
        assert!(schema.to_string().contains(field), "{what}");
    }
}

/// The reference in the guide is the schema that the program prints.
#[test]
fn the_schemas_of_the_guide_are_those_of_the_program() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/reference");
    for what in ["records", "multiplicity", "family"] {
        let output = cargo_bin_cmd!("pathscope")
            .args(["schema", what])
            .output()
            .unwrap();
        let file = guide.join(format!("{what}.schema.json"));
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(
            committed == printed,
            "{} is not what `pathscope schema {what}` prints; write that into it",
            file.display()
        );
    }
}
