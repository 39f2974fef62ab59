"""Modules that take the place of a pruned function."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Zero(nn.Module):
    """Gives zeros of the shape that the module it replaces gave.

    Of a module that returned several values, the first is zeros and the others are None.
    """

    def __init__(self, takes: tuple[int, ...], gives: tuple[int, ...], values: int | None) -> None:
        super().__init__()
        self.takes, self.gives, self.values = takes, gives, values

    def forward(self, *args: Any, **named: Any) -> Any:
        """Zeros; the sizes of axes follow those of the input."""
        x = first_tensor(args, named)
        sizes = []
        for axis, size in enumerate(self.gives):
            old = self.takes[axis] if axis < len(self.takes) else 0
            if axis == 0 or size == old:
                sizes.append(x.shape[axis])
            elif axis > 1 and size and old % size == 0:
                step = old // size
                sizes.append((x.shape[axis] + step - 1) // step)
            else:
                sizes.append(size)
        return packed(x.new_zeros(sizes), self.values)

    def extra_repr(self) -> str:
        """The shape of one output."""
        return f"{list(self.gives[1:])}"


class LinearMap(nn.Module):
    """`offset + x W` at every position, for features `[N, C, H, W]`, `[N, T, C]` or `[N, C]`.

    weight  `[C, C']`
    offset  for each position, channels last: `[H, W, C']`, `[T, C']` or `[C']`
    """

    def __init__(
        self, weight: torch.Tensor, offset: torch.Tensor, step: int, values: int | None
    ) -> None:
        super().__init__()
        self.weight, self.offset = nn.Parameter(weight), nn.Parameter(offset)
        self.step, self.values = step, values

    def forward(self, *args: Any, **named: Any) -> Any:
        """The map of the first tensor among the inputs."""
        x = first_tensor(args, named)
        if x.ndim != 4:
            return packed(x @ self.weight + self.offset, self.values)
        x = x[:, :, :: self.step, :: self.step].permute(0, 2, 3, 1)
        return packed((x @ self.weight + self.offset).permute(0, 3, 1, 2), self.values)

    def extra_repr(self) -> str:
        """Channels of input and output."""
        return f"{self.weight.shape[0]} to {self.weight.shape[1]}"


class Unchanged(nn.Module):
    """Hands on the first tensor that it is given.

    copies  whether to hand on a copy, where what follows changes it in place
    values  number of values that the module it replaces returned, None for a tensor alone
    """

    def __init__(self, copies: bool, values: int | None) -> None:
        super().__init__()
        self.copies, self.values = copies, values

    def forward(self, *args: Any, **named: Any) -> Any:
        """The first tensor among the inputs."""
        x = first_tensor(args, named)
        return packed(x.clone() if self.copies else x, self.values)


def first_tensor(args: tuple[Any, ...], named: dict[str, Any]) -> torch.Tensor:
    """The features among the arguments of a module."""
    for value in (*args, *named.values()):
        if isinstance(value, torch.Tensor):
            return value
    raise TypeError("no tensor among the inputs")


def packed(x: torch.Tensor, values: int | None) -> Any:
    """`x` alone, or as the first of several values."""
    return x if values is None else (x, *[None] * (values - 1))
