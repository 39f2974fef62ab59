"""The CIFAR-10 ResNet of He et al. (2016) in plain PyTorch, its weights, images and a stopwatch."""

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
        self.stride, self.pad = stride, (outputs - inputs) // 2
        self.deleted = self.detached = False

    def skip(self, x):
        if self.stride == 1:
            return x
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))

    def forward(self, x):
        if self.deleted:
            return functional.relu(self.skip(x))
        y = x.detach() if self.detached else x
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(y)))))
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


def images(path, count=None):
    rows = numpy.fromfile(path, dtype=numpy.uint8).reshape(-1, 3073)[:count]
    pixels = torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32).copy()).float() / 255
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = (pixels - mean[:, None, None]) / deviation[:, None, None]
    return pixels, torch.from_numpy(rows[:, 0].astype(numpy.int64))


def seconds_of(work, least=0.3):
    """Mean over as many repetitions as fill `least` seconds."""
    count, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < least:
        work()
        count += 1
    return spent / count
