#!/bin/sh
# preresnet-110 on CIFAR-10, three seeds each: all 54 blocks per mini-batch, 23 of them for as many
# epochs, and all of them for the epochs that cost as much. The nine trainings share one GPU; what was
# interrupted is resumed.
#   run.sh PATHSCOPE CIFAR10 OUTPUT_FOLDER
set -eu
here=$(dirname "$0")
program=$1 data=$2 output=$3
mkdir -p "$output"
# train NAME SEED OPTION...
train() {
    name=$1-$2 seed=$2
    shift 2
    if [ -e "$output/$name/checkpoint.safetensors" ]; then
        set -- --resume
    else
        set -- --recipe "$here/preresnet110.toml" --seed "$seed" --data "$data" "$@"
    fi
    [ -e "$output/$name/model.safetensors" ] ||
        "$program" -q train "$@" --recalibrate 32 --threads 1 --half --device cuda:0 \
            --output "$output/$name" || echo "$name: not finished" >&2
}
for seed in 1 2 3; do
    train restricted "$seed" --effective-paths 23 &
    train full "$seed" &
    train short "$seed" --epochs 10 &
done
wait
