"""Tables of docs/src/results/systems.md: neighbours of the multi-residual network, trained alike."""

import json
from functools import partial

from cancellation import overstatement, reinforcement
from records import (
    COHERENT,
    Lesions,
    Spectrum,
    Table,
    centre,
    cost,
    effective_range,
    magnitude,
    peak,
    ratio,
    read,
    share_of_0,
    text,
)

SYSTEMS = {
    "plain": "plain",
    "resnet": "ResNet",
    "preresnet": "pre-activation ResNet",
    "multi-resnet": "multi-ResNet, k = 2",
    "poly-2": "poly-2",
    "mpoly-2": "mpoly-2",
    "resnext": "ResNeXt",
    "densenet": "DenseNet",
    "highway": "Highway",
    "learned": "learned factors",
    "skip-init": "SkipInit",
    "stochastic-depth": "stochastic depth",
    "swapout": "Swapout",
    "hyper-connections": "hyper-connections",
    "fractal": "FractalNet",
    "fractal-drop-path": "FractalNet, drop-path",
}
WITH_PATHS = [name for name in SYSTEMS if name != "plain"]
SEEDS = (1, 2)
# Error of guessing one of ten classes.
CHANCE = 0.9


def lesion(system, seed):
    return Lesions(f"systems/lesion-{system}-s{seed}.txt")


def relative_cost(found):
    """Mean cost of a deletion as a share of all that can be lost: 1 where every deletion leaves chance."""
    left = [CHANCE - wrong for wrong in found.intact_wrong]
    return ratio(found.costs_by_example(), left, 1, ".2f")


def both(values, form):
    return ", ".join(form.format(value) for value in values)


def lesions():
    rows = []
    for system, title in SYSTEMS.items():
        header, _ = read(f"systems/lesion-{system}-s1.jsonl")
        found = [lesion(system, seed) for seed in SEEDS]
        needed = [sum(row["verdict"] == "needed" for row in one.rows) for one in found]
        ranked = [one.by_cost for one in found]
        rows.append(
            [
                title,
                f"{header['model']['parameters']:,}",
                both([one.intact[1] for one in found], "{} %"),
                len(found[0].rows),
                both(needed, "{}"),
                both([cost(rows[0]) for rows in ranked], "{}"),
                both([cost(rows[len(rows) // 2]) for rows in ranked], "{}"),
                both(map(relative_cost, found), "{}"),
            ]
        )
    return Table(
        [
            "system",
            "parameters",
            "error, seeds 1 and 2",
            "blocks that can be deleted",
            "needed",
            "least cost, points (images)",
            "median cost (images)",
            "mean cost over all that can be lost (images)",
        ],
        rows,
    )


def paths():
    """Paths by the polynomials of the blocks, and the gradient by length."""
    rows = []
    for system in WITH_PATHS:
        spectra = [Spectrum(f"systems/spectrum-{system}-s{seed}.jsonl") for seed in SEEDS]
        exact = [magnitude(spectrum.images, COHERENT) for spectrum in spectra]
        counts = spectra[0].paths
        rows.append(
            [
                SYSTEMS[system],
                f"{sum(counts):,}",
                f"{centre(counts):.2f}",
                both(["{} to {}".format(*effective_range(values)) for values in exact], "{}"),
                both(
                    [
                        spectrum.with_intervals(lambda some: centre(magnitude(some, COHERENT)))
                        for spectrum in spectra
                    ],
                    "{}",
                ),
                both([spectrum.with_intervals(share_of_0) for spectrum in spectra], "{}"),
                both(
                    [
                        spectrum.with_intervals(partial(overstatement, length=peak(values)))
                        for spectrum, values in zip(spectra, exact)
                    ],
                    "{}",
                ),
                both(
                    [
                        spectrum.with_intervals(partial(reinforcement, length=peak(values)))
                        for spectrum, values in zip(spectra, exact)
                    ],
                    "{}",
                ),
            ]
        )
    return Table(
        [
            "system",
            "paths",
            "mean length of a path",
            "range, seeds 1 and 2",
            "centre (images; mini-batches)",
            "% at length 0 (images; mini-batches)",
            "estimate / exact at the peak (images; mini-batches)",
            "exact / root of energy (images; mini-batches)",
        ],
        rows,
    )


def inference():
    """Swapout: the probabilities of the choices against the mean over 30 drawn passes."""
    rows = []
    for seed in SEEDS:
        for way, words in (("deterministic", "means"), ("sampled", "30 drawn passes")):
            evaluated = json.loads(text(f"systems/{way}-swapout-s{seed}.json"))
            (model,) = evaluated["models"]
            low, high = (100 * model["interval"][end] for end in ("lower", "upper"))
            error = 100 * model["errors"] / model["examples"]
            rows.append(
                [seed, words, f"{error:.2f} % ({low:.2f} to {high:.2f})", f"{model['loss']:.3f}"]
            )
    return Table(["seed", "evaluated by", "error (images)", "loss"], rows)
