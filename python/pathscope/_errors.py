"""What can go wrong, as exceptions."""

from __future__ import annotations


class PathscopeError(Exception):
    """The program refused or failed; the text is the program's own sentence.

    `code` is the program's exit code: 1 where a measurement failed, 2 for input or options that
    cannot be used, 70 for an internal error. It is None where the program was not reached.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class ProgramNotFound(PathscopeError):
    """There is no `pathscope` program that this package could run."""
