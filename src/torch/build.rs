//! Compiles the C++ files against the libtorch that torch-sys found, and puts the folder of its
//! libraries on the run path of the unit tests.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=guard.h");
    println!("cargo::rerun-if-changed=seam.cpp");
    println!("cargo::rerun-if-changed=gradient.cpp");
    println!("cargo::rerun-if-changed=cuda.cpp");
    for name in [
        "LIBTORCH",
        "LIBTORCH_INCLUDE",
        "LIBTORCH_USE_PYTORCH",
        "CUDA_HOME",
    ] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let Some(includes) = includes() else {
        println!(
            "cargo::error=there is no libtorch here; run `make libtorch` to fetch it, or set \
             LIBTORCH to the folder of an unpacked libtorch 2.11.0"
        );
        return;
    };
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".into());
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++17")
        .includes(&includes)
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        // The warnings of libtorch's own headers are not ours to mend.
        .warnings(false)
        .opt_level(2)
        .files(["seam.cpp", "gradient.cpp"]);
    println!("cargo::rustc-check-cfg=cfg(has_cuda)");
    if let Some(headers) = cuda_headers() {
        println!("cargo::rustc-cfg=has_cuda");
        build.file("cuda.cpp").include(headers);
        println!("cargo::rustc-link-lib=dylib=torch_cuda");
        println!("cargo::rustc-link-lib=dylib=c10_cuda");
    }
    build.compile("pathscope_seam");
    if let Some(folder) = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from) {
        println!("cargo::rustc-link-search=native={}", folder.display());
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", folder.display());
    }
    println!("cargo::rustc-link-lib=dylib=torch_cpu");
    println!("cargo::rustc-link-lib=dylib=c10");
}

/// The folders of libtorch's headers, sought where torch-sys seeks them.
fn includes() -> Option<Vec<PathBuf>> {
    let include = if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        python_torch()?
    } else {
        env::var_os("LIBTORCH_INCLUDE")
            .or_else(|| env::var_os("LIBTORCH"))
            .map_or_else(|| PathBuf::from("/usr"), PathBuf::from)
            .join("include")
    };
    let found = include.join("ATen/core/dispatch/Dispatcher.h").exists();
    found.then(|| vec![include.join("torch/csrc/api/include"), include])
}

/// The folder of CUDA's headers, where libtorch has CUDA: that of `CUDA_HOME`, or of the packages
/// that Python's torch brings along (`crt/host_config.h` is in `nvidia-cuda-crt`).
fn cuda_headers() -> Option<PathBuf> {
    let libraries = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from)?;
    if !libraries.join("libtorch_cuda.so").exists() {
        return None;
    }
    let named = env::var_os("CUDA_HOME").map(PathBuf::from);
    let packaged = libraries.join("../../nvidia/cu13");
    let folders = named
        .into_iter()
        .chain([packaged, "/usr/local/cuda".into()]);
    let found = folders
        .map(|folder| folder.join("include"))
        .find(|include| include.join("crt/host_config.h").exists());
    if found.is_none() {
        println!(
            "cargo::warning=CUDA's headers are missing, so steps of training are not recorded; \
             set CUDA_HOME, or install nvidia-cuda-crt beside torch"
        );
    }
    found
}

/// The `include` folder of the `torch` package that Python imports.
fn python_torch() -> Option<PathBuf> {
    let interpreter = match env::var_os("VIRTUAL_ENV") {
        Some(_) => "python",
        None => "python3",
    };
    let script =
        "import os, torch; print(os.path.join(os.path.dirname(torch.__file__), 'include'))";
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
