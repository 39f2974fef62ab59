#!/usr/bin/env bash
# Checks pathscope on a CUDA device and measures it beside plain PyTorch (see gpu_check.py).
#
#   scripts/gpu.sh [--binary FILE] [OPTION...]
#
# Needs Python with torch 2.11.0 for CUDA, whose libtorch the program is built against and runs on:
# with `--binary`, a program built elsewhere against the same torch is used and no Rust is needed.
# The other options are those of gpu_check.py.
set -euo pipefail
cd "$(dirname "$0")/.."
program=
if [ "${1:-}" = --binary ]; then
  program=$(realpath "$2")
  shift 2
fi
python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' \
  || { echo "gpu: this Python's torch sees no CUDA device" >&2; exit 1; }
if [ -z "$program" ]; then
  export LIBTORCH_USE_PYTORCH=1
  cargo build --release --locked --target-dir target/cuda
  program=target/cuda/release/pathscope
fi
libraries=$(python3 -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib"))')
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec python3 scripts/gpu_check.py --program "$program" "$@"
