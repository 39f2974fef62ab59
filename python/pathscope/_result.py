"""What the functions of this package return."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

from . import _figure, _findings, _picture
from ._errors import PathscopeError
from ._findings import Finding
from ._picture import Picture
from ._text import as_html, as_text, ranges, wrapped

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

Row = dict[str, Any]


@dataclass(repr=False)
class Result:
    """A result: its tables, its records, and what they mean.

    tables   the program's tables, each a list of rows; shares and rates lie between 0 and 1
    records  every record of the results file, the header first
    remarks  notes on how the result came about
    """

    tables: dict[str, list[Row]]
    records: list[Row] = field(default_factory=list)
    remarks: tuple[str, ...] = ()

    # Tables by importance.
    MAIN: ClassVar[tuple[str, ...]] = ()

    @property
    def rows(self) -> list[Row]:
        """The main table as a list of dictionaries."""
        for name in (*self.MAIN, *self.tables):
            if name in self.tables:
                return self.tables[name]
        return []

    @property
    def frame(self) -> pandas.DataFrame:
        """The main table as a data frame of pandas, with the program's columns.

        Example:
            >>> frame = pathscope.lesion("assets/preresnet20.safetensors", limit=50).frame
            >>> frame.loc[frame["verdict"] == "needed", "block"].tolist()[:1]
            [0]
        """
        return self.frames[self._main()]

    @property
    def frames(self) -> dict[str, pandas.DataFrame]:
        """Every table as a data frame."""
        try:
            import pandas
        except ImportError as fault:
            raise PathscopeError(
                "data frames need pandas (pip install pandas); .rows does not"
            ) from fault
        return {name: pandas.DataFrame(rows) for name, rows in self.tables.items()}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Questions and their answers with intervals, as the program's report states them."""
        return self._found

    @property
    def verdict(self) -> str:
        """The answer in words."""
        return "\n".join(finding.answer for finding in self.findings)

    @property
    def title(self) -> str:
        """The network, and the examples that it was measured on."""
        header = self.header
        if not header:
            return ""
        data = header["data"]
        return f"{header['model']['title']} on {data['examples']} examples"

    @property
    def header(self) -> Row:
        """The first record: model, data, seed, options and the version of the program."""
        return next((each for each in self.records if each.get("type") == "header"), {})

    @property
    def intact(self) -> Row | None:
        """The record of the unchanged network."""
        return next((each for each in self.records if each.get("key") == "intact"), None)

    def plot(self, kind: str | None = None, theme: str = "light") -> Picture:
        """The program's picture, which a notebook shows.

        Args:
            kind: one of the kinds that `pathscope plot` lists, such as "lesion" or "decay"
                [default: the main one of this result].
            theme: "light" or "dark".

        Raises:
            PathscopeError: the result allows no such picture.
        """
        return self._pictures(kind, theme)[0]

    def figure(self) -> Figure:
        """The main table as a figure of matplotlib, to be restyled."""
        intact = self.intact
        error = intact["errors"] / intact["examples"] if intact else None
        rows = self.rows
        first = rows[0] if rows else {}
        if "mean_error" in first:
            return _figure.means(rows, error)
        if "error_lower" in first:
            place = next(name for name in ("step", "block", "change") if name in first)
            return _figure.errors(rows, error, place)
        raise PathscopeError(f"{type(self).__name__} has no figure")

    @functools.cached_property
    def _found(self) -> tuple[Finding, ...]:
        return _findings.findings(self._files(), self._words()) if self.records else ()

    def _words(self) -> list[str]:
        """Options with which the program shows these records."""
        return []

    def _main(self) -> str:
        return next(name for name in (*self.MAIN, *self.tables) if name in self.tables)

    def _files(self) -> Mapping[str, Sequence[Row]]:
        return {"results.jsonl": self.records}

    def _pictures(self, kind: str | None, theme: str) -> list[Picture]:
        if not self.records:
            raise PathscopeError(f"{type(self).__name__} has no picture")
        return _picture.draw(self._files(), kind, theme, self._words())

    def __str__(self) -> str:
        parts = [self.title, wrapped(self.verdict), as_text(self.rows)]
        return "\n\n".join(part for part in parts if part)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        answer = escape(self.verdict).replace("\n", "<br>")
        parts = [f"<p><b>{escape(self.title)}</b></p>", f"<p>{answer}</p>"]
        try:
            parts += [picture.as_html() for picture in self._pictures(None, "light")[:1]]
        except PathscopeError:
            pass
        return f"<div>{''.join(parts)}{as_html(self.rows)}</div>"


@dataclass(repr=False)
class Inspection(Result):
    """The blocks of a model: see `.frame`, `.parameters` and `.notes`."""

    MAIN = ("blocks",)
    facts: Row = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What the model was recognised as."""
        return str(self.facts["title"])

    @property
    def parameters(self) -> int:
        """Parameters of the whole model."""
        return int(self.facts["parameters"])

    @property
    def notes(self) -> list[str]:
        """What was assumed, and what was left out."""
        return list(self.facts["notes"])

    @property
    def verdict(self) -> str:
        """How many blocks there are, and what they take."""
        size = self.facts["input"] if isinstance(self.facts["input"], str) else ""
        of = f"; input {size}" if size else ""
        return f"{len(self.rows)} blocks, {self.parameters:,} parameters{of}"


@dataclass(repr=False)
class Lesion(Result):
    """What deleting blocks costs: `.frame` has a row for each deletion."""

    MAIN = ("removals", "changes", "draws")
    # The margin in points that was asked for.
    margin: float | None = None

    @property
    def verdict(self) -> str:
        """The answer in words, at the margin that was asked for."""
        said = super().verdict
        if self.margin in (None, 1) or not any("verdict" in row for row in self.rows):
            return said
        # Records do not hold the margin: the report has the verdicts at one point.
        said = said.split("\nRemovable one at a time")[0]
        sets = {
            f"Removable one at a time (costs less than {self.margin:g} points)": self.removable,
            f"Needed (costs more than {self.margin:g} points)": self.needed,
            "Undecided": self.undecided,
        }
        lines = [f"{name}: {ranges(blocks)}" for name, blocks in sets.items()]
        return "\n".join([said, *lines])

    @property
    def removable(self) -> list[int]:
        """Blocks whose deletion costs less than the margin, with 95 % confidence."""
        return self._blocks("removable")

    @property
    def needed(self) -> list[int]:
        """Blocks whose deletion costs more than the margin, with 95 % confidence."""
        return self._blocks("needed")

    @property
    def undecided(self) -> list[int]:
        """Blocks for which more examples would have to decide."""
        return self._blocks("undecided")

    def _blocks(self, verdict: str) -> list[int]:
        return [row["block"] for row in self.rows if row.get("verdict") == verdict]


class Reordering(Result):
    """What other orders of the blocks cost."""

    MAIN = ("draws", "changes", "commutators")


@dataclass(repr=False)
class Spectrum(Result):
    """The gradient by path length: `.frame` has a row for each length."""

    MAIN = ("lengths",)
    # The share that the effective range holds, where it was stated.
    share: float | None = None

    def _words(self) -> list[str]:
        return [] if self.share is None else [f"--share={self.share}"]

    @property
    def effective_range(self) -> tuple[int, int]:
        """Shortest interval of lengths that holds 95 % (or `share`) of the first measure."""
        first = self.tables["ranges"][0]
        return first["first"], first["last"]

    def figure(self) -> Figure:
        """Shares by length as a figure of matplotlib."""
        return _figure.shares(self.rows)


@dataclass(repr=False)
class Study(Result):
    """All experiments on one network; `.report` is the page to read (HTML)."""

    report: str = ""
    files: Mapping[str, Sequence[Row]] = field(default_factory=dict)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Questions and their answers with intervals."""
        return tuple(Finding(**row) for row in self.tables["findings"])

    def _files(self) -> Mapping[str, Sequence[Row]]:
        return self.files

    def __str__(self) -> str:
        answers = [f"{each.question}\n{wrapped(each.answer)}" for each in self.findings]
        return "\n\n".join([self.title, *answers])

    def _repr_html_(self) -> str:
        answers = [
            f"<p><b>{escape(each.question)}</b><br>{escape(each.answer)}</p>".replace("\n", "<br>")
            for each in self.findings
        ]
        pictures = [picture.as_html() for picture in self._pictures(None, "light")]
        return f"<div>{''.join(answers)}{''.join(pictures)}</div>"


@dataclass(repr=False)
class Difference(Result):
    """What differs between the results of two networks."""

    MAIN = ("blocks", "effective_ranges")
    text: str = ""
    met: tuple[str, ...] = ()
    quantities: Mapping[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """How many blocks changed, and which of the stated conditions hold."""
        changed = int(self.quantities.get("blocks.changed", 0))
        said = f"{changed} of {len(self.tables.get('blocks', []))} deleted blocks changed"
        return said + (f"; conditions that hold: {', '.join(self.met)}" if self.met else "")

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text)}</pre>"


@dataclass(repr=False)
class Multiplicity(Result):
    """Exact counts of paths and configurations."""

    MAIN = ("networks",)
    text: str = ""
    counted: Row = field(default_factory=dict)

    @property
    def paths(self) -> int:
        """Paths of the first network: terms of its gradient."""
        return int(self.tables["networks"][0]["paths"])

    @property
    def configurations(self) -> int:
        """Configurations of the first network: functions on or off."""
        return int(self.tables["networks"][0]["configurations"])

    @property
    def verdict(self) -> str:
        """Paths and configurations of each network."""
        return "\n".join(
            f"{row['name']}: {int(row['paths']):,} paths, {int(row['configurations']):,} "
            "configurations"
            for row in self.tables["networks"]
        )

    def figure(self) -> Figure:
        """Distributions of path length as a figure of matplotlib."""
        return _figure.lengths(self.tables["networks"])

    def _pictures(self, kind: str | None, theme: str) -> list[Picture]:
        return _picture.draw({"multiplicity.json": [self.counted]}, kind, theme)

    def __str__(self) -> str:
        return self.text
