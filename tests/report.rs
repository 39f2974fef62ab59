//! The report command, and what a browser makes of its page.

mod common;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{measure, pathscope, refuse, save_untrained, shipped_model, succeed};
use pathscope::network::{Architecture, Family, Unit};

#[test]
fn a_page_is_made_from_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    measure(&shipped_model(), folder.path());
    let place = folder.path().to_str().unwrap();
    assert_eq!(
        succeed(folder.path(), &["report", place]),
        "",
        "the page is the result"
    );
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert!(page.trim_end().ends_with("</html>"));
    assert!(page.len() < 1 << 20);
    for part in [
        "<h1>preresnet-20 on IDX images (fashion-mnist-2000)</h1>",
        "class=\"tile\"",
        "class=\"map\"",
        "download=\"lesion-one-block-or-function-disabled-deleted.csv\"",
        "What does disabling one block cost (deleted)?",
        "Which path lengths carry the gradient?",
        "95 % interval",
        "prefers-color-scheme: dark",
        "name=\"viewport\"",
        "id=\"methods\"",
        "--each --limit 60</code>",
        "SHA-256",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    for outside in [
        "src=\"",
        "https://",
        "http://www.w3.org/1999/xhtml\" src",
        "<link",
        "@import",
    ] {
        assert!(!page.contains(outside), "{outside} loads something");
    }
    // Every picture is an image with a name and a description, every table has a caption.
    let pictures: Vec<&str> = page.split("<svg").skip(1).collect();
    let kinds = 4;
    assert_eq!(
        pictures.len(),
        2 * kinds,
        "lesions, spectrum, measures and decay, for wide and for narrow screens"
    );
    for picture in pictures {
        let picture = picture.split("</svg>").next().unwrap();
        assert!(picture.contains("role=\"img\"") && picture.contains("aria-label"));
        assert!(picture.contains("<desc"));
    }
    assert_eq!(
        page.matches("<table").count(),
        page.matches("<caption>").count()
    );
    // To the standard output it is the same page, to the byte.
    assert_eq!(succeed(folder.path(), &["report", place, "-o", "-"]), page);
}

#[test]
fn two_runs_share_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let runs = [("a", shipped_model()), ("b", other_model(folder.path()))];
    for (name, model) in &runs {
        fs::create_dir(folder.path().join(name)).unwrap();
        measure(model, &folder.path().join(name));
    }
    assert_eq!(succeed(folder.path(), &["report", "a", "b"]), "");
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("<h1>preresnet-20 and small on "));
    assert_eq!(page.matches("class=\"map\"").count(), 2);
    assert!(page.contains("What differs between the networks"));
}

/// An untrained network for the shipped images.
fn other_model(folder: &Path) -> String {
    let file = folder.join("small.safetensors");
    let architecture = Architecture::cifar(Family::Preresnet, Unit::Basic, 8, 1, 1, 10).unwrap();
    save_untrained(&file, &architecture);
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_folder_without_results_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    assert!(refuse(&["report", place]).contains("no results there"));
    assert!(refuse(&["report", "no/such/folder"]).contains("no/such/folder"));
    fs::write(folder.path().join("a.jsonl"), "{}\n").unwrap();
    assert!(refuse(&["report", place]).contains("no results there"));
}

#[test]
fn quiet_prints_nothing_but_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lesion.jsonl");
    let file = file.to_str().unwrap();
    let model = shipped_model();
    let lesion = [
        "lesion",
        &model,
        "--drop-block",
        "4",
        "--limit",
        "20",
        "--json",
        file,
    ];
    let assert = pathscope().arg("--quiet").args(lesion).assert().success();
    assert_eq!(assert.get_output().stderr, b"");
    assert!(!assert.get_output().stdout.is_empty());
    let assert = pathscope()
        .args(["report", file, "--quiet"])
        .assert()
        .success();
    assert_eq!(assert.get_output().stderr, b"");
    // Without a terminal there are no bars, only lines.
    let assert = pathscope().args(lesion).assert().success();
    let (result, remarks) = (&assert.get_output().stdout, &assert.get_output().stderr);
    assert!(!remarks.contains(&b'\r'));
    // Nor colours, where nobody wants them.
    let help = pathscope()
        .env("NO_COLOR", "1")
        .arg("--help")
        .assert()
        .success();
    for printed in [result, remarks, &help.get_output().stdout] {
        assert!(!printed.contains(&0x1b));
    }
}

#[test]
fn json_is_one_value() {
    let text = succeed(Path::new("."), &["inspect", &shipped_model(), "--json"]);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["blocks"].as_array().unwrap().len(), 9);
}

/// Somebody who reads the first line only, such as `head -1`, is no failure.
#[test]
fn a_reader_may_leave() {
    let folder = tempfile::tempdir().unwrap();
    measure(&shipped_model(), folder.path());
    let mut child = Command::new(env!("CARGO_BIN_EXE_pathscope"))
        .args(["report", folder.path().to_str().unwrap(), "-o", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut complaint = String::new();
    let mut rest = child.stderr.take().unwrap();
    rest.read_to_string(&mut complaint).unwrap();
    assert!(child.wait().unwrap().success(), "{complaint}");
    assert_eq!(complaint, "");
}

mod needs_chromium {
    use super::*;

    #[test]
    #[ignore = "needs chromium"]
    fn the_page_fits_every_screen_and_its_tables_sort() {
        let folder = tempfile::tempdir().unwrap();
        measure(&shipped_model(), folder.path());
        let place = folder.path().to_str().unwrap();
        let page = succeed(folder.path(), &["report", place, "-o", "-"]);
        // The frames of the probe are the screens; the page is a string of its script.
        let text = serde_json::to_string(&page)
            .unwrap()
            .replace('<', r"\u003c");
        let probe = include_str!("report/probe.js");
        let probe = format!("<!DOCTYPE html><body><script>const page = {text};{probe}</script>");
        let (seen, _) = browse(folder.path(), &probe, &["--dump-dom", PATIENCE]);
        let title = seen.split("<title>").nth(1).unwrap_or_default();
        assert_eq!(title.split("</title>").next(), Some("all is well"));
    }

    #[test]
    #[ignore = "needs chromium"]
    fn the_page_has_no_console_message_and_is_drawn() {
        let folder = tempfile::tempdir().unwrap();
        measure(&shipped_model(), folder.path());
        let place = folder.path().to_str().unwrap();
        let page = succeed(folder.path(), &["report", place, "-o", "-"]);
        for (scheme, width) in [(0, 500), (0, 1280), (1, 500), (1, 768), (1, 1280)] {
            let picture = folder.path().join("screen.png");
            let options = [
                format!("--blink-settings=preferredColorScheme={scheme}"),
                format!("--window-size={width},2400"),
                format!("--screenshot={}", picture.display()),
                "--enable-logging=stderr".into(),
            ];
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            let (_, log) = browse(folder.path(), &page, &options);
            let messages: Vec<&str> = log
                .lines()
                .filter(|line| line.contains("CONSOLE"))
                .collect();
            assert_eq!(messages, [""; 0], "{width}");
            assert!(is_drawn(&picture), "{width}");
        }
    }
}

/// Milliseconds that a script may take.
const PATIENCE: &str = "--virtual-time-budget=30000";

/// Opens a page in chromium; what it prints and what it logs.
fn browse(folder: &Path, page: &str, options: &[&str]) -> (String, String) {
    let browser = browser().expect("chromium is on the PATH");
    let file = folder.join("page.html");
    fs::write(&file, page).unwrap();
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ])
        .args(["--no-first-run", "--disable-background-networking"])
        .args([
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .args(options)
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(output.stdout), text(output.stderr))
}

fn browser() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .flat_map(|folder| {
            ["chromium", "chromium-browser", "google-chrome"].map(|name| folder.join(name))
        })
        .find(|path| path.is_file())
}

/// Whether a picture has more than one colour.
fn is_drawn(picture: &Path) -> bool {
    let pixels = image::open(picture).unwrap().into_rgb8();
    let first = *pixels.get_pixel(0, 0);
    pixels.pixels().filter(|pixel| **pixel != first).count() > 1_000
}
