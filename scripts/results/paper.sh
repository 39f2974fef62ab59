#!/bin/sh
# The records behind docs/src/results/paper.md: spectra and lesions of functions of the paper's Table II
# family. Run it in the folder of the project. It can be stopped and begun again.
#   scripts/results/paper.sh spectra|functions|types|correlations|answers [SHARED]
#
# SHARED is the folder that holds models/cifar10-family and data/cifar10 [default: ../shared];
# PATHSCOPE names the program, MEMBERS the networks.
set -eu
pathscope=${PATHSCOPE:-pathscope}
shared=${2:-../shared}
models=$shared/models/cifar10-family
data=$shared/data/cifar10/cifar-10-batches-bin
results=assets/results/cifar10-family
members=${MEMBERS:-20x4-s1 20x4-s2 8x4-s1 8x4-s2 24x1-s1 24x1-s2 56x2-s1 30x4-s1 30x4-s2 68x1-s1 68x1-s2 110x1-s1 56x2-s2 110x1-s2}
mkdir -p "$results"

case $1 in
spectra)
    for member in $members; do
        # In the deepest ones, paths of more than 24 blocks carry nothing that counts, and take most of
        # the time.
        draws="--draws 4 --samples 10"
        case $member in 68x1* | 110x1*) draws="--draws 2 --samples 5 --max-length 24" ;; esac
        # shellcheck disable=SC2086 # these are several words
        "$pathscope" -q gradient-spectrum "$models/$member.safetensors" --data "$data" \
            --batches 8 --examples 2 $draws \
            --results "$results/spectrum-$member.jsonl" >/dev/null
    done
    ;;
functions)
    for member in ${MEMBERS:-8x4-s1 8x4-s2 20x4-s1 20x4-s2 56x2-s1 56x2-s2 30x4-s1 30x4-s2}; do
        "$pathscope" -q lesion "$models/$member.safetensors" --data "$data" --functions --limit 400 \
            --results "$results/functions-$member.jsonl" >"$results/functions-$member.txt"
    done
    ;;
types)
    for member in ${MEMBERS:-8x4-s1 8x4-s2}; do
        # One image per mini-batch, so that intervals over mini-batches are over images.
        "$pathscope" -q gradient-spectrum "$models/$member.safetensors" --data "$data" --by-function \
            --measure coherent --batches 32 --examples 1 \
            --results "$results/types-$member.jsonl" >/dev/null
    done
    ;;
correlations)
    set --
    for member in ${MEMBERS:-8x4-s1 8x4-s2 20x4-s1 20x4-s2 30x4-s1 30x4-s2 56x2-s1 56x2-s2}; do
        set -- "$@" "$models/$member.safetensors"
    done
    "${PATHSCOPE_PYTHON:-python3}" scripts/results/function_correlations.py "$data" "$@" \
        >"$results/correlations.jsonl"
    ;;
answers)
    python3 scripts/results/family_errors.py "$models/results.json" >"$results/members.csv"
    "$pathscope" -q threshold "$results/members.csv" >"$results/threshold.txt"
    "$pathscope" -q effective-range "$results"/spectrum-*.jsonl --format json >"$results/ranges.json"
    ;;
esac
