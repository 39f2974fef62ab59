"""Archives of arrays (`.npz`) that are written piece by piece, so that memory does not grow."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import numpy
from numpy.lib import format as npy
from numpy.typing import NDArray

Array = NDArray[Any]
CHUNK = 1 << 22


class Column:
    """One array of an archive, appended in pieces `[n, ...]` of equal kind and shape."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows = self._file()
        self.count = 0
        self.shape: tuple[int, ...] | None = None
        self.kind: numpy.dtype[Any] | None = None

    def _file(self) -> IO[bytes]:
        return cast("IO[bytes]", tempfile.TemporaryFile(dir=self._folder))

    def append(self, rows: Array) -> None:
        """Appends `rows`, whose axes but the first are those of the rows before."""
        if self.kind is None:
            self.kind, self.shape = rows.dtype, rows.shape[1:]
        elif (rows.dtype, rows.shape[1:]) != (self.kind, self.shape):
            raise ValueError(
                f"examples of {rows.dtype} {list(rows.shape[1:])} follow examples of {self.kind} "
                f"{list(self.shape or ())}; all must have one kind and shape"
            )
        self._rows.write(numpy.ascontiguousarray(rows).data)
        self.count += len(rows)

    def recode(self, change: Callable[[Array], Array]) -> None:
        """Replaces all rows by `change` of them, piece by piece."""
        assert self.kind is not None
        self._rows.seek(0)
        old, kind = self._rows, self.kind
        self._rows = self._file()
        while piece := old.read(CHUNK - CHUNK % kind.itemsize):
            changed = change(numpy.frombuffer(piece, kind))
            self.kind = changed.dtype
            self._rows.write(changed.data)
        old.close()

    def write(self, archive: zipfile.ZipFile, name: str) -> None:
        """Puts the array into an archive under `name`."""
        assert self.kind is not None and self.shape is not None
        facts = {
            "descr": npy.dtype_to_descr(self.kind),
            "fortran_order": False,
            "shape": (self.count, *self.shape),
        }
        self._rows.seek(0)
        with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
            npy.write_array_header_1_0(entry, facts)
            shutil.copyfileobj(self._rows, entry, CHUNK)

    def close(self) -> None:
        """Removes what is on disk."""
        self._rows.close()
