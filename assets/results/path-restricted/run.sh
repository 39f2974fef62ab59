#!/bin/sh
# Equal-epoch training of all paths and of 8 random blocks of 18 per mini-batch, three seeds each.
#   run.sh PATHSCOPE CIFAR10_FOLDER OUTPUT_FOLDER
set -eu
here=$(dirname "$0")
for seed in 1 2 3; do
    for kind in full restricted; do
        restriction=
        [ "$kind" = restricted ] && restriction="--effective-paths 8"
        # shellcheck disable=SC2086 # no restriction is no word
        "$1" train --recipe "$here/preresnet38.toml" --seed "$seed" $restriction \
            --recalibrate 32 --threads 1 --data "$2" --output "$3/$kind-$seed"
    done
done
