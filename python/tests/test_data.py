"""Data in memory become the files that the program reads."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
import torch

import pathscope
from pathscope._data import prepare

from .conftest import Small


def test_a_loader_a_pair_and_arrays_are_the_same_data(
    small: Small, images: tuple[torch.Tensor, torch.Tensor]
) -> None:
    x, y = images
    pairs = torch.utils.data.TensorDataset(x, y)
    loader = torch.utils.data.DataLoader(pairs, batch_size=7)
    exported = pathscope.export(small, x)
    results = [
        pathscope.lesion(exported, data).rows
        for data in ((x, y), loader, pairs, (x.numpy(), y.numpy()), {"images": x, "labels": y})
    ]
    assert all(rows == results[0] for rows in results)


def test_loss_is_that_of_the_model(small: Small, images: tuple[torch.Tensor, torch.Tensor]) -> None:
    x, y = images
    for inputs in (x, torch.randint(0, 256, x.shape) / 255):
        intact = pathscope.lesion(small, (inputs, y), drop_block=0).intact
        with torch.no_grad():
            loss = torch.nn.functional.cross_entropy(small.eval()(inputs), y)
        assert intact is not None
        assert intact["loss"] == pytest.approx(float(loss), rel=1e-5)


def test_a_limit_ends_the_reading(tmp_path: Path) -> None:
    def endless() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield torch.randn(4, 3, 8, 8), torch.zeros(4, dtype=torch.long)

    prepared = prepare(endless(), tmp_path, 10)
    with numpy.load(prepared.file) as arrays:
        assert arrays["images"].shape == (10, 3, 8, 8)
        assert arrays["labels"].dtype == numpy.int64


def test_a_thousand_images_stream_in_bounded_memory(tmp_path: Path) -> None:
    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for _ in range(125):
            yield torch.randn(8, 3, 224, 224), torch.zeros(8, dtype=torch.long)

    tracemalloc.start()
    prepared = prepare(batches(), tmp_path, None)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = Path(prepared.file).stat().st_size
    assert size > 600e6
    assert most < 50e6


def test_tokens_are_predicted_from_those_before(tmp_path: Path) -> None:
    tokens = torch.randint(0, 50, (6, 9))
    for data in (
        tokens,
        [{"input_ids": tokens, "labels": tokens}],
        [tokens[:2], tokens[2:4], tokens[4:]],
    ):
        prepared = prepare(data, tmp_path, None)
        with numpy.load(prepared.file) as arrays:
            assert list(arrays) == ["tokens"]
        assert prepared.example is not None
        assert prepared.example.shape == (2, 8)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ((torch.zeros(3, 3, 8, 8), torch.zeros(2)), "3 examples have 2 labels"),
        (torch.zeros(3, 3, 8, 8), "images need labels"),
        ([], "hold no examples"),
        ([{"words": torch.zeros(2, 3)}], "a batch has words"),
        ([(torch.zeros(2, 3, 8, 8), torch.zeros(2)), (torch.zeros(2, 3, 9, 9), torch.zeros(2))],
         "all must have one kind and shape"),
        ([{"input_ids": torch.ones(2, 4), "attention_mask": torch.zeros(2, 4)}], "are padded"),
    ],
)  # fmt: skip
def test_what_would_count_wrongly_is_refused(data: object, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(pathscope.PathscopeError, match=sentence):
        prepare(data, tmp_path, None)  # type: ignore[arg-type]
