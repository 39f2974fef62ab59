"""The networks of ../shared/models/cifar10-family in plain PyTorch, from nothing but their tensors.

Shares no code with pathscope: what the spectrum and the correlations of pathscope's results are
compared with. Pre-activation blocks of k functions BN-ReLU-conv-BN-ReLU-conv; the first block of a
stage has one BN-ReLU in front of functions and skip; skips that change the shape take every second
pixel and add channels of zeros (option A).
"""

import re
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

MEAN = [125.3, 123.0, 113.9]
DEVIATION = [63.0, 62.1, 66.7]


def images(folder, count=None, dtype=torch.float64):
    """Normalised test images [N, 3, 32, 32] and labels [N] of the binary files of CIFAR-10."""
    raw = torch.frombuffer(
        bytearray((Path(folder) / "test_batch.bin").read_bytes()), dtype=torch.uint8
    ).view(-1, 3073)[:count]
    pixels = raw[:, 1:].reshape(-1, 3, 32, 32).to(dtype)
    mean = torch.tensor(MEAN, dtype=dtype).view(3, 1, 1)
    deviation = torch.tensor(DEVIATION, dtype=dtype).view(3, 1, 1)
    return (pixels - mean) / deviation, raw[:, 0].long()


class Network:
    """Blocks in the order of their names: `skip` and the k `functions` of each."""

    def __init__(self, file, dtype=torch.float64):
        self.tensors = {name: tensor.to(dtype) for name, tensor in load_file(file).items()}
        places = {
            tuple(map(int, match.groups()))
            for match in (re.match(r"layer(\d+)\.(\d+)\.", name) for name in self.tensors)
            if match
        }
        self.blocks = [f"layer{stage}.{place}" for stage, place in sorted(places)]

    def normalise(self, name, x):
        t = self.tensors
        x = F.batch_norm(
            x,
            t[f"{name}.running_mean"],
            t[f"{name}.running_var"],
            t[f"{name}.weight"],
            t[f"{name}.bias"],
            eps=1e-5,
        )
        return F.relu(x)

    def functions(self, block):
        """Names of the functions of a block."""
        numbers = {
            int(match.group(1))
            for match in (
                re.match(re.escape(block) + r"\.functions\.(\d+)\.", name) for name in self.tensors
            )
            if match
        }
        return [f"{block}.functions.{number}" for number in sorted(numbers)] or [block]

    def stem(self, x):
        return F.conv2d(x, self.tensors["conv1.weight"], padding=1)

    def parts(self, block, x, mark=lambda u: u):
        """What the skip and each function of a block make of `x`; `mark` sees the functions' input."""
        stage, place = map(int, re.match(r"layer(\d+)\.(\d+)", block).groups())
        first = place == 0
        u = self.normalise(f"{block}.bn1", x) if first else x
        stride = 2 if first and stage > 1 else 1
        skip = u
        if stride == 2:
            skip = F.pad(u[:, :, ::2, ::2], (0, 0, 0, 0, 0, u.shape[1]))
        outputs = []
        inner = mark(u)
        for function in self.functions(block):
            h = inner if first else self.normalise(f"{function}.bn1", inner)
            h = F.conv2d(h, self.tensors[f"{function}.conv1.weight"], stride=stride, padding=1)
            h = self.normalise(f"{function}.bn2", h)
            outputs.append(F.conv2d(h, self.tensors[f"{function}.conv2.weight"], padding=1))
        return skip, outputs

    def head(self, x):
        x = self.normalise("bn_final", x).mean((2, 3))
        return F.linear(x, self.tensors["fc.weight"], self.tensors["fc.bias"])

    def __call__(self, x, mark=lambda u: u):
        x = self.stem(x)
        for block in self.blocks:
            skip, outputs = self.parts(block, x, mark)
            x = skip + sum(outputs)
        return self.head(x)
