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

import numpy
import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.pad, self.deleted = stride, (outputs - inputs) // 2, False

    def skip(self, x):
        if self.stride == 1:
            return x
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))

    def forward(self, x):
        if self.deleted:
            return functional.relu(self.skip(x))
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(y + self.skip(x))


class ResNet(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        inputs = 16
        for stage, width in enumerate((16, 32, 64), 1):
            layers = []
            for block in range(blocks):
                layers.append(Block(inputs, width, 2 if stage > 1 and block == 0 else 1))
                inputs = width
            setattr(self, f"layer{stage}", nn.Sequential(*layers))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(functional.avg_pool2d(x, x.size(3)).flatten(1))


def load(path):
    state = torch.load(path, weights_only=False, map_location="cpu")["state_dict"]
    state = {name.removeprefix("module."): value for name, value in state.items()}
    blocks = len({name.split(".")[1] for name in state if name.startswith("layer1.")})
    model = ResNet(blocks)
    model.load_state_dict(state)
    return model.eval()


def images(path):
    rows = numpy.fromfile(path, dtype=numpy.uint8).reshape(-1, 3073)
    pixels = torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32).copy()).float() / 255
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = (pixels - mean[:, None, None]) / deviation[:, None, None]
    return pixels, torch.from_numpy(rows[:, 0].astype(numpy.int64))


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
