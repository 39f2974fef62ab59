//! Data flows one way through the crates of the workspace; a dependency that points back fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What each crate below `src/` may use of the others.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("file", &[]),
    ("team", &[]),
    ("data", &["file"]),
    ("torch", &[]),
    ("network", &["analysis", "torch"]),
    ("format", &["file", "torch", "network", "data"]),
    (
        "training",
        &[
            "analysis", "file", "team", "torch", "network", "data", "format",
        ],
    ),
    (
        "experiment",
        &["analysis", "file", "team", "network", "data"],
    ),
    ("report", &["analysis", "file"]),
];

#[test]
fn crates_use_only_what_lies_before_them() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    for (name, allowed) in ALLOWED {
        let manifest = fs::read_to_string(source.join(name).join("Cargo.toml")).unwrap();
        let used: BTreeSet<&str> = manifest
            .lines()
            .filter_map(|line| line.strip_prefix("pathscope-")?.split(['.', ' ']).next())
            .collect();
        let forbidden = used.iter().filter(|used| !allowed.contains(used));
        faults.extend(forbidden.map(|used| format!("src/{name} uses {used}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_mathematics_needs_no_tensors() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "tree",
            "--package",
            "pathscope-analysis",
            "--edges",
            "normal",
        ])
        .args(["--prefix", "none", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(tree.contains("ndarray v"), "the tree is not empty: {tree}");
    let tensors = tree
        .lines()
        .find(|line| line.starts_with("tch ") || line.starts_with("torch-sys "));
    assert_eq!(tensors, None);
}

#[test]
fn commands_do_not_use_one_another() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    let mut faults = Vec::new();
    for part in ["command", "args", "show"] {
        let files = folder.join(part).join("**/*.rs");
        for file in glob::glob(files.to_str().unwrap()).unwrap() {
            let file = file.unwrap();
            if file.ends_with("command/mod.rs") {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let uses = |line: &&str| {
                let line = line.trim_start();
                // A command of several files has them in a folder of its own.
                let sibling = file
                    .parent()
                    .is_some_and(|folder| folder.ends_with("command"))
                    && line.starts_with("use super::")
                    && line != "use super::Execute;"
                    && line != "use super::*;";
                sibling || line.contains("cli::command")
            };
            let lines = text.lines().filter(uses);
            faults.extend(lines.map(|line| format!("{}: {line}", file.display())));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The modules at the root of the report use one another one way only.
#[test]
fn the_report_has_no_circles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report");
    let mut uses: BTreeMap<String, String> = BTreeMap::new();
    for file in glob::glob(folder.join("**/*.rs").to_str().unwrap()).unwrap() {
        let file = file.unwrap();
        let within = file.strip_prefix(&folder).unwrap();
        let module = within.iter().next().unwrap().to_str().unwrap();
        let module = module.trim_end_matches(".rs");
        let text = fs::read_to_string(&file).unwrap();
        let is_test = within.to_str().unwrap().contains("test");
        if module != "mod" && !is_test {
            let source = text.split("#[cfg(test)]").next().unwrap();
            *uses.entry(module.to_owned()).or_default() += source;
        }
    }
    assert!(uses.len() > 20, "{:?}", uses.keys());
    let used = |text: &str, other: &String| {
        let path = format!("crate::{other}");
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        text.split(&path).skip(1).any(ends)
    };
    assert!(used(&uses["page"], &"view".to_owned()), "uses are found");
    // Those that use none of the rest go, until none is left, or only circles.
    loop {
        let is_free = |module: &String, text: &str| {
            let mut others = uses.keys().filter(|other| *other != module);
            !others.any(|other| used(text, other))
        };
        let free = uses.iter().find(|(module, text)| is_free(module, text));
        let Some(free) = free.map(|(module, _)| module.clone()) else {
            break;
        };
        uses.remove(&free);
    }
    assert!(uses.is_empty(), "{:?} use one another", uses.keys());
}

#[test]
fn types_of_a_crate_have_names_of_their_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = fs::read_dir(root.join("src")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().path());
    let crates = folders.filter(|path| path.is_dir());
    let mut faults = Vec::new();
    let mut types = 0;
    for part in crates.chain([root.join("analysis/src")]) {
        let mut seen = BTreeMap::new();
        for file in glob::glob(part.join("**/*.rs").to_str().unwrap()).unwrap() {
            let file = file.unwrap();
            if file.file_name().unwrap().to_str().unwrap().contains("test") {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            for name in text.lines().filter_map(type_name) {
                types += 1;
                match seen.insert(name.to_owned(), file.clone()) {
                    // One for each platform.
                    Some(before) if before == file => {}
                    // Each command has its own.
                    Some(_) if name == "Arguments" => {}
                    Some(before) => faults.push(format!("{name}: {before:?} and {file:?}")),
                    None => {}
                }
            }
        }
    }
    assert!(types > 500, "only {types} types were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The name that a line of source gives to a type.
fn type_name(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub").unwrap_or(line);
    let line = match line.strip_prefix('(') {
        Some(rest) => rest.split_once(')')?.1,
        None => line,
    };
    let line = line.trim_start();
    let kinds = ["struct ", "enum ", "trait "];
    let rest = kinds.iter().find_map(|kind| line.strip_prefix(kind))?;
    rest.split(|letter: char| !letter.is_alphanumeric()).next()
}
