"""`lottery-compare`: what it prints and writes, and what it says of mistakes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lottery.comparison import write
from lottery.record.files import read_json
from lottery.record.run_dir import CompareDir, RunDir
from lottery.report.figures.figure import Figure
from lottery.tensors import load_tensors, save_tensors
from tests.conftest import Done, snapshot
from tests.helpers.foreign import link_again

Compare = Callable[..., Done]
FIGURES = ("1_overlap", "2_signs", "3_networks")


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write an empty file for each figure: pictures take most of the time."""

    def touch(figure: Figure, folder: Path) -> None:
        (folder / f"{figure.name}.png").touch()

    monkeypatch.setattr(write, "save_figure", touch)


def test_a_comparison_has_tables_and_figures(compare: Compare, run: Path) -> None:
    done = compare(run, run, "--rounds", "1,2")
    assert (done.code, done.err) == (0, "")
    written = CompareDir(done.run)
    assert written.path.parent == run / "compare"
    figures = {f"{name}.{kind}" for name in FIGURES for kind in ("png", "pdf")}
    names = {path.name for path in written.path.iterdir()}
    assert names == {"compare.csv", "networks.csv", "compare.json", *figures}
    assert list(pd.read_csv(written.pairs_csv)["first_round"]) == [1] * 4 + [2] * 4
    entry = read_json(written.compare_json)
    assert entry["rounds"] == [1, 2]
    assert entry["digest"].startswith(written.path.name)


@pytest.mark.usefixtures("no_pictures")
def test_a_comparison_is_written_once_and_beside_others(compare: Compare, run: Path) -> None:
    before = snapshot(run)
    first = compare(run, run, "--rounds", "1,2")
    changed = {name for name, time in snapshot(run).items() if before.get(name) != time}
    assert all(name.startswith("compare") for name in changed), changed
    there = snapshot(first.run)
    assert compare(run, run, "--rounds", "1,2") == first
    assert snapshot(first.run) == there
    alone = compare(run)
    assert alone.run.parent == run / "compare"
    assert alone.run != first.run
    elsewhere = compare(run, "--out", "found")
    assert elsewhere.run.parent == Path("found").absolute()
    assert elsewhere.run.name == alone.run.name
    for name in ("compare.csv", "networks.csv"):
        assert (elsewhere.run / name).read_bytes() == (alone.run / name).read_bytes()


def test_a_command_that_is_killed_leaves_no_half_comparison(
    compare: Compare, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(write, "save_figure", killed)
        done = compare(run)
    assert done.code == 130
    assert done.err.startswith("stopped; resume with: lottery-compare ")
    assert list((run / "compare").iterdir()) == []


def test_mistakes_are_one_line_and_write_nothing(compare: Compare, run: Path) -> None:
    before = snapshot(run.parent)
    for arguments, line in (
        ([run, run.parent], "not the folder of a run (no run.json in it)"),
        ([run, "--rounds", "0,7"], "--rounds: round 7 of "),
        ([run, "--rounds", "1"], "one round, 1; name another run, or a second round"),
        ([run, "--out", run / "run.json"], "--out: "),
    ):
        done = compare(*arguments)
        assert (done.code, done.out) == (2, ""), done.err
        assert len(done.err.splitlines()) == 1, done.err
        assert line in done.err
    assert "--rounds: 'all': round numbers, such as 0,7" in compare(run, "--rounds", "all").err
    assert snapshot(run.parent) == before


def test_damaged_and_exchanged_files_are_named(compare: Compare, run: Path) -> None:
    masks = RunDir(run).round(1).masks
    masks.write_bytes(RunDir(run).round(2).masks.read_bytes())
    done = compare(run)
    assert (done.code, done.out) == (1, "")
    assert "masks.safetensors: damaged: it is not the file that the round's record" in done.err


def test_forged_masks_are_named(compare: Compare, run: Path) -> None:
    """All digests fit, but a layer is missing, or is no mask."""
    file = RunDir(run).round(1).masks
    masks = load_tensors(file)
    fc1 = masks.pop("fc1.weight")
    for forged, fault in (
        (masks, "its layers are not those of the round's record"),
        ({**masks, "fc1.weight": fc1.float()}, "fc1.weight is of torch.float32, a mask is of"),
        ({**masks, "fc1.weight": fc1.T}, "fc1.weight is missing or of another shape"),
    ):
        digest = save_tensors(file, forged)
        link_again(RunDir(run), {file: digest})
        done = compare(run)
        assert (done.code, done.out) == (1, "")
        assert fault in done.err
        assert len(done.err.splitlines()) == 1
