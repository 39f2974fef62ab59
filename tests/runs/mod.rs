//! Runs of the program in folders of their own, and what they leave there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A command line in `folder`: the same words wherever that is, since results files hold them.
pub fn program(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("pathscope"));
    command
        .current_dir(folder)
        .env("COLUMNS", "500")
        .arg("-q")
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Runs a command line to its end, which must be a good one.
#[track_caller]
pub fn complete(folder: &Path, words: &[&str]) {
    let (code, error) = end_of(program(folder, words).spawn().unwrap());
    assert_eq!(code, Some(0), "{words:?}: {error}");
}

/// Exit code, none where a signal ended it, and standard error.
pub fn end_of(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), error)
}

/// Sends `signal`, such as `-STOP`.
pub fn send(signal: &str, child: &Child) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status();
    assert!(sent.unwrap().success(), "kill {signal} {id}");
}

/// Waits until `holds` or until the process has ended, and tells whether it still runs.
#[track_caller]
pub fn runs_until(child: &mut Child, holds: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if holds() {
            return true;
        }
        // No timing, but the end of a hang.
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "nothing happens"
        );
        sleep(Duration::from_millis(1));
    }
}

/// The files below `folder` by their paths in it. Hidden ones are drafts and locks.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // A file may vanish while the folder is read.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

/// Bytes in the files below `folder`.
pub fn bytes(folder: &Path) -> u64 {
    let length = |file: PathBuf| fs::metadata(file).map_or(0, |facts| facts.len());
    files(folder).into_iter().map(length).sum()
}

/// What the files below `folder` hold, without run times, which differ from run to run.
pub fn contents(folder: &Path) -> BTreeMap<PathBuf, String> {
    let read = |file: PathBuf| {
        let name = file.strip_prefix(folder).unwrap().to_owned();
        let bytes = fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let kept = text.split_inclusive('\n').filter(|line| !is_time(line));
        (name, kept.collect())
    };
    files(folder).into_iter().map(read).collect()
}

/// Run times that were measured, which stand in records of their own.
pub fn times(folder: &Path) -> usize {
    let lines = files(folder).into_iter().map(|file| {
        let bytes = fs::read(file).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.lines().filter(|line| is_time(line)).count()
    });
    lines.sum()
}

fn is_time(line: &str) -> bool {
    line.starts_with(r#"{"type":"latency","#)
}
