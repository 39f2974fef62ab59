//! Every dependency that a manifest states is used by the crate's sources.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_dependency_is_named_in_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut manifests = vec![root.to_path_buf()];
    for folder in ["analysis", "fuzz", "notebooks-rs"] {
        manifests.push(root.join(folder));
    }
    for entry in fs::read_dir(root.join("src")).unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("Cargo.toml").exists() {
            manifests.push(folder);
        }
    }
    assert!(manifests.len() > 8, "{manifests:?}");
    let unused: Vec<String> = manifests.iter().flat_map(|folder| unused(folder)).collect();
    assert!(unused.is_empty(), "unused: {}", unused.join(", "));
}

/// The dependencies of the crate in `folder` that none of its sources names.
fn unused(folder: &Path) -> Vec<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let sources: String = sources(folder)
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    dependencies(&manifest)
        .filter(|name| {
            let module = name.replace('-', "_");
            let named = ["::", " as ", ";"].map(|after| format!("{module}{after}"));
            !named.iter().any(|text| sources.contains(text.as_str()))
        })
        .map(|name| format!("{name} ({})", folder.display()))
        .collect()
}

/// The names in the tables of dependencies of a manifest.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let mut within = false;
    manifest.lines().filter_map(move |line| {
        if let Some(table) = line.strip_prefix('[') {
            within = table.trim_end_matches(']').ends_with("dependencies")
                && !table.starts_with("workspace");
            return None;
        }
        let name = line.split(['.', ' ', '=']).next()?;
        (within && !name.is_empty() && !name.starts_with('#')).then_some(name)
    })
}

/// The Rust files and notebooks of a crate: for the root crate also its tests, benches and examples; crates
/// nested in a folder count for themselves only.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let other = path.join("Cargo.toml").exists();
                if !other && !name.starts_with('.') && name != "target" {
                    folders.push(path);
                }
            } else if [".rs", ".ipynb"]
                .iter()
                .any(|ending| name.ends_with(ending))
            {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn tables_of_dependencies_are_read() {
    let manifest = "[dependencies]\n# why\na-b = \"1\"\nc.workspace = true\n\n[lints]\nworkspace = true\n\
                    [dev-dependencies]\nd = { path = \"x\" }\n[workspace.dependencies]\ne = \"1\"";
    assert_eq!(
        dependencies(manifest).collect::<Vec<_>>(),
        ["a-b", "c", "d"]
    );
}
