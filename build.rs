//! Puts the folder of libtorch's shared libraries on the run path, so that the built program
//! starts without `LD_LIBRARY_PATH`, and tells in one sentence where there is no libtorch.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Minor versions of Python 3 for which PyTorch 2.11 exists.
const PYTHON: std::ops::RangeInclusive<u32> = 10..=14;

fn main() {
    for name in [
        "LIBTORCH",
        "LIBTORCH_LIB",
        "LIBTORCH_USE_PYTORCH",
        "VIRTUAL_ENV",
    ] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let Some(folder) = libraries() else {
        println!(
            "cargo::error=there is no libtorch here; run `make libtorch` to fetch it, or set \
             LIBTORCH to the folder of an unpacked libtorch 2.11.0"
        );
        return;
    };
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", folder.display());
    // Installed as a Python package, the program stands in `bin` beside the `torch` package.
    for minor in PYTHON {
        println!(
            "cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib/python3.{minor}/site-packages/torch/lib"
        );
    }
    if folder.join("libtorch_cuda.so").exists() {
        // CUDA registers itself by being loaded, but the linker drops a library whose symbols
        // nobody names.
        println!("cargo::rustc-link-arg=-Wl,--push-state,--no-as-needed,-ltorch_cuda,--pop-state");
    }
}

/// The folder with `libtorch_cpu`, sought where torch-sys seeks it.
fn libraries() -> Option<PathBuf> {
    let folder = if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        python_torch()?
    } else {
        env::var_os("LIBTORCH_LIB")
            .or_else(|| env::var_os("LIBTORCH"))
            .map_or_else(|| PathBuf::from("/usr"), PathBuf::from)
            .join("lib")
    };
    ["so", "dylib"]
        .iter()
        .any(|extension| library(&folder, extension).exists())
        .then_some(folder)
}

fn library(folder: &Path, extension: &str) -> PathBuf {
    folder.join("libtorch_cpu").with_extension(extension)
}

/// The `lib` folder of the `torch` package that Python imports.
fn python_torch() -> Option<PathBuf> {
    let interpreter = match env::var_os("VIRTUAL_ENV") {
        Some(_) => "python",
        None => "python3",
    };
    let script = "import os, torch; print(os.path.join(os.path.dirname(torch.__file__), 'lib'))";
    let output = Command::new(interpreter)
        .args(["-c", script])
        .output()
        .ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| PathBuf::from(folder.trim()))
}
