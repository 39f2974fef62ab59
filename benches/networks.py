"""Pre-activation ResNets and multi-ResNets for CIFAR-10 in plain PyTorch, as one would write them."""

from torch import nn
from torch.nn import functional


class Function(nn.Module):
    """BN-ReLU-conv twice; the first BN-ReLU is the block's where it opens a stage."""

    def __init__(self, inputs, outputs, stride, opens):
        super().__init__()
        self.bn1 = None if opens else nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)

    def forward(self, x):
        if self.bn1 is not None:
            x = functional.relu(self.bn1(x))
        return self.conv2(functional.relu(self.bn2(self.conv1(x))))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, opens, k):
        super().__init__()
        self.bn = nn.BatchNorm2d(inputs) if opens else None
        functions = [Function(inputs, outputs, stride, opens) for _ in range(k)]
        self.functions = nn.ModuleList(functions)
        self.stride, self.missing = stride, outputs - inputs

    def forward(self, x):
        if self.bn is not None:
            x = functional.relu(self.bn(x))
        skip = x
        if self.stride != 1:
            skip = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.missing))
        for function in self.functions:
            skip = skip + function(x)
        return skip


def network(depth, k):
    layers, inputs = [nn.Conv2d(3, 16, 3, 1, 1, bias=False)], 16
    blocks = (depth - 2) // 2
    for stage, outputs in enumerate((16, 32, 64)):
        for position in range((blocks + 2 - stage) // 3):
            stride = 2 if stage > 0 and position == 0 else 1
            layers.append(Block(inputs, outputs, stride, position == 0, k))
            inputs = outputs
    layers += [nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(64, 10))
