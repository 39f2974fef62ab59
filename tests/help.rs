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
    for part in ["1/2", "2/2"] {
        let results = format!("part-{}.jsonl", &part[..1]);
        cargo_bin_cmd!("pathscope")
            .current_dir(folder.path())
            .args(["lesion", "assets/preresnet20.safetensors", "--limit", "20"])
            .args(["--shard", part, "--results", &results])
            .assert()
            .success();
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
    // `bench` and `data` each have one subcommand.
    let commands = Cli::command().get_subcommands().count();
    assert_eq!(examples.len(), commands, "{examples:?}");
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

#[test]
fn commands_are_listed_in_groups() {
    let output = cargo_bin_cmd!("pathscope").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let alone = String::from_utf8(output.stderr).unwrap();
    let output = cargo_bin_cmd!("pathscope").arg("--help").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), alone);
    let mut last = 0;
    for part in [
        "Start here:\n  study ",
        "\n  lesion ",
        "Measure:\n  gradient-spectrum ",
        "Draw and report:\n  plot ",
        "Train:\n  train ",
        "Plumbing:\n  convert ",
        "Example: pathscope study ",
        "Options:\n",
    ] {
        let place = alone.find(part);
        let place = place.unwrap_or_else(|| panic!("{part:?} is missing:\n{alone}"));
        assert!(place >= last, "{part}:\n{alone}");
        last = place;
    }
    for command in Cli::command().get_subcommands() {
        let listed = format!("\n  {} ", command.get_name());
        assert!(alone.contains(&listed), "{listed}:\n{alone}");
    }
}

/// The help of every option is a clause: it starts with a capital letter and ends without a period.
#[test]
fn help_of_options_is_one_clause() {
    fn check(command: &clap::Command, name: &str, faults: &mut Vec<String>) {
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string);
            let help = help.unwrap_or_default().replace("et al. ", "");
            let id = argument.get_id().as_str();
            let hidden = argument.is_hide_set() || ["help", "version"].contains(&id);
            if !hidden && (help.is_empty() || help.ends_with('.') || help.contains(". ")) {
                faults.push(format!("{name} --{id}: {help:?}"));
            }
        }
        for inner in command.get_subcommands() {
            let about = inner
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            let name = format!("{name} {}", inner.get_name());
            if about.is_empty() || about.ends_with('.') || about.len() > 90 {
                faults.push(format!("{name}: {about:?}"));
            }
            check(inner, &name, faults);
        }
    }
    let mut faults = Vec::new();
    check(&Cli::command(), "pathscope", &mut faults);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
