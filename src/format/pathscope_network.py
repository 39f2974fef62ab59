"""Opens networks that pathscope wrote (.safetensors) in PyTorch; needs torch and safetensors.

    network = load("network.safetensors")
    logits = network(network.normalized(pixels))    # pixels [N, C, H, W], 0 to 255

Tensors have the names that they have in the file.
"""
import json

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional


class Standardized(nn.Conv2d):
    """A convolution whose kernels have mean 0 and variance 1 (plus `added`)."""

    added = 0.0

    def forward(self, x):
        mean = self.weight.mean((1, 2, 3), keepdim=True)
        variance = self.weight.var((1, 2, 3), unbiased=False, keepdim=True)
        weight = (self.weight - mean) / (variance + self.added).sqrt()
        return functional.conv2d(x, weight, self.bias, self.stride, self.padding, groups=self.groups)


class PadShortcut(nn.Module):
    """Every `stride`-th pixel, with zero channels before and after."""

    def __init__(self, stride, before, after):
        super().__init__()
        self.stride, self.padding = stride, (0, 0, 0, 0, before, after)

    def forward(self, x):
        return functional.pad(x[:, :, :: self.stride, :: self.stride], self.padding)


class Narrow(nn.Module):
    """Some neighbouring channels."""

    def __init__(self, first, count):
        super().__init__()
        self.channels = slice(first, first + count)

    def forward(self, x):
        return x[:, self.channels]


class Sigmoid(nn.Module):
    """What a gate lets pass."""

    def __init__(self, shift):
        super().__init__()
        self.shift = shift

    def forward(self, x):
        return torch.sigmoid(x + self.shift)


class Factor(nn.Module):
    """The product with one learned number."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * self.weight


class Mix(nn.Module):
    """Sums of streams; channel c n + s is channel c of stream s of n."""

    def __init__(self, inputs, outputs, base, learned):
        super().__init__()
        self.register_buffer("base", torch.tensor(base).view(outputs, inputs), persistent=False)
        if learned:
            self.weight = nn.Parameter(torch.zeros(outputs, inputs))

    def forward(self, x):
        matrix = self.base + self.weight if hasattr(self, "weight") else self.base
        streams = x.unflatten(1, (-1, matrix.shape[1]))
        return torch.einsum("nci...,oi->nco...", streams, matrix).flatten(1, 2)


class Bernoulli(nn.Module):
    """Every value times a random 0 or 1 in training, times their mean in evaluation."""

    def __init__(self, keep):
        super().__init__()
        self.keep = keep

    def forward(self, x):
        return x * (torch.empty_like(x).bernoulli_(self.keep) if self.training else self.keep)


def layer(of):
    """The module of one layer of the file's description."""
    kind = of["operation"]
    if kind == "convolution":
        sizes = of["inputs"], of["outputs"], of["kernel"], of["stride"], of["padding"]
        how = dict(groups=of.get("groups", 1), bias=of.get("bias", False))
        if of.get("standardization") is None:
            return nn.Conv2d(*sizes, **how)
        module = Standardized(*sizes, **how)
        module.added = of["standardization"]
        return module
    if kind == "batch_norm":
        return nn.BatchNorm2d(of["channels"], of.get("epsilon", 1e-5))
    if kind == "group_norm":
        return nn.GroupNorm(of["groups"], of["channels"], of.get("epsilon", 1e-5))
    if kind == "linear":
        return nn.Linear(of["inputs"], of["outputs"], of.get("bias", True))
    if kind == "max_pool":
        return nn.MaxPool2d(of["kernel"], of["stride"], of["padding"])
    if kind == "average_pool":
        ceiling = of.get("ceiling", True)
        return nn.AvgPool2d(of["kernel"], of["stride"], ceil_mode=ceiling, count_include_pad=False)
    if kind == "pad_shortcut":
        return PadShortcut(of["stride"], of["before"], of["after"])
    if kind == "narrow":
        return Narrow(of["first"], of["count"])
    if kind == "zero_pad":
        return nn.ZeroPad2d(of["padding"])
    if kind == "global_average_pool":
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if kind == "relu":
        return nn.ReLU()
    if kind == "sigmoid":
        return Sigmoid(of.get("shift", 0.0))
    if kind == "factor":
        return Factor()
    if kind == "mix":
        return Mix(of["inputs"], of["outputs"], of["base"], of["learned"])
    if kind == "bernoulli":
        return Bernoulli(of["keep"])
    raise ValueError(f"the operation `{kind}` has no module: open the .pt2 file that it came from")


class Network(nn.Module):
    """x' = post(skip(u) + sum of functions(u)), u = pre(x), block by block; with a gate g = gate(u)
    post((1 - g) skip(u) + g sum of functions(u)); the functions' mean where a block says so."""

    def __init__(self, card):
        super().__init__()
        of, scale = card["specification"], card["normalization"]
        self._stem, self._head = self._layers(of["stem"]), self._layers(of["head"])
        self._blocks = [self._block(block) for block in of["blocks"]]
        self._scale = [torch.tensor(scale[key])[:, None, None] for key in ("mean", "standard_deviation")]

    def _layers(self, described):
        return [self._place(of.get("name", ""), layer(of)) for of in described]

    def _block(self, of):
        skip = of.get("skip")
        functions = [self._layers(function) for function in of["branches"]]
        skip = None if skip is None else self._layers(skip)
        gate = self._layers(of["gate"]) if of.get("gate") and functions else None
        weight = 1 / len(functions) if of.get("mean") and functions else 1
        pre, post = self._layers(of.get("pre", [])), self._layers(of.get("post", []))
        return pre, skip, functions, weight, gate, post

    def _place(self, name, module):
        """Puts a module where its name says, in modules within modules."""
        *parents, own = name.split(".")
        if name:
            inside = self
            for parent in parents:
                if parent not in inside._modules:
                    inside.add_module(parent, nn.Module())
                inside = inside._modules[parent]
            if own in inside._modules:  # a layer that several functions share
                return inside._modules[own]
            inside.add_module(own, module)
        return module

    def normalized(self, pixels):
        mean, deviation = self._scale
        return (pixels / 255 - mean) / deviation

    def forward(self, x):
        x = run(self._stem, x)
        for pre, skip, functions, weight, gate, post in self._blocks:
            u = run(pre, x)
            terms = [weight * run(function, u) for function in functions]
            carried = [] if skip is None else [run(skip, u)]
            if gate is not None:
                share = run(gate, u)
                terms = [share * term for term in terms]
                carried = [(1 - share) * value for value in carried]
            first, *others = carried + terms
            x = run(post, sum(others, first))
        return run(self._head, x)


def run(layers, x):
    for module in layers:
        x = module(x)
    return x


def load(file):
    """The network in a file, in evaluation mode."""
    with safe_open(file, "pt") as held:
        card = json.loads(held.metadata()["pathscope"])
        tensors = {name: held.get_tensor(name).float() for name in held.keys()}
    network = Network(card)
    missing, unexpected = network.load_state_dict(tensors, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"{file}: missing {missing}, unexpected {unexpected}")
    return network.eval()
