"""Training throughput: pathscope against plain PyTorch, and restricted against full training.

    pip install torch==2.11.0 numpy
    python benches/training.py CIFAR10_BINARY_FOLDER [--network NAME]

The PyTorch side is what one would write by hand: eager, NCHW (with `--channels-last`, in that order
of memory), batches of 128, random flips and shifts, SGD with Nesterov momentum. Both sides train the
same network on as many images with the same number of threads, in turn, and report images per second
of the training loop alone. With
`--network restricted`, pathscope trains preresnet-110 on all 54 blocks and on 23 of them, in turn; with
`--network wide`, preresnet-110 and multi-resnet 30x4, which have as many parameters.
With `--network family`, it trains preresnet-20 with as many seeds as threads: one after the other, each
with all threads, and side by side, each with one thread; the seconds are those of the whole command.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time

import numpy
import torch
from networks import network
from torch.nn import functional


def images(folder, count):
    rows = numpy.fromfile(f"{folder}/data_batch_1.bin", dtype=numpy.uint8).reshape(-1, 3073)
    rows = rows[:count]
    pixels = torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32).copy())
    return pixels, torch.from_numpy(rows[:, 0].astype(numpy.int64))


def augmented(pixels):
    mean = torch.tensor([125.3, 123.0, 113.9])[None, :, None, None]
    deviation = torch.tensor([63.0, 62.1, 66.7])[None, :, None, None]
    batch = (pixels.float() - mean) / deviation
    padded = functional.pad(batch, (4, 4, 4, 4))
    changed = torch.empty_like(batch)
    for index in range(len(batch)):
        down, right = torch.randint(0, 9, (2,)).tolist()
        image = padded[index, :, down : down + 32, right : right + 32]
        changed[index] = image.flip(2) if torch.rand(()) < 0.5 else image
    return changed


def pytorch(depth, k, pixels, labels, batch, device, order):
    """Images per second of one epoch in plain PyTorch."""
    model = network(depth, k).to(device, memory_format=order)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4
    )
    permutation = torch.randperm(len(labels))
    start = time.perf_counter()
    for first in range(0, len(labels), batch):
        chosen = permutation[first : first + batch]
        inputs = augmented(pixels[chosen]).to(device, memory_format=order)
        targets = labels[chosen].to(device)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        loss.item()
    return len(labels) / (time.perf_counter() - start)


def pathscope(options, recipe, changes):
    """Images per second of one epoch in pathscope, as its log states them."""
    with tempfile.TemporaryDirectory() as folder:
        command = [options.pathscope, "-q", "train", "--recipe", recipe, "--data", options.data]
        command += ["--limit", str(options.images), "--epochs", "1", "-o", f"{folder}/run"]
        command += ["--threads", str(options.threads), "--device", options.device, *changes]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with open(f"{folder}/run/log.jsonl") as lines:
            records = [json.loads(line) for line in lines]
    rates = [record["images_per_second"] for record in records if record["record"] == "epoch"]
    return rates[0]


def family(options, at_once, changes):
    """Images per second of one epoch of several seeds, over the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        command = [options.pathscope, "-q", "train", "--recipe", "preresnet20-cifar10"]
        command += ["--seeds", f"1-{options.threads}", "--at-once", str(at_once)]
        command += ["--data", options.data, "--limit", str(options.images), "--epochs", "1"]
        command += ["-o", f"{folder}/runs", "--threads", str(options.threads), *changes]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return options.threads * options.images / (time.perf_counter() - start)


NETWORKS = {
    "preresnet-20": ("preresnet20-cifar10", 20, 1),
    "multi-resnet": ("multi-resnet20x4-cifar10", 20, 4),
    "multi-resnet-30x4": ("multi-resnet30x4-cifar10", 30, 4),
    "preresnet-110": ("preresnet110-cifar10", 110, 1),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument(
        "--network", choices=[*NETWORKS, "restricted", "wide", "family"], default="preresnet-20"
    )
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--pathscope", default="target/release/pathscope")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    batch = ["--batch", str(options.batch)]
    ratios = []
    for run in range(options.runs):
        if options.network == "restricted":
            names = "all 54 blocks", "23 of 54"
            recipe = "preresnet110-cifar10"
            slow = pathscope(options, recipe, batch)
            fast = pathscope(options, recipe, [*batch, "--effective-paths", "23"])
        elif options.network == "wide":
            names = "preresnet-110", "multi-resnet 30x4"
            slow = pathscope(options, "preresnet110-cifar10", batch)
            fast = pathscope(options, "multi-resnet30x4-cifar10", batch)
        elif options.network == "family":
            names = "one after the other", "side by side"
            slow = family(options, 1, batch)
            fast = family(options, options.threads, batch)
        else:
            names = "PyTorch", "pathscope"
            recipe, depth, k = NETWORKS[options.network]
            pixels, labels = images(options.data, options.images)
            order = torch.channels_last if options.channels_last else torch.contiguous_format
            slow = pytorch(depth, k, pixels, labels, options.batch, options.device, order)
            fast = pathscope(options, recipe, batch)
        ratios.append(fast / slow)
        print(
            f"run {run}: {names[0]} {slow:.0f} images/s, {names[1]} {fast:.0f} images/s, "
            f"ratio {ratios[-1]:.2f}",
            flush=True,
        )
    print(f"median ratio {statistics.median(ratios):.2f} on {options.device}")


main()
