"""Tables of docs/src/results/lesions.md: the deletion of each block."""

import functools

import records
from records import RESULTS, Lesions, Table, bits, interval, mean, ratio, read, spearman

FOLDER = "lesion-table"
DESIGNS = ["8x4", "24x1", "20x4", "30x4", "68x1", "56x2", "110x1"]
NETWORKS = ["resnet20", "resnet32", "resnet56", *(f"{d}-s{s}" for d in DESIGNS for s in (1, 2))]
SCORES = [
    "cosine distance",
    "angular distance",
    "norm ratio",
    "CKA distance",
    "first order",
    "gradient share",
]


@functools.cache
def lesions(network, kind="frozen"):
    return Lesions(f"{FOLDER}/{network}-{kind}.txt")


def measured(network, kind):
    file = RESULTS / FOLDER / f"{network}-{kind}.txt"
    return file.exists() and file.stat().st_size > 0


def correlation(x, y):
    """Spearman's correlation over blocks with its bootstrap interval over blocks."""
    pairs = list(zip(x, y))
    low, high = interval(pairs, spearman)
    return f"{spearman(pairs):.2f} ({low:.2f} to {high:.2f})"


def cell(row):
    points, *rest = records.cost(row).split(" ", 1)
    return " ".join([f"**{points}**" if row["verdict"] == "needed" else points, *rest])


def effects():
    """How many blocks are needed, and how the costs are distributed."""
    rows = []
    for network in NETWORKS:
        found = lesions(network)
        costs = found.by_cost
        verdicts = [row["verdict"] for row in found.rows]
        rows.append(
            [
                network,
                f"{found.intact[1]} % of {found.intact[3]}",
                len(costs),
                *(verdicts.count(verdict) for verdict in ("needed", "undecided", "removable")),
                records.cost(costs[len(costs) // 2]),
                "; ".join(f"{row['block']}: {cell(row)}" for row in costs[:-4:-1]),
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
            "median cost (images)",
            "the three dearest blocks",
        ],
        rows,
    )


def images(network):
    return lesions(network).intact[3]


def dearest(network):
    """The largest cost of a block."""
    return f"{max(lesions(network).differences):+.1f}"


def needed(network):
    """Needed blocks of all: "4 of 54"."""
    verdicts = [row["verdict"] for row in lesions(network).rows]
    return f"{verdicts.count('needed')} of {len(verdicts)}"


def cost(network, block, kind="frozen"):
    """Points that a block costs."""
    (found,) = (row for row in lesions(network, kind).rows if row["block"] == block)
    return f"{found['difference']:+.1f}"


@functools.cache
def seeds():
    """Do two seeds need the same blocks?"""
    rows = []
    for design in DESIGNS:
        one, two = (lesions(f"{design}-s{seed}") for seed in (1, 2))
        needed = [
            {row["block"] for row in found.rows if row["verdict"] == "needed"}
            for found in (one, two)
        ]
        both, either = needed[0] & needed[1], needed[0] | needed[1]
        apart = sum(
            a["lower"] > b["upper"] or b["lower"] > a["upper"] for a, b in zip(one.rows, two.rows)
        )
        count = len(one.rows)
        rows.append(
            [
                design,
                count,
                f"{len(needed[0])}, {len(needed[1])}",
                f"{len(both)} of {len(either)}",
                f"{len(needed[0]) * len(needed[1]) / count:.1f}",
                correlation(one.differences, two.differences),
                apart,
            ]
        )
    return Table(
        [
            "design",
            "n",
            "needed by seed 1, 2",
            "by both, of those needed by either",
            "by both if unrelated",
            "rank correlation of costs (blocks)",
            "blocks whose intervals do not meet",
        ],
        rows,
    )


def side_by_side(design):
    one, two = (lesions(f"{design}-s{seed}") for seed in (1, 2))
    rows = [[a["block"], cell(a), cell(b)] for a, b in zip(one.rows, two.rows)]
    return Table(["block", "seed 1, points", "seed 2, points"], rows)


def blocks_24x1():
    return side_by_side("24x1")


def blocks_20x4():
    return side_by_side("20x4")


def recalibrated():
    """Frozen against re-measured statistics of the normalisations."""
    rows = []
    for network in NETWORKS:
        if not measured(network, "recalibrate"):
            continue
        frozen, fresh = lesions(network), lesions(network, "recalibrate")
        needed = [
            sum(row["verdict"] == "needed" for row in found.rows) for found in (frozen, fresh)
        ]
        lower = sum(a["lower"] > b["upper"] for a, b in zip(frozen.rows, fresh.rows))
        higher = sum(b["lower"] > a["upper"] for a, b in zip(frozen.rows, fresh.rows))
        rows.append(
            [
                network,
                f"{needed[0]}, {needed[1]} of {len(frozen.rows)}",
                "; ".join(mean(costs, 100, "+.1f") for costs in costs_by_image(network)),
                saved(network),
                price(network),
                lower,
                higher,
                correlation(frozen.differences, fresh.differences),
            ]
        )
    return Table(
        [
            "network",
            "needed: frozen, recalibrated",
            "mean cost, points: frozen; recalibrated (images)",
            "saved, points (images)",
            "nothing deleted, points (images)",
            "blocks clearly cheaper",
            "clearly dearer",
            "rank correlation (blocks)",
        ],
        rows,
    )


def saved(network):
    """Points by which re-measured statistics make a deletion cheaper, on average."""
    frozen, fresh = costs_by_image(network)
    return mean([a - b for a, b in zip(frozen, fresh)], 100, ".1f")


def price(network):
    """Points that re-measured statistics cost where nothing is deleted."""
    _, outcomes = read(f"{FOLDER}/{network}-intact.jsonl")
    before, after = map(bits, outcomes)
    return mean([b - a for a, b in zip(before, after)], 100, "+.1f")


def priced():
    """Networks in which that price is above nothing: "12 of 17"."""
    lower = [float(price(network).split("(")[1].split(" to ")[0]) for network in NETWORKS]
    return f"{sum(end > 0 for end in lower)} of {len(lower)}"


def stale(network):
    """Share of the mean cost that re-measured statistics take off."""
    frozen, fresh = costs_by_image(network)
    return ratio([a - b for a, b in zip(frozen, fresh)], frozen, 100, ".0f", " %")


def costs_by_image(network):
    return [lesions(network, kind).costs_by_example() for kind in ("frozen", "recalibrate")]


def of_the_family():
    """Correlations of the family's scores but the first-order one, with their intervals."""
    return [
        lesions(f"{design}-s{seed}").scores[score]
        for design in DESIGNS
        if design != "8x4"
        for seed in (1, 2)
        for score in SCORES
        if score != "first order"
    ]


def family_scores():
    found = [correlation for correlation, _, _ in of_the_family()]
    return f"{min(found):.2f} to {max(found):.2f}"


def family_scores_above_0():
    found = of_the_family()
    return f"{sum(lower > 0 for _, lower, _ in found)} of {len(found)}"


@functools.cache
def scores():
    """How well the cheap scores rank the measured increase of the loss; 8x4 has too few blocks."""
    rows = []
    for network in NETWORKS:
        found = lesions(network).scores
        if found:
            rows.append(
                [network, *("{:.2f} ({:.2f} to {:.2f})".format(*found[name]) for name in SCORES)]
            )
    return Table(["network", *SCORES], rows)
