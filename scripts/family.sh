#!/usr/bin/env bash
# Trains a family of small networks, 4 depths x 3 numbers of functions per block, and measures the
# gradient spectrum of each.
#
#   scripts/family.sh train DATA OUTPUT      trains what OUTPUT does not hold yet
#   scripts/family.sh spectra DATA OUTPUT    measures the spectra of what is trained
#
# DATA is a folder with Fashion-MNIST in its four IDX files. Both can be stopped and begun again:
# a training goes on from its checkpoint, a spectrum from its last mini-batch.
#
# Depths double in blocks (3, 6, 12 and 24), so that networks of equal parameters come in pairs:
# k = 2 with n blocks beside k = 1 with 2 n, k = 4 with n beside k = 1 with 4 n. The width stays
# at 8 channels throughout.
#
# PATHSCOPE names the program, EXAMPLES the number of training examples, SEEDS the seeds of the
# trainings, WORKERS how many networks are trained at once, each on one thread.
set -euo pipefail

what=${1:?give train or spectra} data=${2:?give the folder of Fashion-MNIST} output=${3:?give the folder for the networks}
here=$(cd "$(dirname "$0")" && pwd)
pathscope=${PATHSCOPE:-pathscope}
seeds=${SEEDS:-1}

# The small ones first.
members() {
    for member in "8 1" "14 1" "8 2" "14 2" "26 1" "8 4" "26 2" "50 1" "14 4" "50 2" "26 4" "50 4"; do
        for seed in $seeds; do echo "$member $seed"; done
    done
}

train() {
    local depth=$1 k=$2 seed=$3 run="$output/depth$1-k$2-seed$3"
    if [ -e "$run/model.safetensors" ]; then return; fi
    if [ -e "$run/checkpoint.safetensors" ]; then
        "$pathscope" train --resume --threads 1 --output "$run" --data "$data"
    else
        "$pathscope" train --recipe "$here/family.toml" --depth "$depth" --k "$k" --seed "$seed" \
            --limit "${EXAMPLES:-10000}" --threads 1 --output "$run" --data "$data"
    fi
}

spectrum() {
    local run="$output/depth$1-k$2-seed$3"
    if [ ! -e "$run/model.safetensors" ]; then return; fi
    "$pathscope" -q gradient-spectrum "$run/model.safetensors" --data "$data" \
        --batches 8 --examples 16 --draws 8 --samples 100 \
        --json "$run/spectrum.jsonl" >"$run/spectrum.txt"
}

case $what in
train) workers=${WORKERS:-1} ;;
spectra) workers=1 ;;
*) echo "give train or spectra, not $what" >&2; exit 2 ;;
esac
[ "$what" = train ] && act=train || act=spectrum
mkdir -p "$output"
export -f train spectrum
export pathscope data output here
members | xargs -P "$workers" -L 1 bash -euo pipefail -c "$act \"\$@\"" "$act"
