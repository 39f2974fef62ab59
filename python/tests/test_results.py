"""Results hold the numbers of the command line, in forms that Python people use."""

from __future__ import annotations

import re
from pathlib import Path

import numpy
import pytest
import torch

import pathscope

from .conftest import NETWORK, Small, command_line


@pytest.fixture(scope="module")
def lesion() -> pathscope.Lesion:
    return pathscope.lesion(NETWORK, limit=200)


def test_the_numbers_are_those_of_the_command_line(lesion: pathscope.Lesion) -> None:
    expected = command_line("lesion", NETWORK, "--limit=200")["changes"]
    for row, other in zip(lesion.rows, expected, strict=True):
        assert {name: row[name] for name in ("error", "p", "loss", "difference_points")} == {
            name: other[name] for name in ("error", "p", "loss", "difference_points")
        }


def test_the_numbers_of_a_model_in_memory_too(
    small: Small, images: tuple[torch.Tensor, torch.Tensor], tmp_path: Path
) -> None:
    x, y = images
    exported = pathscope.export(small, x, tmp_path / "small.pt2")
    numpy.savez(tmp_path / "data.npz", images=x.numpy(), labels=y.numpy())
    expected = command_line("lesion", exported.file, f"--data={tmp_path / 'data.npz'}")["changes"]
    rows = pathscope.lesion(small, (x, y)).rows
    assert [row["loss"] for row in rows] == [row["loss"] for row in expected]


def test_a_frame_has_plain_columns(lesion: pathscope.Lesion) -> None:
    frame = lesion.frame
    assert list(frame.columns[:2]) == ["block", "name"]
    assert (
        frame["changes_shape"].tolist() == [False] * 3 + [True] + [False] * 2 + [True] + [False] * 2
    )
    assert frame["paths"].tolist() == [256] * 9
    assert frame["error"].between(0, 1).all()


def test_verdict_picture_and_page(lesion: pathscope.Lesion) -> None:
    assert "Needed (costs more than 1 point): 0, 1, 3, 4, 6-8" in lesion.verdict
    assert lesion.needed == [0, 1, 3, 4, 6, 7, 8]
    assert lesion.removable == []
    assert lesion.plot().svg.startswith("<svg") or "<svg" in lesion.plot().svg
    assert lesion.plot(theme="dark").svg != lesion.plot().svg
    page = lesion._repr_html_()
    assert page.count("<tr>") == 10
    assert "data:image/svg+xml" in page
    assert "layer1.0" in str(lesion)
    assert lesion.header["experiment"] == "lesion"
    assert len(lesion.records) == 11


def test_figures_can_be_restyled(lesion: pathscope.Lesion, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = lesion.figure()
    figure.axes[0].set_title("another title")
    figure.savefig(tmp_path / "figure.png")
    spectrum = pathscope.gradient_spectrum(NETWORK, batches=2, examples=2)
    assert spectrum.figure().axes[0].get_xlabel() == "path length, blocks"
    assert spectrum.plot("decay").kind == "decay"
    assert spectrum.effective_range[0] < spectrum.effective_range[1]


def test_orders_counts_and_differences(lesion: pathscope.Lesion) -> None:
    orders = pathscope.reorder(NETWORK, limit=20, swaps=2, count=2)
    assert orders.frame["draws"].tolist() == [2, 2]
    counted = pathscope.multiplicity(depth=110, k=1, between=(5, 17))
    assert counted.paths == counted.configurations == 2**54
    assert "svg" in counted.plot().svg
    exported = pathscope.export(Small(), torch.zeros(2, 3, 8, 8))
    assert pathscope.multiplicity(model=exported).paths == 2**3
    difference = pathscope.diff(lesion, lesion, fail_if=["blocks.changed >= 0", "error.p < 0.01"])
    assert len(difference.met) == 1
    assert difference.quantities["blocks.changed"] == 0
    assert len(difference.frame) == 9


def test_a_study_keeps_its_report(tmp_path: Path) -> None:
    study = pathscope.study(NETWORK, limit=20, budget=1, output=tmp_path / "study")
    assert (tmp_path / "study" / "report.html").exists()
    assert study.report.startswith("<!DOCTYPE html>")
    assert "lesion.jsonl" in study.files
    assert study.findings[0].answer in study.verdict


def test_a_stated_margin_and_share_are_those_of_the_words() -> None:
    lesion = pathscope.lesion(NETWORK, limit=200, margin=20)
    assert f"Needed (costs more than 20 points): {lesion.needed[0]}" in lesion.verdict
    # A cost of "+1 points" is not a margin.
    assert not re.search(r"\b1 point\b", lesion.verdict)
    assert set(lesion.needed) < set(range(9))
    spectrum = pathscope.gradient_spectrum(NETWORK, batches=2, examples=2, share=0.5)
    assert spectrum.verdict.startswith("50 % of it")


def test_several_kinds_of_lesions() -> None:
    greedy = pathscope.lesion(NETWORK, limit=20, greedy=2)
    assert greedy.frame["step"].tolist() == [0, 1, 2]
    random = pathscope.lesion(NETWORK, limit=20, random=2, count=2)
    assert "mean_error" in random.frame
    pairs = pathscope.lesion(NETWORK, limit=20, pairs=True)
    assert set(pairs.frames) == {"changes", "synergies"}
