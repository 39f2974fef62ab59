"""Tables of docs/src/results/lesions.md: the deletion of each block."""

from records import RESULTS, Lesions, interval, markdown, spearman

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


def lesions(network, statistics="frozen"):
    return Lesions(f"{FOLDER}/{network}-{statistics}.txt")


def measured(network, statistics):
    file = RESULTS / FOLDER / f"{network}-{statistics}.txt"
    return file.exists() and file.stat().st_size > 0


def correlation(x, y):
    """Spearman's correlation over blocks with its bootstrap interval over blocks."""
    pairs = list(zip(x, y))
    low, high = interval(pairs, spearman)
    return f"{spearman(pairs):.2f} ({low:.2f} to {high:.2f})"


def cell(row):
    mark = "**" if row["verdict"] == "needed" else ""
    return f"{mark}{row['difference']:+.1f}{mark} ({row['lower']:+.1f} to {row['upper']:+.1f})"


def effects():
    """How many blocks are needed, and how the costs are distributed."""
    rows = []
    for network in NETWORKS:
        found = lesions(network)
        costs = sorted(found.differences)
        verdicts = [row["verdict"] for row in found.rows]
        rows.append(
            [
                network,
                f"{found.intact[1]} % of {found.intact[3]}",
                len(costs),
                *(verdicts.count(verdict) for verdict in ("needed", "undecided", "removable")),
                f"{costs[len(costs) // 2]:+.1f}",
                "; ".join(
                    f"{row['block']}: {cell(row)}"
                    for row in sorted(found.rows, key=lambda row: -row["difference"])[:3]
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
            "median cost",
            "the three dearest blocks",
        ],
        rows,
    )


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
    return markdown(
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
    return markdown(["block", "seed 1, points", "seed 2, points"], rows)


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
        means = [sum(found.differences) / len(found.differences) for found in (frozen, fresh)]
        lower = sum(a["lower"] > b["upper"] for a, b in zip(frozen.rows, fresh.rows))
        higher = sum(b["lower"] > a["upper"] for a, b in zip(frozen.rows, fresh.rows))
        rows.append(
            [
                network,
                f"{needed[0]}, {needed[1]} of {len(frozen.rows)}",
                f"{means[0]:+.1f}, {means[1]:+.1f}",
                lower,
                higher,
                correlation(frozen.differences, fresh.differences),
            ]
        )
    return markdown(
        [
            "network",
            "needed: frozen, recalibrated",
            "mean cost, points: frozen, recalibrated",
            "blocks clearly cheaper",
            "clearly dearer",
            "rank correlation (blocks)",
        ],
        rows,
    )


def scores():
    """How well the cheap scores rank the measured increase of the loss; 8x4 has too few blocks."""
    rows = []
    for network in NETWORKS:
        found = lesions(network).scores
        if found:
            rows.append(
                [network, *("{:.2f} ({:.2f} to {:.2f})".format(*found[name]) for name in SCORES)]
            )
    return markdown(["network", *SCORES], rows)
