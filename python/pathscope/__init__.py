"""Which blocks of a trained residual network matter, and which path lengths carry the gradient.

    import pathscope
    result = pathscope.lesion(model, data)   # any nn.Module or file; DataLoader, (x, y) or path
    result.frame                             # a row for each block, as a data frame of pandas

The functions run the program `pathscope` and return its results: `inspect`, `lesion`, `reorder`,
`gradient_spectrum`, `study`, `diff` and `multiplicity`, with the options of the command line under
the same names. `export` writes a model as a file, and `prune` removes blocks from it.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from ._commands import diff, gradient_spectrum, inspect, lesion, multiplicity, reorder, study
from ._errors import PathscopeError, ProgramNotFound
from ._export import Exported, export
from ._findings import Finding
from ._picture import Picture
from ._prune import prune
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

try:
    __version__ = version("pathscope")
except PackageNotFoundError:  # Imported from a clone.
    __version__ = "0"

__all__ = [
    "Difference",
    "Exported",
    "Finding",
    "Inspection",
    "Lesion",
    "Multiplicity",
    "PathscopeError",
    "Picture",
    "ProgramNotFound",
    "Reordering",
    "Result",
    "Spectrum",
    "Study",
    "diff",
    "export",
    "gradient_spectrum",
    "inspect",
    "lesion",
    "multiplicity",
    "prune",
    "reorder",
    "study",
]
