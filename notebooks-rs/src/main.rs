//! Runs every notebook of this folder and keeps its outputs: without arguments they are written
//! into the notebooks, with `--check` they are compared with what the notebooks hold.
//!
//! The cells of a notebook are compiled as one function, in their order, so what runs here is what
//! a Rust kernel (evcxr) runs cell by cell. Any error of any cell ends the run with exit code 1.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use serde_json::{Value, json};

mod cells {
    include!(concat!(env!("OUT_DIR"), "/notebooks.rs"));
}

/// Begins the line before what a cell prints.
const CELL: &str = "\u{1}cell ";

fn main() -> ExitCode {
    let argument = env::args().nth(1);
    let outcome = match argument.as_deref() {
        None => run_all(false),
        Some("--check") => run_all(true),
        Some(name) => run_cells(name),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("error: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run_cells(name: &str) -> Result<(), Box<dyn Error>> {
    // Notebooks name their files from the folder they lie in, as a kernel does.
    env::set_current_dir(env!("CARGO_MANIFEST_DIR"))?;
    let found = cells::NOTEBOOKS.iter().find(|(known, _)| *known == name);
    let (_, notebook) = found.ok_or_else(|| format!("there is no notebook {name}"))?;
    notebook()
}

fn run_all(check: bool) -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, _) in cells::NOTEBOOKS {
        let path = folder.join(name);
        let output = Command::new(env::current_exe()?).arg(name).output()?;
        if !output.status.success() {
            let fault = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{name}: {}", fault.trim()).into());
        }
        let printed = String::from_utf8(output.stdout)?;
        let changed = keep(&path, &printed, check)?;
        match (changed, check) {
            (true, true) => {
                let remedy = "run `cargo run --release -p pathscope-notebooks` and commit it";
                return Err(
                    format!("{name}: its outputs are not those of its cells; {remedy}").into(),
                );
            }
            (true, false) => println!("{name}: outputs renewed"),
            (false, _) => println!("{name}: outputs hold"),
        }
    }
    Ok(())
}

/// Puts what the cells printed into the notebook; whether anything differs from what it held.
fn keep(path: &PathBuf, printed: &str, check: bool) -> Result<bool, Box<dyn Error>> {
    let before = fs::read_to_string(path)?;
    let mut notebook: Value = serde_json::from_str(&before)?;
    let cells = notebook["cells"].as_array_mut().ok_or("no cells")?;
    let mut count = 0;
    for part in printed.split(CELL).skip(1) {
        let (index, text) = part.split_once('\n').unwrap_or((part, ""));
        let cell = cells
            .get_mut(index.parse::<usize>()?)
            .ok_or("no such cell")?;
        count += 1;
        cell["execution_count"] = json!(count);
        cell["outputs"] = outputs(text);
    }
    let after = serde_json::to_string_pretty(&notebook)? + "\n";
    let changed = before != after;
    if changed && !check {
        fs::write(path, after)?;
    }
    Ok(changed)
}

/// Text and pictures, as notebooks hold them. A picture stands between the marks of the kernel.
fn outputs(text: &str) -> Value {
    const BEGIN: &str = "EVCXR_BEGIN_CONTENT image/svg+xml\n";
    const END: &str = "EVCXR_END_CONTENT\n";
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((words, more)) = rest.split_once(BEGIN) {
        found.extend(stream(words));
        let (picture, more) = more.split_once(END).unwrap_or((more, ""));
        found.push(json!({
            "output_type": "display_data",
            "data": { "image/svg+xml": lines(picture) },
            "metadata": {},
        }));
        rest = more;
    }
    found.extend(stream(rest));
    Value::Array(found)
}

fn stream(text: &str) -> Option<Value> {
    (!text.is_empty())
        .then(|| json!({ "output_type": "stream", "name": "stdout", "text": lines(text) }))
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_pictures_are_told_apart() {
        let text = "one\nEVCXR_BEGIN_CONTENT image/svg+xml\n<svg/>\nEVCXR_END_CONTENT\ntwo\n";
        let found = outputs(text);
        assert_eq!(found[0]["text"], json!(["one\n"]));
        assert_eq!(found[1]["data"]["image/svg+xml"], json!(["<svg/>\n"]));
        assert_eq!(found[2]["text"], json!(["two\n"]));
    }
}
