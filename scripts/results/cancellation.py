"""Tables of docs/src/results/cancellation.md: number of paths times mean norm, against the exact sums."""

import math
from functools import partial

from records import (
    COHERENT,
    ENERGY,
    SAMPLED,
    Spectrum,
    Table,
    centre,
    effective_range,
    magnitude,
    peak,
)

FAMILY = ["24x1", "68x1", "110x1", "56x2", "8x4", "20x4", "30x4"]


def overstatement(images, length=None):
    """Estimate over exact norm at the peak of the exact spectrum, or at a length."""
    exact, estimate = magnitude(images, COHERENT), magnitude(images, SAMPLED)
    length = peak(exact) if length is None else length
    return estimate[length] / exact[length]


def largest(images, first, last):
    """The largest such ratio at a length from the first to the last."""
    exact, estimate = magnitude(images, COHERENT), magnitude(images, SAMPLED)
    return max(estimate[length] / exact[length] for length in range(first, last + 1))


def total(images):
    """The same for the sums over all lengths."""
    return sum(magnitude(images, SAMPLED)) / sum(magnitude(images, COHERENT))


def reinforcement(images, length):
    """Exact norm over the root of the path energy: 1 where directions of paths are unrelated.

    Both as root mean squares over images: so a length with a single path gives 1.
    """
    squares = sum(image[COHERENT][length] ** 2 for image in images)
    return math.sqrt(squares / sum(image[ENERGY][length] for image in images))


def row(title, file):
    spectrum = Spectrum(file)
    images = spectrum.images
    exact, estimate = magnitude(images, COHERENT), magnitude(images, SAMPLED)
    length = peak(exact)
    at_peak = lambda some: overstatement(some, length)
    first, last = effective_range(exact)
    ranges = [f"{a} to {b}" for a, b in ((first, last), effective_range(estimate))]
    return [
        title,
        spectrum.blocks,
        spectrum.functions,
        length,
        spectrum.with_intervals(at_peak),
        spectrum.with_intervals(partial(largest, first=first, last=last)),
        spectrum.with_intervals(total),
        spectrum.with_intervals(lambda some: reinforcement(some, length)),
        *ranges,
        *(
            spectrum.with_intervals(lambda some, of=of: centre(magnitude(some, of)))
            for of in (COHERENT, SAMPLED)
        ),
    ]


HEAD = [
    "network",
    "n",
    "k",
    "peak",
    "estimate / exact at the peak (images; mini-batches)",
    "largest in the range (images; mini-batches)",
    "of all lengths (images; mini-batches)",
    "exact / root of energy (images; mini-batches)",
    "range, exact",
    "range, estimate",
    "centre, exact (images; mini-batches)",
    "centre, estimate (images; mini-batches)",
]


def family():
    return Table(
        HEAD,
        [
            row(f"{design}, seed {seed}", f"cifar10-family/spectrum-{design}-s{seed}.jsonl")
            for design in FAMILY
            for seed in (1, 2)
        ],
    )


def resnets():
    return Table(
        HEAD,
        [row(f"ResNet-{depth}", f"spectrum/resnet{depth}.jsonl") for depth in (20, 32, 56)],
    )


def narrow():
    return Table(
        HEAD,
        [
            row(f"{depth}x{k}", f"family/spectrum-depth{depth}-k{k}-seed1.jsonl")
            for k in (1, 2, 4)
            for depth in (8, 14, 26, 50)
        ],
    )


def training_time():
    return Table(
        ["epochs", *HEAD[1:]],
        [row(str(epoch), f"training-time/epoch-{epoch}.jsonl") for epoch in (0, 1, 2, 4, 6)],
    )
