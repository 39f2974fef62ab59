"""Tables as text for a terminal and as HTML for a notebook."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

Row = Mapping[str, Any]
# Columns as people read them: heading, the values it needs, and how they are written.
Column = tuple[str, tuple[str, ...], Callable[..., str]]


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(each) for each in value)
    return str(value)


def _percent(value: Any) -> str:
    return "" if value is None else f"{100 * value:.2f}"


def _points(value: Any) -> str:
    return "" if value is None else f"{value:+.2f}"


def _between(low: Any, high: Any) -> str:
    return "" if low is None or high is None else f"{low:+.2f} to {high:+.2f}"


def _percents(low: Any, high: Any) -> str:
    return "" if low is None or high is None else f"{100 * low:.2f} to {100 * high:.2f}"


def _small(value: Any) -> str:
    if value is None:
        return ""
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def wrapped(text: str) -> str:
    """Text in lines that fit a terminal; its own line ends stay."""
    return "\n".join(textwrap.fill(line, 100) for line in text.split("\n"))


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in their order, three and more neighbours as ranges.

    >>> ranges([0, 1, 2, 5, 6])
    '0-2, 5, 6'
    """
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    texts = [f"{of[0]}-{of[-1]}" if len(of) > 2 else ", ".join(map(str, of)) for of in found]
    return ", ".join(texts) or "none"


# What is shown of the program's columns, in this order; others are in the data frame.
COLUMNS: tuple[Column, ...] = (
    ("block", ("block",), _plain),
    ("step", ("step",), _plain),
    ("change", ("change",), _plain),
    ("name", ("name",), _plain),
    ("length", ("length",), _plain),
    ("measure", ("measure",), _plain),
    ("input", ("input",), _plain),
    ("output", ("output",), _plain),
    ("functions", ("functions",), _plain),
    ("draws", ("draws",), _plain),
    ("tau", ("mean_tau",), _plain),
    ("errors", ("errors",), _plain),
    ("error, %", ("error",), _percent),
    ("mean error, %", ("mean_error",), _percent),
    ("95 % interval", ("mean_error_lower", "mean_error_upper"), _percents),
    ("difference, points", ("difference_points",), _points),
    ("95 % interval", ("difference_points_lower", "difference_points_upper"), _between),
    ("p", ("p",), _small),
    ("coherent sum, %", ("coherent_share",), _percent),
    ("path energy, %", ("energy_share",), _percent),
    ("sampled, %", ("sampled_share",), _percent),
    ("of all paths, %", ("share_of_paths",), _percent),
    ("first", ("first",), _plain),
    ("last", ("last",), _plain),
    ("second", ("second",), _plain),
    ("synergy", ("synergy",), _plain),
    ("parameters", ("parameters",), _plain),
    ("paths", ("paths",), _plain),
    ("configurations", ("configurations",), _plain),
    ("changes shape", ("changes_shape",), _plain),
    ("verdict", ("verdict",), _plain),
)
# Columns that say little beside others of the same table.
BESIDE = {"errors": "error", "parameters": "error", "paths": "error", "changes_shape": "error"}


def shown(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of the columns that people read."""
    if not rows:
        return [], []
    present = [
        column
        for column in COLUMNS
        if all(name in rows[0] for name in column[1])
        and not BESIDE.get(column[1][0], "") in rows[0]
    ]
    if not present:
        present = [(name.replace("_", " "), (name,), _plain) for name in rows[0]]
    cells = [[how(*(row.get(name) for name in of)) for _, of, how in present] for row in rows]
    return [heading for heading, _, _ in present], cells


def as_text(rows: Sequence[Row]) -> str:
    """A table in columns, numbers to the right."""
    headings, cells = shown(rows)
    if not headings:
        return ""
    columns = list(zip(*cells, strict=True))
    widths = [
        max(len(heading), *map(len, column))
        for heading, column in zip(headings, columns, strict=True)
    ]
    left = [not any(cell[:1].isdigit() or cell[:1] in "+-<" for cell in c if cell) for c in columns]

    def line(words: Sequence[str]) -> str:
        placed = zip(words, widths, left, strict=True)
        return "  ".join(w.ljust(n) if to else w.rjust(n) for w, n, to in placed).rstrip()

    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([line(headings), rule, *map(line, cells)])


def as_html(rows: Sequence[Row]) -> str:
    """The same as an HTML table."""
    headings, cells = shown(rows)
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in cells
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
