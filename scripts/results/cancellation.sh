#!/bin/sh
# The records behind docs/src/results/cancellation.md that scripts/results/paper.sh and kinds.sh do not
# make: one training, measured after some of its epochs. Run it in the folder of the project.
#   scripts/results/cancellation.sh train RUN [SHARED]      trains, and keeps RUN/epoch-N.safetensors
#   scripts/results/cancellation.sh measure RUN [SHARED]    measures them; can be stopped and begun again
#
# SHARED is the folder that holds data/cifar10 [default: ../shared]; PATHSCOPE names the program, EPOCHS those to
# measure. The network is narrow and sees 3,000 images, so that training takes minutes on one core.
set -eu
pathscope=${PATHSCOPE:-pathscope}
run=$2
data=${3:-../shared}/data/cifar10/cifar-10-batches-bin
results=assets/results/training-time
epochs=8

case $1 in
train)
    # One checkpoint per epoch (47 mini-batches of 64), replaced by the next one: each is copied.
    "$pathscope" -q train --recipe preresnet20-cifar10 --depth 56 --width 8 --epochs $epochs --batch 64 \
        --schedule one-cycle --weight-decay 5e-4 --limit 3000 --seed 1 --threads 1 \
        --checkpoint-batches 47 --checkpoint-minutes 600 --data "$data" --output "$run" &
    training=$!
    while kill -0 $training 2>/dev/null; do
        sleep 0.5
        [ -e "$run/checkpoint.safetensors" ] || continue
        cp "$run/checkpoint.safetensors" "$run/copy.safetensors"
        epoch=$(head -c 4000 "$run/copy.safetensors" | grep -ao '\\"epoch\\":[0-9]*' | head -1 | cut -d: -f2)
        [ -e "$run/epoch-$epoch.safetensors" ] || mv "$run/copy.safetensors" "$run/epoch-$epoch.safetensors"
    done
    wait $training
    ;;
measure)
    mkdir -p "$results"
    for epoch in ${EPOCHS:-0 1 2 4 6}; do
        "$pathscope" -q gradient-spectrum "$run/epoch-$epoch.safetensors" --normalize cifar10 --data "$data" \
            --batches 8 --examples 2 --draws 4 --samples 10 \
            --results "$results/epoch-$epoch.jsonl" >/dev/null
    done
    ;;
esac
