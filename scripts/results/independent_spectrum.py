#!/usr/bin/env python3
"""The gradient by path length in plain PyTorch, compared with a results file of pathscope.

    scripts/results/independent_spectrum.py MODEL.safetensors CIFAR10_FOLDER RESULTS.jsonl

RESULTS.jsonl is one mini-batch of `pathscope gradient-spectrum MODEL --data CIFAR10_FOLDER --measure
coherent --limit N --batches 1 --examples N`, so that the first N test images are its examples.

How: if the derivative of every function is multiplied by a number z and the skips are left alone, the
gradient at the image becomes the polynomial G(z) = sum_l G_l z^l, whose coefficient G_l is the sum of
the gradients of all paths of length l. G is evaluated by PyTorch's autograd in 64 bits at 3 times the
complex (n + 1)-th roots of unity, and the inverse discrete Fourier transform gives every G_l 3^l. There is
no recursion over lengths, and nothing is taken from pathscope but the weights. (The norms of G_l span 15
powers of ten, as many as 64 bits hold; with the factor 3^l they span 7.)

Autograd knows real numbers only. So each image runs twice: the cotangents of the two copies are the real
and the imaginary part, and a multiplication by z turns them against each other.

Prints, for every length, both means over images of the norm of G_l and their relative difference, and
the largest relative difference of single images. Ends with status 1 if any mean differs by more than 1e-3.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from plain_network import Network, images

RADIUS = 3.0


class Turn(torch.autograd.Function):
    """The identity, whose derivative is multiplied by z."""

    @staticmethod
    def forward(context, x, z):
        context.z = z
        return x.view_as(x)

    @staticmethod
    def backward(context, cotangent):
        real, imaginary = cotangent.chunk(2)
        a, b = context.z.real, context.z.imag
        return torch.cat([a * real - b * imaginary, b * real + a * imaginary]), None


def polynomial(network, x, labels, z):
    """G(z) of every image, as complex numbers [N, 3, 32, 32]."""
    twice = torch.cat([x, x]).requires_grad_()
    logits = network(twice, mark=lambda u: Turn.apply(u, z))
    # Only the first copy has a loss: the cotangents start with the imaginary part 0.
    loss = F.cross_entropy(logits[: len(x)], labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, twice)
    return torch.complex(*gradient.chunk(2))


def spectrum(network, x, labels):
    """The sums of the gradients of all paths by length, [n + 1, N, 3, 32, 32]."""
    lengths = len(network.blocks) + 1
    values = [None] * lengths
    for power in range(lengths // 2 + 1):
        angle = torch.tensor(2 * torch.pi * power / lengths, dtype=torch.float64)
        z = torch.polar(torch.full_like(angle, RADIUS), angle)
        values[power] = polynomial(network, x, labels, z)
        # The coefficients are real, so G at the conjugate root is the conjugate.
        values[-power % lengths] = values[power].conj()
    powers = RADIUS ** torch.arange(lengths, dtype=torch.float64)
    scaled = torch.fft.fft(torch.stack(values), dim=0).real / lengths
    return scaled / powers.view(-1, 1, 1, 1, 1)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    model, folder, results = sys.argv[1:]
    with open(results) as lines:
        records = [json.loads(line) for line in lines]
    (record,) = [record for record in records if record["type"] == "spectrum"]
    count = record["examples"]
    torch.set_num_threads(2)
    network = Network(model)
    x, labels = images(folder, count)
    begin = time.time()
    by_length = spectrum(network, x, labels)
    leaf = x.clone().requires_grad_()
    loss = F.cross_entropy(network(leaf), labels, reduction="sum")
    (ordinary,) = torch.autograd.grad(loss, leaf)
    norms = by_length.flatten(2).norm(dim=2)
    theirs = torch.tensor(record["coherent"]["by_example"], dtype=torch.float64)
    # A mini-batch is in random order: images are matched by their norms at the largest length.
    order, their_order = norms[-1].argsort(), theirs[:, -1].argsort()
    norms, theirs = norms[:, order], theirs[their_order].T
    worst = 0.0
    print(f"{model}: {len(network.blocks)} blocks, {count} images")
    print("length    PyTorch, 64 bits           pathscope  difference  of single images")
    for length, (here, there) in enumerate(zip(norms, theirs, strict=True)):
        difference = abs(there.mean() / here.mean() - 1).item()
        single = (there / here - 1).abs().max().item()
        worst = max(worst, difference)
        print(
            f"{length:6}  {here.mean():18.10e}  {there.mean():18.10e}  {difference:10.1e}  {single:16.1e}"
        )
    rest = ((by_length.sum(0) - ordinary).norm() / ordinary.norm()).item()
    print(f"the sum over lengths differs from the ordinary gradient by {rest:.1e} of its norm")
    print(f"largest relative difference of a mean: {worst:.1e} (at most 1e-3 is asked for)")
    print(f"{time.time() - begin:.0f} s", file=sys.stderr)
    sys.exit(worst > 1e-3)


if __name__ == "__main__":
    main()
