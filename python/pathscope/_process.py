"""One run of the program: progress while it lasts, its answer, and its faults as exceptions."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import tempfile
import termios
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ._errors import PathscopeError
from ._program import environment, find_program
from ._progress import Bar

# Seconds that the program may take to end after an interrupt.
GRACE = 5.0
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]")
# What the program's own bar prints: words, the bar, the share that is done.
PROGRESS = re.compile(r"^\w[\w ]*? .*?(\d+) %, ")


@dataclass(frozen=True)
class Answer:
    """What a run printed: the answer, and the remarks on how it came about."""

    text: str
    remarks: tuple[str, ...]
    code: int


def run(
    arguments: Sequence[str], *, bar: Bar | None = None, allowed: Sequence[int] = (0,)
) -> Answer:
    """Runs the program and waits for its end.

    An interrupt (Ctrl-C, or the stop button of a notebook) is passed on: what the program has
    written to a results file by then is kept.

    Raises:
        PathscopeError: the program ended with a code that is not `allowed`.
        ProgramNotFound: there is no program.
    """
    words = [str(find_program()), *arguments]
    shown = bar is not None and bar.shown
    remarks: list[str] = []
    variables = environment() | {"NO_COLOR": "1"}
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(tempfile.TemporaryFile())
        reading, writing = _terminal() if shown else os.pipe()
        if shown:
            variables |= {"TERM": "xterm"}
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=writing,
                env=variables,
                start_new_session=True,
            )
        except OSError as fault:
            os.close(reading)
            raise PathscopeError(f"{words[0]} does not start: {fault.strerror}") from fault
        finally:
            os.close(writing)
        listener = threading.Thread(target=_listen, args=(reading, remarks, bar), daemon=True)
        listener.start()
        try:
            code = process.wait()
        except BaseException:
            _stop(process)
            raise
        finally:
            listener.join(GRACE)
            if bar is not None:
                bar.close()
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if code not in allowed:
        raise PathscopeError(*_fault(remarks, code))
    return Answer(text, tuple(line for line in remarks if line), code)


def _terminal() -> tuple[int, int]:
    """Both ends of a terminal wide enough that no line is broken: the program shows its progress
    to terminals only."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 1000, 0, 0))
    return ours, theirs


def _lines(source: int) -> Iterator[str]:
    """Lines of text as they come; each picture of a bar is a line."""
    rest = b""
    while True:
        try:
            read = os.read(source, 65536)
        except OSError:  # Linux says so where the other end of a terminal is closed.
            read = b""
        if not read:
            break
        *whole, rest = re.split(rb"[\r\n]+|\x1b\[\d*[ABGK]", rest + read)
        for line in whole:
            yield CONTROLS.sub("", line.decode("utf-8", "replace")).rstrip()
    if rest:
        yield CONTROLS.sub("", rest.decode("utf-8", "replace")).rstrip()


def _listen(source: int, remarks: list[str], bar: Bar | None) -> None:
    for line in _lines(source):
        percent = PROGRESS.match(line)
        if percent:
            if bar is not None:
                bar.reach(int(percent[1]))
        elif line:
            remarks.append(line)
            if bar is not None and line.startswith("this will take"):
                bar.remark(line.split(";")[0])
    os.close(source)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the program as Ctrl-C would, and by force where that does not help."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _fault(remarks: Sequence[str], code: int) -> tuple[str, int]:
    """The program's sentence, without what belongs to the command line only."""
    begin = next((at for at, line in enumerate(remarks) if line.startswith("error: ")), None)
    if begin is None:
        if code < 0:
            return f"the program was ended by {signal.Signals(-code).name}", code
        return (remarks[-1] if remarks else f"the program ended with code {code}"), code
    said = []
    for line in remarks[begin:]:
        if line.startswith(("Usage:", "For more information")):
            break
        said.append(line)
    return "\n".join(said).removeprefix("error: "), code
