"""Where the functions of blocks stand in a model: from the recorded operations back to modules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Torch's name for operations that stand in no module.
NO_MODULE = "_empty_nn_module_stack"
# Parameters of a function, in the order of its operations: name and number of axes.
Parameters = list[tuple[str, int]]


@dataclass(frozen=True)
class Function:
    """The function of one block, in the recorded operations and in the model.

    source   the operation whose output the function takes
    term     the operation whose output is added to the skip
    modules  paths of the largest modules that compute nothing else, in their order, as far as
             parameters still follow: dropout at the end is not among them
    ends     those of them whose outputs reach the term through no other module with parameters
    inplace  whether an operation within changes its input
    """

    names: tuple[str, str]
    source: str
    term: str
    modules: tuple[str, ...]
    ends: tuple[str, ...]
    inplace: bool


def functions(program: torch.export.ExportedProgram) -> list[Function]:
    """The functions that are added to a skip, in their order."""
    return list(_Graph(program).functions())


class _Graph:
    """The operations that depend on the input, numbered; sets of them are integers, bit by bit."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        signature = program.graph_signature
        self.targets = signature.inputs_to_parameters
        shapes = {name: value.ndim for name, value in program.named_parameters()}
        self.axes = {name: shapes.get(name, 0) for name in self.targets.values()}
        entries = set(signature.user_inputs)
        self.nodes: list[Any] = []
        self.number: dict[Any, int] = {}
        self.before: list[int] = []
        self.parameters: list[Parameters] = []
        constant: dict[Any, Parameters] = {}
        for node in program.graph_module.graph.nodes:
            if node.op == "output":
                continue
            sources = [each for each in node.all_input_nodes if each in self.number]
            if not sources and node.name not in entries:
                constant[node] = self._own(node, constant)
                continue
            at = len(self.nodes)
            self.nodes.append(node)
            self.number[node] = at
            reached = 1 << at
            for source in sources:
                reached |= self.before[self.number[source]]
            self.before.append(reached)
            self.parameters.append(self._own(node, constant))

    def _own(self, node: Any, constant: dict[Any, Parameters]) -> Parameters:
        """The parameters that an operation takes, itself or through constant ones."""
        if node.name in self.targets:
            name = self.targets[node.name]
            return [(name, self.axes[name])]
        return [each for of in node.all_input_nodes for each in constant.get(of, [])]

    def functions(self) -> Iterator[Function]:
        inside = self._modules()
        for node in self.nodes:
            terms = [each for each in node.args[:2] if each in self.number]
            if not _is_addition(node) or len(terms) != 2 or terms[0] is terms[1]:
                continue
            source, term, body = self._split(*terms)
            within = [at for at in range(len(self.nodes)) if body >> at & 1]
            parameters = [each for at in within for each in self.parameters[at]]
            if not parameters:
                continue
            largest = [path for path, of in inside.items() if of & ~body == 0]
            largest = [
                path
                for path in largest
                if not any(path.startswith(f"{other}.") for other in largest)
            ]
            largest.sort(key=lambda path: inside[path].bit_length())
            sized = {path: inside[path] for path in largest if self._count(inside[path])}
            ends, behind = self._ends(term, body, sized)
            largest = [path for path in largest if not inside[path] & behind]
            changes = any(_is_inplace(self.nodes[at]) for at in within)
            found = names(parameters)
            yield Function(found, source.name, term.name, tuple(largest), tuple(ends), changes)

    def _ends(self, term: Any, body: int, sized: dict[str, int]) -> tuple[list[str], int]:
        """The modules with parameters that one meets first on the way back from the term, and the
        operations behind them."""
        met: dict[str, None] = {}
        behind = 0
        waiting = [term]
        while waiting:
            node = waiting.pop()
            bit = 1 << self.number[node]
            if not body & bit or behind & bit:
                continue
            inside = next((path for path, of in sized.items() if of & bit), None)
            if inside is not None:
                met[inside] = None
                continue
            behind |= bit
            waiting += [each for each in node.all_input_nodes if each in self.number]
        return list(met), behind

    def _split(self, first: Any, second: Any) -> tuple[Any, Any, int]:
        """Which of two terms is the function, where it begins, and its operations."""
        one, two = (self.before[self.number[each]] for each in (first, second))
        if one >> self.number[second] & 1:
            return second, first, one & ~two
        if two >> self.number[first] & 1:
            return first, second, two & ~one
        # A projection of the same input has fewer parameters on its way.
        shared = one & two
        begin = self.nodes[shared.bit_length() - 1] if shared else self.nodes[0]
        counts = [self._count(each & ~shared) for each in (one, two)]
        if counts[0] >= counts[1]:
            return begin, first, one & ~shared
        return begin, second, two & ~shared

    def _count(self, body: int) -> int:
        return sum(len(own) for at, own in enumerate(self.parameters) if body >> at & 1)

    def _modules(self) -> dict[str, int]:
        """The operations of every module, by its path."""
        found: dict[str, int] = {}
        for at, node in enumerate(self.nodes):
            for path, _ in (node.meta.get("nn_module_stack") or {}).values():
                # A module that is called again has a number behind its path.
                path = path.split("@")[0]
                if path and not path.startswith(NO_MODULE):
                    found[path] = found.get(path, 0) | 1 << at
        return found


def _is_addition(node: Any) -> bool:
    name = str(node.target)
    return name in ("aten.add.Tensor", "aten.add_.Tensor", "<built-in function add>")


def _is_inplace(node: Any) -> bool:
    parts = str(node.target).split(".")
    return len(parts) > 1 and parts[0] == "aten" and parts[1].endswith("_")


def names(parameters: Sequence[tuple[str, int]]) -> tuple[str, str]:
    """The two names that the program may give a block with these parameters: what their modules
    have in common, and the next part of the last matrix.

    >>> names([("blocks.0.norm1.weight", 1), ("blocks.0.attn.proj.weight", 2)])
    ('blocks.0', 'blocks.0.attn')
    """
    shared = parameters[0][0].split(".")[:-1]
    for name, _ in parameters:
        same = 0
        for left, right in zip(shared, name.split("."), strict=False):
            if left != right:
                break
            same += 1
        shared = shared[:same]
    common = ".".join(shared)
    matrices = [name for name, axes in parameters if axes > 1] or [parameters[-1][0]]
    rest = matrices[-1].removeprefix(common).lstrip(".").split(".")[0]
    return common, f"{common}.{rest}" if common else rest
