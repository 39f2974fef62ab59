"""Every single-block deletion of a CIFAR ResNet: pathscope against the plain PyTorch loop.

    pip install torch==2.11.0 numpy
    python benches/lesion_each.py MODEL.th TEST_BATCH.bin [--pairs N] [--runs N]

The PyTorch side is what one would write by hand: eager, NCHW, batches of 128, all modules run
again for each deletion. Both run on the same number of threads, in turn; the pathscope time is
that of the whole process, the PyTorch time that of the loop alone. With --pairs N, a sample of N
block pairs is timed and extrapolated to all of them.
"""

import argparse
import itertools
import json
import random
import statistics
import subprocess
import tempfile
import time

import torch
from cifar_resnet import Block, images, load


def errors(model, pixels, labels):
    wrong = 0
    with torch.no_grad():
        for start in range(0, len(labels), 128):
            found = model(pixels[start : start + 128]).argmax(1)
            wrong += (found != labels[start : start + 128]).sum().item()
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pathscope", default="target/release/pathscope")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load(options.model)
    pixels, labels = images(options.data)
    blocks = [module for module in model.modules() if isinstance(module, Block)]
    if options.pairs:
        every = list(itertools.combinations(range(len(blocks)), 2))
        lesions = random.Random(0).sample(every, options.pairs)
        scale, question = (len(every) + len(blocks)) / len(lesions), "--pairs"
    else:
        lesions = [(block,) for block in range(len(blocks))]
        scale, question = 1, "--each"

    ratios = []
    for run in range(options.runs):
        start = time.perf_counter()
        plain = {}
        for lesion in lesions:
            for block in lesion:
                blocks[block].deleted = True
            plain[lesion] = errors(model, pixels, labels)
            for block in lesion:
                blocks[block].deleted = False
        seconds = (time.perf_counter() - start) * scale
        with tempfile.TemporaryDirectory() as folder:
            journal = f"{folder}/journal.jsonl"
            command = [options.pathscope, "-q", "lesion", options.model, "--data", options.data]
            command += [question, "--threads", str(options.threads), "--json", journal]
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            ours = time.perf_counter() - start
            with open(journal) as lines:
                records = [json.loads(line) for line in lines]
        found = {
            tuple(record["change"]["blocks"]): record["errors"]
            for record in records
            if record["type"] == "outcome" and record["change"]["change"] == "lesion"
        }
        differing = sum(found[lesion] != count for lesion, count in plain.items())
        largest = max(abs(found[lesion] - count) for lesion, count in plain.items())
        ratios.append(seconds / ours)
        print(
            f"run {run}: PyTorch {seconds:.1f} s, pathscope {ours:.1f} s, ratio {ratios[-1]:.2f}; "
            f"{differing} of {len(plain)} counts differ, by at most {largest}",
            flush=True,
        )
    print(f"median ratio {statistics.median(ratios):.2f} on {options.threads} threads")


main()
