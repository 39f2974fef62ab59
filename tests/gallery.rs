//! The gallery of the guide: its commands draw its pictures, byte for byte.
//!
//! After a change that is wanted, `UPDATE_GOLDEN=1 cargo test --release --test gallery` rewrites the
//! pictures; look at them before they are committed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// Reads the names of the pictures in a folder.
fn pictures(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".svg")).collect()
}

#[test]
fn the_commands_of_the_gallery_draw_its_pictures() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let gallery = project.join("docs/src/gallery");
    let page = fs::read_to_string(project.join("docs/src/gallery.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    symlink(project.join("assets"), folder.path().join("assets")).unwrap();
    let program = assert_cmd::cargo::cargo_bin("pathscope");
    let commands = page
        .lines()
        .filter_map(|line| line.strip_prefix("    pathscope "));
    for command in commands {
        // The shell expands the names of files.
        let output = Command::new("sh")
            .args(["-c", &format!("{} {command}", program.display())])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let fault = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {fault}");
    }
    let shown = page.split("](gallery/").skip(1);
    let shown: BTreeSet<String> = shown
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect();
    let drawn = pictures(folder.path());
    assert!(shown.is_subset(&drawn), "{shown:?} {drawn:?}");
    let mut differing = Vec::new();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(&gallery).unwrap();
        for name in &shown {
            fs::copy(folder.path().join(name), gallery.join(name)).unwrap();
        }
    }
    for name in &shown {
        let drawn = fs::read(folder.path().join(name)).unwrap();
        if fs::read(gallery.join(name)).unwrap_or_default() != drawn {
            differing.push(name);
        }
    }
    assert!(differing.is_empty(), "differ: {differing:?}");
    assert_eq!(pictures(&gallery), shown, "a picture that the page lacks");
    let pdf = fs::read(folder.path().join("column.pdf")).unwrap();
    assert!(pdf.starts_with(b"%PDF-"));
}

#[test]
fn the_pictures_of_the_readme_show_its_results() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    for kind in ["lesion", "spectrum"] {
        let output = Command::new(assert_cmd::cargo::cargo_bin("pathscope"))
            .arg("plot")
            .arg(project.join(format!("assets/results/preresnet110/{kind}.jsonl")))
            .args(["--kind", kind, "-o", &format!("{kind}.svg")])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let fault = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{kind}: {fault}");
        let drawn = fs::read(folder.path().join(format!("{kind}.svg"))).unwrap();
        let shown = project.join(format!("docs/images/{kind}.svg"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&shown, &drawn).unwrap();
        }
        assert!(fs::read(shown).unwrap() == drawn, "{kind} differs");
    }
}

mod needs_poppler {
    use super::*;

    /// Poppler opens a PDF of every kind that the gallery shows, on one page of the size asked.
    #[test]
    #[ignore = "needs pdftoppm and pdfinfo"]
    fn poppler_opens_every_kind() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        let run = |program: &Path, words: &str| {
            let output = Command::new(program)
                .args(words.split_whitespace())
                .current_dir(folder.path())
                .output()
                .unwrap();
            let fault = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{words}: {fault}");
            // Poppler says what is wrong with a page, and goes on.
            assert!(!fault.contains("rror"), "{words}: {fault}");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let results = project.join("assets/results");
        let files = [
            "plain-control/resnet-each",
            "spectrum/resnet56",
            "resnet56/deletions",
            "resnet56/swaps",
            "preresnet20/pairs",
            "preresnet20/greedy",
            "preresnet20/commutators",
        ];
        let files = files.map(|file| results.join(format!("{file}.jsonl")).display().to_string());
        let program = assert_cmd::cargo::cargo_bin("pathscope");
        run(
            &program,
            &format!("plot {} --width 3.3in -o all.pdf", files.join(" ")),
        );
        let pages: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(pages.len() > 8);
        for page in pages {
            let name = page.file_name().into_string().unwrap();
            let facts = run(Path::new("pdfinfo"), &name);
            assert!(
                facts.contains("Pages:           1") && facts.contains("237.6 x"),
                "{facts}"
            );
            run(Path::new("pdftoppm"), &format!("-r 150 -png {name} {name}"));
        }
    }
}
