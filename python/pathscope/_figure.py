"""Figures of matplotlib, to be restyled; the program's own pictures are in `_picture`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._errors import PathscopeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]


def empty() -> tuple[Figure, Axes]:
    """A figure with one axes, which pyplot does not keep."""
    try:
        from matplotlib.figure import Figure
    except ImportError as fault:
        raise PathscopeError(
            "figures need matplotlib (pip install matplotlib); .plot() does not"
        ) from fault
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    return figure, figure.subplots()


def errors(rows: Sequence[Row], intact: float | None, place: str) -> Figure:
    """A bar for each block: error with its interval, and that of the intact network."""
    figure, axes = empty()
    heights = [100 * row["error"] for row in rows]
    below = [100 * (row["error"] - row["error_lower"]) for row in rows]
    above = [100 * (row["error_upper"] - row["error"]) for row in rows]
    places = [str(row[place]) for row in rows]
    axes.bar(places, heights, yerr=(below, above), capsize=2, color="#0072b2")
    if intact is not None:
        axes.axhline(100 * intact, color="black", linestyle="--", label="intact")
        axes.legend()
    axes.set(xlabel="deleted block" if place == "block" else place, ylabel="error, %")
    return figure


def means(rows: Sequence[Row], intact: float | None) -> Figure:
    """Mean error over draws against how much was changed."""
    figure, axes = empty()
    names = [str(row["change"]) for row in rows]
    axes.plot(names, [100 * row["mean_error"] for row in rows], marker="o", color="#0072b2")
    lows = [row["mean_error_lower"] for row in rows]
    if all(low is not None for low in lows):
        highs = [100 * row["mean_error_upper"] for row in rows]
        axes.fill_between(names, [100 * low for low in lows], highs, alpha=0.2, color="#0072b2")
    if intact is not None:
        axes.axhline(100 * intact, color="black", linestyle="--", label="intact")
        axes.legend()
    axes.tick_params(axis="x", labelrotation=30)
    axes.set(ylabel="mean error, %")
    return figure


def shares(rows: Sequence[Row]) -> Figure:
    """Shares of the gradient by path length, and of all paths."""
    figure, axes = empty()
    lengths = [row["length"] for row in rows]
    names = {
        "coherent_share": "coherent sum",
        "energy_share": "path energy",
        "sampled_share": "sampled estimate",
        "share_of_paths": "all paths",
    }
    for name, label in names.items():
        if name in rows[0]:
            style = "--" if name == "share_of_paths" else "-"
            values = [float("nan") if row[name] is None else 100 * row[name] for row in rows]
            axes.plot(lengths, values, style, marker=".", label=label)
    axes.set(xlabel="path length, blocks", ylabel="share, %")
    axes.legend()
    return figure


def lengths(networks: Sequence[Row]) -> Figure:
    """The distribution of path lengths of each network."""
    figure, axes = empty()
    for network in networks:
        axes.plot([100 * share for share in network["modules"]["shares"]], label=network["name"])
    axes.set(xlabel="path length, blocks", ylabel="share of all paths, %")
    axes.legend()
    return figure
