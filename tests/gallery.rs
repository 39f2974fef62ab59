//! The gallery of the guide: its commands draw its pictures, byte for byte.
//!
//! After a change that is wanted, `UPDATE_GOLDEN=1 cargo test --release --test gallery` rewrites the
//! pictures; look at them before they are committed.

mod still;

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

#[test]
fn the_still_of_a_terminal_shows_what_the_command_prints() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let words = "lesion assets/preresnet20.safetensors --top 6";
    let output = Command::new(assert_cmd::cargo::cargo_bin("pathscope"))
        .args(words.split_whitespace())
        .current_dir(project)
        // Colours as on a terminal of 80 columns.
        .env("CLICOLOR_FORCE", "1")
        .env_remove("NO_COLOR")
        .env("COLUMNS", "80")
        .output()
        .unwrap();
    let fault = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{fault}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let drawn = still::still(&format!("pathscope {words}"), &printed, 80);
    let shown = project.join("docs/src/images/terminal.svg");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(shown.parent().unwrap()).unwrap();
        fs::write(&shown, &drawn).unwrap();
    }
    assert!(
        fs::read_to_string(shown).unwrap_or_default() == drawn,
        "{drawn}"
    );
}

mod needs_poppler {
    use super::*;

    /// Runs a program in `folder`, which must succeed and complain of nothing; gives what it prints.
    fn run(program: &Path, words: &str, folder: &Path) -> String {
        let output = Command::new(program)
            .args(words.split_whitespace())
            .current_dir(folder)
            .output()
            .unwrap();
        let fault = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words}: {fault}");
        // Poppler says what is wrong with a page, and goes on.
        assert!(!fault.contains("rror"), "{words}: {fault}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The words of a drawing, with those of a superscript on their own.
    fn words(svg: &str) -> Vec<String> {
        let labels = svg.split("<text").skip(1);
        let labels =
            labels.filter_map(|rest| Some(rest.split_once("</text>")?.0.split_once('>')?.1));
        let plain = |label: &str| {
            let parts = label
                .split('<')
                .enumerate()
                .map(|(index, part)| match index {
                    0 => part,
                    _ => part.split_once('>').map_or("", |(_, words)| words),
                });
            let text = parts.collect::<Vec<_>>().join(" ");
            let text = text.replace("&lt;", "<").replace("&gt;", ">");
            text.replace("&quot;", "\"").replace("&amp;", "&")
        };
        let labels = labels.map(plain).collect::<Vec<_>>().join(" ");
        labels.split_whitespace().map(str::to_owned).collect()
    }

    /// Poppler opens a PDF of every kind, on one page of the size asked; its fonts are embedded, and
    /// its text is that of the drawing.
    #[test]
    #[ignore = "needs pdftoppm, pdfinfo, pdffonts and pdftotext"]
    fn poppler_reads_every_kind() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let results = project.join("assets/results");
        let program = assert_cmd::cargo::cargo_bin("pathscope");
        let counts = run(
            &program,
            "multiplicity --compare 110x1,30x4 --format json",
            folder,
        );
        fs::write(folder.join("counts.json"), counts).unwrap();
        let files = [
            "plain-control/resnet-each.jsonl",
            "resnet56/deletions.jsonl",
            "resnet56/swaps.jsonl",
            "preresnet20/pairs.jsonl",
            "preresnet20/greedy.jsonl",
            "preresnet20/commutators.jsonl",
            "preresnet20/distances.jsonl",
            "path-restricted/full-1.jsonl",
        ];
        let family = "depth,k,parameters,errors,examples,seed\n24,1,290000,77,1000,0\n\
                      68,1,1000000,63,1000,0\n8,4,290000,93,1000,0\n20,4,1010000,60,1000,0\n";
        fs::write(folder.join("family.csv"), family).unwrap();
        let mut files: Vec<_> = files.map(|file| results.join(file)).into();
        let spectra = results.join("family/spectrum-*-k1-seed1.jsonl");
        let spectra = glob::glob(spectra.to_str().unwrap()).unwrap();
        files.extend(spectra.map(Result::unwrap));
        let files: Vec<String> = files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        for ending in ["svg", "pdf"] {
            let all = format!(
                "plot counts.json family.csv {} --width 3.3in",
                files.join(" ")
            );
            run(&program, &format!("{all} -o all.{ending}"), folder);
            let study = format!("plot --veit {}/plain-control", results.display());
            let sheet = "--kind veit --width 3.3in -o all-veit";
            run(&program, &format!("{study} {sheet}.{ending}"), folder);
        }
        let mut kinds = BTreeSet::new();
        for entry in fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(kind) = name
                .strip_prefix("all-")
                .and_then(|n| n.strip_suffix(".pdf"))
            else {
                continue;
            };
            kinds.extend(kind.split('-').next().map(str::to_owned));
            let facts = run(Path::new("pdfinfo"), &name, folder);
            assert!(
                facts.contains("Pages:           1") && facts.contains("237.6 x"),
                "{facts}"
            );
            run(
                Path::new("pdftoppm"),
                &format!("-r 150 -png {name} {name}"),
                folder,
            );
            let fonts = run(Path::new("pdffonts"), &name, folder);
            let mut embedded = fonts.lines().skip(2).map(|line| {
                let columns: Vec<&str> = line.split_whitespace().collect();
                columns[columns.len() - 5..columns.len() - 2].to_vec()
            });
            assert!(fonts.lines().count() > 2, "{name}: {fonts}");
            assert!(embedded.all(|font| font == ["yes"; 3]), "{name}: {fonts}");
            let text = run(Path::new("pdftotext"), &format!("{name} -"), folder);
            let svg = fs::read_to_string(folder.join(format!("all-{kind}.svg"))).unwrap();
            for word in words(&svg) {
                assert!(text.contains(&word), "{name}: {word:?} is not in {text:?}");
            }
        }
        assert_eq!(
            kinds,
            pathscope::report::plot::KINDS.map(str::to_owned).into()
        );
    }
}
