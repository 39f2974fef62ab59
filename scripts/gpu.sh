#!/usr/bin/env bash
# Trains preresnet-110 and multi-resnet 30x4 on all of CIFAR-10 with a CUDA device, and measures
# the throughput against plain PyTorch there. It has not been run yet: no CUDA device was at hand.
#
#   scripts/gpu.sh CIFAR10 OUTPUT [EPOCHS] [BINARY_FOLDER]
#
# CIFAR10: any form that `pathscope train --data` reads (binary or Python batches, image folder,
# archive). BINARY_FOLDER: CIFAR-10 in binary batches, for the comparison with PyTorch; without it
# that comparison is left out. Needs Python with torch 2.11.0 for CUDA, whose libtorch the build
# links: LIBTORCH_USE_PYTORCH=1.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 2 ] || { sed -n '2,11p' "$0"; exit 2; }
data=$1 output=$2 epochs=${3:-200} binary=${4:-}
device=cuda:0

python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' \
  || { echo "gpu: this Python's torch sees no CUDA device" >&2; exit 1; }
export LIBTORCH_USE_PYTORCH=1
cargo build --release --locked --target-dir target/cuda
program=target/cuda/release/pathscope
libraries=$(python3 -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib"))')
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

train() { # NAME RECIPE [CHANGE...]
  local run="$output/$1" recipe=$2
  shift 2
  if [ -f "$run/model.safetensors" ]; then return; fi
  if [ -f "$run/checkpoint.safetensors" ]; then
    "$program" train --resume -o "$run" --device "$device"
  else
    "$program" train --recipe "$recipe" --data "$data" -o "$run" --device "$device" \
      --epochs "$epochs" "$@"
  fi
}

mkdir -p "$output"
train preresnet110 preresnet110-cifar10
train preresnet110-restricted preresnet110-cifar10-restricted
train multi-resnet30x4 multi-resnet30x4-cifar10
train preresnet110-bf16 preresnet110-cifar10 --precision bf16
"$program" table "$output"/*/ | tee "$output/table.txt"

if [ -n "$binary" ]; then
  for network in preresnet-110 multi-resnet-30x4 restricted; do
    echo "== $network"
    python3 benches/training.py "$binary" --network "$network" --device "$device" \
      --images 10000 --pathscope "$program"
  done | tee "$output/throughput.txt"
fi
