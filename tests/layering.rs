//! Data flows one way through the modules; a `use` that points back fails here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each module may use of the crate.
const ALLOWED: [(&str, &[&str]); 8] = [
    ("team", &[]),
    ("data", &[]),
    ("network", &[]),
    ("format", &["network", "data"]),
    ("training", &["team", "network", "data", "format"]),
    ("experiment", &["team", "network", "data"]),
    ("report", &[]),
    (
        "cli",
        &[
            "team",
            "data",
            "network",
            "format",
            "training",
            "experiment",
            "report",
        ],
    ),
];

#[test]
fn modules_use_only_what_lies_before_them() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    for file in rust_files(&source) {
        let path = file.strip_prefix(&source).unwrap();
        let module = path.components().next().unwrap().as_os_str();
        let module = module.to_str().unwrap().trim_end_matches(".rs");
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else {
            faults.push(format!("src/{module} has no place in the order of modules"));
            continue;
        };
        for used in used_modules(&fs::read_to_string(&file).unwrap()) {
            if used != module && !allowed.contains(&used.as_str()) {
                faults.push(format!("src/{} uses crate::{used}", path.display()));
            }
        }
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
fn groups_of_imports_are_read() {
    let source = "use crate::data::Dataset;\nuse crate::{network::{Plan, Step}, format};\n\
                  // crate::report is told here only\nlet x = crate::cli::run();";
    let expected = ["cli", "data", "format", "network"].map(str::to_owned);
    assert_eq!(used_modules(source), BTreeSet::from(expected));
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The first names after `crate::`, also within braces; comments do not count.
fn used_modules(source: &str) -> BTreeSet<String> {
    let code: String = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    code.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(group) => heads(group),
            None => vec![name(rest)],
        })
        .collect()
}

/// The name before each comma of a group of imports, up to the brace that ends it.
fn heads(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut found = vec![name(group)];
    for (position, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => found.push(name(&group[position + 1..])),
            _ => {}
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn name(text: &str) -> String {
    text.trim_start()
        .chars()
        .take_while(|&character| character.is_alphanumeric() || character == '_')
        .collect()
}
