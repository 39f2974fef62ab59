//! The report command, and what a browser makes of its page.

mod common;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{measure, pathscope, refuse, shipped_model, succeed};

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
    assert!(page.len() < 5 << 20);
    for part in [
        "What does disabling one block cost (deleted)?",
        "Which path lengths carry the gradient?",
        "95 % interval",
        "class=\"network\"",
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
    assert_eq!(pictures.len(), 4, "network, lesions, spectrum, decay");
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

mod needs_chromium {
    use super::*;

    #[test]
    #[ignore = "needs chromium"]
    fn a_browser_draws_and_sorts_the_page() {
        let folder = tempfile::tempdir().unwrap();
        measure(&shipped_model(), folder.path());
        let place = folder.path().to_str().unwrap();
        browse(&succeed(folder.path(), &["report", place, "-o", "-"]));
    }
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

/// Sorts a table and measures the page where it is as narrow as a phone.
const PROBE: &str = r#"<script>
const table = document.querySelector("table.sortable");
const button = [...table.querySelectorAll("th button")].find((b) => b.textContent === "errors");
button.click(); button.click();
const column = button.parentElement.cellIndex;
const errors = [...table.tBodies[0].rows].map((row) => Number(row.cells[column].dataset.value));
const sorted = errors.every((value, place) => place === 0 || errors[place - 1] >= value);
document.body.style.width = "390px";
const wide = [...document.querySelectorAll("main > section, header, figure, .scroll, .finding")]
  .filter((part) => part.getBoundingClientRect().width > 390).length;
document.title = `sorted ${sorted} ${button.parentElement.ariaSort}, rows ${errors.length}, wide ${wide}, `
  + `page ${document.body.scrollWidth <= 390}`;
</script>"#;

fn browse(page: &str) {
    let browser = browser().expect("chromium is on the PATH");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("probe.html");
    fs::write(&file, page.replace("</body>", &format!("{PROBE}</body>"))).unwrap();
    let open = |more: &[&str]| {
        let output = Command::new(&browser)
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
                folder.path().join("profile").display()
            ))
            .args(more)
            .arg(format!("file://{}", file.display()))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let seen = open(&["--dump-dom"]);
    let title = seen
        .split("<title>")
        .nth(1)
        .and_then(|rest| rest.split("</title>").next());
    assert_eq!(
        title,
        Some("sorted true descending, rows 9, wide 0, page true")
    );
    for (name, size) in [("phone", "500,2400"), ("desktop", "1280,2400")] {
        let picture = folder.path().join(format!("{name}.png"));
        let (screenshot, window) = (
            format!("--screenshot={}", picture.display()),
            format!("--window-size={size}"),
        );
        open(&[&screenshot, &window]);
        assert!(is_drawn(&picture), "{name}");
    }
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
