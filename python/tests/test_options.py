"""The functions have the options of the commands, all of them and no others."""

from __future__ import annotations

import re

import pytest

import pathscope
from pathscope import _options
from pathscope._arguments import words
from pathscope._options import names
from pathscope._process import run

# Results come back as objects, which need the program's JSON.
NOT_OPTIONS = {"format", "help"}
# Given as arguments.
ARGUMENTS = {"data"}
COMMANDS = {
    "inspect": _options.InspectOptions,
    "lesion": _options.LesionOptions,
    "reorder": _options.ReorderOptions,
    "gradient-spectrum": _options.SpectrumOptions,
    "study": _options.StudyOptions,
    "diff": _options.DiffOptions,
    "multiplicity": _options.MultiplicityOptions,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_the_command_is_an_option_of_the_function(command: str) -> None:
    text = run([command, "--help"]).text
    found = set(re.findall(r"^ +(?:-\w, )?--([a-z][a-z0-9-]*)", text, re.MULTILINE))
    stated = {name.replace("-", "_") for name in found - NOT_OPTIONS - ARGUMENTS}
    assert stated == set(names(COMMANDS[command]))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_describes_every_option(command: str) -> None:
    function = getattr(pathscope, command.replace("-", "_"))
    text = function.__doc__
    assert "OPTIONS" not in text
    for name in names(COMMANDS[command]):
        assert re.search(rf"^ +([\w, ]+, )?{name}\b", text, re.MULTILINE), name


def test_values_become_words() -> None:
    assert words({"each": True, "pairs": False, "limit": None, "greedy": 3}) == [
        "--each",
        "--greedy=3",
    ]
    assert words({"assume": {"groups": 16, "pool": True}}) == ["--assume=groups=16,pool=yes"]
    assert words({"between": (5, 17), "fail_if": ["a > 1", "b < 2"]}) == [
        "--between=5:17",
        "--fail-if=a > 1",
        "--fail-if=b < 2",
    ]
    assert words({"keep": range(3), "budget": 1.5}) == ["--keep=0,1,2", "--budget=1.5s"]


def test_an_unknown_option_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(TypeError, match="did you mean drop_block"):
        pathscope.lesion("assets/preresnet20.safetensors", drop_blok=1)  # type: ignore[call-arg]
