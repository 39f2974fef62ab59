//! Ctrl-C and requests to end reach commands that measure nothing bit by bit: each ends by the
//! signal, soon. How soon is measured by `scripts/interrupts.py`, on a calm machine.

mod common;
#[allow(dead_code, reason = "each test file uses some of these")]
mod runs;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use common::{asset, shipped_model};
use runs::{program, runs_until, send};
use tempfile::tempdir;

const SIGNALS: [(&str, i32); 3] = [("-INT", 2), ("-TERM", 15), ("-HUP", 1)];

/// No timing, but the end of a command that does not look.
const PATIENCE: Duration = Duration::from_secs(20);

/// A command line that heeds every signal: who starts the tests by `nohup` lets their children
/// ignore SIGHUP.
fn heeding(folder: &Path, words: &[&str]) -> Command {
    let plain = program(folder, words);
    let mut command = Command::new("env");
    command
        .arg("--default-signal=HUP")
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Sends each signal to `words` while they run.
#[track_caller]
fn ends_by_signals(folder: &Path, words: &[&str]) {
    for (name, number) in SIGNALS {
        let mut child = heeding(folder, words).spawn().unwrap();
        sleep(Duration::from_millis(500));
        assert!(
            child.try_wait().unwrap().is_none(),
            "{words:?} ended by itself"
        );
        send(name, &child);
        let start = Instant::now();
        runs_until(&mut child, || start.elapsed() > PATIENCE);
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(number), "{words:?}: {error}");
        assert!(error.lines().count() <= 1, "{error}");
    }
}

#[test]
fn evaluations() {
    let model = shipped_model();
    let folder = tempdir().unwrap();
    let models = [&*model; 30];
    ends_by_signals(folder.path(), &[&["eval"], &models[..]].concat());
    ends_by_signals(
        folder.path(),
        &[&["eval", "--ten-crop"], &models[..]].concat(),
    );
}

#[test]
fn benchmarks() {
    let bench = ["bench", "parallel", "--depth", "56", "--functions", "2"];
    ends_by_signals(tempdir().unwrap().path(), &bench);
}

#[test]
fn dry_runs() {
    let data = asset("fashion-mnist-2000");
    let dry = [
        "train",
        "--recipe",
        "preresnet110-cifar10",
        "--data",
        &data,
        "--dry-run",
    ];
    ends_by_signals(tempdir().unwrap().path(), &dry);
}

/// A model of twelve gigabytes without numbers, which take no room on the disk.
#[test]
fn the_inspection_of_a_large_file() {
    let folder = tempdir().unwrap();
    let length = 12_u64 << 30;
    let header = format!(
        r#"{{"w":{{"dtype":"F32","shape":[{}],"data_offsets":[0,{length}]}}}}"#,
        length / 4
    );
    let path = folder.path().join("large.safetensors");
    let mut file = File::create(&path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes())
        .unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len(8 + header.len() as u64 + length).unwrap();
    ends_by_signals(folder.path(), &["inspect", "large.safetensors"]);
}

/// A server that promises a file and then sends nothing, before or after its first bytes.
fn stalling(after: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut waiting = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for line in lines {
                if line.is_ok_and(|line| line.is_empty()) {
                    break;
                }
            }
            if after > 0 {
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 1648877\r\n\r\n";
                let _ = stream.write_all(head.as_bytes());
                let _ = stream.write_all(&vec![7; after]);
            }
            waiting.push(stream);
        }
    });
    address
}

#[test]
fn stalled_downloads() {
    for after in [0, 10_000] {
        let folder = tempdir().unwrap();
        let address = stalling(after);
        let get = ["data", "get", "mnist", "images", "--from", &address];
        ends_by_signals(folder.path(), &get);
        assert!(!folder.path().join("images").exists());
    }
}

/// A study says how to go on in words that it understands itself.
#[test]
fn a_study_that_is_interrupted_advises_its_own_command() {
    let model = shipped_model();
    for marker in [
        "study/inspect.json",
        "study/study.json",
        "study/lesion.jsonl",
    ] {
        let folder = tempdir().unwrap();
        let words = ["study", &model, "-o", "study", "--budget", "1m"];
        let mut child = program(folder.path(), &words).spawn().unwrap();
        assert!(runs_until(&mut child, || folder
            .path()
            .join(marker)
            .exists()));
        send("-INT", &child);
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.signal(), Some(2), "{marker}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(
            error.contains("the same command resumes"),
            "{marker}: {error}"
        );
        assert!(
            !error.contains("--json") && !error.contains("--results"),
            "{error}"
        );
    }
}
