#!/usr/bin/env python3
"""Writes the tables and numbers of docs/src/results out of the records in assets/results.

    scripts/results/tables.py            writes them into the pages
    scripts/results/tables.py --check    ends with status 1 if a page says anything else

A table stands in a page between `<!-- table NAME -->` and `<!-- end -->`; NAME is a function of the page's
module (cancellation.py, kinds.py, lesion_tables.py or paper.py).

A number in a sentence stands between `<!-- value WHAT -->` and `<!-- end -->`, in one line. WHAT is one of

    cell TABLE; ROW; COLUMN             the cell of a table
    first TABLE; ROW; COLUMN            the first number of that cell
    span TABLE; COLUMN; ROW...          the least and the largest first number of a column, of the rows that
                                        begin so [default: all]
    NAME; ARGUMENT...                   what a function returns

TABLE and NAME are functions of the page's module, or `paper.pairs` for one of another page; the beginning of
a COLUMN's name suffices. A measured number (with a decimal point, or before "%", "points" or "times") that stands in no such
place is refused. Needs Python 3.10 and nothing else.
"""

import functools
import re
import sys
from pathlib import Path

import cancellation
import kinds
import lesion_tables
import overview
import paper
import systems
from records import NUMBER, as_float

PAGES = {
    "README.md": overview,
    "paper.md": paper,
    "cancellation.md": cancellation,
    "lesions.md": lesion_tables,
    "kinds.md": kinds,
    "systems.md": systems,
}
MODULES = {Path(page).stem: module for page, module in PAGES.items()}
FOLDER = Path(__file__).resolve().parents[2] / "docs" / "src" / "results"
TABLE = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
VALUE = re.compile(r"(<!-- value (.*?) -->).*?(<!-- end -->)")
# Numbers that nobody measured here: levels of intervals and tests, the margin of 1 point, and a speed that the
# paper states.
STATED = {"95 %", "90 %", "5 %", "1", "15 %"}
MEASURED = re.compile(r"(?<![\w.-])[+-]?\d[\d,]*(?:\.\d+|(?= (?:%|points?\b|times\b)))(?: %)?")


@functools.cache
def call(module, name, *arguments):
    """What a function of a page's module returns, or of another page's: `lesions.dearest`."""
    page, _, function = name.rpartition(".")
    return getattr(MODULES[page] if page else module, function)(*arguments)


def value(module, what):
    """The words for `<!-- value WHAT -->`."""
    name, *rest = what.split("; ")
    kind, _, table = name.partition(" ")
    match kind:
        case "cell":
            return call(module, table).cell(*rest)
        case "first":
            return NUMBER.search(call(module, table).cell(*rest))[0]
        case "span":
            numbers = sorted(call(module, table).numbers(*rest), key=as_float)
            return " to ".join(dict.fromkeys((numbers[0], numbers[-1])))
        case _:
            return call(module, name, *rest)


def written(module, page):
    page = TABLE.sub(lambda match: f"{match[1]}\n{call(module, match[2])}\n\n{match[3]}", page)
    return VALUE.sub(lambda match: f"{match[1]}{value(module, match[2])}{match[3]}", page)


def unsourced(page):
    """Numbers of a page that look measured and have no source."""
    page = VALUE.sub("", TABLE.sub("", page))
    # Commands, names of files and addresses.
    page = re.sub(
        r"`[^`]*`|\]\([^)]*\)|^    .*$|arXiv [\d.]+|section [\d.]+", "", page, flags=re.MULTILINE
    )
    return [match[0] for match in MEASURED.finditer(page) if match[0] not in STATED]


def main():
    faults = []
    for name, module in PAGES.items():
        page = FOLDER / name
        old = page.read_text()
        new = written(module, old)
        if loose := unsourced(new):
            faults.append(f"{name}: numbers without a source: {', '.join(loose)}")
        # A line that begins with a comment would end its paragraph.
        if begun := re.findall(r"^ *<!-- value .*", new, re.MULTILINE):
            faults.append(f"{name}: lines begin with a value: {begun[0]}")
        if new == old:
            continue
        if "--check" in sys.argv[1:]:
            faults.append(f"{name} differs from assets/results; run {sys.argv[0]}")
        else:
            page.write_text(new)
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
