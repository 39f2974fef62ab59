"""The exact gradient spectrum of an exported vision transformer against PyTorch.

    pip install torch==2.11.0 numpy
    cargo build --release --example spectrum_seconds
    python benches/vit_spectrum.py [--runs N] [--width W] [--side S]

How many ordinary passes does the exact spectrum of all path lengths cost? The network has 12 layers,
each with attention and a perceptron: 24 blocks. By default it is a ViT-Tiny/16 (width 192, 3 heads,
224 x 224 pixels) with random weights. A pass is one forward and one backward run of PyTorch's eager
network over the same mini-batch with the same number of threads, with the gradients of all weights,
as a step of training has it. A pass that asks for the gradient of the images alone is given beside
it. Both programs run in turn; the time of pathscope is that of a warm process and holds all of a
mini-batch: the normalised images, the linearised forward pass, the recursion over all lengths, and
the ordinary gradient that the sum over lengths is checked against.
"""

import argparse
import pathlib
import statistics
import subprocess
import tempfile

import numpy
import torch
from cifar_resnet import seconds_of
from torch import nn
from torch.nn import functional

CLASSES, PATCH = 10, 16


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.heads = heads

    def forward(self, x):
        batch, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.proj(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self, width, heads, side, layers):
        super().__init__()
        self.patches = nn.Conv2d(3, width, PATCH, PATCH)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.places = nn.Parameter(0.02 * torch.randn(1, 1 + (side // PATCH) ** 2, width))
        self.layers = nn.Sequential(*(Layer(width, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1) + self.places
        return self.head(self.norm(self.layers(x))[:, 0])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=8)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--program", default="target/release/examples/spectrum_seconds")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = Transformer(options.width, options.width // 64, options.side, options.layers).eval()
    pixels = torch.randint(0, 256, (options.examples, 3, options.side, options.side))
    images, labels = pixels / 127.5 - 1, torch.arange(options.examples) % CLASSES

    def training_pass():
        model.zero_grad(set_to_none=True)
        functional.cross_entropy(model(images), labels, reduction="sum").backward()

    def input_pass():
        leaf = images.clone().requires_grad_()
        loss = functional.cross_entropy(model(leaf), labels, reduction="sum")
        return torch.autograd.grad(loss, leaf)[0]

    with tempfile.TemporaryDirectory() as folder:
        archive, data = pathlib.Path(folder, "vit.pt2"), pathlib.Path(folder, "images.npz")
        shapes = ({0: torch.export.Dim("batch")},)
        torch.export.save(torch.export.export(model, (images,), dynamic_shapes=shapes), archive)
        numpy.savez(data, images=pixels.numpy().astype("uint8"), labels=labels.numpy())
        command = [options.program, archive, data, str(options.examples), str(options.threads)]
        program = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

        def exact():
            program.stdin.write("\n")
            program.stdin.flush()
            seconds, check = program.stdout.readline().split()
            return float(seconds), float(check)

        training_pass(), input_pass(), exact()
        against_training, against_input = [], []
        for run in range(options.runs):
            ordinary = seconds_of(training_pass)
            images_only = seconds_of(input_pass)
            ours, check = exact()
            against_training.append(ours / ordinary)
            against_input.append(ours / images_only)
            print(
                f"run {run}: pass {1e3 * ordinary:.0f} ms, gradient of the images alone "
                f"{1e3 * images_only:.0f} ms, exact spectrum {1e3 * ours:.0f} ms (sum check "
                f"{check:.1e}): {against_training[-1]:.2f} and {against_input[-1]:.2f} passes",
                flush=True,
            )
        program.stdin.close()
        program.wait()
    print(
        f"median {statistics.median(against_training):.2f} ordinary passes "
        f"({statistics.median(against_input):.2f} of the images alone), {2 * options.layers} "
        f"blocks, {options.examples} examples, {options.threads} threads"
    )


if __name__ == "__main__":
    main()
