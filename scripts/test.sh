#!/usr/bin/env bash
# Runs every test. Tests that need more than a clone are ignored by a plain `cargo test` and stand
# in modules called needs_...; this script runs those whose need is met, and names the others.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATHSCOPE_PYTHON=${PATHSCOPE_PYTHON:-python3}

cargo test --release --workspace --locked

left_out=()
# run MODULE WHAT CONDITION...: runs the tests in modules MODULE where the condition succeeds.
run() {
  local module=$1 what=$2 file
  shift 2
  if ! "$@" >/dev/null 2>&1; then
    left_out+=("$what")
    return
  fi
  for file in $(grep -l "^mod $module " tests/*.rs); do
    cargo test --release --workspace --locked --test "$(basename "$file" .rs)" -- --ignored "$module::"
  done
}
run needs_shared "../shared (real networks and data)" test -d ../shared
run needs_fashion_mnist "/usr/share/datasets/fashion-mnist" test -d /usr/share/datasets/fashion-mnist
run needs_torch "a Python with torch and safetensors" "$PATHSCOPE_PYTHON" -c "import safetensors, torch"
run needs_shared_and_torch "../shared and a Python with torch and safetensors" \
  sh -c 'test -d ../shared && "$PATHSCOPE_PYTHON" -c "import safetensors, torch"'
run needs_python "Python 3.10 or later" "$PATHSCOPE_PYTHON" -c "import sys; assert sys.version_info >= (3, 10)"
run needs_cases "../shared/cases and a Python with torch, torchvision, timm and transformers" \
  sh -c 'test -d ../shared/cases && "$PATHSCOPE_PYTHON" -c "import timm, torchvision, transformers"'
run needs_poppler "Poppler (pdftoppm, pdfinfo, pdffonts, pdftotext)" \
  sh -c "command -v pdftoppm && command -v pdfinfo && command -v pdffonts && command -v pdftotext"
run needs_tensorboard "a Python with tensorboard" "$PATHSCOPE_PYTHON" -c "import tensorboard"
run needs_root "root, to mount a small file system" \
  sh -c 'place=$(mktemp -d) && mount -t tmpfs -o size=64k tmpfs "$place" && umount "$place"'
run needs_chromium "chromium" sh -c "command -v chromium || command -v chromium-browser || command -v google-chrome"

# The Python package; pandas and matplotlib are optional for it, but its tests use them.
if "$PATHSCOPE_PYTHON" -c "import matplotlib, pandas, pytest, torch" >/dev/null 2>&1; then
  PATHSCOPE_BIN=$PWD/target/release/pathscope "$PATHSCOPE_PYTHON" -m pytest -q python/tests
else
  left_out+=("a Python with torch, pandas, matplotlib and pytest")
fi

if [ ${#left_out[@]} -gt 0 ]; then
  printf -v list '%s; ' "${left_out[@]}"
  echo "test: left out, since this machine lacks: ${list%; }"
fi
