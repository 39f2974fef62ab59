//! Sweeps that are killed, interrupted or damaged, and taken up again.

mod common;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::*;
use pathscope_analysis::Seed;
use rand::RngExt;
use tempfile::tempdir;

const JOURNAL: &str = "sweep.jsonl";

/// A sweep of some hundred measurements, by the same words each time: they are in its header.
fn sweep(folder: &Path, examples: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("pathscope"));
    command
        .current_dir(folder)
        .args([
            "-q",
            "lesion",
            &shipped_model(),
            "--random",
            "9",
            "--count",
            "40",
        ])
        .args(["--limit", examples, "--threads", "1", "--json", JOURNAL])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn journal(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join(JOURNAL)).unwrap()
}

fn finish(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn complete(folder: &Path, examples: &str) {
    let (code, error) = finish(sweep(folder, examples).spawn().unwrap());
    assert_eq!(code, Some(0), "{error}");
}

#[test]
fn a_sweep_killed_twenty_times_ends_with_the_same_file() {
    let undisturbed = tempdir().unwrap();
    let start = Instant::now();
    complete(undisturbed.path(), "16");
    let whole = start.elapsed();
    let wanted = journal(undisturbed.path());

    let mut random = Seed(1).stream("moments to kill", 0);
    let (mut kills, mut in_the_middle) = (0, 0);
    while kills < 20 {
        let folder = tempdir().unwrap();
        loop {
            let mut child = sweep(folder.path(), "16").spawn().unwrap();
            sleep(whole.mul_f64(random.random::<f64>()));
            let killed = child.try_wait().unwrap().is_none();
            child.kill().unwrap();
            let (code, error) = finish(child);
            if !killed {
                assert_eq!(code, Some(0), "{error}");
                break;
            }
            kills += 1;
            let lines = std::fs::read(folder.path().join(JOURNAL)).unwrap_or_default();
            in_the_middle += usize::from(!lines.is_empty() && lines.len() < wanted.len());
            if kills >= 20 {
                complete(folder.path(), "16");
                break;
            }
        }
        assert!(
            journal(folder.path()) == wanted,
            "after {kills} kills the file differs"
        );
    }
    assert!(
        in_the_middle > 0,
        "no kill met a sweep that had written something"
    );
}

#[test]
fn a_damaged_last_line_is_told_and_measured_again() {
    let folder = tempdir().unwrap();
    complete(folder.path(), "16");
    let wanted = journal(folder.path());
    let last = wanted[..wanted.len() - 1]
        .iter()
        .rposition(|&byte| byte == b'\n')
        .unwrap()
        + 1;
    // Cut within the last line, right before its end, and its end overwritten by zeros.
    let mut zeros = wanted.clone();
    let end = zeros.len();
    zeros[end - 20..].fill(0);
    for damaged in [&wanted[..last + 1], &wanted[..wanted.len() - 1], &zeros] {
        std::fs::write(folder.path().join(JOURNAL), damaged).unwrap();
        let mut loud = sweep(folder.path(), "16");
        // The header holds the words of the first run; how loud a run is changes no result.
        let arguments: Vec<_> = loud.get_args().skip(1).map(|a| a.to_owned()).collect();
        loud = Command::new(assert_cmd::cargo::cargo_bin!("pathscope"));
        loud.current_dir(folder.path()).args(arguments);
        loud.stdout(Stdio::null()).stderr(Stdio::piped());
        let (code, error) = finish(loud.spawn().unwrap());
        assert_eq!(code, Some(0), "{error}");
        assert!(error.contains("is incomplete"), "{error}");
        assert!(
            journal(folder.path()) == wanted,
            "the repaired file differs"
        );
    }
}

#[test]
fn damage_in_the_middle_and_foreign_files_are_refused() {
    let folder = tempdir().unwrap();
    complete(folder.path(), "16");
    let whole = journal(folder.path());
    let complain = |bytes: &[u8], examples: &str| {
        std::fs::write(folder.path().join(JOURNAL), bytes).unwrap();
        let (code, error) = finish(sweep(folder.path(), examples).spawn().unwrap());
        assert_eq!(code, Some(2), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(
            journal(folder.path()) == bytes,
            "a refused file was changed"
        );
        error
    };
    let mut damaged = whole.clone();
    let second = damaged.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    damaged[second] = b'#';
    assert!(complain(&damaged, "16").contains("line 2"));
    // Other data than those that were measured.
    assert!(complain(&whole, "17").contains("the data"));
    assert!(complain(b"my notes\n", "16").contains("first line"));
    assert!(complain(b"my notes", "16").contains("first line"));
}

#[test]
fn an_interrupt_ends_the_program_by_its_signal_and_leaves_the_file_whole() {
    for (name, signal) in [("-INT", 2), ("-TERM", 15)] {
        let folder = tempdir().unwrap();
        let child = sweep(folder.path(), "400").spawn().unwrap();
        let id = child.id().to_string();
        let start = Instant::now();
        // Until the header is there, the program has begun.
        while std::fs::read(folder.path().join(JOURNAL))
            .unwrap_or_default()
            .is_empty()
        {
            assert!(start.elapsed() < Duration::from_secs(60), "no journal");
            sleep(Duration::from_millis(10));
        }
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        // A script of the shell ends with it.
        assert_eq!(output.status.signal(), Some(signal), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains("interrupted"), "{error}");
        assert!(error.contains("the same command resumes"), "{error}");
        let text = journal(folder.path());
        for line in text
            .split_inclusive(|&byte| byte == b'\n')
            .filter(|line| line.ends_with(b"\n"))
        {
            serde_json::from_slice::<serde_json::Value>(line).unwrap();
        }
    }
}
