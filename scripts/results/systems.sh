#!/bin/sh
# Trains each system of scripts/results/systems with two seeds on the first 10,000 images of CIFAR-10 and
# measures it; the records lie in assets/results/systems, the networks in runs/systems.
#
#     scripts/results/systems.sh    (an hour on one thread)
set -eu
cd "$(dirname "$0")/../.."
program=${PATHSCOPE:-pathscope}
data=../shared/data/cifar10/cifar-10-batches-bin
runs=${RUNS:-runs/systems}
out=assets/results/systems
mkdir -p "$runs" "$out"

recipes=$(ls scripts/results/systems/*.toml | paste -sd, -)
"$program" train --recipes "$recipes" --seeds 1-2 --data $data --limit 10000 --threads 1 --at-once 1 \
    --resume -o "$runs/family" || "$program" train --recipes "$recipes" --seeds 1-2 --data $data \
    --limit 10000 --threads 1 --at-once 1 -o "$runs/family"

for run in "$runs"/family/*-s[12]; do
    name=$(basename "$run")
    model=$run/model.safetensors
    "$program" -q lesion "$model" --data $data --each --threads 1 --results "$out/lesion-$name.jsonl"
    case $name in
    plain-*) ;; # one path
    *)
        "$program" -q gradient-spectrum "$model" --data $data --batches 4 --examples 4 --draws 4 \
            --samples 4 --threads 1 --results "$out/spectrum-$name.jsonl"
        "$program" -q ensemble "$model" --data $data --limit 400 --threads 1 \
            --results "$out/ensemble-$name.jsonl"
        ;;
    esac
done
