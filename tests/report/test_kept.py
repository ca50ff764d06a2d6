"""Which units and pixels are left: by literal masks, and by those of a real run, without torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lottery.record.files import DamagedFile
from lottery.record.opened_run import OpenedRun
from lottery.record.records import write_record
from lottery.report.contents import make_contents
from lottery.report.figures.draw_matplotlib import draw
from lottery.report.figures.figure import Figure
from lottery.report.read.kept import read_masks
from lottery.report.read.runs import read_run
from lottery.tensors import digest, load_of_run, save_tensors
from tests.helpers.drawings import on_page, on_paper
from tests.helpers.toy_records import CONFIG, TRUNK, toy_record

# Three output units, of which the last sees nothing; the toy images have 8 x 8 pixels
FC1 = torch.zeros(3, 64, dtype=torch.bool)
FC1[0, :32] = True
FC1[1, :8] = True
MASKS = {"fc1.weight": FC1, "output.weight": torch.ones(2, 3, 1, 1, dtype=torch.bool)}


def write(path: Path, **arguments: Any) -> OpenedRun:
    """Write a run of one pruned round, and its masks."""
    found = toy_record(path, tests=(0.95, 0.96), **arguments)
    written = save_tensors(found.folder.round(1).masks, MASKS)
    write_record(found.folder, found.records[1], {"masks.safetensors": written})
    return read_run(path)


@pytest.fixture
def run(tmp_path: Path) -> OpenedRun:
    return write(tmp_path / TRUNK / "seed_0")


def units(runs: list[OpenedRun]) -> Figure | None:
    figures = (figure for figure in make_contents(runs).figures if figure.name == "11_units")
    return next(figures, None)


def test_a_real_runs_masks_are_what_torch_reads(made: Path) -> None:
    run = read_run(made)
    path = run.folder.round(1).masks
    masks, read = load_of_run(run, path), read_masks(path, run.digest_of(path))
    assert masks.keys() == read.keys()
    assert all(np.array_equal(masks[name].numpy(), read[name]) for name in masks)
    figure = units([run])
    assert figure is not None
    assert len(figure.panels) == 3


def test_units_and_pixels_of_the_best_round(run: OpenedRun) -> None:
    figure = units([run])
    assert figure is not None
    by_input, by_output, pixels = figure.panels
    for drawn in (on_page(figure), on_paper(figure)):
        inputs, outputs = drawn[0]["fc1.weight"], drawn[1]["fc1.weight"]
        assert inputs[1] == pytest.approx([200 / 3] * 8 + [100 / 3] * 24 + [0] * 32)
        assert outputs == ([0, 50, 100], pytest.approx([50, 12.5, 0]))
        assert drawn[1]["output.weight"] == ([0, 100], [100, 100])
    assert (by_input.title, by_output.title) == ("by input unit", "by output unit")
    assert pixels.image is not None
    rows = [round(row[0], 1) for row in pixels.image.rows]
    assert rows == [66.7, 33.3, 33.3, 33.3, 0, 0, 0, 0]
    assert "round 1 of seed 0 (80.0 % of the weights)" in figure.caption


def test_several_settings_have_a_map_each(run: OpenedRun, tmp_path: Path) -> None:
    other = TRUNK.replace("1" * 8, "2" * 8)
    second = write(tmp_path / other / "seed_0", canonical=CONFIG | {"pruning.rate": 0.1})
    figure = units([run, second])
    assert figure is not None
    assert [panel.setting for panel in figure.panels] == ["rate=0.2", "rate=0.1"]
    assert all(panel.image for panel in figure.panels)
    assert not draw(figure).legends  # maps have nothing that a legend could name


def test_what_is_no_image_has_no_map(run: OpenedRun) -> None:
    run.run_json["input_shape"] = [64]
    figure = units([run])
    assert figure is not None
    assert [bool(panel.image) for panel in figure.panels] == [False, False]
    run.folder.round(1).masks.unlink()
    assert units([run]) is None


def _other_masks(path: Path) -> None:
    save_tensors(path, MASKS | {"fc1.weight": ~FC1})


def _numbers(path: Path) -> None:
    save_tensors(path, {"fc1.weight": FC1.float()})


def _empty(path: Path) -> None:
    save_tensors(path, {"fc1.weight": FC1[:0]})


def _bfloat(path: Path) -> None:
    save_tensors(path, {"fc1.weight": FC1.bfloat16()})


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (_other_masks, "its digest is another"),
        (_numbers, "not of the type bool"),
        (_empty, "one of its masks is empty"),
        (_bfloat, "damaged"),
        (_half, "damaged"),
    ],
)
def test_damaged_masks_are_named_and_the_rest_is_shown(
    run: OpenedRun, damage: Callable[[Path], None], fault: str
) -> None:
    path = run.folder.round(1).masks
    damage(path)
    with pytest.raises(DamagedFile, match=fault):
        read_masks(path, digest(MASKS))
    contents = make_contents([run])
    assert contents.notes[0].startswith(f"left out: {path}: damaged: ")
    assert len(contents.figures) > 4


def test_very_large_masks_are_named_and_not_read(run: OpenedRun) -> None:
    path = run.folder.round(1).masks
    with path.open("ab") as file:
        file.truncate(1 << 28)
    contents = make_contents([run])
    assert contents.notes == (f"left out: {path}: 256 MiB of masks, too many for figure 11",)
    assert units([run]) is None


def test_of_many_settings_the_first_have_a_map(tmp_path: Path) -> None:
    runs = [
        write(
            tmp_path / f"digits-lenet-magnitude-0.2-layerwise-rewind-{number:08d}" / "seed_0",
            canonical=CONFIG | {"optimizer.lr": 0.001 * (number + 1)},
        )
        for number in range(25)
    ]
    contents = make_contents(runs)
    assert "Figure 11 shows the first 24 of 25 settings." in contents.notes
    (figure,) = (figure for figure in contents.figures if figure.name == "11_units")
    assert len(figure.panels) == 24
