"""A model in memory as a file for the program, by torch.export."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._errors import PathscopeError
from ._facts import Facts, facts

if TYPE_CHECKING:
    import torch

# The first torch whose archives the program reads.
OLDEST = (2, 7)
# Names under which models return their logits.
LOGITS = ("logits", "out", "prediction_logits", "logits_per_image", "last_hidden_state")
INPUTS = ("pixel_values", "input_ids", "images", "image", "x", "inputs", "tokens")


class Exported:
    """A model as a file, which every function of this package takes as its model.

    file     the archive (`.pt2`); in a private folder unless a place was given
    classes  names of the classes, where the model states them
    options  how the model states that images are prepared, as options of the program
    """

    def __init__(self, file: Path, stated: Facts, program: Any, folder: Path | None) -> None:
        self.file = file
        self.classes = stated.classes
        self.options: dict[str, Any] = dict(stated.preparation)
        self.normalization = stated.normalization
        self.program = program
        if folder is not None:
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def __fspath__(self) -> str:
        return str(self.file)

    def __repr__(self) -> str:
        return f"Exported({str(self.file)!r})"


def export(
    model: torch.nn.Module | os.PathLike[str] | str,
    example: Any = None,
    file: str | os.PathLike[str] | None = None,
) -> Exported:
    """Writes a model in memory as a file that the program opens.

    torch.export records the operations of one forward pass in evaluation mode, for any number of
    examples. Of a model that returns a dataclass, a dictionary or a tuple, the logits are taken;
    caches are turned off, and masks become constants. The model itself is left as it was,
    training mode included.

    Args:
        model: a module (of torchvision, timm, transformers, or your own), or a folder that
            `save_pretrained` wrote. It takes one tensor: images `[N, C, H, W]` or tokens `[N, T]`.
        example: an input with a batch axis, or the dictionary that a tokenizer or an image
            processor gives [default: of the shape that the model states]. The length of
            sequences and the size of images are fixed to those of the example.
        file: where to write the archive (`.pt2`) [default: a private temporary folder, removed
            when the result is no longer used].

    Returns:
        The file, with the names of the classes and the preparation of images that the model
        states. Pass it as the model to measure several times without exporting again.

    Raises:
        PathscopeError: torch cannot export the model, or the input is not a single tensor.

    Example:
        >>> import pathscope, torchvision
        >>> exported = pathscope.export(torchvision.models.resnet18())
        >>> pathscope.inspect(exported).frame["name"].tolist()[:2]
        ['layer1.0', 'layer1.1']
    """
    import torch

    if not isinstance(model, torch.nn.Module):
        model = of_folder(Path(os.fspath(model)))
    if _version(torch.__version__) < OLDEST:
        raise PathscopeError(
            f"torch {torch.__version__} writes archives in an older form; export with torch "
            f"{'.'.join(map(str, OLDEST))} or newer, or give the model as a file (.pth, .safetensors)"
        )
    model = _plain(model)
    stated = facts(model)
    inputs = _inputs(example, stated)
    folder = None
    if file is None:
        folder = Path(tempfile.mkdtemp(prefix="pathscope-"))
        file = folder / "model.pt2"
    try:
        program = traced(model, inputs)
        with _silent():
            torch.export.save(program, os.fspath(file))
    except BaseException:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return Exported(Path(file), stated, program, folder)


def traced(model: torch.nn.Module, inputs: torch.Tensor) -> torch.export.ExportedProgram:
    """The operations of `model` on inputs `[2, ...]`, for any number of examples."""
    import torch

    parameters = [*model.parameters(), *model.buffers()]
    moved = any(each.device.type != "cpu" for each in parameters)
    if moved or any(each.dtype in (torch.float16, torch.bfloat16) for each in parameters):
        model = copy.deepcopy(model).to("cpu").float()
    batch = torch.export.Dim("batch")
    fault: Exception | None = None
    with single_output(model), evaluating(model), _silent(), torch.no_grad():
        for attention in (None, "eager"):
            for shapes in (({0: batch},), None):
                try:
                    with _attention(model, attention):
                        return torch.export.export(
                            model, (inputs,), dynamic_shapes=shapes, strict=False
                        )
                except Exception as error:  # noqa: BLE001 (every model fails in its own way)
                    fault = fault or error
            if not hasattr(model, "set_attn_implementation"):
                break
    reason = " ".join(str(fault).split())[:300]
    raise PathscopeError(f"torch.export cannot record {type(model).__name__}: {reason}") from fault


@contextlib.contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode, and back to the mode of every module."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextlib.contextmanager
def single_output(model: torch.nn.Module) -> Iterator[None]:
    """Makes `model` take one tensor and return its logits; names of modules stay as they are."""
    forward: Callable[..., Any] = model.forward
    names = forward.__code__.co_varnames if hasattr(forward, "__code__") else ()
    config = getattr(model, "config", None)
    extra: dict[str, Any] = {}
    if hasattr(config, "use_cache") or "use_cache" in names:
        extra["use_cache"] = False

    def logits(x: torch.Tensor) -> torch.Tensor:
        return logits_of(forward(x, **extra))

    replaced = model.__dict__.get("forward")
    model.__dict__["forward"] = logits
    try:
        yield
    finally:
        if replaced is None:
            del model.__dict__["forward"]
        else:
            model.__dict__["forward"] = replaced


def logits_of(output: Any) -> torch.Tensor:
    """The logits among what a model returns: a tensor, a tuple, a dictionary or a dataclass."""
    import torch

    if isinstance(output, torch.Tensor):
        return output
    for name in LOGITS:
        found = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
        if isinstance(found, torch.Tensor):
            return found
    values = output.values() if isinstance(output, Mapping) else output
    if isinstance(values, (tuple, list)) or isinstance(output, Mapping):
        for each in values:
            if isinstance(each, torch.Tensor):
                return each
    raise PathscopeError(f"the model returns {type(output).__name__}, which holds no logits")


def of_folder(folder: Path) -> torch.nn.Module:
    """The model in a folder that transformers or timm saved."""
    import json

    try:
        config = json.loads((folder / "config.json").read_text())
    except OSError as fault:
        raise PathscopeError(f"{folder} holds no config.json of a model") from fault
    if "architecture" in config:
        import timm

        network: torch.nn.Module = timm.create_model(f"local-dir:{folder}", pretrained=True)
        return network
    import transformers

    names = config.get("architectures") or ["AutoModel"]
    found: torch.nn.Module = getattr(transformers, names[0]).from_pretrained(str(folder))
    return found


def _plain(model: torch.nn.Module) -> torch.nn.Module:
    """Without the wrappers of torch.compile and of data parallelism."""
    import torch

    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and type(model).__name__ in ("DataParallel", "DistributedDataParallel"):
            inner = getattr(model, "module", None)
        if not isinstance(inner, torch.nn.Module):
            return model
        model = inner


def _inputs(example: Any, stated: Facts) -> torch.Tensor:
    """Two inputs, like the example or of the shape that the model states."""
    import torch

    if isinstance(example, Mapping) or (hasattr(example, "keys") and hasattr(example, "data")):
        name = next((name for name in INPUTS if name in example), None)
        example = None if name is None else example[name]
    if isinstance(example, (tuple, list)):
        if len(example) > 1 and isinstance(example[1], torch.Tensor) and example[1].ndim > 1:
            raise PathscopeError("the model must take a single tensor: images or tokens")
        example = example[0]
    if example is None:
        if stated.shape is None:
            raise PathscopeError(
                "the model does not state the shape of its input; give an example, such as "
                "torch.zeros(2, 3, 224, 224)"
            )
        kind = torch.long if stated.tokens else torch.float32
        return torch.zeros(2, *stated.shape, dtype=kind)
    x = torch.as_tensor(example).detach().to("cpu")
    if x.ndim < 2:
        raise PathscopeError(f"the example has the shape {list(x.shape)}; it lacks a batch axis")
    if x.is_floating_point():
        x = x.float()
    x = x[:2]
    return x if len(x) == 2 else torch.cat([x, x])


@contextlib.contextmanager
def _attention(model: Any, kind: str | None) -> Iterator[None]:
    """Another implementation of attention of transformers, and back."""
    if kind is None:
        yield
        return
    before = model.config._attn_implementation
    model.set_attn_implementation(kind)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without torch's remarks on its own insides."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")[:2]
    return int(major), int(minor)
