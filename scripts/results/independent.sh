#!/bin/sh
# Compares the spectrum of two networks with plain PyTorch, length by length. Run it in the folder of the
# project.
#   scripts/results/independent.sh [SHARED]
#
# SHARED is the folder that holds models/cifar10-family and data/cifar10 [default: ../shared]; PATHSCOPE
# names the program, PATHSCOPE_PYTHON the Python with torch and safetensors.
set -eu
shared=${1:-../shared}
data=$shared/data/cifar10/cifar-10-batches-bin
results=assets/results/independent
mkdir -p "$results"
for member in ${MEMBERS:-20x4-s1 56x2-s1}; do
    model=$shared/models/cifar10-family/$member.safetensors
    "${PATHSCOPE:-pathscope}" -q gradient-spectrum "$model" --data "$data" --measure coherent --limit 16 \
        --batches 1 --examples 16 --results "$results/$member.jsonl" >/dev/null
    "${PATHSCOPE_PYTHON:-python3}" scripts/results/independent_spectrum.py "$model" "$data" \
        "$results/$member.jsonl" >"$results/$member.txt"
done
