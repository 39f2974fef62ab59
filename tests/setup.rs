//! The script that fetches libtorch says in one sentence what is missing and what to do.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const TOOLS: [&str; 9] = [
    "bash", "cat", "dirname", "mktemp", "mv", "rm", "sed", "tail", "uname",
];
const LINUX: &str = r#"echo "Linux x86_64""#;

/// A project folder with nothing but the script, on a machine with nothing but a shell.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let project = machine.project();
        fs::create_dir_all(project.join("scripts")).unwrap();
        fs::create_dir(machine.programs()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/libtorch.sh");
        fs::copy(script, project.join("scripts/libtorch.sh")).unwrap();
        for tool in TOOLS {
            let path = std::env::split_paths(&std::env::var_os("PATH").unwrap())
                .map(|folder| folder.join(tool))
                .find(|path| path.is_file())
                .unwrap_or_else(|| panic!("{tool} is not installed"));
            symlink(path, machine.programs().join(tool)).unwrap();
        }
        machine
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Adds or replaces a program, as the text of a shell script.
    fn with_program(self, name: &str, text: &str) -> Self {
        let path = self.programs().join(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn run(&self, environment: &[(&str, &str)]) -> Output {
        Command::new(self.programs().join("bash"))
            .arg("scripts/libtorch.sh")
            .current_dir(self.project())
            .env_clear()
            .env("PATH", self.programs())
            .env("TMPDIR", self.folder.path())
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }

    /// Runs the script, which has to fail, and returns the one line that it prints.
    fn complaint(&self, environment: &[(&str, &str)]) -> String {
        let output = self.run(environment);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!self.project().join(".libtorch").exists());
        let left = fs::read_dir(self.folder.path()).unwrap().count();
        assert_eq!(left, 2, "only the project and the programs stay");
        text
    }
}

#[test]
fn a_folder_that_is_not_there() {
    let complaint = Machine::new().complaint(&[("LIBTORCH", "/nowhere")]);
    assert!(complaint.contains("LIBTORCH=/nowhere holds no libtorch"));
    assert!(complaint.contains("2.11.0 or unset it"));
}

#[test]
fn a_folder_of_another_version() {
    let machine = Machine::new();
    let folder = machine.project();
    fs::write(folder.join("build-version"), "2.9.1+cpu\n").unwrap();
    let complaint = machine.complaint(&[("LIBTORCH", folder.to_str().unwrap())]);
    assert!(complaint.contains("is version 2.9.1+cpu, but tch 0.24 needs 2.11.0"));

    // A version that merely begins alike is another one.
    fs::write(folder.join("build-version"), "2.11.01\n").unwrap();
    machine.complaint(&[("LIBTORCH", folder.to_str().unwrap())]);
}

#[test]
fn a_folder_of_the_right_version_is_honoured() {
    let machine = Machine::new();
    let folder = machine.project();
    let variables = [("LIBTORCH", folder.to_str().unwrap())];
    fs::write(
        folder.join("version.py"),
        "from typing import Optional\n__version__ = '2.11.0+cu130'\ndebug = False\n",
    )
    .unwrap();
    assert!(machine.run(&variables).status.success());
    fs::write(folder.join("build-version"), "2.11.0+cpu\n").unwrap();
    assert!(machine.run(&variables).status.success());
    assert!(!folder.join(".libtorch").exists());
}

#[test]
fn a_python_without_torch() {
    let complaint = Machine::new().complaint(&[("LIBTORCH_USE_PYTORCH", "1")]);
    assert!(complaint.contains("python3 cannot import torch"));
    let machine = Machine::new().with_program("python3", "echo 2.5.0");
    let complaint = machine.complaint(&[("LIBTORCH_USE_PYTORCH", "1")]);
    assert!(complaint.contains("is version 2.5.0, but tch 0.24 needs 2.11.0"));
}

#[test]
fn no_python_and_no_pip() {
    let machine = Machine::new().with_program("uname", LINUX);
    let complaint = machine.complaint(&[]);
    assert!(complaint.contains("python3 is needed"));
    assert!(complaint.contains("apt-get install python3 python3-pip"));
    let complaint = machine.with_program("python3", "exit 1").complaint(&[]);
    assert!(complaint.contains("pip is needed"));
}

#[test]
fn another_system() {
    let complaint = Machine::new()
        .with_program("uname", r#"echo "FreeBSD amd64""#)
        .complaint(&[]);
    assert!(complaint.contains("Linux x86-64, Linux arm64 and macOS arm64 only"));
    assert!(complaint.contains("set LIBTORCH to its folder"));
}

#[test]
fn no_network() {
    let pip = r#"[ "$3" = "--version" ] && exit 0
echo "WARNING: Retrying after connection broken" >&2
echo "ERROR: No matching distribution found for torch==2.11.0" >&2
exit 1"#;
    let machine = Machine::new()
        .with_program("uname", LINUX)
        .with_program("python3", pip);
    let complaint = machine.complaint(&[]);
    assert!(complaint.contains("the download failed (ERROR: No matching distribution"));
    assert!(complaint.contains("check the network connection"));
}
