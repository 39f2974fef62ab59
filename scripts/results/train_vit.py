#!/usr/bin/env python3
"""Trains a small vision transformer on CIFAR-10, in plain PyTorch, and exports it for pathscope.

    scripts/results/train_vit.py CIFAR10_FOLDER CIFAR10_JPEG.tar.gz RUN_FOLDER EPOCHS OUT.pt2

Three convolutions with stride 2 make 16 tokens of 64 numbers (Xiao et al. 2021, "Early convolutions help
transformers see better"); behind them stand 6 layers of attention (4 heads) and perceptron (128 hidden numbers)
with layer norms in front, and the mean over tokens before the last layer: 226,218 parameters. It is
trained on the 50,000 JPEG images (crops, flips, AdamW, warm-up and a cosine) and prints how many of the
images of test_batch.bin, which are the lossless ones, it gets wrong. RUN_FOLDER keeps a checkpoint of every
epoch: the same command resumes an interrupted training.
"""

import io
import math
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from plain_network import images
from torch import nn
from torchvision.transforms.functional import pil_to_tensor

WIDTH, LAYERS, HEADS, TOKENS = 64, 6, 4, 16
IMAGES, BATCH, RATE, DECAY, WARM_UP = 50_000, 128, 2e-3, 0.05, 0.1
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
MEAN = torch.tensor([125.3, 123.0, 113.9]).view(3, 1, 1)
DEVIATION = torch.tensor([63.0, 62.1, 66.7]).view(3, 1, 1)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        count, tokens, _ = x.shape
        q, k, v = self.qkv(x).view(count, tokens, 3, HEADS, -1).permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.out(x.transpose(1, 2).reshape(count, tokens, WIDTH))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(WIDTH), Attention()
        self.norm2 = nn.LayerNorm(WIDTH)
        self.perceptron = nn.Sequential(
            nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH)
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.perceptron(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, WIDTH // 4, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(WIDTH // 4, WIDTH // 2, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(WIDTH // 2, WIDTH, 3, 2, 1),
        )
        self.position = nn.Parameter(0.02 * torch.randn(1, TOKENS, WIDTH))
        self.layers = nn.Sequential(*(Layer() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.norm(self.layers(x)).mean(1))


def jpeg_images(archive):
    """All training images [50000, 3, 32, 32] as bytes, with labels, by name."""
    pixels, labels = [], []
    with tarfile.open(archive) as files:
        for name in sorted(name for name in files.getnames() if name.endswith(".jpg")):
            parts = Path(name).parts
            if "train" in parts:
                file = io.BytesIO(files.extractfile(name).read())
                pixels.append(pil_to_tensor(Image.open(file).convert("RGB")))
                labels.append(CLASSES.index(parts[-2]))
    return torch.stack(pixels), torch.tensor(labels)


def crop_and_flip(pixels, draw):
    """Random 32 x 32 crops of the images with 4 pixels of padding, and flips of half of them."""
    count = len(pixels)
    padded = F.pad(pixels, (4, 4, 4, 4))
    row, column = torch.randint(9, (2, count, 1), generator=draw)
    rows, columns = row + torch.arange(32), column + torch.arange(32)
    flipped = torch.rand(count, generator=draw) < 0.5
    columns[flipped] = columns[flipped].flip(1)
    x = padded[torch.arange(count).view(-1, 1, 1), :, rows[:, :, None], columns[:, None, :]]
    return (x.permute(0, 3, 1, 2).float() - MEAN) / DEVIATION


def wrong(model, x, labels):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) != labels).sum().item()


def main():
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    folder, archive, run, epochs, out = sys.argv[1:]
    epochs, checkpoint = int(epochs), Path(run) / "checkpoint.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = VisionTransformer()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    steps = IMAGES // BATCH
    rate = lambda step: min(
        (step + 1) / (WARM_UP * epochs * steps),
        0.5 + 0.5 * math.cos(math.pi * step / (epochs * steps)),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    test = images(folder, dtype=torch.float32)
    begin = 0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        begin = state.pop("epoch")
        for part, name in ((model, "model"), (optimizer, "optimizer"), (schedule, "schedule")):
            part.load_state_dict(state[name])
    pixels, labels = jpeg_images(archive) if begin < epochs else (None, None)
    for epoch in range(begin, epochs):
        start = time.time()
        draw = torch.Generator().manual_seed(epoch)
        order = torch.randperm(IMAGES, generator=draw)
        model.train()
        total = 0.0
        for step in range(steps):
            batch = order[step * BATCH : (step + 1) * BATCH]
            x = crop_and_flip(pixels[batch], draw)
            loss = F.cross_entropy(model(x), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(
            f"epoch {epoch + 1}: loss {total / steps:.4f}, {wrong(model, *test)} of {len(test[1])} wrong,"
            f" {time.time() - start:.0f} s",
            flush=True,
        )
        state = {"epoch": epoch + 1, "model": model.state_dict()}
        state |= {"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
        partial = checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(checkpoint)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    print(f"{wrong(model, *test)} of {len(test[1])} lossless test images wrong")
    shapes = {"x": {0: torch.export.Dim("batch", min=1, max=4096)}}
    program = torch.export.export(model.eval(), (test[0][:2].clone(),), dynamic_shapes=shapes)
    # They name folders of this machine.
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    stored = io.BytesIO()
    torch.export.save(program, stored)
    with (
        zipfile.ZipFile(stored) as plain,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry))


if __name__ == "__main__":
    main()
