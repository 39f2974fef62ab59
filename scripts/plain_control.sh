#!/bin/sh
# A network of 18 layers without skips (VGG-like, with BN) and a ResNet of the same layers, trained
# alike; then every deletion of one and of up to eight random blocks, and up to eight exchanges.
#   scripts/plain_control.sh PATHSCOPE CIFAR10_FOLDER OUTPUT_FOLDER
set -eu
for family in plain resnet; do
    "$1" train --recipe preresnet20-cifar10 --family "$family" --epochs 8 --batch 64 \
        --schedule one-cycle --weight-decay 5e-4 --recalibrate 32 --threads 1 --data "$2" \
        --output "$3/$family"
    model="$3/$family/model.safetensors"
    "$1" lesion "$model" --data "$2/test_batch.bin" --each --json "$3/$family-each.jsonl" \
        --plot "$3/$family-each.svg" >"$3/$family-each.txt"
    "$1" lesion "$model" --data "$2/test_batch.bin" --random 8 --count 20 \
        --json "$3/$family-deletions.jsonl" --plot "$3/$family-deletions.svg" \
        >"$3/$family-deletions.txt"
    "$1" reorder "$model" --data "$2/test_batch.bin" --swaps 8 --count 20 \
        --json "$3/$family-swaps.jsonl" --plot "$3/$family-swaps.svg" >"$3/$family-swaps.txt"
done
