"""A model and data in a private folder, for the time of one command."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from . import _arguments
from ._data import Data, Prepared, prepare
from ._errors import PathscopeError
from ._export import Exported, export
from ._process import Answer, run
from ._progress import Bar, wanted

if TYPE_CHECKING:
    import torch

Model: TypeAlias = "torch.nn.Module | Exported | str | os.PathLike[str]"
# Options that concern images in files only, which a model may state.
OF_FILES = ("resize", "crop", "interpolation")


@dataclass
class Session:
    """What one command needs: the folder, the words for model and data, and what the model states."""

    folder: Path
    words: list[str]
    stated: dict[str, Any]
    classes: tuple[str, ...] = ()
    prepared: Prepared | None = None
    exported: Exported | None = None


@contextmanager
def session(
    model: Model | None, data: Data | None, options: Mapping[str, Any]
) -> Iterator[Session]:
    """Model and data as files in a private folder, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="pathscope-") as place:
        opened = Session(Path(place), [], {})
        if data is not None:
            opened.prepared = prepare(data, opened.folder, options.get("limit"))
        if model is not None:
            opened.words.append(_file(model, opened))
        if opened.prepared is not None:
            opened.words.append(f"--data={opened.prepared.file}")
        _prepare_images(opened)
        yield opened


def ask(
    command: str,
    opened: Session,
    options: Mapping[str, Any],
    progress: bool | None,
) -> tuple[Any, Answer]:
    """Runs a command on a session; its answer as JSON."""
    given = opened.stated | dict(options)
    shown = wanted(progress) and not given.get("quiet")
    words = [command, *opened.words, *_arguments.words(given), "--format=json"]
    try:
        answer = run(words, bar=Bar(command, shown))
    except PathscopeError as fault:
        raise PathscopeError(_plainly(str(fault), opened), fault.code) from None
    for remark in answer.remarks:
        if remark.startswith("warning:"):
            said = _plainly(remark.removeprefix("warning: "), opened)
            warnings.warn(said, stacklevel=4)
    return json.loads(answer.text), answer


def _file(model: Model, opened: Session) -> str:
    """The model as a file; what it states is noted in the session."""
    if isinstance(model, (str, os.PathLike)) and not isinstance(model, Exported):
        place = os.fspath(model)
        if not os.path.isdir(place) or _is_read(place):
            return place
    prepared = opened.prepared
    if not isinstance(model, Exported):
        example = prepared.example if prepared else None
        model = export(model, example, opened.folder / "model.pt2")
    opened.exported, opened.classes = model, model.classes
    opened.stated = dict(model.options)
    return str(model.file)


def _plainly(text: str, opened: Session) -> str:
    """What the program says, without the names of private files."""
    data = str(opened.folder / "data.npz")
    text = text.replace(f"data set {data}", "data set").replace(data, "the data")
    if opened.exported is None:
        return text
    model = str(opened.exported.file)
    return text.replace(f"{model}: ", "the model ").replace(model, "the model")


def _is_read(folder: str) -> bool:
    """Whether the program reads a folder itself; others are opened in Python and exported."""
    try:
        run(["inspect", folder, "-q"])
    except PathscopeError as fault:
        return "torch.export" not in str(fault)
    return True


def _prepare_images(opened: Session) -> None:
    """Leaves of what a model states on images only what concerns the data that are given."""
    prepared = opened.prepared
    stated = opened.stated
    in_files = prepared is not None and os.path.isdir(prepared.file)
    if not in_files:
        for name in OF_FILES:
            stated.pop(name, None)
    if prepared is not None and prepared.plain:
        stated["normalize"] = "none"
    unknown = opened.exported.normalization if opened.exported else None
    if unknown and prepared is not None and (in_files or prepared.bytes):
        warnings.warn(
            f"the model states the normalisation {unknown}, which has no name; give images that "
            "are normalised already, as a DataLoader does",
            stacklevel=5,
        )


def records(file: Path) -> list[dict[str, Any]]:
    """The records of a results file; none where there is no file."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text("utf-8").splitlines() if line]
