#!/usr/bin/env bash
# Fetches libtorch 2.11.0 (CPU) into .libtorch/ from the wheels of PyPI.
# Does nothing where it is already there, or where LIBTORCH or LIBTORCH_USE_PYTORCH is set.
set -euo pipefail
cd "$(dirname "$0")/.."

version=2.11.0
target=.libtorch
fail() { echo "libtorch: $1" >&2; exit 1; }

# Stops unless the version `$2` that `$1` holds is the one that tch was made for.
expect_version() {
  case "$2" in
    "$version" | "$version"+*) echo "libtorch: version $2 of $1"; exit 0 ;;
    "") fail "$1 holds no libtorch; point it at libtorch $version or unset it" ;;
    *) fail "$1 is version $2, but tch 0.24 needs $version; point it at that version or unset it" ;;
  esac
}

# torch-sys asks Python first, then the folder; and the interpreter as here.
if [ -n "${LIBTORCH_USE_PYTORCH+set}" ]; then
  python=python3
  [ -z "${VIRTUAL_ENV:-}" ] || python=python
  found=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null || true)
  [ -n "$found" ] || fail "LIBTORCH_USE_PYTORCH is set, but $python cannot import torch; install it (pip install torch==$version) or unset LIBTORCH_USE_PYTORCH"
  expect_version "LIBTORCH_USE_PYTORCH ($(command -v "$python"))" "$found"
fi
if [ -n "${LIBTORCH+set}" ]; then
  # An unpacked libtorch has build-version; the folder of a torch wheel has version.py.
  found=$(cat "$LIBTORCH/build-version" 2>/dev/null \
    || sed -n "s/^__version__ = '\(.*\)'$/\1/p" "$LIBTORCH/version.py" 2>/dev/null || true)
  expect_version "LIBTORCH=$LIBTORCH" "$found"
fi
if [ "$(cat "$target/build-version" 2>/dev/null || true)" = "$version" ]; then exit 0; fi

otherwise="or unpack libtorch $version yourself and set LIBTORCH to its folder"
# The wheels of each system. On Linux, torch itself needs two small libraries of CUDA to be loaded.
cuda=(nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
case "$(uname -sm)" in
  "Linux x86_64") wheels=("${cuda[@]}") platforms=(manylinux_2_{28,25,17}_x86_64 manylinux2014_x86_64) size=540 ;;
  "Linux aarch64") wheels=("${cuda[@]}") platforms=(manylinux_2_{28,25,17}_aarch64 manylinux2014_aarch64) size=430 ;;
  "Darwin arm64") wheels=() platforms=(macosx_{14,13,12,11}_0_arm64) size=80 ;;
  *) fail "this script fetches libtorch for Linux x86-64, Linux arm64 and macOS arm64 only; unpack libtorch $version yourself and set LIBTORCH to its folder" ;;
esac
command -v python3 >/dev/null || fail "python3 is needed to fetch libtorch $version; install it (apt-get install python3 python3-pip), $otherwise"
python3 -m pip --version >/dev/null 2>&1 || fail "pip is needed to fetch libtorch $version; install it (apt-get install python3-pip), $otherwise"

work=$(mktemp -d "${TMPDIR:-/tmp}/libtorch.XXXXXX")
trap 'rm -rf "$work" "$target.part"' EXIT
echo "libtorch: fetching version $version ($size MB) ..."
# The library does not depend on the Python version; naming one makes any pip accept the wheel.
if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --python-version 3.11 "${platforms[@]/#/--platform=}" \
  --dest "$work" "torch==$version" ${wheels[@]+"${wheels[@]}"} 2>"$work/pip.log"; then
  fail "the download failed ($(tail -n 1 "$work/pip.log")); check the network connection and run this again, $otherwise"
fi

rm -rf "$target.part"
python3 - "$work" "$target.part" <<'PYTHON' || fail "the downloaded wheels could not be unpacked; run this again"
import pathlib, shutil, sys, zipfile
wheels, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
torch = {"libc10", "libtorch_cpu", "libshm", "libtorch_global_deps"}
# What libtorch_cpu is linked against: OpenMP, and on arm64 the libraries of linear algebra.
beside = ("libgomp", "libomp", "libarm_compute", "libnvpl_", "libgfortran")
def wanted(file):
    stem, _, kind = file.partition(".")
    shared = kind.startswith(("so", "dylib"))
    return shared and (stem in torch or file == "libtorch.dylib" or stem.startswith(beside))
def place(archive, name, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as source, open(path, "wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
for wheel in wheels.glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            file = pathlib.PurePosixPath(name).name
            if name.startswith("torch/include/") and not name.endswith("/"):
                place(archive, name, target / name.removeprefix("torch/"))
            elif name.startswith("torch/lib/") and wanted(file):
                place(archive, name, target / "lib" / file)
            elif file in {"libcudart.so.13", "libcupti.so.13"}:
                place(archive, name, target / "lib" / file)
if not (target / "lib" / "libtorch.dylib").exists():
    # The wheel's libtorch.so needs libtorch_cuda; linking needs the CPU's part only.
    (target / "lib" / "libtorch.so").write_text("INPUT(-ltorch_cpu)\n")
PYTHON
echo "$version" > "$target.part/build-version"
rm -rf "$target"
mv "$target.part" "$target"
echo "libtorch: ready in $target"
