#!/bin/sh
# The records behind docs/src/results/lesions.md: the deletion of each block. Run it in the folder of the
# project. It can be stopped and begun again.
#   scripts/results/lesions.sh [SHARED]
#
# SHARED is the folder that holds models and data/cifar10 [default: ../shared]; PATHSCOPE names the
# program, NETWORKS the networks, STATISTICS those of the normalisations.
set -eu
pathscope=${PATHSCOPE:-pathscope}
shared=${1:-../shared}
data=$shared/data/cifar10/cifar-10-batches-bin
results=assets/results/lesion-table
mkdir -p "$results"

file() {
    case $1 in
    resnet*) ls "$shared/models/$1"-*.th ;;
    *) echo "$shared/models/cifar10-family/$1.safetensors" ;;
    esac
}

for network in ${NETWORKS:-resnet20 resnet32 resnet56 8x4-s1 8x4-s2 24x1-s1 24x1-s2 20x4-s1 20x4-s2 30x4-s1 30x4-s2 68x1-s1 68x1-s2 56x2-s1 56x2-s2 110x1-s1 110x1-s2}; do
    for statistics in ${STATISTICS:-frozen recalibrate}; do
        calibration=
        scores=--scores
        [ "$statistics" = recalibrate ] && calibration="--calibration $data/data_batch_2.bin" scores=
        # shellcheck disable=SC2086 # no calibration is no word
        "$pathscope" -q lesion "$(file "$network")" --data "$data" --each --bn "$statistics" $calibration \
            $scores --results "$results/$network-$statistics.jsonl" \
            >"$results/$network-$statistics.txt"
    done
    # The price of re-measured statistics where nothing is deleted.
    depth=${network#resnet}
    depth=${depth%%x*}
    "$pathscope" -q lesion "$(file "$network")" --data "$data" --keep "0-$((depth / 2 - 2))" --bn recalibrate \
        --calibration "$data/data_batch_2.bin" --results "$results/$network-intact.jsonl" >/dev/null
done
