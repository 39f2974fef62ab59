"""What a model in memory states beside its weights: names of classes, preparation of images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The program's normalisations of three channels that libraries state as numbers.
PRESETS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
# What transformers calls the interpolations, by their numbers in Pillow.
RESAMPLE = {2: "bilinear", 3: "bicubic"}
LONGEST_TEXT = 128


@dataclass(frozen=True)
class Facts:
    """What a model states; what it does not state is absent."""

    # Names of the classes in their order.
    classes: tuple[str, ...] = ()
    # Options of the program that prepare images as the model expects them.
    preparation: Mapping[str, Any] = field(default_factory=dict)
    # Mean and deviation where they are no normalisation that the program knows.
    normalization: tuple[Any, Any] | None = None
    # The shape of one input, `[C, H, W]` or `[T]`, and whether it holds tokens.
    shape: tuple[int, ...] | None = None
    tokens: bool = False


def facts(model: Any) -> Facts:
    """What `model`, a module of timm, transformers or torchvision, states."""
    stated = getattr(model, "pretrained_cfg", None)
    if isinstance(stated, Mapping) and "input_size" in stated:
        return _of_timm(stated, getattr(getattr(model, "patch_embed", None), "img_size", None))
    config = getattr(model, "config", None)
    if config is not None and hasattr(config, "to_dict"):
        return _of_transformers(config)
    if type(model).__module__.startswith("torchvision.models"):
        return Facts(shape=(3, 224, 224))
    return Facts()


def _of_timm(stated: Mapping[str, Any], built: Any) -> Facts:
    size = tuple(stated["input_size"])
    if isinstance(built, (tuple, list)):
        size = (size[0], *built)
    found: dict[str, Any] = {"crop": size[-1]}
    if stated.get("crop_pct"):
        found["resize"] = int(size[-1] / stated["crop_pct"])
    if stated.get("interpolation") in ("bilinear", "bicubic"):
        found["interpolation"] = stated["interpolation"]
    mean, deviation = stated.get("mean"), stated.get("std")
    name = _preset(mean, deviation)
    return Facts(
        classes=tuple(stated.get("label_names") or ()),
        preparation=found | ({"normalize": name} if name else {}),
        normalization=None if name or mean is None else (mean, deviation),
        shape=size,
    )


def _of_transformers(config: Any) -> Facts:
    names = getattr(config, "id2label", None) or {}
    classes = tuple(str(names[key]) for key in sorted(names, key=int))
    if all(name.startswith("LABEL_") for name in classes):
        classes = ()
    side = getattr(config, "image_size", None)
    if side is None and getattr(config, "vocab_size", None):
        longest = getattr(config, "max_position_embeddings", None) or LONGEST_TEXT
        return Facts(classes, shape=(min(longest, LONGEST_TEXT),), tokens=True)
    sides = tuple(side) if isinstance(side, Sequence) else (side or 224,) * 2
    shape = (getattr(config, "num_channels", 3), *sides)
    beside = Path(getattr(config, "_name_or_path", "") or "") / "preprocessor_config.json"
    if not beside.is_file():
        return Facts(classes, shape=shape)
    stated = json.loads(beside.read_text())
    found: dict[str, Any] = {}
    size, cut = stated.get("size"), stated.get("crop_size")
    scaled = _side(size)
    if stated.get("do_resize", True) and scaled:
        found["resize"] = scaled
    if stated.get("do_center_crop") and _side(cut):
        found["crop"] = _side(cut)
    if stated.get("resample") in RESAMPLE:
        found["interpolation"] = RESAMPLE[stated["resample"]]
    mean, deviation = stated.get("image_mean"), stated.get("image_std")
    if not stated.get("do_normalize", True):
        mean, deviation = (0.0,) * 3, (1.0,) * 3
    name = _preset(mean, deviation)
    if name:
        found["normalize"] = name
    return Facts(classes, found, None if name or mean is None else (mean, deviation), shape)


def _side(size: Any) -> int | None:
    """One number of what transformers writes in several ways."""
    if isinstance(size, Mapping):
        size = size.get("shortest_edge") or size.get("height")
    return size if isinstance(size, int) else None


def _preset(mean: Any, deviation: Any) -> str | None:
    if mean is None or deviation is None:
        return None
    for name, known in PRESETS.items():
        pairs = zip((*mean, *deviation), (*known[0], *known[1]), strict=False)
        if len(mean) == 3 and all(abs(float(one) - other) < 1e-4 for one, other in pairs):
            return name
    return None
