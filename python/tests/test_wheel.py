"""The wheel carries what it needs, and asks nothing of the torch that is installed."""

from __future__ import annotations

import base64
import csv
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from .conftest import CLONE


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel of a program and a library that are stand-ins."""
    program, libraries = tmp_path / "program", tmp_path / "libtorch" / "lib"
    program.write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH $DYLD_LIBRARY_PATH"\n')
    program.chmod(0o755)
    libraries.mkdir(parents=True)
    (libraries / "libtorch_cpu.so").write_bytes(bytes(5000))
    (libraries / "libtorch.so").write_text("INPUT(-ltorch_cpu)\n")
    monkeypatch.setenv("PATHSCOPE_BIN", str(program))
    monkeypatch.setenv("LIBTORCH", str(tmp_path / "libtorch"))
    monkeypatch.syspath_prepend(CLONE / "python" / "backend")
    backend: Any = __import__("pathscope_backend")
    return tmp_path / str(backend.build_wheel(tmp_path))


def test_it_holds_package_program_and_libtorch(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        facts = archive.read("pathscope-0.1.0.dist-info/METADATA").decode()
        record = archive.read("pathscope-0.1.0.dist-info/RECORD").decode()
        for name, digest, size in list(csv.reader(record.splitlines()))[:-1]:
            content = archive.read(name)
            found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            assert (f"sha256={found.decode()}", str(len(content))) == (digest, size)
    assert {"pathscope/py.typed", "pathscope/__init__.py", "pathscope/bin/pathscope"} <= names
    assert "pathscope/libtorch/lib/libtorch_cpu.so" in names
    assert "pathscope/libtorch/lib/libtorch.so" not in names
    needs = [line for line in facts.splitlines() if line.startswith("Requires-Dist")]
    assert [line for line in needs if "extra" not in line] == ["Requires-Dist: numpy>=1.24"]
    assert not any("torch" in line for line in needs)


def test_the_installed_program_runs_on_the_libtorch_of_the_package(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    (place / "pathscope" / "bin" / "pathscope").chmod(0o755)
    monkeypatch.delenv("PATHSCOPE_BIN")
    monkeypatch.setenv("PYTHONPATH", str(place))
    found = subprocess.run(
        [sys.executable, "-m", "pathscope"], stdout=subprocess.PIPE, check=True, cwd=tmp_path
    )
    assert str(place / "pathscope" / "libtorch" / "lib") in found.stdout.decode()
