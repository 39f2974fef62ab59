#!/bin/sh
# The records behind docs/src/results/systems.md: each system of scripts/results/systems is trained with two
# seeds on CIFAR-10 and measured. Run it in the folder of the project; an hour on one thread.
#   scripts/results/systems.sh [SHARED]
#
# SHARED is the folder that holds data/cifar10 [default: ../shared]; PATHSCOPE names the program, RUNS the
# folder of the trainings [default: runs/systems].
set -eu
pathscope=${PATHSCOPE:-pathscope}
data=${1:-../shared}/data/cifar10/cifar-10-batches-bin
runs=${RUNS:-runs/systems}
results=assets/results/systems
recipes=$(ls scripts/results/systems/*.toml | paste -sd, -)
mkdir -p "$results"

for seed in 1 2; do
    [ -d "$runs/seed$seed" ] || "$pathscope" train --recipes "$recipes" --seeds $seed --data "$data" \
        --limit 10000 --threads 1 --at-once 1 -o "$runs/seed$seed"
done
for run in "$runs"/seed?/*-s?; do
    name=$(basename "$run")
    model=$run/model.safetensors
    "$pathscope" -q lesion "$model" --data "$data" --each --threads 1 \
        --results "$results/lesion-$name.jsonl" >"$results/lesion-$name.txt"
    case $name in plain-*) continue ;; esac
    "$pathscope" -q gradient-spectrum "$model" --data "$data" --batches 4 --examples 4 --draws 4 \
        --samples 10 --threads 1 --results "$results/spectrum-$name.jsonl" >/dev/null
done
for run in "$runs"/seed?/swapout-s?; do
    name=$(basename "$run")
    "$pathscope" -q eval "$run/model.safetensors" --data "$data" --threads 1 --format json \
        >"$results/deterministic-$name.json"
    "$pathscope" -q eval "$run/model.safetensors" --data "$data" --sampled 30 --threads 1 --format json \
        >"$results/sampled-$name.json"
done
