"""Makes tests/fixtures/cases/: small model files of kinds that are easily read wrongly.

    python scripts/case_fixtures.py [FOLDER]        # torch 2.11, numpy

Each NAME.pt comes with an oracle, NAME.npz: random images with the classes that PyTorch predicts, so
that `pathscope eval NAME.pt --data NAME.npz --normalize half` counts 0 errors if it reads the file
rightly. tests/cases.rs states what is expected of each. Weights are random, batch statistics those of
the images, and the biases of the classifier such that the predictions spread over the classes.
Running it again gives the same bytes, except in python-2.th, which holds addresses of memory.
"""

import copy
import functools
import io
import json
import pathlib
import struct
import sys
import tarfile
import zlib

import numpy
import torch
from torch import nn

FOLDER = pathlib.Path(__file__).parent.parent / "tests/fixtures/cases"
SIDE = 10
IMAGES = 48
WIDTHS = (4, 4, 8, 8)


def conv(inputs, outputs, size, stride=1):
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


class Block(nn.Module):
    """Two 3x3 convolutions, under torchvision's names."""

    def __init__(self, inputs, outputs, stride, norm, first_strides):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), norm(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs, 3), norm(outputs)
        self.relu = nn.ReLU()
        self.downsample = skip(inputs, outputs, stride, norm)

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1; `first_strides`: the stride is that of the first convolution, not the second."""

    def __init__(self, inputs, outputs, stride, norm, first_strides):
        super().__init__()
        inner = outputs // 4
        strides = (stride, 1) if first_strides else (1, stride)
        self.conv1, self.bn1 = conv(inputs, inner, 1, strides[0]), norm(inner)
        self.conv2, self.bn2 = conv(inner, inner, 3, strides[1]), norm(inner)
        self.conv3, self.bn3 = conv(inner, outputs, 1), norm(outputs)
        self.relu = nn.ReLU()
        self.downsample = skip(inputs, outputs, stride, norm)

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(y)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def skip(inputs, outputs, stride, norm):
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(conv(inputs, outputs, 1, stride), norm(outputs))


class ResNet(nn.Module):
    """torchvision's names; a stem for small images, or that of ImageNet."""

    def __init__(self, widths=WIDTHS, block=Block, norm=nn.BatchNorm2d, pool=False, classes=10,
                 first_strides=False, large_stem=False):
        super().__init__()
        self.conv1 = conv(3, widths[0], 7, 2) if large_stem else conv(3, widths[0], 3)
        self.bn1, self.relu = norm(widths[0]), nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1) if pool else nn.Identity()
        if block is Bottleneck:
            widths = [4 * width for width in widths]
        inputs = self.conv1.out_channels
        for number, outputs in enumerate(widths, 1):
            stride = 1 if number == 1 else 2
            stage = nn.Sequential(block(inputs, outputs, stride, norm, first_strides))
            setattr(self, f"layer{number}", stage)
            inputs = outputs
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def images(side=SIDE):
    return numpy.random.default_rng(0).integers(0, 256, (IMAGES, side, side, 3), dtype=numpy.uint8)


def inputs(pixels, mean=0.5, deviation=0.5):
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return (planes - mean) / deviation


def settled(network, x, seed=0):
    """The network with new weights, the batch statistics of `x`, and predictions of all classes."""
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.reset_parameters()
        if isinstance(module, nn.BatchNorm2d):
            # One mini-batch is averaged over.
            module.momentum = None
            module.reset_running_stats()
    with torch.no_grad():
        network.train()(x)
        centre(network.eval(), x)
    return network


def centre(network, x):
    """Scales the classifier up and centres its outputs, so that predictions are clear and differ."""
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        last.weight *= 10
        last.bias -= network(x).mean(0)


def predicted(network, x):
    with torch.no_grad():
        logits = network.eval()(x)
    top = logits.topk(min(2, logits.shape[1]), 1).values
    clear = (top[:, 0] - top[:, -1]).min().item()
    labels = logits.argmax(1).numpy()
    print(f"  classes {numpy.bincount(labels).tolist()}, smallest margin {clear:.1e}")
    return labels


class Fixtures:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.pixels = images()
        self.x = inputs(self.pixels)

    def save(self, name, held, **how):
        torch.save(held, self.folder / name, **how)

    def oracle(self, name, network, x=None, pixels=None):
        print(name)
        labels = predicted(network, self.x if x is None else x)
        pixels = self.pixels if pixels is None else pixels
        numpy.savez(self.folder / f"{name}.npz", x_test=pixels, y_test=labels)
        return labels

    def network(self, name, network):
        """A state dict and its oracle."""
        settled(network, self.x)
        self.oracle(name, network)
        self.save(f"{name}.pt", network.state_dict())
        return network

    def what_tensors_leave_open(self):
        """Pool, stride and epsilon show in the batch statistics alone."""
        self.network("pool", ResNet(pool=True))
        self.plain = self.network("plain", ResNet())
        self.network("stride", ResNet(block=Bottleneck, first_strides=True))
        self.network("epsilon", ResNet(norm=functools.partial(nn.BatchNorm2d, eps=0.1)))
        # Nothing shows whether these are groups of 2, one group, or a group for each channel.
        norms = {
            "group-norm": functools.partial(nn.GroupNorm, 2),
            "layer-norm": functools.partial(nn.GroupNorm, 1),
            "instance-norm": functools.partial(nn.InstanceNorm2d, affine=True),
        }
        state = settled(ResNet(norm=norms["group-norm"]), self.x).state_dict()
        self.save("no-statistics.pt", state)
        for name, norm in norms.items():
            network = ResNet(norm=norm)
            network.load_state_dict(state)
            self.oracle(name, network)

    def wrappings(self):
        state = self.plain.state_dict()

        def wrapped(name):
            name = name.replace("layer1.0.", "layer1.0._checkpoint_wrapped_module.")
            name = name.replace("layer2.0.", "layer2.0._fsdp_wrapped_module.")
            name = name.replace("layer3.", "layer3._orig_mod.")
            return f"_forward_module.module.{name}"

        self.save("wrappers.pt", {wrapped(name): tensor for name, tensor in state.items()})
        lightning = {f"net.{name}": tensor for name, tensor in state.items()}
        lightning |= {"criterion.weight": torch.ones(10), "val_acc.correct": torch.tensor(7)}
        self.save("last.ckpt", {
            "state_dict": lightning,
            "pytorch-lightning_version": "2.5.1",
            "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.9)}},
            "optimizer_states": [{"state": {}, "param_groups": [{"lr": 0.1}]}],
        })
        averaged = settled(ResNet(), self.x, seed=1)
        self.oracle("averaged", averaged)
        self.save("averaged.pth.tar", {"state_dict": state, "state_dict_ema": averaged.state_dict()})
        self.save("two.pt", {
            f"{prefix}.{name}": tensor
            for prefix, network in (("teacher", self.plain), ("student", averaged))
            for name, tensor in network.state_dict().items()
        })
        encoder = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
        moco = {
            f"module.{twin}.{name}": tensor
            for twin in ("encoder_q", "encoder_k") for name, tensor in encoder.items()
        }
        for twin in ("encoder_q", "encoder_k"):
            for layer in ("0", "2"):
                moco[f"module.{twin}.fc.{layer}.weight"] = torch.randn(8, 8)
                moco[f"module.{twin}.fc.{layer}.bias"] = torch.randn(8)
        moco |= {"module.queue": torch.zeros(8, 4), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
        self.save("moco.pth.tar", {"epoch": 200, "state_dict": moco})

    def odd_tensors(self):
        state = self.plain.state_dict()
        expanded = {**state, "bn1.running_mean": torch.full((1,), 0.3).expand(WIDTHS[0])}
        network = ResNet()
        network.load_state_dict(expanded)
        self.oracle("expanded", network)
        self.save("expanded.pt", expanded)
        broken = copy.deepcopy(state)
        broken["layer3.0.conv2.weight"][0, 0, 0, 0] = float("nan")
        self.save("undefined.pt", broken)
        broken = copy.deepcopy(state)
        broken["layer2.0.bn1.running_var"] *= 1e8
        # Their square root divides everything to zero, in PyTorch as well.
        halves = {name: tensor.half() for name, tensor in broken.items()}
        network.load_state_dict(halves)
        self.oracle("infinite", network)
        self.save("infinite.pt", halves)
        weight = state["layer1.0.conv1.weight"]
        steps, zero = torch.full((WIDTHS[0],), 0.01), torch.zeros(WIDTHS[0], dtype=torch.long)
        quantised = torch.quantize_per_channel(weight, steps, zero, 0, torch.qint8)
        self.save("quantised.pt", {"layer1.0.conv1.weight": quantised})
        self.save("packed.pt", {**state, "fc.scale": torch.tensor(0.1), "fc.zero_point": torch.tensor(0)})
        self.save("sparse.pt", {"sparse": torch.eye(4).to_sparse()})
        self.save("eight-bits.pt", {"fc.weight": state["fc.weight"].to(torch.float8_e4m3fn)})
        # Python 2 wrote names as SHORT_BINSTRING, where Python 3 writes BINUNICODE.
        file = io.BytesIO()
        torch.save({"state_dict": state, "best_prec1": 91.7}, file, _use_new_zipfile_serialization=False)
        data = file.getvalue()
        for name in [*state, "state_dict", "best_prec1"]:
            name = name.encode()
            data = data.replace(b"X" + struct.pack("<I", len(name)) + name, b"U" + bytes([len(name)]) + name)
        (self.folder / "python-2.th").write_bytes(data)

    def shapes(self):
        network = ResNet()
        block = network.layer2[0]
        block.conv1, block.bn1, block.conv2 = conv(4, 7, 3, 2), nn.BatchNorm2d(7), conv(7, 4, 3)
        self.network("uneven", network)
        self.save("single-output.pt", settled(ResNet(classes=1), self.x).state_dict())

    def inside(self):
        class Normalised(nn.Module):
            def __init__(self, network):
                super().__init__()
                self.model = network
                self.register_buffer("mean", torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1))
                self.register_buffer("std", torch.tensor([0.2471, 0.2435, 0.2616]).view(1, 3, 1, 1))

            def forward(self, x):
                return self.model((x - self.mean) / self.std)

        x = inputs(self.pixels, 0, 1)
        network = settled(Normalised(ResNet()), x)
        self.oracle("inside", network, x)
        self.save("inside.pt", network.state_dict())

    def whole(self):
        """An object of classes that nobody else has; its modules state stride, epsilon and pool."""
        norm = functools.partial(nn.BatchNorm2d, eps=0.1)
        network = settled(ResNet(block=Bottleneck, norm=norm, pool=True, first_strides=True), self.x)
        self.oracle("whole", network)
        self.save("whole.pt", {"net": nn.DataParallel(network), "acc": 93.5})

    def transformers(self):
        """A folder as `save_pretrained` writes it for ResNetForImageClassification."""
        pixels = images(24)[:20]
        x = inputs(pixels)
        network = settled(ResNet(pool=True, large_stem=True), x)
        self.oracle("transformers", network, x, pixels)
        parts = [("conv1.", "0.convolution."), ("bn1.", "0.normalization."), ("conv2.", "1.convolution."),
                 ("bn2.", "1.normalization.")]

        def renamed(name):
            if name.startswith("fc."):
                return name.replace("fc.", "classifier.1.")
            if not name.startswith("layer"):
                name = name.replace("conv1.", "convolution.").replace("bn1.", "normalization.")
                return f"resnet.embedder.embedder.{name}"
            stage, block, rest = name.removeprefix("layer").split(".", 2)
            if rest.startswith("downsample."):
                rest = rest.replace("downsample.0", "shortcut.convolution")
                rest = rest.replace("downsample.1", "shortcut.normalization")
            for old, new in parts:
                if rest.startswith(old):
                    rest = "layer." + rest.replace(old, new)
            return f"resnet.encoder.stages.{int(stage) - 1}.layers.{block}.{rest}"

        folder = self.folder / "transformers"
        folder.mkdir(exist_ok=True)
        tensors = {renamed(name): tensor for name, tensor in network.state_dict().items()}
        write_safetensors(folder / "model.safetensors", tensors)
        config = {
            "architectures": ["ResNetForImageClassification"], "model_type": "resnet", "num_channels": 3,
            "embedding_size": WIDTHS[0], "hidden_sizes": WIDTHS, "depths": [1, 1, 1, 1],
            "layer_type": "basic", "hidden_act": "relu", "downsample_in_first_stage": False,
            "id2label": {str(label): f"LABEL_{label}" for label in range(10)},
        }
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        processor = {
            "image_processor_type": "ConvNextImageProcessor", "crop_pct": 0.875,
            "size": {"shortest_edge": 24}, "resample": 3,
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
        }
        (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=2) + "\n")

    def numbered_classes(self):
        network = settled(ResNet(classes=12), self.x)
        print("numbers")
        labels = predicted(network, self.x)
        assert len(set(labels.tolist())) == 12, "choose another seed"
        self.save("numbers.pt", network.state_dict())
        with tarfile.open(self.folder / "numbers.tar", "w") as archive:
            for number, (pixels, label) in enumerate(zip(self.pixels, labels)):
                data = png(pixels)
                member = tarfile.TarInfo(f"numbers/test/{label}/{number}.png")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))


def write_safetensors(path, tensors):
    kinds = {torch.float32: "F32", torch.int64: "I64"}
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in tensors.items():
        end = at + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": kinds[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(tensor.contiguous().numpy().tobytes() for tensor in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def png(pixels):
    height, width, _ = pixels.shape

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


if __name__ == "__main__":
    fixtures = Fixtures(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
    fixtures.what_tensors_leave_open()
    fixtures.wrappings()
    fixtures.odd_tensors()
    fixtures.shapes()
    fixtures.inside()
    fixtures.whole()
    fixtures.transformers()
    fixtures.numbered_classes()
