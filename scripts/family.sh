#!/usr/bin/env bash
# Trains a family of small networks, 4 depths x 3 numbers of functions per block, and measures the
# gradient spectrum of each. Run it in the folder of the project.
#
#   scripts/family.sh train DATA RUNS        trains what RUNS does not hold yet
#   scripts/family.sh measure RUNS RESULTS   measures what is trained, and answers
#
# DATA is a folder with Fashion-MNIST in its four IDX files. Both can be stopped and begun again:
# a training goes on from its checkpoint, a spectrum from its last mini-batch.
#
# Depths double in blocks (3, 6, 12 and 24), so that networks of equal parameters come in pairs:
# k = 2 with n blocks beside k = 1 with 2 n, k = 4 with n beside k = 1 with 4 n. The width stays
# at 8 channels throughout. Parameters of a pair differ by up to a quarter, since stem, head and the
# blocks that change the shape do not double with the rest.
#
# PATHSCOPE names the program, EXAMPLES the number of training examples, SEEDS the seeds of the
# trainings, WORKERS how many networks are trained at once, each on one thread.
set -euo pipefail

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -eq 3 ] || usage
pathscope=${PATHSCOPE:-pathscope}
seeds=${SEEDS:-1}

# The small ones first.
members() {
    for member in "8 1" "14 1" "8 2" "14 2" "26 1" "8 4" "26 2" "50 1" "14 4" "50 2" "26 4" "50 4"; do
        for seed in $seeds; do echo "$member $seed"; done
    done
}

train() {
    local run="$runs/depth$1-k$2-seed$3"
    if [ -e "$run/model.safetensors" ]; then return; fi
    if [ -e "$run/checkpoint.safetensors" ]; then
        "$pathscope" train --resume --threads 1 --output "$run" --data "$data"
    else
        "$pathscope" train --recipe scripts/family.toml --depth "$1" --k "$2" --seed "$3" \
            --limit "${EXAMPLES:-10000}" --threads 1 --output "$run" --data "$data"
    fi
}

spectrum() {
    local name="depth$1-k$2-seed$3"
    [ -e "$runs/$name/model.safetensors" ] || return 0
    "$pathscope" -q gradient-spectrum "$runs/$name/model.safetensors" \
        --data assets/fashion-mnist-2000 --batches 6 --examples 4 --draws 4 --samples 10 \
        --results "$results/spectrum-$name.jsonl" >/dev/null
}

# One line of the table for `pathscope threshold`, from the log of a training.
member() {
    local log="$runs/depth$1-k$2-seed$3/log.jsonl" parameters test
    [ -e "$runs/depth$1-k$2-seed$3/model.safetensors" ] || return 0
    parameters=$(grep -o '"parameters":[0-9]*' "$log" | head -1 | cut -d: -f2)
    test=$(tail -1 "$log" | grep -o '"errors":[0-9]*,"examples":[0-9]*' | head -1)
    echo "$1,$2,$parameters,$(echo "$test" | sed 's/[^0-9,]//g'),$3"
}

case $1 in
train)
    data=$2 runs=$3
    export -f train
    export pathscope data runs
    members | xargs -P "${WORKERS:-1}" -L 1 bash -euo pipefail -c 'train "$@"' train
    ;;
measure)
    runs=$2 results=$3
    mkdir -p "$results"
    members | while read -r depth k seed; do spectrum "$depth" "$k" "$seed" </dev/null; done
    echo "depth,k,parameters,errors,examples,seed" >"$results/members.csv"
    members | while read -r depth k seed; do member "$depth" "$k" "$seed"; done >>"$results/members.csv"
    "$pathscope" effective-range "$results"/spectrum-*.jsonl --force --json "$results/ranges.json" \
        --plot "$results/ranges.svg" >"$results/ranges.txt"
    "$pathscope" threshold "$results/members.csv" --tolerance 0.25 --force --json "$results/threshold.json" \
        --plot "$results/threshold.svg" >"$results/threshold.txt"
    ;;
*) usage ;;
esac
