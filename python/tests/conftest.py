"""What the tests share: small models and data, and a program to run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

CLONE = Path(__file__).resolve().parents[2]
NETWORK = CLONE / "assets" / "preresnet20.safetensors"


@pytest.fixture(autouse=True)
def in_the_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples name the networks that are included, and remarks of models are no failures."""
    monkeypatch.chdir(CLONE)
    torch.manual_seed(0)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, to see what is left in it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


class Block(torch.nn.Module):
    """x + f(x) with f of two convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(width, width, 3, padding=1)
        self.second = torch.nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(torch.relu_(self.first(x)))


class Small(torch.nn.Module):
    """A residual network of three blocks for images `[N, 3, 8, 8]` of four classes."""

    def __init__(self, packs: str = "tensor") -> None:
        super().__init__()
        self.packs = packs
        self.stem = torch.nn.Conv2d(3, 6, 3, padding=1)
        self.blocks = torch.nn.Sequential(*[Block(6) for _ in range(3)])
        self.drop = torch.nn.Dropout(0.5)
        self.head = torch.nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> Any:
        logits = self.head(self.drop(self.blocks(self.stem(x)).mean((2, 3))))
        if self.packs == "dictionary":
            return {"features": None, "logits": logits}
        return (logits, x) if self.packs == "tuple" else logits


@pytest.fixture
def small() -> Small:
    return Small()


@pytest.fixture
def images() -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised images with labels."""
    return torch.randn(24, 3, 8, 8), torch.randint(0, 4, (24,))


def parameters(model: torch.nn.Module) -> int:
    return sum(each.numel() for each in model.parameters())


def command_line(*words: str | os.PathLike[str]) -> Any:
    """What the program itself answers, as JSON."""
    import json

    from pathscope._process import run

    return json.loads(run([*map(os.fspath, words), "--format=json", "-q"]).text)
