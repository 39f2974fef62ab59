//! Turns every notebook into a function, so that the compiler reads the cells as they stand.

use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs};

use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut notebooks: Vec<PathBuf> = fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "ipynb"))
        .collect();
    notebooks.sort();
    let mut program = String::new();
    let mut list = String::new();
    for (number, path) in notebooks.iter().enumerate() {
        let notebook: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(list, "(\"{name}\", notebook_{number}),")?;
        writeln!(
            program,
            "#[allow(clippy::all, dead_code, unused)]\n\
             fn notebook_{number}() -> Result<(), Box<dyn std::error::Error>> {{"
        )?;
        for (index, cell) in notebook["cells"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            if cell["cell_type"] != "code" {
                continue;
            }
            // What a cell prints follows its number, so that outputs find their cells.
            writeln!(program, "println!(\"{{}}{index}\", crate::CELL);")?;
            for line in cell["source"].as_array().into_iter().flatten() {
                let line = line.as_str().unwrap_or_default().trim_end_matches('\n');
                // Lines such as `:dep serde_json` are for the kernel.
                if !line.starts_with(':') {
                    writeln!(program, "{line}")?;
                }
            }
        }
        writeln!(program, "Ok(())\n}}")?;
    }
    writeln!(
        program,
        "pub type Notebook = fn() -> Result<(), Box<dyn std::error::Error>>;\n\
         /// The notebooks by file name.\n\
         pub const NOTEBOOKS: &[(&str, Notebook)] = &[{list}];"
    )?;
    fs::write(
        PathBuf::from(env::var("OUT_DIR")?).join("notebooks.rs"),
        program,
    )?;
    Ok(())
}
