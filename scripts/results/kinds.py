"""Tables of docs/src/results/kinds.md: networks of other kinds."""

import math
import statistics
from functools import partial

from cancellation import overstatement, reinforcement, total
from paper import local_decay, spread
from records import (
    COHERENT,
    STUDENT,
    Lesions,
    Spectrum,
    Table,
    centre,
    effective_range,
    magnitude,
    peak,
)

NETWORKS = {
    "stories260k": "Llama, 5 layers",
    "rxnfp": "BERT, 12 layers",
    "vit": "ViT, 6 layers",
    "katago": "Go network",
    "s4d": "S4",
    "resnet20-plain": "ResNet-20",
    "resnet20-robust": "ResNet-20, robust",
}
TRANSFORMERS = {"stories260k": "Llama", "rxnfp": "BERT", "vit": "ViT"}


def lesions():
    rows = []
    for name, title in (NETWORKS | {"depthwise110": "depthwise ResNet-110"}).items():
        found = Lesions(f"kinds/lesion-{name}.txt")
        costs = sorted(found.differences)
        verdicts = [row["verdict"] for row in found.rows]
        rows.append(
            [
                title,
                f"{found.intact[1]} % of {found.intact[3]}",
                len(costs),
                *(verdicts.count(verdict) for verdict in ("needed", "undecided", "removable")),
                f"{costs[0]:+.1f}, {costs[len(costs) // 2]:+.1f}, {costs[-1]:+.1f}",
                *(
                    "{:.2f} ({:.2f} to {:.2f})".format(*found.scores[score])
                    if score in found.scores
                    else "too few blocks"
                    for score in ("cosine distance", "gradient share")
                ),
            ]
        )
    return Table(
        [
            "network",
            "error",
            "n",
            "needed",
            "undecided",
            "removable",
            "least, median, largest cost",
            "cosine distance and cost",
            "gradient share and cost",
        ],
        rows,
    )


def spectra():
    rows = []
    for name, title in NETWORKS.items():
        spectrum = Spectrum(f"kinds/spectrum-{name}.jsonl")
        images = spectrum.images
        exact = magnitude(images, COHERENT)
        length = peak(exact)
        rows.append(
            [
                title,
                spectrum.blocks,
                "{} to {}".format(*effective_range(exact)),
                f"{100 * exact[0] / sum(exact):.1f} %",
                spectrum.with_intervals(lambda some: centre(magnitude(some, COHERENT))),
                spectrum.with_intervals(partial(spread, blocks=spectrum.blocks)),
                *local_decay(spectrum),
                spectrum.with_intervals(partial(overstatement, length=length)),
                spectrum.with_intervals(total),
                spectrum.with_intervals(partial(reinforcement, length=length)),
            ]
        )
    return Table(
        [
            "network",
            "n",
            "range",
            "share of length 0",
            "centre (examples; mini-batches)",
            "variance / binomial (examples; mini-batches)",
            "decay, lower half (mini-batches)",
            "upper half",
            "estimate / exact at the peak (examples; mini-batches)",
            "of all lengths (examples; mini-batches)",
            "exact / root of energy (examples; mini-batches)",
        ],
        rows,
    )


def dearest(network):
    """The largest cost of a block."""
    return f"{max(Lesions(f'kinds/lesion-{network}.txt').differences):+.1f}"


def by_layer(network):
    """Rows of attention and of perceptron, layer by layer."""
    rows = Lesions(f"kinds/lesion-{network}.txt").rows
    return list(zip(rows[::2], rows[1::2]))


def llama():
    """Attention and perceptron of the Llama."""
    return apart("stories260k")


def bert():
    return apart("rxnfp")


def vit():
    return apart("vit")


def apart(network):
    cell = lambda row: f"{row['difference']:+.1f} ({row['lower']:+.1f} to {row['upper']:+.1f})"
    return Table(
        ["layer", "attention, points", "perceptron, points"],
        [[layer, *map(cell, pair)] for layer, pair in enumerate(by_layer(network))],
    )


def parts():
    """Mean cost of attention and of perceptron, and their difference with its interval over layers."""
    rows = []
    for network, title in TRANSFORMERS.items():
        pairs = [[row["difference"] for row in pair] for pair in by_layer(network)]
        differences = [perceptron - attention for attention, perceptron in pairs]
        attention, perceptron = (sum(costs) / len(pairs) for costs in zip(*pairs))
        error = statistics.stdev(differences) / math.sqrt(len(pairs))
        reach = STUDENT[len(pairs) - 1] * error
        mean = perceptron - attention
        rows.append(
            [
                title,
                len(pairs),
                f"{attention:+.2f}",
                f"{perceptron:+.2f}",
                f"{mean:+.2f} ({mean - reach:+.2f} to {mean + reach:+.2f})",
                f"{sum(difference > 0 for difference in differences)} of {len(pairs)}",
            ]
        )
    return Table(
        [
            "network",
            "layers",
            "mean of attention, points",
            "of perceptron",
            "difference (layers)",
            "layers in which the perceptron costs more",
        ],
        rows,
    )


def perceptron_over_attention():
    """Least and largest ratio of the costs of perceptron and attention in a layer of the Llama."""
    ratios = [
        perceptron["difference"] / attention["difference"]
        for attention, perceptron in by_layer("stories260k")
    ]
    return f"{min(ratios):.1f} to {max(ratios):.1f}"
