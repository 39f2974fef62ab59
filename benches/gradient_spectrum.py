"""The exact gradient spectrum of a CIFAR ResNet against PyTorch.

    pip install torch==2.11.0 numpy
    cargo build --release --example spectrum_seconds
    python benches/gradient_spectrum.py MODEL.th TEST_BATCH.bin [--runs N] [--veit PASSES]

Two questions, both on the same examples and the same number of threads, in turn:

* How many ordinary passes does the exact spectrum of all lengths cost? A pass is one forward and
  one backward run of the eager network over the same mini-batch, with the gradients of all
  weights, as a step of training has it. A pass that asks for the gradient of the images alone is
  given beside it. The pathscope time is that of a warm process and holds all of a mini-batch: the
  normalised images, the linearised forward pass, the recursion over all lengths, and the ordinary
  gradient that the sum over lengths is checked against.
* With --veit: how long would a straightforward protocol of Veit et al. (2016) take for all
  lengths, 1,000 measurements each? One measurement is a forward pass and a backward pass over one
  mini-batch in which the blocks outside a random set of the given size are detached, so that the
  gradient flows through their skips alone. PASSES of them are timed, at lengths spread evenly,
  and extrapolated to 1,000 x (blocks + 1). That gives estimates with an error; the spectrum of
  pathscope is exact.
"""

import argparse
import random
import statistics
import subprocess
import time

import torch
from cifar_resnet import Block, images, load, seconds_of
from torch.nn import functional


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--examples", type=int, default=16)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--veit", type=int, default=0, metavar="PASSES")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--program", default="target/release/examples/spectrum_seconds")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load(options.model)
    pixels, labels = images(options.data, options.examples)
    blocks = [module for module in model.modules() if isinstance(module, Block)]

    def training_pass():
        model.zero_grad(set_to_none=True)
        functional.cross_entropy(model(pixels), labels, reduction="sum").backward()

    def input_pass():
        leaf = pixels.clone().requires_grad_()
        loss = functional.cross_entropy(model(leaf), labels, reduction="sum")
        return torch.autograd.grad(loss, leaf)[0]

    command = [options.program, options.model, options.data]
    command += [str(options.examples), str(options.threads)]
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def exact():
        program.stdin.write("\n")
        program.stdin.flush()
        seconds, check = program.stdout.readline().split()
        return float(seconds), float(check)

    training_pass(), input_pass(), exact()
    against_training, against_input, spectra = [], [], []
    for run in range(options.runs):
        ordinary = seconds_of(training_pass)
        images_only = seconds_of(input_pass)
        measured = [exact() for _ in range(3)]
        ours = statistics.median(seconds for seconds, _ in measured)
        spectra.append(ours)
        against_training.append(ours / ordinary)
        against_input.append(ours / images_only)
        print(
            f"run {run}: pass {1e3 * ordinary:.1f} ms, gradient of the images alone "
            f"{1e3 * images_only:.1f} ms, exact spectrum {1e3 * ours:.1f} ms (sum check "
            f"{max(check for _, check in measured):.1e}): {against_training[-1]:.2f} and "
            f"{against_input[-1]:.2f} passes",
            flush=True,
        )
    print(
        f"median {statistics.median(against_training):.2f} ordinary passes "
        f"({statistics.median(against_input):.2f} of the images alone), {len(blocks)} blocks, "
        f"{options.examples} examples, {options.threads} threads"
    )

    if options.veit:
        draw = random.Random(0)
        start = time.perf_counter()
        for measurement in range(options.veit):
            length = measurement * len(blocks) // max(options.veit - 1, 1)
            on = set(draw.sample(range(len(blocks)), length))
            for number, block in enumerate(blocks):
                block.detached = number not in on
            input_pass().flatten(1).norm(dim=1).mean().item()
        each = (time.perf_counter() - start) / options.veit
        for block in blocks:
            block.detached = False
        needed = 1000 * (len(blocks) + 1)
        ours = statistics.median(spectra)
        print(
            f"sampled protocol: {options.veit} measurements at {1e3 * each:.1f} ms each, so "
            f"{each * needed:.0f} s for {needed} of them; the exact spectrum of the same "
            f"mini-batch takes {ours:.3f} s, {each * needed / ours:.0f} times less"
        )
    program.stdin.close()
    program.wait()


main()
