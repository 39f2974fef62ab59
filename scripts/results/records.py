"""Results files of pathscope, and the statistics that the tables of docs/src/results need.

Nothing but Python's standard library. Intervals are 95 % percentile bootstraps of 2,000 resamples, over
images or over mini-batches, as the caller says; every call draws the same resamples again.
"""

import json
import math
import random
import re
import statistics
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "assets" / "results"
RESAMPLES = 2000


def read(name):
    """Header and records of a results file below assets/results."""
    with open(RESULTS / name) as lines:
        header, *records = (json.loads(line) for line in lines)
    return header, records


def text(name):
    return (RESULTS / name).read_text()


def interval(units, statistic):
    """Bootstrap interval of `statistic`, which takes a list of units, over these units."""
    draw = random.Random(0)
    values = sorted(statistic([draw.choice(units) for _ in units]) for _ in range(RESAMPLES))
    return values[round(0.025 * (RESAMPLES - 1))], values[round(0.975 * (RESAMPLES - 1))]


class Spectrum:
    """One results file of gradient-spectrum: norms by length of every image, mini-batch by mini-batch."""

    def __init__(self, name):
        self.name = name
        self.header, records = read(name)
        records = [record for record in records if record["type"] == "spectrum"]
        self.paths = [int(count) for count in records[0]["paths"]]
        self.blocks = len(self.header["model"]["blocks"])
        self.functions = self.header["model"]["blocks"][0]["functions"]
        # An image: its coherent norms, path energies, and mean norms of drawn paths times their number.
        self.batches = [
            [
                (coherent, energy, [n * norm for n, norm in zip(self.paths, drawn)])
                for coherent, energy, drawn in zip(
                    *(record[name]["by_example"] for name in ("coherent", "energy", "sampled"))
                )
            ]
            for record in records
        ]
        self.images = [image for batch in self.batches for image in batch]

    def over_images(self, statistic):
        """A statistic of images with its interval over images."""
        return (statistic(self.images), *interval(self.images, statistic))

    def over_batches(self, statistic):
        """The same over mini-batches: in each, other random paths and signs are drawn."""
        joined = lambda batches: statistic([image for batch in batches for image in batch])
        return (statistic(self.images), *interval(self.batches, joined))

    def with_intervals(self, statistic):
        """A statistic in words, with its intervals over images and over mini-batches."""
        value, *over_images = self.over_images(statistic)
        _, *over_batches = self.over_batches(statistic)
        return f"{number(value)} ({bounds(*over_images)}; {bounds(*over_batches)})"


COHERENT, ENERGY, SAMPLED = range(3)


def magnitude(images, measure):
    """Mean over images of the norm or estimate by length."""
    return [sum(column) / len(images) for column in zip(*(image[measure] for image in images))]


def effective_range(values, share=0.95):
    """First and last length of the shortest interval that holds the share; of equals, the fullest."""
    total = sum(values)
    for width in range(1, len(values) + 1):
        sums = [sum(values[first : first + width]) for first in range(len(values) - width + 1)]
        best = max(range(len(sums)), key=sums.__getitem__)
        if sums[best] >= share * total:
            return best, best + width - 1
    raise ValueError("no spectrum")


def centre(values):
    """Mean length."""
    return sum(length * value for length, value in enumerate(values)) / sum(values)


def share_of_0(images):
    """Share of the exact sums that paths without any block carry, in percent."""
    exact = magnitude(images, COHERENT)
    return 100 * exact[0] / sum(exact)


def dispersion(values, blocks):
    """Variance of the length over that of the binomial law with the same mean."""
    mid = centre(values)
    variance = sum((length - mid) ** 2 * value for length, value in enumerate(values)) / sum(values)
    return variance / (mid * (1 - mid / blocks))


def peak(values):
    return max(range(len(values)), key=values.__getitem__)


def bits(record):
    """Which examples are wrong."""
    found = [int(bit) for digit in record["wrong"] for bit in f"{int(digit, 16):04b}"]
    return found[: record["examples"]]


class Lesions:
    """What `pathscope lesion` printed: a row of difference and interval for each block or function."""

    ROW = re.compile(
        r"^[!-]?\s*(\d+(?:\.\d+)?)\s.*?([\d.]+)\s+([+-]?[\d.]+)\s+"
        r"([+-]?[\d.]+) to ([+-]?[\d.]+)\s+(<?\s?[\d.e-]+)\s*(needed|removable|undecided)?\s*$",
        re.MULTILINE,
    )

    def __init__(self, name):
        printed = text(name)
        self.intact = re.search(r"intact: error ([\d.]+) % \(([\d,]+) of\s+([\d,]+)\)", printed)
        table, *scores = printed.split("\nCheap scores")
        self.rows = [
            {
                "block": match[1],
                "difference": float(match[3]),
                "lower": float(match[4]),
                "upper": float(match[5]),
                "verdict": match[7],
            }
            for match in self.ROW.finditer(table)
        ]
        header, records = read(name.replace(".txt", ".jsonl"))
        self.positions = header["data"].get("positions", 1)
        intact, *changed = (record for record in records if record["type"] == "outcome")
        points = [
            100 * (record["errors"] - intact["errors"]) / intact["examples"] for record in changed
        ]
        # What was printed says what was recorded, row by row.
        if any(abs(a - b) > 0.01 for a, b in zip(points, self.differences, strict=True)):
            raise ValueError(f"{name} and its records differ")
        # Of every image, whether it is wrong: in the intact network, and after each change.
        self.intact_wrong, *self.wrong = map(bits, (intact, *changed))
        self.scores = {}
        if scores:
            ranking = scores[0].split("How well scores rank")[1]
            for match in re.finditer(
                r"^(\S.*?)\s{2,}(-?[\d.]+)\s+(-?[\d.]+) to (-?[\d.]+)$", ranking, re.MULTILINE
            ):
                self.scores[match[1]] = tuple(map(float, match.groups()[1:]))

    @property
    def differences(self):
        return [row["difference"] for row in self.rows]

    @property
    def by_cost(self):
        """The rows from the cheapest to the dearest."""
        return sorted(self.rows, key=lambda row: row["difference"])

    def costs_by_example(self, changes=slice(None)):
        """Of every image, the mean over some changes of what they make of it: 1 newly wrong, -1 newly right.

        Of a sequence, the mean over its positions.
        """
        after = (sum(image) / len(image) for image in zip(*self.wrong[changes]))
        found = [after - before for after, before in zip(after, self.intact_wrong)]
        whole = range(0, len(found), self.positions)
        return [statistics.mean(found[first : first + self.positions]) for first in whole]


def cost(row):
    """What a deletion costs, with its interval over images."""
    return f"{row['difference']:+.1f} ({row['lower']:+.1f} to {row['upper']:+.1f})"


def mean(values, scale, form, unit=""):
    """A mean over examples with its normal interval."""
    middle = scale * statistics.mean(values)
    reach = 1.96 * scale * statistics.stdev(values) / math.sqrt(len(values))
    return f"{middle:{form}}{unit} ({middle - reach:{form}} to {middle + reach:{form}})"


def ratio(values, of, scale, form, unit=""):
    """The ratio of two means over examples with its normal interval, to first order."""
    whole = statistics.mean(of)
    share = statistics.mean(values) / whole
    return mean([share + (a - share * b) / whole for a, b in zip(values, of)], scale, form, unit)


def ranks(values):
    """Ranks from 1, ties shared."""
    order = sorted(range(len(values)), key=values.__getitem__)
    result = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            result[place] = (start + end) / 2 + 1
        start = end + 1
    return result


def spearman(pairs):
    """Spearman's correlation of a list of pairs; 0 where one side is constant."""
    x, y = (ranks(list(side)) for side in zip(*pairs))
    mx, my = sum(x) / len(x), sum(y) / len(y)
    cross = sum((a - mx) * (b - my) for a, b in zip(x, y))
    scale = math.sqrt(sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y))
    return cross / scale if scale else 0.0


# Quantiles 0.975 of Student's t by degrees of freedom.
STUDENT = {
    1: 12.706,
    2: 4.303,
    3: 3.182,
    4: 2.776,
    5: 2.571,
    6: 2.447,
    7: 2.365,
    8: 2.306,
    11: 2.201,
}
# Quantiles 0.95: two one-sided tests at 5 % are an interval of 90 %.
STUDENT_90 = {1: 6.314, 2: 2.920, 3: 2.353, 4: 2.132}


def number(value):
    """Three significant digits without an exponent, or with one where it is long."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        digits = 2 - math.floor(math.log10(abs(value))) if value else 0
        return f"{value:,.{max(0, digits)}f}"
    exponent = math.floor(math.log10(abs(value)))
    return f"{value / 10**exponent:.1f}e{exponent}"


def with_bounds(form, value, low, high):
    """A value with the ends of its interval, each in one form."""
    return f"{form(value)} ({form(low)} to {form(high)})"


def bounds(low, high):
    return f"{number(low)} to {number(high)}"


class Table:
    """A table of a page: the words of its cells, under the names of their columns."""

    def __init__(self, head, rows):
        self.head = head
        self.rows = [list(map(str, row)) for row in rows]

    def __str__(self):
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def column(self, start):
        """The place of the one column whose name begins so, or is just that."""
        named = [place for place, name in enumerate(self.head) if name == start]
        places = named or [place for place, name in enumerate(self.head) if name.startswith(start)]
        if len(places) != 1:
            raise ValueError(f"{len(places)} columns begin with {start!r}")
        return places[0]

    def cell(self, row, column):
        (found,) = (cells for cells in self.rows if cells[0] == row)
        return found[self.column(column)]

    def numbers(self, column, *rows):
        """The first number of every cell of a column, as written; of the rows that begin so, if given."""
        place = self.column(column)
        return [
            NUMBER.search(cells[place])[0]
            for cells in self.rows
            if not rows or cells[0].startswith(rows)
        ]


NUMBER = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?")


def as_float(written):
    return float(written.replace(",", ""))
