"""Pictures that the program draws of records."""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._errors import PathscopeError
from ._process import run


@dataclass(frozen=True)
class Picture:
    """A picture as SVG; a notebook shows it."""

    kind: str
    svg: str

    def save(self, file: str | os.PathLike[str]) -> Path:
        """Writes the picture to a file (.svg)."""
        place = Path(file)
        place.write_text(self.svg, encoding="utf-8")
        return place

    def __repr__(self) -> str:
        return f"Picture({self.kind!r}, {len(self.svg)} characters of SVG)"

    def _repr_svg_(self) -> str:
        return self.svg

    def as_html(self) -> str:
        """An HTML element that shows the picture."""
        encoded = base64.b64encode(self.svg.encode()).decode()
        return f'<img alt="{self.kind}" src="data:image/svg+xml;base64,{encoded}">'


def write_records(file: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Writes records as a results file (JSON Lines)."""
    with file.open("w", encoding="utf-8") as opened:
        for record in records:
            opened.write(json.dumps(record, ensure_ascii=False) + "\n")


def draw(
    files: Mapping[str, Sequence[Mapping[str, Any]]],
    kind: str | None,
    theme: str,
    options: Sequence[str] = (),
) -> list[Picture]:
    """The pictures of records, by the name of their file; all kinds, or one.

    Raises:
        PathscopeError: the records allow no picture, or none of this kind.
    """
    with tempfile.TemporaryDirectory(prefix="pathscope-") as place:
        folder = Path(place)
        for name, records in files.items():
            write_records(folder / name, records)
        words = [
            "plot",
            *(str(folder / name) for name in files),
            f"--theme={theme}",
            "-q",
            *options,
        ]
        if kind is not None:
            words.append(f"--kind={kind}")
        run([*words, "-o", str(folder / "picture.svg")])
        found = sorted(folder.glob("picture*.svg"), key=lambda file: file.stat().st_mtime_ns)
        if not found:
            raise PathscopeError("these records allow no picture")
        return [Picture(_kind(text), text) for text in (file.read_text("utf-8") for file in found)]


def _kind(svg: str) -> str:
    """The kind of a picture, which its identifiers begin with."""
    named = re.search(r'<title id="([a-z]+)-', svg)
    return named[1] if named else "picture"
