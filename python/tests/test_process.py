"""How the program is found, watched, interrupted, and how its faults come back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

import pathscope
from pathscope._process import run
from pathscope._program import find_program
from pathscope._progress import Bar

from .conftest import NETWORK, Small


def test_a_fault_is_the_programs_sentence() -> None:
    with pytest.raises(pathscope.PathscopeError) as fault:
        pathscope.lesion(NETWORK, drop_block=99)
    assert str(fault.value) == "block 99 does not exist: the network has 9 blocks, numbered 0 to 8"
    assert fault.value.code == 2
    with pytest.raises(pathscope.PathscopeError, match="invalid value 'upside'"):
        pathscope.lesion(NETWORK, kind="upside")


def test_private_files_have_no_names_in_sentences(small: Small) -> None:
    with pytest.raises(pathscope.PathscopeError, match="^the model names no evaluation set"):
        pathscope.lesion(pathscope.export(small, torch.zeros(2, 3, 8, 8)))
    few = (torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 9]))
    with pytest.raises(pathscope.PathscopeError, match="4 classes, but the data set has 10"):
        pathscope.lesion(small, few)


def test_the_stated_program_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "pathscope"
    other.write_text("#!/bin/sh\necho '{}'\n")
    monkeypatch.setenv("PATHSCOPE_BIN", str(other))
    with pytest.raises(pathscope.ProgramNotFound, match="is not a program"):
        find_program()
    other.chmod(0o755)
    assert find_program() == other


def test_progress_is_that_of_the_program() -> None:
    reached: list[int] = []

    class Watched(Bar):
        def reach(self, percent: int) -> None:
            reached.append(percent)

    bar = Watched("lesion", shown=False)
    bar.shown = True
    run(["lesion", str(NETWORK), "--each"], bar=bar)
    assert reached
    assert reached == sorted(reached)
    assert 0 <= reached[0] <= reached[-1] <= 100


def test_an_interrupt_ends_the_program_and_keeps_its_records(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    timer = threading.Timer(1.5, os.kill, [os.getpid(), signal.SIGINT])
    begin = time.monotonic()
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            pathscope.gradient_spectrum(
                NETWORK, measure="sampled", samples=2000, examples=100, results=results
            )
    finally:
        timer.cancel()
    assert time.monotonic() - begin < 20
    running = subprocess.run(["ps", "-A", "-o", "args"], stdout=subprocess.PIPE, check=True)
    assert str(results) not in running.stdout.decode()


def test_private_files_are_removed(
    small: Small, images: tuple[torch.Tensor, torch.Tensor], temporary: Path
) -> None:
    pathscope.lesion(small, images, drop_block=0)
    with pytest.raises(pathscope.PathscopeError):
        pathscope.lesion(small, images, drop_block=99)
    assert not list(temporary.glob("pathscope-*"))


def test_the_command_of_the_package_is_the_program() -> None:
    words = [sys.executable, "-m", "pathscope", "--version"]
    paths = os.pathsep.join(sys.path)
    found = subprocess.run(
        words, stdout=subprocess.PIPE, check=True, env=os.environ | {"PYTHONPATH": paths}
    )
    assert found.stdout.startswith(b"pathscope ")


def test_nothing_but_the_program_is_needed_for_files() -> None:
    """Neither torch nor pandas is imported where files are given."""
    code = (
        "import sys, pathscope; print(pathscope.multiplicity(depth=20).paths); "
        "assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    paths = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": paths})
