"""Data of Python as the files that the program reads: images or tokens in an `.npz`."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy

from ._errors import PathscopeError
from ._npz import Array, Column

if TYPE_CHECKING:
    import torch

Data: TypeAlias = "str | os.PathLike[str] | tuple[Any, Any] | Iterable[Any] | torch.Tensor | Array"
# Examples of an array or a `Dataset` that are handled at once.
PIECE = 64
INPUTS = ("pixel_values", "input_ids", "images", "image", "x", "inputs", "tokens")
TARGETS = ("labels", "label", "targets", "target", "y")
# Values 0/255 to 255/255 are pixels that were not normalised, up to rounding of float32.
EXACT = 1e-4


@dataclass
class Prepared:
    """Data as a file for the program."""

    file: str
    # Two inputs as the model takes them, `[2, ...]`, where the data were in memory.
    example: torch.Tensor | None = None
    # Whether pixels from 0 to 1 came without normalisation.
    plain: bool = False
    # Whether they are bytes, which the program normalises.
    bytes: bool = False


def prepare(data: Data, folder: Path, limit: int | None) -> Prepared:
    """Writes `data` to `folder`, unless they are files already. At most `limit` examples are taken.

    Memory stays that of one batch: batches go to disk as they come.

    Raises:
        PathscopeError: what is given holds neither images with labels nor tokens.
    """
    if isinstance(data, (str, os.PathLike)):
        return Prepared(os.fspath(data))
    with ExitStack() as stack:
        inputs, targets = (stack.enter_context(closing(Column(folder))) for _ in range(2))
        least, largest, exact = numpy.inf, -numpy.inf, True
        first: Array | None = None
        count = 0
        for x, y in _batches(data):
            if limit is not None:
                x, y = x[: limit - count], None if y is None else y[: limit - count]
            count += len(x)
            if y is not None and len(y) != len(x):
                raise PathscopeError(f"{len(x)} examples have {len(y)} labels")
            if x.dtype.kind == "f" and x.size:
                least, largest = min(least, float(x.min())), max(largest, float(x.max()))
                exact = exact and least >= 0 and largest <= 1 and _is_pixels(x)
            first = x if first is None else first
            try:
                inputs.append(x)
                if y is not None:
                    targets.append(y)
            except ValueError as fault:
                raise PathscopeError(str(fault)) from None
            if limit is not None and count >= limit:
                break
        if first is None or count == 0:
            raise PathscopeError("the data hold no examples")
        if targets.count not in (0, count):
            raise PathscopeError(f"of {count} examples, only {targets.count} have labels")
        tokens = first.dtype.kind in "iu" and first.ndim == 2
        if not tokens and not targets.count:
            raise PathscopeError("images need labels: give (x, y), or batches of them")
        plain = first.dtype.kind == "f" and exact
        if plain:
            inputs.recode(lambda x: numpy.rint(255 * x).astype(numpy.uint8))
        file = folder / "data.npz"
        with zipfile.ZipFile(file, "w") as archive:
            inputs.write(archive, "tokens" if tokens else "images")
            if targets.count:
                targets.write(archive, "targets" if tokens else "labels")
    length = first.shape[1] - (not targets.count) if tokens else None
    return Prepared(str(file), _example(first, length), plain, first.dtype == numpy.uint8)


def _is_pixels(x: Array) -> bool:
    scaled = 255 * x
    return bool((abs(scaled - numpy.rint(scaled)) < EXACT).all())


def _example(batch: Array, length: int | None) -> torch.Tensor:
    """Two inputs like those of `batch`, to export a model with."""
    import torch

    x = batch[:2] if len(batch) > 1 else numpy.concatenate([batch, batch])
    if length is not None:
        return torch.from_numpy(x[:, :length].astype(numpy.int64))
    if x.ndim == 3:
        x = x[:, None]
    elif x.shape[-1] in (1, 3) and x.dtype == numpy.uint8 and x.shape[1] not in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    return torch.from_numpy(numpy.ascontiguousarray(x)).float()


def _batches(data: Any) -> Iterator[tuple[Array, Array | None]]:
    """Inputs `[n, ...]` and labels of one batch after another."""
    import torch

    if isinstance(data, (tuple, list)) and len(data) == 2 and _is_array(data[0]):
        yield from _pieces(*data)
    elif _is_array(data):
        yield from _pieces(data, None)
    elif isinstance(data, Mapping):
        yield from _pieces(*_pair(data))
    else:
        if isinstance(data, torch.utils.data.Dataset) and hasattr(data, "__len__"):
            data = torch.utils.data.DataLoader(data, batch_size=PIECE)
        if not isinstance(data, Iterable):
            raise PathscopeError(
                f"data of the type {type(data).__name__}; give a DataLoader, (x, y) or a path"
            )
        for batch in data:
            x, y = _pair(batch)
            yield _array(x), None if y is None else _labels(y)


def _pieces(x: Any, y: Any) -> Iterator[tuple[Array, Array | None]]:
    if y is not None and len(x) != len(y):
        raise PathscopeError(f"{len(x)} examples have {len(y)} labels")
    for begin in range(0, len(x), PIECE):
        piece = slice(begin, begin + PIECE)
        yield _array(x[piece]), None if y is None else _labels(y[piece])


def _pair(batch: Any) -> tuple[Any, Any]:
    """Inputs and labels of one batch, as loaders of torchvision and transformers give them."""
    if isinstance(batch, Mapping):
        inputs = next((batch[name] for name in INPUTS if name in batch), None)
        if inputs is None:
            raise PathscopeError(
                f"a batch has {', '.join(map(str, batch))}; its inputs must be named "
                f"{' or '.join(INPUTS[:3])}"
            )
        mask = batch.get("attention_mask")
        if mask is not None and not bool(numpy.asarray(mask).all()):
            raise PathscopeError("sequences are padded; cut the text into rows of equal length")
        labels = next((batch[name] for name in TARGETS if name in batch), None)
        # transformers shifts labels inside the model: equal to the inputs, they are the next tokens.
        if labels is not None and "input_ids" in batch and _same(labels, inputs):
            labels = None
        return inputs, labels
    if isinstance(batch, (tuple, list)):
        if len(batch) == 1:
            return batch[0], None
        return batch[0], batch[1]
    return batch, None


def _same(first: Any, second: Any) -> bool:
    return numpy.array_equal(numpy.asarray(first), numpy.asarray(second))


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _array(value: Any) -> Array:
    """A batch as an array that the program knows: float32, bytes or integers."""
    import torch

    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.is_floating_point() else value).numpy()
    array: Array = numpy.asarray(value)
    if array.dtype.kind == "f":
        return array.astype(numpy.float32, copy=False)
    if array.dtype.kind in "iu":
        return array if array.dtype == numpy.uint8 else array.astype(numpy.int64, copy=False)
    raise PathscopeError(f"inputs of the type {array.dtype}; give floats, bytes or integers")


def _labels(value: Any) -> Array:
    labels = _array(value)
    return labels.astype(numpy.int64, copy=False)
