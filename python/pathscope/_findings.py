"""Questions and answers, as the program's report states them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from ._picture import write_records
from ._process import run


@dataclass(frozen=True)
class Finding:
    """An answer with its intervals, and the question that it answers."""

    question: str
    answer: str


class _Reader(HTMLParser):
    """Reads the paragraphs of the classes `question` and `answer`."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {"question": [], "answer": []}
        self._inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs).get("class")
        if tag == "p" and named in self.texts:
            self._inside = named
            self.texts[named].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self.texts[self._inside][-1] += data


def findings(
    files: Mapping[str, Sequence[Mapping[str, Any]]], options: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """What the records answer, by the name of their file."""
    with tempfile.TemporaryDirectory(prefix="pathscope-") as place:
        folder = Path(place)
        for name, records in files.items():
            write_records(folder / name, records)
        run(["report", place, "-o", str(folder / "report.html"), "-q", *options])
        reader = _Reader()
        reader.feed((folder / "report.html").read_text("utf-8"))
    pairs = zip(reader.texts["question"], reader.texts["answer"], strict=True)
    return tuple(Finding(question, answer) for question, answer in pairs)
