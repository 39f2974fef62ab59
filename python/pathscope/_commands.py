"""The commands of the program as functions."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import _arguments, _options
from ._data import Data
from ._errors import PathscopeError
from ._options import describe
from ._picture import write_records
from ._process import run
from ._result import (
    Difference,
    Inspection,
    Lesion,
    Multiplicity,
    Reordering,
    Result,
    Spectrum,
    Study,
)
from ._session import Model, Session, ask, records, session

if TYPE_CHECKING:
    from typing_extensions import Unpack

Kind = TypeVar("Kind", bound=Result)
# A count that does not fit into 53 bits is text in JSON.
NUMBERS = ("paths",)
# Columns that come first, as in the printed table; JSON has them by the alphabet.
FIRST = (
    "block", "step", "change", "name", "length", "layers", "measure", "output_shape", "input",
    "output", "changes_shape", "errors", "examples", "error", "error_lower", "error_upper",
    "difference_points", "difference_points_lower", "difference_points_upper", "p", "verdict",
    "draws", "mean_error", "mean_error_lower", "mean_error_upper",
    "coherent_share", "coherent_share_lower", "coherent_share_upper",
    "energy_share", "energy_share_lower", "energy_share_upper",
)  # fmt: skip


@describe(
    _options.InspectOptions,
    _options.ModelOptions,
    _options.DataOptions,
    _options.RowOptions,
    _options.ComputeOptions,
)
def inspect(
    model: Model,
    data: Data | None = None,
    *,
    progress: bool | None = None,
    **options: Unpack[_options.InspectOptions],
) -> Inspection:
    """Shows the blocks, shapes, functions and parameters of a model.

    Args:
        model: a module in memory (exported with torch.export), or a file: a checkpoint (.pt, .pth,
            .safetensors), an archive (.pt2), or a folder of transformers or timm.
        data: images for `audit`, as in `pathscope.lesion`.
        progress: whether to show progress [default: where a person is watching].

    Example:
        >>> pathscope.inspect("assets/preresnet20.safetensors").frame["name"].tolist()[:2]
        ['layer1.0', 'layer1.1']

    OPTIONS
    """
    _check("inspect", options, _options.InspectOptions)
    with session(model, data, options) as opened:
        answer, run_of = ask("inspect", opened, options, progress)
    tables = {name: value for name, value in answer.items() if _is_table(value)}
    facts = {name: value for name, value in answer.items() if not _is_table(value)}
    return Inspection(_cleaned(tables, opened), [], run_of.remarks, facts)


@describe(
    _options.LesionOptions,
    _options.ModelOptions,
    _options.DataOptions,
    _options.RowOptions,
    _options.RecordOptions,
    _options.ComputeOptions,
)
def lesion(
    model: Model,
    data: Data | None = None,
    *,
    progress: bool | None = None,
    **options: Unpack[_options.LesionOptions],
) -> Lesion:
    """Deletes blocks of a trained network and measures the change in error.

    By default, deletes each block in turn. Gives the error with its 95 % interval (Wilson), the
    difference from the intact network on the same examples with an exact p-value (McNemar, with
    Holm's correction over the sweep), mean loss and margin, and a verdict on each block.

    Args:
        model: a module in memory (exported with torch.export; it stays as it was), or a file: a
            checkpoint (.pt, .pth, .safetensors), an archive (.pt2), or a folder of transformers or
            timm.
        data: a DataLoader; a pair (x, y) of tensors or arrays, images `[N, C, H, W]` and labels
            `[N]`, or tokens `[N, T]` and the next ones `[N, T]`; tokens `[N, T]` alone, each of
            which is predicted from those before; or a path to a data set. Images as numbers are
            taken as normalised already; bytes are normalised by the program
            [default: the evaluation set that the model names].
        progress: whether to show progress [default: where a person is watching].

    Returns:
        A result: `.frame` has a row for each deletion, `.verdict` says which blocks are removable,
        `.plot()` is the picture, `.records` holds everything. A notebook shows all of it.

    Raises:
        PathscopeError: with the program's sentence on what is wrong and what to do.
        KeyboardInterrupt: after an interrupt; a `results` file keeps what was measured.

    Example:
        >>> result = pathscope.lesion("assets/preresnet20.safetensors", limit=200)
        >>> result.needed
        [0, 1, 3, 4, 6, 7, 8]
        >>> float(result.frame["error"][4])
        0.13

    OPTIONS
    """
    _check("lesion", options, _options.LesionOptions)
    result = _measured(Lesion, "lesion", model, data, progress, options)
    margin = re.match(r"[\d.]+", str(options.get("margin", "")))
    result.margin = float(margin[0]) if margin else None
    return result


@describe(
    _options.ReorderOptions,
    _options.ModelOptions,
    _options.DataOptions,
    _options.RowOptions,
    _options.RecordOptions,
    _options.ComputeOptions,
)
def reorder(
    model: Model,
    data: Data | None = None,
    *,
    progress: bool | None = None,
    **options: Unpack[_options.ReorderOptions],
) -> Reordering:
    """Runs the blocks of a trained network in another order and measures the change in error.

    Args:
        model: as in `pathscope.lesion`.
        data: as in `pathscope.lesion`.
        progress: whether to show progress [default: where a person is watching].

    Returns:
        A result whose `.frame` has a row for each number of swaps (mean error over draws with its
        interval), or for each order.

    Example:
        >>> result = pathscope.reorder("assets/preresnet20.safetensors", limit=50, swaps=2, count=3)
        >>> result.frame["draws"].tolist()
        [3, 3]

    OPTIONS
    """
    _check("reorder", options, _options.ReorderOptions)
    return _measured(Reordering, "reorder", model, data, progress, options)


@describe(
    _options.SpectrumOptions,
    _options.ShapeOptions,
    _options.ModelOptions,
    _options.DataOptions,
    _options.RecordOptions,
    _options.ComputeOptions,
)
def gradient_spectrum(
    model: Model | None = None,
    data: Data | None = None,
    *,
    progress: bool | None = None,
    **options: Unpack[_options.SpectrumOptions],
) -> Spectrum:
    """Measures how much of the gradient flows through paths of each length.

    Args:
        model: as in `pathscope.lesion`; without one, the network has a shape (such as depth=110)
            and random weights.
        data: as in `pathscope.lesion`.
        progress: whether to show progress [default: where a person is watching].

    Returns:
        A result whose `.frame` has a row for each path length: the share of the coherent sum (norm
        of the exact gradient of all paths of that length), of the path energy (summed squared
        norms of the gradients of its paths), and of all paths. `.effective_range` is the shortest
        interval of lengths that holds 95 % of the first.

    Example:
        >>> result = pathscope.gradient_spectrum(
        ...     "assets/preresnet20.safetensors", batches=2, examples=4)
        >>> result.effective_range
        (3, 8)

    OPTIONS
    """
    _check("gradient_spectrum", options, _options.SpectrumOptions)
    result = _measured(Spectrum, "gradient-spectrum", model, data, progress, options)
    result.share = options.get("share")
    return result


@describe(
    _options.StudyOptions,
    _options.ModelOptions,
    _options.DataOptions,
    _options.ComputeOptions,
)
def study(
    model: Model,
    data: Data | None = None,
    *,
    progress: bool | None = None,
    **options: Unpack[_options.StudyOptions],
) -> Study:
    """Runs all experiments on a trained network within a time budget.

    Deletes each block, measures the gradient by path length, deletes random sets of blocks, and
    runs the blocks in other orders. A short pilot run decides how many samples fit the budget.

    Args:
        model: as in `pathscope.lesion`.
        data: as in `pathscope.lesion`.
        progress: whether to show progress [default: where a person is watching].

    Returns:
        A result with `.findings`, questions and their answers, and `.report`, a page in HTML.

    Example:
        >>> result = pathscope.study("assets/preresnet20.safetensors", budget=2)
        >>> result.findings[0].question
        'What does disabling one block cost (deleted)?'

    OPTIONS
    """
    _check("study", options, _options.StudyOptions)
    with session(model, data, options) as opened:
        output = Path(options.get("output") or opened.folder / "study")
        answer, run_of = ask("study", opened, {**options, "output": output}, progress)
        files = {Path(file).name: records(Path(file)) for file in answer["files"]}
        report = Path(answer["report"]).read_text("utf-8")
    every = [record for of in files.values() for record in of]
    return Study({"findings": answer["findings"]}, every, run_of.remarks, report, files)


@describe(_options.DiffOptions)
def diff(
    first: Result | str | os.PathLike[str],
    second: Result | str | os.PathLike[str],
    **options: Unpack[_options.DiffOptions],
) -> Difference:
    """Compares the results of two networks, such as two checkpoints of a training.

    Differences are second minus first, paired by example: McNemar's exact test for the intact
    networks, its extension to larger differences for what the loss of each block costs, a
    randomisation test over examples for the effective range and rho, and Holm's correction over all
    p-values.

    Args:
        first: a result of this package, a folder of results files (.jsonl), or one such file.
        second: the same for the second network, on the same examples.

    Returns:
        A result whose `.frame` has a row for each block; `.quantities` holds what `fail_if` may
        name, and `.met` the conditions that hold.

    Example:
        >>> one = pathscope.lesion("assets/preresnet20.safetensors", limit=100)
        >>> pathscope.diff(one, one, fail_if="blocks.changed > 0").met
        ()

    OPTIONS
    """
    _check("diff", options, _options.DiffOptions)
    with tempfile.TemporaryDirectory(prefix="pathscope-") as place:
        folders = [_kept(each, Path(place) / name) for name, each in zip("ab", (first, second))]
        words = ["diff", *folders, *_arguments.words(options)]
        # Code 1 says that a condition holds, and is no fault.
        answer = run([*words, "--format=json"], allowed=(0, 1))
        if not answer.text:
            raise PathscopeError("\n".join(answer.remarks).removeprefix("error: "), answer.code)
        text = run(words, allowed=(0, 1)).text
    found = json.loads(answer.text)
    tables = {name: value for name, value in found.items() if _is_table(value)}
    tables.pop("models", None), tables.pop("data", None)
    tables = {name: [_flat(row) for row in rows] for name, rows in tables.items()}
    met = tuple(str(each) for each in found["met"])
    return Difference(tables, [], answer.remarks, text.rstrip(), met, found["quantities"])


@describe(_options.MultiplicityOptions, _options.ShapeOptions)
def multiplicity(**options: Unpack[_options.MultiplicityOptions]) -> Multiplicity:
    """Counts the paths and configurations of a network, exactly.

    A configuration computes or omits each function: 2^(k n) for n blocks of k functions. A path
    takes the skip or one function in every block: (k + 1)^n.

    Example:
        >>> counted = pathscope.multiplicity(depth=110)
        >>> counted.paths == 2**54
        True

    OPTIONS
    """
    _check("multiplicity", options, _options.MultiplicityOptions)
    asked: dict[str, Any] = dict(options)
    with session(asked.pop("model", None), None, options) as opened:
        if opened.words:
            asked["model"] = opened.words[0]
        answer = run(["multiplicity", *_arguments.words(asked), "--format=json"])
        again = {name: value for name, value in asked.items() if name not in ("plot", "force")}
        text = run(["multiplicity", *_arguments.words(again)]).text.rstrip()
    found = json.loads(answer.text)
    tables = {"networks": found["networks"]}
    return Multiplicity(tables, [], answer.remarks, text, found)


def _measured(
    kind: type[Kind],
    command: str,
    model: Model | None,
    data: Data | None,
    progress: bool | None,
    options: Mapping[str, Any],
) -> Kind:
    """A command that measures and writes records."""
    with session(model, data, options) as opened:
        asked = dict(options)
        if isinstance(asked.get("calibration"), (tuple, list)):
            raise PathscopeError("calibration takes a path to a data set")
        kept = asked.get("results")
        if kept is None and model is not None:
            kept = opened.folder / "results.jsonl"
            asked["results"] = kept
        answer, run_of = ask(command, opened, asked, progress)
        found = records(Path(kept)) if kept is not None else []
    tables = {name: value for name, value in answer.items() if _is_table(value)}
    return kind(_cleaned(tables, opened), found, run_of.remarks)


def _check(command: str, options: Mapping[str, Any], known: type) -> None:
    _arguments.check(command, options, _options.names(known))


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _cleaned(tables: dict[str, Any], opened: Session) -> dict[str, Any]:
    """Counts as numbers, and classes by the names that the model states."""
    for row in (row for rows in tables.values() for row in rows):
        for name in NUMBERS:
            if isinstance(row.get(name), str) and row[name].isdigit():
                row[name] = int(row[name])
        worst = row.get("worst_hit_class")
        if opened.classes and isinstance(worst, str):
            row["worst_hit_class"] = _named(worst, opened.classes)
    return {name: [_ordered(row) for row in rows] for name, rows in tables.items()}


def _ordered(row: dict[str, Any]) -> dict[str, Any]:
    first = {name: row[name] for name in FIRST if name in row}
    return first | row


def _named(worst: str, classes: Sequence[str]) -> str:
    found = re.match(r"class (\d+)( .*)", worst)
    if not found or int(found[1]) >= len(classes):
        return worst
    return classes[int(found[1])] + found[2]


def _flat(row: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Values within values as columns of their own: `first.errors` is `first_errors`."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{name}_")
        else:
            flat[before + name] = value
    return flat


def _kept(result: Result | str | os.PathLike[str], folder: Path) -> str:
    """Results as a folder of files."""
    if not isinstance(result, Result):
        return os.fspath(result)
    folder.mkdir()
    for name, each in result._files().items():
        write_records(folder / name, each)
    return str(folder)
