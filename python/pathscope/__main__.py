"""The command `pathscope`: replaces this process by the program, so that signals reach it."""

from __future__ import annotations

import os
import sys

from ._errors import PathscopeError
from ._program import environment, find_program


def main() -> None:
    """Runs the program with the arguments of the command line."""
    try:
        program = find_program()
    except PathscopeError as fault:
        sys.exit(f"error: {fault}")
    os.execve(program, ["pathscope", *sys.argv[1:]], environment())


if __name__ == "__main__":
    main()
