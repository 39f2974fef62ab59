"""Pruned models are the user's own, and compute what the program does."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

import pathscope
from pathscope._replacement import LinearMap, Zero

from .conftest import Block, Small, parameters
from .test_export import gpt2


def test_blocks_become_identities(small: Small) -> None:
    before = copy.deepcopy(small.state_dict())
    example = torch.zeros(2, 3, 8, 8)
    smaller = pathscope.prune(small, [0, "blocks.2"], example=example)
    assert type(smaller) is Small
    assert parameters(small) - parameters(smaller) == 2 * (2 * (6 * 6 * 9 + 6))
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
    assert smaller.training
    x = torch.randn(5, 3, 8, 8)
    features = small.stem(x)
    assert isinstance(small.blocks[1], Block)
    expected = small.head(small.blocks[1](features).mean((2, 3)))
    torch.testing.assert_close(smaller.eval()(x), expected)
    smaller.train()(x).sum().backward()


def test_linear_maps_fit_the_examples(images: tuple[torch.Tensor, torch.Tensor]) -> None:
    torchvision = pytest.importorskip("torchvision")
    model = torchvision.models.resnet18(num_classes=4)
    x = torch.randn(24, 3, 32, 32)
    smaller = pathscope.prune(model, [1, 2], (x, images[1]), kind="linear")
    maps = [module for module in smaller.modules() if isinstance(module, LinearMap)]
    assert [tuple(each.weight.shape) for each in maps] == [(64, 64), (64, 128)]
    assert maps[1].step == 2


def test_a_language_model_and_a_layer() -> None:
    model = gpt2()
    smaller = pathscope.prune(model, [0, 3])
    assert isinstance(smaller.transformer.h[0].attn, Zero)
    assert isinstance(smaller.transformer.h[1].mlp, Zero)
    layer = pathscope.prune(model, 1, granularity="layer")
    tokens = torch.randint(0, 50, (2, 8))
    with torch.no_grad():
        once = model.eval().transformer.h[0](model.transformer.wte(tokens))
        features = layer.eval().transformer.h[1](once[0] if isinstance(once, tuple) else once)
    assert features is not None
    assert parameters(model) - parameters(layer) == parameters(model.transformer.h[1])


class Parallel(torch.nn.Module):
    """A block of two functions side by side, with dropout behind one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(6)
        self.one, self.two = (torch.nn.Conv2d(6, 6, 3, padding=1) for _ in range(2))
        self.drop = torch.nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(x)
        return x + (self.drop(self.one(y)) + self.two(y))


def test_functions_side_by_side(small: Small, images: tuple[torch.Tensor, torch.Tensor]) -> None:
    small.blocks[1] = Parallel()
    smaller = pathscope.prune(small, 1, images)
    block = smaller.get_submodule("blocks.1")
    assert isinstance(block.one, Zero)
    assert isinstance(block.two, Zero)
    assert isinstance(block.drop, torch.nn.Dropout)
    with pytest.raises(pathscope.PathscopeError, match="side by side"):
        pathscope.prune(small, 1, images, kind="linear")


@pytest.mark.parametrize(
    ("blocks", "options", "sentence"),
    [
        (7, {}, "block 7 does not exist: the network has 3 blocks, numbered 0 to 2"),
        ("nowhere", {}, "block nowhere does not exist"),
        ([], {}, "nothing to prune"),
        (0, {"kind": "mean"}, "give one of identity, linear"),
        (0, {"kind": "linear"}, "give data"),
    ],
)
def test_what_cannot_be_pruned_is_refused(
    small: Small, blocks: Any, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(pathscope.PathscopeError, match=sentence):
        pathscope.prune(small, blocks, example=torch.zeros(2, 3, 8, 8), **options)


def test_another_function_than_the_programs_is_refused(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Zero, "forward", lambda _, x: x)
    with pytest.raises(pathscope.PathscopeError, match="but the program finds"):
        pathscope.prune(small, 0, example=torch.zeros(2, 3, 8, 8))
