"""The linear maps that fit functions best, as the program computes them for `--kind linear`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from ._errors import PathscopeError
from ._graph import Function
from ._replacement import LinearMap

# The ridge as a share of the mean square of the input's channels.
RIDGE = 1e-6


def fit(
    program: torch.export.ExportedProgram,
    functions: Sequence[Function],
    batches: Iterable[torch.Tensor],
) -> list[LinearMap]:
    """The map from input to output of each function that fits the examples best: the same at every
    position, by ridge regression after the means of every position were taken off."""
    sums = [_Sums(function) for function in functions]
    wanted = {name for of in functions for name in (of.source, of.term)}
    with torch.no_grad():
        for batch in batches:
            seen = _Recorder(program, wanted).record(batch)
            for each in sums:
                each.add(seen)
    return [each.settled() for each in sums]


class _Sums:
    """Sums over examples of a function's input, its output and their products."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.examples, self.step = 0, 1
        self.all: list[torch.Tensor] = []

    def add(self, seen: dict[str, torch.Tensor]) -> None:
        x, y = (seen[name] for name in (self.function.source, self.function.term))
        if x.ndim == 4:
            self.step = max(1, -(-x.shape[2] // y.shape[2]))
            x = x[:, :, :: self.step, :: self.step].permute(0, 2, 3, 1)
            y = y.permute(0, 2, 3, 1)
        if x.shape[:-1] != y.shape[:-1]:
            raise PathscopeError(
                f"{self.function.names[1]}: positions of input and output do not correspond, so "
                "no linear map can replace the function"
            )
        x, y = x.double(), y.double()
        rows, outs = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
        new = [x.sum(0), y.sum(0), rows.T @ rows, rows.T @ outs]
        old = self.all or [torch.zeros_like(each) for each in new]
        self.all = [one + other for one, other in zip(old, new, strict=True)]
        self.examples += len(x)

    def settled(self) -> LinearMap:
        inputs, outputs, squares, both = self.all
        x, y = inputs / self.examples, outputs / self.examples
        means = x.reshape(-1, x.shape[-1])
        squares = squares - inputs.reshape(means.shape).T @ means
        both = both - inputs.reshape(means.shape).T @ y.reshape(-1, y.shape[-1])
        scale = float(squares.diagonal().mean())
        ridge = RIDGE * scale if scale > 0 else 1.0
        regular = squares + ridge * torch.eye(len(squares), dtype=squares.dtype)
        weight = torch.linalg.solve(regular, both)
        return LinearMap(weight.float(), (y - x @ weight).float(), self.step, None)


class _Recorder(torch.fx.Interpreter):
    """Runs recorded operations and keeps some of their values."""

    def __init__(self, program: torch.export.ExportedProgram, wanted: set[str]) -> None:
        super().__init__(program.graph_module)
        self.program, self.wanted = program, wanted
        self.seen: dict[str, torch.Tensor] = {}

    def record(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        held = {**self.program.state_dict, **self.program.constants}
        inputs = [
            x if spec.target is None else held[spec.target]
            for spec in self.program.graph_signature.input_specs
        ]
        # Values whose operation changes them in place must not change the model's.
        self.run(*inputs)
        return self.seen

    def run_node(self, n: torch.fx.Node) -> Any:
        value = super().run_node(n)
        if n.name in self.wanted:
            self.seen[n.name] = value.clone()
        return value
