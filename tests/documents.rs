//! What README and guide tell a reader to type: every `pathscope` command runs.
//!
//! One test for each page. They run as written, on small stand-ins for the reader's files; commands that would take long get
//! fewer examples or epochs (see [`shorter`]).

#![allow(clippy::print_stdout)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;

use common::*;
use pathscope::data::{Dataset, ImageShape, write_idx_gz};
use pathscope::network::{Architecture, Family, FeatureShape, Unit};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README and the pages of the guide.
fn documents() -> Vec<PathBuf> {
    let pages = project().join("docs/src/**/*.md");
    let pages = glob::glob(pages.to_str().unwrap()).unwrap();
    let mut found = vec![project().join("README.md")];
    found.extend(pages.map(Result::unwrap));
    found
}

/// The commands of a document, with lines that end in a backslash joined, and without the launcher
/// of several processes: one must do as well.
fn commands(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap();
    let text = text.replace("\\\n", " ");
    let fenced = text
        .split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix("sh\n"))
        .flat_map(str::lines);
    let indented = text.lines().filter_map(|line| line.strip_prefix("    "));
    let launched = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words.first()? {
            "pathscope" => Some(words.join(" ")),
            "mpirun" | "srun" => {
                let program = words.iter().position(|&word| word == "pathscope")?;
                Some(words[program..].join(" "))
            }
            _ => None,
        }
    };
    fenced.chain(indented).filter_map(launched).collect()
}

/// The command with less to do: these options as here, whatever the document gives.
fn shorter(command: &str) -> String {
    let mut words: Vec<&str> = command.split(' ').collect();
    let less: &[[&str; 2]] = match words[1] {
        "lesion" | "reorder" | "ensemble" | "eval" => &[["--limit", "20"]],
        "study" => &[["--limit", "20"], ["--budget", "2s"]],
        "gradient-spectrum" => &[["--batches", "1"], ["--examples", "2"], ["--samples", "5"]],
        // Goes on with what it was begun with.
        "train" if words.contains(&"--resume") => &[],
        "train" => &[
            ["--epochs", "1"],
            ["--limit", "20"],
            ["--batch", "10"],
            ["--width", "2"],
        ],
        "bench" => &[
            ["--depth", "8"],
            ["--functions", "2"],
            ["--batches", "4"],
            ["--steps", "1"],
            ["--width", "2"],
        ],
        _ => &[],
    };
    for &[option, value] in less {
        match words.iter().position(|&word| word == option) {
            Some(place) => words[place + 1] = value,
            None => words.extend([option, value]),
        }
    }
    // One process makes one group.
    words.join(" ").replace("hybrid:2", "hybrid:1")
}

/// Runs a line as a shell does, in `folder`.
fn run(folder: &Path, line: &str) {
    let begin = Instant::now();
    let program = assert_cmd::cargo::cargo_bin("pathscope");
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let output = std::process::Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", path)
        .env("HOME", folder.join("home"))
        .env("SLURM_ARRAY_TASK_ID", "3")
        .output()
        .unwrap();
    let fault = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {fault}");
    println!("{line}: {:.1} s", begin.elapsed().as_secs_f64());
}

/// Colour images of ten classes in the files of CIFAR-10.
fn write_cifar(folder: &Path, records: usize) {
    fs::create_dir(folder).unwrap();
    let names = (1..=5).map(|number| format!("data_batch_{number}.bin"));
    for (file, name) in names.chain(["test_batch.bin".into()]).enumerate() {
        let record = |record: usize| {
            let pixels =
                (0..3072).map(move |pixel| ((pixel * pixel + 31 * record + file) % 251) as u8);
            std::iter::once((record % 10) as u8).chain(pixels)
        };
        let bytes: Vec<u8> = (0..records).flat_map(record).collect();
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// Grey images of ten classes in the files of Fashion-MNIST.
fn write_fashion(folder: &Path, records: usize) {
    let shape = ImageShape {
        channels: 1,
        height: 28,
        width: 28,
    };
    let pixels = (0..records * shape.pixels()).map(|pixel| (pixel * pixel % 251) as u8);
    let labels = (0..records).map(|record| (record % 10) as u16);
    let data = Dataset::new(shape, pixels.collect(), labels.collect(), 10, "made up").unwrap();
    write_idx_gz(&data, folder).unwrap();
    for kind in ["images-idx3", "labels-idx1"] {
        let file = |split: &str| folder.join(format!("{split}-{kind}-ubyte.gz"));
        fs::copy(file("t10k"), file("train")).unwrap();
    }
}

/// What the documents take for granted that a reader has.
fn belongings(folder: &Path) {
    write_cifar(&folder.join("cifar-10-batches-bin"), 24);
    symlink("cifar-10-batches-bin", folder.join("cifar10")).unwrap();
    write_fashion(&folder.join("fashion-mnist"), 60);
    symlink(project().join("assets"), folder.join("assets")).unwrap();
    for (fixture, name) in [
        ("exported/vit.pt2", "vit.pt2"),
        ("exported/gpt.pt2", "model.pt2"),
        ("tokens/gpt.npz", "text.npz"),
    ] {
        let fixture = project().join("tests/fixtures").join(fixture);
        symlink(fixture, folder.join(name)).unwrap();
    }
    let architecture = Architecture::cifar(Family::Preresnet, Unit::Basic, 38, 1, 3, 10).unwrap();
    let input = FeatureShape {
        channels: 3,
        height: 32,
        width: 32,
    };
    let architecture = Architecture {
        width: 4,
        stem_width: 4,
        ..architecture
    };
    save_untrained_for(&folder.join("model.safetensors"), &architecture, input);
    run(folder, "pathscope -q convert model.safetensors model.pt");
    let data = "--data cifar-10-batches-bin --limit 20";
    for line in [
        format!("pathscope -q lesion model.pt {data} --each --results lesion.jsonl"),
        format!("pathscope -q reorder model.pt {data} --swaps 2 --count 3 --results reorder.jsonl"),
        format!(
            "pathscope -q gradient-spectrum model.pt {data} --batches 1 --examples 2 --samples 5 \
             --results spectrum.jsonl"
        ),
        format!("pathscope -q study model.pt {data} --budget 2s -o run-a"),
        format!("pathscope -q study model.pt {data} --budget 2s -o run-b"),
    ] {
        run(folder, &line);
    }
    for name in ["full", "restricted"] {
        let train =
            "pathscope -q train --recipe preresnet20-fashion --data fashion-mnist --width 4";
        run(
            folder,
            &format!("{train} --epochs 1 --limit 20 -o runs/{name}"),
        );
    }
}

/// What the reader has, made once for all pages.
fn reader() -> &'static Path {
    static READER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = READER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        belongings(folder.path());
        folder
    });
    folder.path()
}

/// Runs every command of a document in a folder where the reader's files lie.
fn follow(document: &str) {
    let commands = commands(&project().join(document));
    assert!(!commands.is_empty(), "{document} has no command");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for place in [
        "docs/images",
        "home/.zfunc",
        "home/.config/fish/completions",
        "home/.local/share/bash-completion/completions",
    ] {
        fs::create_dir_all(folder.join(place)).unwrap();
    }
    let written = |name: &str| {
        let writes = |line: &String| {
            let line = format!("{line} ");
            line.contains(&format!("--results {name} ")) || line.contains(&format!("-o {name} "))
        };
        commands.iter().any(writes)
    };
    for entry in fs::read_dir(reader()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // What the document itself makes is not there yet.
        if !written(&name) {
            symlink(reader().join(&name), folder.join(&name)).unwrap();
        }
    }
    for command in &commands {
        if command.starts_with("pathscope data get") {
            println!("left out, since it needs the network: {command}");
            continue;
        }
        if format!("{command} ").contains(" -o run ") {
            // Each example starts its own run.
            let _ = fs::remove_dir_all(folder.join("run"));
        }
        run(folder, &shorter(command));
        // The other parts of a sweep, so that they can be merged.
        if command.contains("--shard 3/8") {
            for part in [1, 2, 4, 5, 6, 7, 8] {
                let other = command
                    .replace("--shard 3/8", &format!("--shard {part}/8"))
                    .replace("3.jsonl", &format!("{part}.jsonl"));
                run(folder, &shorter(&other));
            }
        }
    }
}

/// One test for each document that shows commands.
macro_rules! pages {
    ($($test:ident: $document:literal,)*) => {
        $(#[test]
        fn $test() {
            follow($document);
        })*

        const PAGES: &[&str] = &[$($document),*];
    };
}

pages! {
    readme: "README.md",
    tutorial: "docs/src/tutorial.md",
    count_paths: "docs/src/how-to/count-paths.md",
    draw: "docs/src/how-to/draw.md",
    gallery: "docs/src/gallery.md",
    results_cancellation: "docs/src/results/cancellation.md",
    results_kinds: "docs/src/results/kinds.md",
    results_lesions: "docs/src/results/lesions.md",
    results_paper: "docs/src/results/paper.md",
    results_systems: "docs/src/results/systems.md",
    find_blocks: "docs/src/how-to/find-blocks.md",
    open_models: "docs/src/how-to/open-models.md",
    reorder: "docs/src/how-to/reorder.md",
    several_machines: "docs/src/how-to/several-machines.md",
    shell: "docs/src/how-to/shell.md",
    spectrum: "docs/src/how-to/spectrum.md",
    study: "docs/src/how-to/study.md",
    tokens: "docs/src/how-to/tokens.md",
    train: "docs/src/how-to/train.md",
}

#[test]
fn every_document_with_commands_has_a_test() {
    let with_commands: BTreeSet<PathBuf> = documents()
        .into_iter()
        .filter(|document| !commands(document).is_empty())
        .collect();
    let tested = PAGES.iter().map(|page| project().join(page)).collect();
    assert_eq!(with_commands, tested);
}
