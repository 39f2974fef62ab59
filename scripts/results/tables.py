#!/usr/bin/env python3
"""Writes the tables of docs/src/results out of the records in assets/results.

    scripts/results/tables.py            writes them into the pages
    scripts/results/tables.py --check    ends with status 1 if a page has another table

A table stands in a page between `<!-- table NAME -->` and `<!-- end -->`; NAME is a function of
cancellation.py, kinds.py, lesion_tables.py or paper.py. Needs Python 3.10 and nothing else.
"""

import re
import sys
from pathlib import Path

import cancellation
import kinds
import lesion_tables
import paper

PAGES = {
    "paper.md": paper,
    "cancellation.md": cancellation,
    "lesions.md": lesion_tables,
    "kinds.md": kinds,
}
FOLDER = Path(__file__).resolve().parents[2] / "docs" / "src" / "results"
TABLE = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main():
    stale = []
    for name, module in PAGES.items():
        page = FOLDER / name
        old = page.read_text()
        new = TABLE.sub(
            lambda match, module=module: f"{match[1]}\n{getattr(module, match[2])()}\n\n{match[3]}",
            old,
        )
        if new == old:
            continue
        stale.append(name)
        if "--check" not in sys.argv[1:]:
            page.write_text(new)
    if stale and "--check" in sys.argv[1:]:
        sys.exit(f"tables differ from assets/results: {', '.join(stale)}; run {sys.argv[0]}")


if __name__ == "__main__":
    main()
