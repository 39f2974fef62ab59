"""Options of Python as words of the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

# Options that may be given several times; of the others, several values are joined by commas.
REPEATED = frozenset({"fail_if"})
# Pairs that the command line writes with a colon.
PAIRS = frozenset({"between"})
# Lengths of time; a plain number is one of seconds.
TIMES = frozenset({"budget"})


def words(options: Mapping[str, object]) -> list[str]:
    """The words for `options`: `limit=100` is `--limit=100`, `each=True` is `--each`, and what is
    None or False is left out.

    >>> words({"drop_block": [17, "layer2.3"], "each": False, "budget": 90})
    ['--drop-block=17,layer2.3', '--budget=90s']
    """
    found = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            found.append(option)
        elif name in REPEATED and _is_several(value):
            found += [f"{option}={_text(name, each)}" for each in _several(value)]
        else:
            found.append(f"{option}={_text(name, value)}")
    return found


def check(command: str, given: Mapping[str, object], known: Sequence[str]) -> None:
    """Refuses names that are no options of the command.

    Raises:
        TypeError: as Python does for an argument that a function does not have.
    """
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(known)}"
            raise TypeError(f"{command}() has no option {name!r}{hint}")


def _is_several(value: object) -> bool:
    return isinstance(value, (Sequence, Mapping, range)) and not isinstance(value, (str, bytes))


def _several(value: object) -> Sequence[object]:
    if isinstance(value, Mapping):
        return [f"{key}={_plain(each)}" for key, each in value.items()]
    assert isinstance(value, Sequence)
    return value


def _text(name: str, value: object) -> str:
    if _is_several(value):
        return (":" if name in PAIRS else ",").join(_plain(each) for each in _several(value))
    if name in TIMES and isinstance(value, (int, float)):
        return f"{value}s"
    return _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
