#!/usr/bin/env python3
"""How alike the functions of one block are, in plain PyTorch.

    scripts/results/function_correlations.py CIFAR10_FOLDER MODEL.safetensors...

For every block and each of 128 test images: the cosine between the outputs of two functions, averaged over
their pairs, once as they are and once after the mean output over images is taken off (what the functions say
about the image). Prints one JSON record per block with both values of every image.
"""

import itertools
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from plain_network import Network, images

COUNT = 128


def cosines(outputs):
    """Mean cosine over pairs of functions, by image: `outputs` are k tensors [N, ...]."""
    flat = [output.flatten(1) for output in outputs]
    pairs = list(itertools.combinations(flat, 2))
    return sum(F.cosine_similarity(a, b) for a, b in pairs) / len(pairs)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder, *models = sys.argv[1:]
    torch.set_num_threads(1)
    x, _ = images(folder, COUNT, torch.float32)
    for model in models:
        network = Network(model, torch.float32)
        with torch.no_grad():
            state = network.stem(x)
            for block in network.blocks:
                skip, outputs = network.parts(block, state)
                state = skip + sum(outputs)
                record = {
                    "network": Path(model).stem,
                    "block": block,
                    "functions": len(outputs),
                    "cosine": cosines(outputs),
                    "centred": cosines([output - output.mean(0) for output in outputs]),
                }
                for name in ("cosine", "centred"):
                    record[name] = [round(value, 4) for value in record[name].tolist()]
                print(json.dumps(record))


if __name__ == "__main__":
    main()
