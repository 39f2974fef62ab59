"""Where the program is, and the libtorch that it runs on.

The program is a process of its own: the libraries that it loads never meet those of the torch
that Python imports.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from ._errors import ProgramNotFound

PACKAGE = Path(__file__).resolve().parent
# Where the package is used from a clone of its repository.
CLONE = PACKAGE.parent.parent


def find_program() -> Path:
    """The program: `PATHSCOPE_BIN`, else the one in this package or clone, else the first on the PATH."""
    stated = os.environ.get("PATHSCOPE_BIN")
    if stated:
        program = Path(stated)
        if not os.access(program, os.X_OK) or program.is_dir():
            raise ProgramNotFound(f"PATHSCOPE_BIN={stated} is not a program; correct or unset it")
        return program
    for place in (PACKAGE / "bin" / "pathscope", CLONE / "target" / "release" / "pathscope"):
        if place.exists():
            return place
    for folder in os.get_exec_path():
        found = shutil.which("pathscope", path=folder)
        # The `pathscope` that pip makes would only call this package again.
        if found and not _is_script(Path(found)):
            return Path(found)
    raise ProgramNotFound(
        "the program pathscope is neither in this package nor on the PATH; build it "
        "(`make build`) and set PATHSCOPE_BIN to target/release/pathscope"
    )


def environment() -> dict[str, str]:
    """The environment for the program: the libtorch of this package first, where there is one."""
    variables = dict(os.environ)
    libraries = PACKAGE / "libtorch" / "lib"
    if libraries.is_dir() and not os.environ.get("PATHSCOPE_BIN"):
        name = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"
        others = variables.get(name)
        variables[name] = f"{libraries}{os.pathsep}{others}" if others else str(libraries)
    return variables


def _is_script(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(2) == b"#!"
