"""A progress bar: tqdm's where tqdm is installed, else a line on standard error."""

from __future__ import annotations

import sys
from typing import Any


def wanted(progress: bool | None) -> bool:
    """Whether to show progress: as asked, else where a person is watching."""
    if progress is not None:
        return progress
    return "ipykernel" in sys.modules or sys.stderr.isatty()


class Bar:
    """Shows how many percent of the work are done; `None` for what is shown shows nothing."""

    def __init__(self, what: str, shown: bool) -> None:
        self.what, self.percent, self.shown = what, 0, shown
        self._bar: Any = None
        if shown:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            layout = "{desc}: {percentage:3.0f} %|{bar}| {elapsed}, {remaining} left"
            self._bar = tqdm(total=100, desc=what, bar_format=layout, leave=False)

    def reach(self, percent: int) -> None:
        """Notes that `percent` of the work are done."""
        if not self.shown or percent <= self.percent:
            return
        if self._bar is not None:
            self._bar.update(percent - self.percent)
        else:
            print(f"\r{self.what}: {percent} %", end="", file=sys.stderr, flush=True)
        self.percent = percent

    def remark(self, text: str) -> None:
        """Prints a line beside the bar."""
        if not self.shown:
            return
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(f"\r{text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()
        elif self.shown and self.percent:
            print("\r" + " " * (len(self.what) + 8) + "\r", end="", file=sys.stderr, flush=True)
