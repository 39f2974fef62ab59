"""What README, the guide and the help of functions tell a reader to type runs as written."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import pathscope

from .conftest import CLONE, Small

PAGES = [CLONE / "README.md", CLONE / "python" / "README.md", CLONE / "docs/src/how-to/python.md"]
FUNCTIONS = [
    "inspect", "lesion", "reorder", "gradient_spectrum", "study", "diff", "multiplicity", "export",
    "prune",
]  # fmt: skip


def names() -> dict[str, Any]:
    """What the pages take for granted that a reader has."""
    pairs = torch.utils.data.TensorDataset(torch.randn(16, 3, 8, 8), torch.randint(0, 4, (16,)))
    return {
        "pathscope": pathscope,
        "torch": torch,
        "model": Small(),
        "data": torch.utils.data.DataLoader(pairs, batch_size=8),
        "tokens": torch.randint(0, 50, (8, 13)),
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_snippets_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page.read_text("utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert snippets
    for library in ("timm", "transformers"):
        if library in text:
            pytest.importorskip(library)
    (tmp_path / "assets").symlink_to(CLONE / "assets")
    monkeypatch.chdir(tmp_path)
    known = names()
    for snippet in snippets:
        exec(compile(snippet, str(page), "exec"), known)  # noqa: S102


@pytest.mark.parametrize("name", FUNCTIONS)
def test_examples_of_the_help_run(name: str) -> None:
    if name in ("export", "prune"):
        pytest.importorskip("torchvision")
    finder = doctest.DocTestFinder(recurse=False)
    runner = doctest.DocTestRunner()
    for each in finder.find(getattr(pathscope, name), name, globs={"pathscope": pathscope}):
        assert each.examples
        runner.run(each)
    assert runner.failures == 0


def test_examples_of_modules_run() -> None:
    from pathscope import _arguments, _graph, _text

    for module in (_arguments, _graph, _text):
        assert doctest.testmod(module).failed == 0
