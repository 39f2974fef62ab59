"""Models in memory become archives, and stay as they were."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

import pathscope
from pathscope._facts import facts

from .conftest import Small


@pytest.mark.parametrize("packs", ["tensor", "dictionary", "tuple"])
def test_logits_are_found_in_what_a_model_returns(packs: str) -> None:
    found = pathscope.inspect(pathscope.export(Small(packs), torch.zeros(1, 3, 8, 8)))
    assert found.frame["name"].tolist() == ["blocks.0", "blocks.1", "blocks.2"]
    assert found.title == "Small, exported"


def test_the_model_stays_as_it_was(small: Small) -> None:
    small.blocks[1].eval()
    modes = [module.training for module in small.modules()]
    before = {name: value.clone() for name, value in small.state_dict().items()}
    pathscope.export(small, torch.zeros(2, 3, 8, 8))
    assert [module.training for module in small.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
    assert "forward" not in vars(small)


def test_the_private_file_goes_with_the_result(small: Small, temporary: Path) -> None:
    exported = pathscope.export(small, torch.zeros(2, 3, 8, 8))
    assert os.path.exists(exported.file)
    del exported
    assert not list(temporary.glob("pathscope-*"))


def test_half_precision_and_wrappers_are_undone(small: Small) -> None:
    wrapped = torch.nn.DataParallel(small.half())
    found = pathscope.inspect(pathscope.export(wrapped, torch.zeros(2, 3, 8, 8)))
    assert len(found.rows) == 3
    assert next(small.parameters()).dtype == torch.float16


def test_what_cannot_be_exported_is_refused(small: Small) -> None:
    with pytest.raises(pathscope.PathscopeError, match="give an example"):
        pathscope.export(small)
    with pytest.raises(pathscope.PathscopeError, match="cannot record Small"):
        pathscope.export(small, torch.zeros(2, 5, 8, 8))
    with pytest.raises(pathscope.PathscopeError, match="lacks a batch axis"):
        pathscope.export(small, torch.zeros(3))


def test_torchvision() -> None:
    torchvision = pytest.importorskip("torchvision")
    model = torchvision.models.resnet18(num_classes=10)
    found = pathscope.inspect(pathscope.export(model, torch.zeros(2, 3, 32, 32)))
    assert len(found.rows) == 8


def test_timm_states_size_and_normalisation() -> None:
    timm = pytest.importorskip("timm")
    model = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2)
    exported = pathscope.export(model)
    assert exported.options == {
        "crop": 32, "resize": 35, "interpolation": "bicubic", "normalize": "half"
    }  # fmt: skip
    assert len(pathscope.inspect(exported).rows) == 4


def gpt2() -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            n_layer=2, n_embd=16, n_head=2, vocab_size=50, n_positions=32,
            bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip


def test_a_language_model_of_transformers() -> None:
    result = pathscope.lesion(gpt2(), torch.randint(0, 50, (8, 13)))
    assert result.frame["name"].tolist()[:2] == ["transformer.h.0.attn", "transformer.h.0.mlp"]
    assert result.frame["examples"].tolist() == [96] * 4


def test_a_vision_model_of_transformers_names_its_classes(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        num_hidden_layers=1, hidden_size=16, num_attention_heads=2, intermediate_size=16,
        image_size=16, patch_size=8, id2label={0: "cat", 1: "dog"}, label2id={"cat": 0, "dog": 1},
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config)
    model.save_pretrained(tmp_path)
    for place in (tmp_path, str(tmp_path)):
        exported = pathscope.export(place)
        assert exported.classes == ("cat", "dog")
    assert len(pathscope.inspect(tmp_path).rows) == 2
    (tmp_path / "preprocessor_config.json").write_text(
        '{"do_resize": true, "size": {"height": 16, "width": 16}, "resample": 3, '
        '"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}'
    )
    again = transformers.ViTForImageClassification.from_pretrained(tmp_path)
    stated = {"resize": 16, "interpolation": "bicubic", "normalize": "half"}
    assert dict(facts(again).preparation) == stated
