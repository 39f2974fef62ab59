#!/bin/sh
# The records behind docs/src/results/kinds.md: spectrum and deletions of networks of other kinds. Run it
# in the folder of the project. It can be stopped and begun again.
#   scripts/results/kinds.sh [SHARED]
#
# SHARED is the folder that holds models/real and data/cifar10 [default: ../shared]; PATHSCOPE names the
# program, KINDS the networks.
set -eu
pathscope=${PATHSCOPE:-pathscope}
real=${1:-../shared}/models/real
cifar=${1:-../shared}/data/cifar10/cifar-10-batches-bin
results=assets/results/kinds
mkdir -p "$results"

# NAME MODEL DATA [OPTIONS]
measure() {
    name=$1 model=$2 data=$3
    shift 3
    case " ${KINDS:-$name} " in *" $name "*) ;; *) return 0 ;; esac
    "$pathscope" -q lesion "$model" --data "$data" --each --scores "$@" \
        --results "$results/lesion-$name.jsonl" >"$results/lesion-$name.txt"
    "$pathscope" -q gradient-spectrum "$model" --data "$data" --batches 4 --examples 4 --draws 4 \
        --samples 10 "$@" \
        --results "$results/spectrum-$name.jsonl" >/dev/null
}

measure stories260k "$real/stories260k.pt2" "$real/stories260k.npz"
measure katago "$real/katago-b6c96.pt2" "$real/katago-b6c96.npz" --limit 500
measure resnet20-plain "$real/ehanw-resnet20.pth" "$cifar" --normalize imagenet --limit 400
measure resnet20-robust "$real/ehanw-resnet20-pgd.pth" "$cifar" --normalize imagenet --limit 400
measure s4d "$real/s4d-cifar10.pt2" "$cifar" --limit 256
measure depthwise110 "$real/resnet110-depthwise-gasoonjia.pt2" "$cifar" --limit 400
measure vit "$results/vit.pt2" "$cifar" --normalize cifar10
measure rxnfp "$real/rxnfp-bert12.pt2" "$real/rxnfp-bert12.npz"
