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
    cost,
    effective_range,
    magnitude,
    mean,
    peak,
    share_of_0,
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
        costs = found.by_cost
        verdicts = [row["verdict"] for row in found.rows]
        rows.append(
            [
                title,
                f"{found.intact[1]} % of {found.intact[3]}",
                len(costs),
                *(verdicts.count(verdict) for verdict in ("needed", "undecided", "removable")),
                "; ".join(map(cost, (costs[0], costs[len(costs) // 2], costs[-1]))),
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
            "least, median, largest cost (examples)",
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
                spectrum.with_intervals(share_of_0),
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
            "% at length 0 (examples; mini-batches)",
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
    return Table(
        ["layer", "attention, points", "perceptron, points"],
        [[layer, *map(cost, pair)] for layer, pair in enumerate(by_layer(network))],
    )


def parts():
    """Mean cost of attention and of perceptron, and their difference with its interval over layers."""
    rows = []
    for network, title in TRANSFORMERS.items():
        pairs = [[row["difference"] for row in pair] for pair in by_layer(network)]
        differences = [perceptron - attention for attention, perceptron in pairs]
        reach = STUDENT[len(pairs) - 1] * statistics.stdev(differences) / math.sqrt(len(pairs))
        difference = statistics.mean(differences)
        found = Lesions(f"kinds/lesion-{network}.txt")
        rows.append(
            [
                title,
                len(pairs),
                *(
                    mean(found.costs_by_example(slice(part, None, 2)), 100, "+.2f")
                    for part in (0, 1)
                ),
                f"{difference:+.2f} ({difference - reach:+.2f} to {difference + reach:+.2f})",
                f"{sum(difference > 0 for difference in differences)} of {len(pairs)}",
            ]
        )
    return Table(
        [
            "network",
            "layers",
            "mean of attention, points (examples)",
            "of perceptron (examples)",
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
