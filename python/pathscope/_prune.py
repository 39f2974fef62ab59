"""The user's own model without some of its blocks."""

from __future__ import annotations

import copy
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from ._data import Data, prepare
from ._errors import PathscopeError
from ._graph import Function, functions
from ._process import run
from ._session import records

if TYPE_CHECKING:
    import torch

    from ._options import Blocks

# What the program calls the kinds of this function.
KINDS = {"identity": "delete", "linear": "linear"}
EXAMPLES = 16
BATCH = 32
# Largest difference of mean loss and margin that rounding explains, relative to their size.
TOLERANCE = 1e-4


def prune(
    model: torch.nn.Module,
    blocks: Blocks,
    data: Data | None = None,
    *,
    kind: str = "identity",
    example: Any = None,
    granularity: str = "sublayer",
    limit: int = 256,
) -> torch.nn.Module:
    """A copy of `model` without some blocks, ready to be fine-tuned.

    The copy has the class of the model. The modules that compute the functions of these blocks are
    replaced; all others keep their names and weights. Before it is returned, its mean loss, margin
    and errors are compared with those of the program for the same deletion.

    Args:
        model: a module in memory; it stays as it was.
        blocks: numbers or names of blocks as `pathscope.lesion` shows them, such as
            `result.removable`, 3, "3-5" or "layer2.1".
        data: examples as in `pathscope.lesion`, but no path; needed for "linear", whose maps are
            fitted to them [default: 16 random inputs, for the comparison only].
        kind: "identity" leaves the function out, so that the skip alone stays; "linear" puts the
            linear map in its place that fits it best (the same at every position).
        example: an input to export the model with, as in `pathscope.export`.
        granularity: "sublayer" or "layer", as in `pathscope.lesion`.
        limit: number of examples to use, the first ones.

    Raises:
        PathscopeError: a block does not exist, its function is not computed by modules of its
            own, or the copy does not compute what the program does.

    Example:
        >>> import torch, torchvision
        >>> model = torchvision.models.resnet18(num_classes=10)
        >>> smaller = pathscope.prune(model, ["layer1.1"], example=torch.zeros(2, 3, 32, 32))
        >>> sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in smaller.parameters())
        73984
    """
    import torch

    from ._export import export

    if kind not in KINDS:
        raise PathscopeError(f"the kind {kind!r} is not known; give one of {', '.join(KINDS)}")
    if kind == "linear" and data is None:
        raise PathscopeError("kind='linear' fits maps to examples: give data")
    with tempfile.TemporaryDirectory(prefix="pathscope-") as place:
        folder = Path(place)
        prepared = prepare(data, folder, limit) if data is not None else None
        if prepared and (prepared.example is None or prepared.bytes or prepared.plain):
            raise PathscopeError(
                "prune takes a DataLoader or (x, y) of normalised images or tokens"
            )
        given = prepared.example if prepared and example is None else example
        exported = export(model, given, folder / "model.pt2")
        if prepared:
            arrays = dict(numpy.load(prepared.file))
            file = prepared.file
        else:
            arrays = _random(model, exported.program)
            file = str(folder / "data.npz")
            numpy.savez(file, allow_pickle=False, **arrays)
        inputs, targets = _pair(arrays)
        words = [str(exported.file), f"--granularity={granularity}", "-q"]
        found = json.loads(run(["inspect", *words, "--format=json"]).text)["blocks"]
        chosen = _chosen(blocks, [block["name"] for block in found])
        wanted = [_function(found[at]["name"], functions(exported.program)) for at in chosen]
        smaller = _replaced(model, exported.program, wanted, inputs, kind)
        # Several functions of one layer are one block of `granularity="layer"`.
        kept = folder / "results.jsonl"
        dropped = ",".join(map(str, chosen))
        run(
            ["lesion", *words, f"--data={file}", f"--drop-block={dropped}", f"--kind={KINDS[kind]}",
             f"--results={kept}", "--format=json"]
        )  # fmt: skip
        expected = records(kept)[-1]
        _compare(smaller, torch.from_numpy(inputs), torch.from_numpy(targets), expected)
    return smaller


def _pair(arrays: dict[str, Any]) -> tuple[Any, Any]:
    """Inputs and targets as the model takes them."""
    if "tokens" in arrays:
        tokens = arrays["tokens"].astype(numpy.int64)
        return (
            (tokens, arrays["targets"]) if "targets" in arrays else (tokens[:, :-1], tokens[:, 1:])
        )
    images = arrays["images"]
    return (images[:, None] if images.ndim == 3 else images), arrays["labels"]


def _random(model: torch.nn.Module, program: Any) -> dict[str, Any]:
    """Random inputs with random labels, of the shape that the model was exported for."""
    import torch

    generator = numpy.random.default_rng(0)
    entry = next(iter(program.graph_signature.user_inputs))
    value = next(n for n in program.graph_module.graph.nodes if n.name == entry).meta["val"]
    last = next(iter(program.graph_signature.user_outputs))
    result = next(n for n in program.graph_module.graph.nodes if n.name == last).meta["val"]
    shape = [EXAMPLES, *map(int, value.shape[1:])]
    if value.is_floating_point():
        images = generator.standard_normal(shape, numpy.float32)
        labels = generator.integers(0, int(result.shape[-1]), EXAMPLES)
        return {"images": images, "labels": labels}
    size = next(
        each.num_embeddings for each in model.modules() if isinstance(each, torch.nn.Embedding)
    )
    return {"tokens": generator.integers(0, size, [EXAMPLES, shape[1] + 1])}


def _chosen(blocks: Blocks, names: Sequence[str]) -> list[int]:
    """Numbers of the blocks, each once."""
    several = [blocks] if isinstance(blocks, (int, str)) else list(blocks)
    chosen: list[int] = []
    for each in several:
        between = re.fullmatch(r"(\d+)(?:-(\d+))?", str(each))
        if str(each) in names:
            chosen.append(names.index(str(each)))
        elif between:
            chosen += range(int(between[1]), int(between[2] or between[1]) + 1)
        else:
            raise PathscopeError(f"block {each} does not exist: the names are {', '.join(names)}")
    for number in chosen:
        if number >= len(names):
            last = len(names) - 1
            raise PathscopeError(
                f"block {number} does not exist: the network has {last + 1} blocks, numbered 0 to {last}"
            )
    if not chosen:
        raise PathscopeError("no blocks are named: there is nothing to prune")
    return sorted(set(chosen))


def _function(name: str, known: Sequence[Function]) -> list[Function]:
    """The function of a block, or all functions of a layer that is one block."""
    same = [each for each in known if name in each.names]
    if same and any(each.names[0] == name for each in same) and len(same) > 1:
        return same
    if same:
        # What is added within a function has its name as well; the outermost comes last.
        return same[-1:]
    raise PathscopeError(f"the function of block {name} was not found among the model's modules")


def _replaced(
    model: torch.nn.Module,
    program: torch.export.ExportedProgram,
    blocks: Sequence[Sequence[Function]],
    inputs: Any,
    kind: str,
) -> torch.nn.Module:
    """A copy of the model with other modules in the places of the functions."""
    from ._linear import fit
    from ._replacement import LinearMap, Unchanged, Zero

    every = [function for block in blocks for function in block]
    if kind == "linear" and len(every) > len(blocks):
        raise PathscopeError("kind='linear' replaces one function per block: use sublayers")
    for function in every:
        if not function.ends:
            raise PathscopeError(f"{function.names[1]}: no module computes this function alone")
        if kind == "linear" and len(function.ends) > 1:
            raise PathscopeError(
                f"{function.names[0]}: {' and '.join(function.ends)} run side by side, so no single "
                "linear map takes their place"
            )
    seen = _calls(model, [path for function in every for path in function.modules], inputs)
    maps: Sequence[LinearMap | None] = [None] * len(every)
    if kind == "linear":
        maps = fit(program, every, _tensors(inputs))
    smaller = copy.deepcopy(model)
    for function, map_of in zip(every, maps, strict=True):
        # All modules before the ends will hand on what the first one takes.
        takes = seen[function.modules[0]][0]
        for at, path in enumerate(function.modules):
            _, gives, values = seen[path]
            if path not in function.ends:
                copies = at == 0 and function.inplace
                smaller.set_submodule(path, Unchanged(copies, values))
            elif map_of is None:
                smaller.set_submodule(path, Zero(takes, gives, values))
            else:
                map_of.values = values
                smaller.set_submodule(path, map_of)
    for each in smaller.modules():
        if isinstance(each, (Zero, LinearMap, Unchanged)):
            each.train(model.training)
    return smaller


def _calls(model: torch.nn.Module, paths: Sequence[str], inputs: Any) -> dict[str, Any]:
    """Shapes that modules take and give, and how many values they return."""
    import torch

    from ._export import evaluating, single_output
    from ._replacement import first_tensor

    seen: dict[str, Any] = {}

    def watch(path: str) -> Any:
        def look(_: Any, args: Any, named: Any, output: Any) -> None:
            values = None if isinstance(output, torch.Tensor) else len(output)
            out = output if values is None else output[0]
            seen[path] = (tuple(first_tensor(args, named).shape), tuple(out.shape), values)

        return look

    hooks = [
        model.get_submodule(path).register_forward_hook(watch(path), with_kwargs=True)
        for path in paths
    ]
    try:
        with evaluating(model), single_output(model), torch.no_grad():
            model(next(_tensors(inputs))[:2])
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _tensors(inputs: Any) -> Iterator[torch.Tensor]:
    import torch

    for begin in range(0, len(inputs), BATCH):
        yield torch.from_numpy(inputs[begin : begin + BATCH])


def _compare(
    smaller: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor, expected: dict[str, Any]
) -> None:
    """Refuses a copy whose loss, margin or errors are not the program's."""
    import torch

    from ._export import evaluating, single_output

    parts = []
    with evaluating(smaller), single_output(smaller), torch.no_grad():
        for begin in range(0, len(inputs), BATCH):
            logits = smaller(inputs[begin : begin + BATCH]).double()
            labels = targets[begin : begin + BATCH].long()
            logits, labels = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
            loss = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
            right = logits.gather(1, labels[:, None])
            others = logits.scatter(1, labels[:, None], -torch.inf).amax(1, keepdim=True)
            margin = (right - others)[:, 0]
            parts.append(torch.stack([loss, margin, (logits.argmax(1) != labels).double()]))
    loss, margin, wrong = torch.cat(parts, 1)
    found = {"loss": float(loss.mean()), "margin": float(margin.mean())}
    for name, value in found.items():
        if abs(value - expected[name]) > TOLERANCE * (1 + abs(expected[name])):
            raise PathscopeError(
                f"the smaller model has a mean {name} of {value:.6g}, but the program finds "
                f"{expected[name]:.6g} for the same deletion: the blocks are not replaced by "
                "modules of this model alone"
            )
    # Equal logits of two classes may be decided either way.
    ties = int((margin.abs() < TOLERANCE).sum())
    if abs(int(wrong.sum()) - expected["errors"]) > ties:
        raise PathscopeError("the smaller model makes other errors than the program finds")
