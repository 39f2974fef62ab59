#!/usr/bin/env python3
"""The test errors of the family as `pathscope threshold` reads them.

    scripts/results/family_errors.py RESULTS.json > members.csv

RESULTS.json lists networks such as 110x1-s2 with their errors on the 10,000 JPEG test images, counted in
plain PyTorch; parameters come from the headers of the spectra in assets/results/cifar10-family.
"""

import json
import re
import sys

from records import read


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print("depth,k,parameters,errors,examples,seed")
    with open(sys.argv[1]) as file:
        networks = json.load(file)
    for network in networks:
        depth, k, seed = re.fullmatch(r"(\d+)x(\d+)-s(\d+)", network["net"]).groups()
        header, _ = read(f"cifar10-family/spectrum-{network['net']}.jsonl")
        parameters = header["model"]["parameters"]
        print(f"{depth},{k},{parameters},{network['test_errors_jpeg_fp32']},10000,{seed}")


if __name__ == "__main__":
    main()
