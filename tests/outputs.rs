//! No command overwrites a file that exists, unless told to, and never one of its inputs; outputs
//! that cannot be written are refused before the work.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use assert_cmd::cargo::cargo_bin_cmd;
use clap::CommandFactory;
use pathscope::cli::Cli;

/// Command and option, and a command line with OUT for the value of the option; then the file that
/// it would write, where that is not OUT itself.
const OUTPUTS: [(&str, &str, &str, &str); 18] = [
    ("lesion", "plot", "MODEL --plot OUT.svg", "OUT.svg"),
    (
        "lesion",
        "export",
        "MODEL --drop-block 4 --export OUT.safetensors",
        "OUT.safetensors",
    ),
    ("reorder", "plot", "MODEL --plot OUT.png", "OUT.png"),
    (
        "gradient-spectrum",
        "plot",
        "MODEL --plot OUT.svg",
        "OUT.svg",
    ),
    (
        "effective-range",
        "plot",
        "RESULTS --plot OUT.svg",
        "OUT-width-n.svg",
    ),
    (
        "effective-range",
        "results",
        "RESULTS --results OUT.json",
        "OUT.json",
    ),
    ("threshold", "plot", "MEMBERS --plot OUT.svg", "OUT-k2.svg"),
    (
        "threshold",
        "results",
        "MEMBERS --results OUT.json",
        "OUT.json",
    ),
    (
        "multiplicity",
        "plot",
        "--depth 20 --plot OUT.svg",
        "OUT.svg",
    ),
    (
        "plot",
        "output",
        "RESULTS --kind spectrum -o OUT.svg",
        "OUT.svg",
    ),
    ("report", "output", "RESULTS -o OUT.html", "OUT.html"),
    ("merge", "output", "RESULTS -o OUT.jsonl", "OUT.jsonl"),
    ("convert", "out", "MODEL OUT.pt", "OUT.pt"),
    ("man", "folder", "OUT", "OUT/pathscope-lesion.1"),
    ("study", "output", "MODEL -o OUT", "OUT/report.html"),
    (
        "export",
        "output",
        "full-1.jsonl -o OUT",
        "OUT/full-1/events.out.tfevents.0.pathscope",
    ),
    (
        "train",
        "output",
        "--recipe preresnet20-fashion --data fashion-mnist -o OUT",
        "OUT/model.safetensors",
    ),
    (
        "get",
        "folder",
        "data get mnist OUT --from http://127.0.0.1:9",
        "OUT/file",
    ),
];

/// Results files to which the same command appends.
const RESUMED: [(&str, &str); 4] = [
    ("lesion", "results"),
    ("reorder", "results"),
    ("ensemble", "results"),
    ("gradient-spectrum", "results"),
];

/// A folder with inputs of every kind.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (shipped, name) in [
        ("assets/preresnet20.safetensors", "model.safetensors"),
        ("assets/fashion-mnist-2000", "fashion-mnist-2000"),
        ("assets/results/family/members.csv", "members.csv"),
        (
            "assets/results/path-restricted/full-1.jsonl",
            "full-1.jsonl",
        ),
        (
            "assets/results/family/spectrum-depth14-k1-seed1.jsonl",
            "spectrum.jsonl",
        ),
    ] {
        std::os::unix::fs::symlink(project.join(shipped), folder.path().join(name)).unwrap();
    }
    let data = folder.path().join("fashion-mnist");
    fs::create_dir(&data).unwrap();
    for kind in ["images-idx3", "labels-idx1"] {
        let shipped = project.join(format!("assets/fashion-mnist-2000/t10k-{kind}-ubyte.gz"));
        fs::copy(shipped, data.join(format!("train-{kind}-ubyte.gz"))).unwrap();
    }
    folder
}

/// Runs a line, which must be refused as bad input, and gives what it says.
fn refused(folder: &Path, command: &str, line: &str) -> String {
    let line = line
        .replace("MODEL", "model.safetensors")
        .replace("RESULTS", "spectrum.jsonl")
        .replace("MEMBERS", "members.csv");
    let mut words: Vec<&str> = line.split(' ').collect();
    if words[0] != "data" {
        words.insert(0, command);
    }
    let run = cargo_bin_cmd!("pathscope")
        .current_dir(folder)
        .args(&words)
        .output()
        .unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "pathscope {words:?}: {said}");
    assert_eq!(
        String::from_utf8(run.stdout).unwrap(),
        "",
        "pathscope {words:?}"
    );
    said
}

#[test]
fn files_that_exist_are_not_overwritten() {
    for (command, _, line, file) in OUTPUTS {
        let folder = workplace();
        let file = folder.path().join(file.replace("OUT", "taken"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "taken").unwrap();
        let said = refused(folder.path(), command, &line.replace("OUT", "taken"));
        let remedy = match command {
            "train" | "get" => "another folder",
            _ => "--force",
        };
        assert!(said.contains(remedy), "{line}: {said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "taken", "{line}");
    }
    for (command, option) in RESUMED {
        let folder = workplace();
        let file = folder.path().join("taken.jsonl");
        fs::write(&file, "taken\n").unwrap();
        let line = format!("MODEL --limit 16 --{option} taken.jsonl");
        refused(folder.path(), command, &line);
        assert_eq!(fs::read_to_string(&file).unwrap(), "taken\n", "{line}");
    }
}

#[test]
fn inputs_are_not_overwritten_even_by_force() {
    for (command, line) in [
        ("convert", "MODEL MODEL"),
        ("lesion", "MODEL --drop-block 4 --export ./MODEL"),
        ("merge", "RESULTS -o RESULTS"),
        ("report", "report.html -o report.html"),
        ("multiplicity", "--model network.svg --plot network.svg"),
        ("lesion", "MODEL --results lesion.svg --plot lesion.svg"),
        ("plot", "plot.svg --kind spectrum -o plot.svg"),
    ] {
        let folder = workplace();
        for name in ["network.svg", "report.html", "plot.svg"] {
            fs::copy(
                folder.path().join("spectrum.jsonl"),
                folder.path().join(name),
            )
            .unwrap();
        }
        let said = refused(folder.path(), command, &format!("{line} --force"));
        assert!(said.contains("uses this file already"), "{line}: {said}");
    }
}

#[test]
fn outputs_that_cannot_be_written_are_refused_at_once() {
    for (command, option, line, file) in OUTPUTS {
        if ["man", "study", "export", "train", "get"].contains(&command) {
            // The folder is created.
            continue;
        }
        let folder = workplace();
        let said = refused(folder.path(), command, &line.replace("OUT", "missing/out"));
        assert!(said.contains("does not exist"), "{line}: {said}");
        if let Some(ending) = Path::new(file).extension()
            && !["results", "output"].contains(&option)
        {
            let other = line.replace(&format!("OUT.{}", ending.display()), "out.jpg");
            let said = refused(folder.path(), command, &other);
            assert!(said.contains("must end in"), "{other}: {said}");
        }
    }
}

#[test]
fn every_output_option_is_tested() {
    fn walk(command: &clap::Command, found: &mut BTreeSet<(String, String)>) {
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            if ["plot", "export", "output", "out", "folder", "results"].contains(&id) {
                found.insert((command.get_name().to_owned(), id.to_owned()));
            }
        }
        for inner in command.get_subcommands() {
            walk(inner, found);
        }
    }
    let mut found = BTreeSet::new();
    walk(&Cli::command(), &mut found);
    let tested = OUTPUTS
        .iter()
        .map(|&(command, option, ..)| (command, option));
    let tested: BTreeSet<(String, String)> = tested
        .chain(RESUMED)
        .map(|(command, option)| (command.to_owned(), option.to_owned()))
        .collect();
    assert_eq!(found, tested);
}
