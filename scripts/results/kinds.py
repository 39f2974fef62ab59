"""Tables of docs/src/results/kinds.md: networks of other kinds."""

from cancellation import overstatement, reinforcement, total
from paper import printed_rho
from records import (
    COHERENT,
    Lesions,
    Spectrum,
    bounds,
    centre,
    dispersion,
    effective_range,
    magnitude,
    markdown,
    number,
    peak,
)

NETWORKS = {
    "stories260k": "Llama, 5 layers",
    "rxnfp": "BERT, 12 layers",
    "katago": "Go network",
    "s4d": "S4",
    "resnet8": "ResNet-8",
    "resnet20-plain": "ResNet-20",
    "resnet20-robust": "ResNet-20, robust",
    "depthwise110": "depthwise ResNet-110",
}


def lesions():
    rows = []
    for name, title in NETWORKS.items():
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
                    for score in ("cosine distance", "gradient share")
                ),
            ]
        )
    return markdown(
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
        mid, *over_images = spectrum.over_images(lambda some: centre(magnitude(some, COHERENT)))
        spread = dispersion(exact, spectrum.blocks)
        ratio, *ratio_bounds = spectrum.over_images(lambda some: overstatement(some, length))
        _, *batch_bounds = spectrum.over_batches(lambda some: overstatement(some, length))
        _, rho, exponential = printed_rho(f"kinds/spectrum-{name}.txt")
        rows.append(
            [
                title,
                spectrum.blocks,
                "{} to {}".format(*effective_range(exact)),
                f"{mid:.2f} ({bounds(*over_images)})",
                f"{spread:.2f}",
                rho,
                exponential,
                f"{number(ratio)} ({bounds(*ratio_bounds)}; {bounds(*batch_bounds)})",
                number(total(images)),
                number(reinforcement(images, length)),
            ]
        )
    return markdown(
        [
            "network",
            "n",
            "range",
            "centre (examples)",
            "variance / binomial",
            "rho (mini-batches)",
            "exponential?",
            "estimate / exact at the peak (examples; mini-batches)",
            "of all lengths",
            "exact / root of energy",
        ],
        rows,
    )


def llama():
    """Attention and perceptron of the Llama, layer by layer."""
    found = Lesions("kinds/lesion-stories260k.txt").rows
    cell = lambda row: f"{row['difference']:+.1f} ({row['lower']:+.1f} to {row['upper']:+.1f})"
    rows = [
        [layer, cell(found[2 * layer]), cell(found[2 * layer + 1])]
        for layer in range(len(found) // 2)
    ]
    return markdown(["layer", "attention, points", "perceptron, points"], rows)
