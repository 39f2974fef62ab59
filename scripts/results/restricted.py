"""Tables on path-restricted training, out of the logs of trainings of pathscope."""

import json
import math

from records import RESULTS, STUDENT_90, Table

SEEDS = (1, 2, 3)
# Folder, number of blocks, and the designs that the restricted one is compared with.
STUDIES = {
    "path-restricted-110": (54, {"full": "equal epochs", "short": "equal compute"}),
    "path-restricted": (18, {"full": "equal epochs"}),
}


def log(folder, design, seed):
    with open(RESULTS / folder / f"{design}-{seed}.jsonl") as lines:
        return [json.loads(line) for line in lines]


def epochs(records):
    return sum(record["record"] == "epoch" for record in records)


def outcome(folder, design):
    """Wrong test images of every seed, and their number."""
    tests = [log(folder, design, seed)[-1]["test"] for seed in SEEDS]
    return [test["errors"] for test in tests], tests[0]["examples"]


def trainings():
    """Test errors of every design and seed."""
    rows = []
    for folder, (blocks, others) in STUDIES.items():
        for design in ("restricted", *others):
            wrong, images = outcome(folder, design)
            header = log(folder, design, 1)[0]
            kept = header["recipe"]["training"]["restriction"].get("blocks", blocks)
            rows.append(
                [
                    f"{kept} of {blocks}",
                    epochs(log(folder, design, 1)),
                    *(f"{100 * count / images:.2f}" for count in wrong),
                    f"{100 * sum(wrong) / len(wrong) / images:.2f}",
                    f"{images:,}",
                ]
            )
    return Table(
        [
            "blocks per mini-batch",
            "epochs",
            *(f"error %, seed {seed}" for seed in SEEDS),
            "mean",
            "test images",
        ],
        rows,
    )


def restrictions():
    """Restricted less each other design: paired by seed, and over images."""
    rows = []
    for folder, (blocks, others) in STUDIES.items():
        restricted, images = outcome(folder, "restricted")
        for design, name in others.items():
            other, _ = outcome(folder, design)
            points = [100 * (a - b) / images for a, b in zip(restricted, other)]
            mean = sum(points) / len(points)
            spread = sum((point - mean) ** 2 for point in points) / (len(points) - 1)
            seeds = STUDENT_90[len(points) - 1] * math.sqrt(spread / len(points))
            rates = [count / images for count in restricted + other]
            variance = sum(rate * (1 - rate) for rate in rates) / images / len(points) ** 2
            over_images = 196 * math.sqrt(variance)
            rows.append(
                [
                    f"{blocks} blocks, {name}",
                    f"{mean:+.2f}",
                    f"{mean - seeds:+.2f} to {mean + seeds:+.2f}",
                    f"{mean - over_images:+.2f} to {mean + over_images:+.2f}",
                ]
            )
    return Table(
        ["restricted less all", "points", "90 % over seeds (3 pairs)", "95 % over images"], rows
    )
