"""Lines between the ends of rounds: what they measure, and that nothing is measured twice."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lottery.errors import ConfigError
from lottery.imp import Imp
from lottery.models.state import State
from lottery.record.run_dir import RunDir, StabilityDir
from lottery.signals import Stopped
from lottery.stability.distances import distance
from lottery.stability.interpolation import measure_at
from lottery.stability.line_tables import format_lines
from lottery.stability.lines import LineAnalysis, StoredNetwork, analyse_lines
from lottery.stability.stored_lines import make_lines
from lottery.training import LightningFit
from tests.helpers.stability_runs import toy_run
from tests.helpers.stopping import StopAfter
from tests.helpers.toy_runs import ToyDropout


def lines_of(
    imp: Imp, fit: LightningFit, ends: Sequence[tuple[int, int]] = ((0, 1),), points: int = 3
) -> LineAnalysis:
    lines = make_lines(None, ends, imp.storage)
    return LineAnalysis(fit, imp.run_dir.stability, lines, points=points)


def tables(folder: StabilityDir) -> list[bytes]:
    return [folder.lines_csv.read_bytes(), folder.line_points_csv.read_bytes()]


def test_the_ends_of_a_line_are_the_ends_of_the_rounds(tmp_path: Path) -> None:
    """With BatchNorm, whose statistics are recomputed."""
    imp, fit = toy_run(tmp_path)
    analysis = lines_of(imp, fit)
    analysis.check()
    analyse_lines(analysis)
    folder = imp.run_dir.stability
    points = pd.read_csv(folder.line_points_csv).set_index(["alpha", "split"])
    (line,) = pd.read_csv(folder.lines_csv).to_dict("records")
    assert (line["round"], line["other_round"], line["align"]) == (0, 1, "none")
    assert (line["remaining"], line["batch_norm"]) == (1.0, "recomputed")
    for number, alpha, name in ((0, 0.0, "error"), (1, 1.0, "other_error")):
        final = imp.storage.final(number)
        by_split = measure_at(fit.network, final, fit.splits, loss=fit.loss, task=fit.task)
        for split, found in by_split.items():
            assert points.loc[(alpha, split), "loss"] == found.loss
            assert line[f"{name}_{split}"] == 1 - found.score
    errors = points["error"].xs("test", level="split")
    assert line["barrier_test"] == pytest.approx(errors.max() - (errors[0.0] + errors[1.0]) / 2)
    first, second = imp.storage.final(0), imp.storage.final(1)
    assert line["l2"] == distance(first.weights, second.weights, imp.storage.masks(0))["l2"]
    assert "round 0  round 1" in format_lines(folder, fit.task.score)
    assert "BatchNorm statistics are recomputed" in format_lines(folder, fit.task.score)
    assert not list(folder.path.glob("step_*"))  # nothing is trained


def test_a_line_is_measured_once_and_more_points_are_added(tmp_path: Path) -> None:
    imp, fit = toy_run(tmp_path, network=ToyDropout())
    folder = imp.run_dir.stability
    analyse_lines(lines_of(imp, fit))
    (file,) = folder.line_files()
    before = tables(folder)
    unable: Any = None  # whatever is measured again needs a loss
    analyse_lines(lines_of(imp, replace(fit, loss=unable)))
    assert tables(folder) == before
    analyse_lines(lines_of(imp, fit, points=5))
    assert len(pd.read_csv(folder.line_points_csv)) == 2 * 5
    assert folder.line_files() == [file]
    analyse_lines(lines_of(imp, fit, ends=[(1, 0)]))
    assert len(pd.read_csv(folder.lines_csv)) == 2


def test_stopped_anywhere_and_started_again_is_never_stopped(tmp_path: Path) -> None:
    imp, fit = toy_run(tmp_path, network=ToyDropout())
    ends, folder = [(0, 1), (1, 0)], imp.run_dir.stability
    analyse_lines(lines_of(imp, fit, ends, points=5))
    whole = tables(folder)
    for file in [*folder.line_files(), folder.lines_csv, folder.line_points_csv]:
        file.unlink()
    stops: list[str] = []
    while len(stops) < 20:
        stop: Any = StopAfter(asked=2)
        try:
            analyse_lines(lines_of(imp, replace(fit, stop=stop), ends, points=5))
            break
        except Stopped as stopped:
            stops.append(stopped.where)
    assert {f"between round {n} and round {1 - n}" for n in (0, 1)} == set(stops)
    assert tables(folder) == whole


def test_lines_to_another_run_stand_beside_the_runs_own(tmp_path: Path) -> None:
    imp, fit = toy_run(tmp_path / "one", network=ToyDropout())
    other, _ = toy_run(tmp_path / "other", network=ToyDropout(), order_seed=8)
    analyse_lines(lines_of(imp, fit))
    own = lines_of(imp, fit).lines[0]
    masks = other.storage.masks(1)
    del masks["output.weight"]  # which the other run did not prune
    to_other = replace(
        own,
        other="toy-seed_1",
        second=lambda: StoredNetwork(other.storage.final(1), masks),
    )
    analyse_lines(replace(lines_of(imp, fit), lines=[to_other]))
    lines = pd.read_csv(imp.run_dir.stability.lines_csv)
    assert list(lines["other"].fillna("")) == ["", "toy-seed_1"]
    assert lines["l2"].nunique() == 2
    weights = own.first().state.weights
    small = State({name: weight[:2] for name, weight in weights.items()}, {})
    wrong = replace(to_other, second=lambda: StoredNetwork(small, {}))
    with pytest.raises(
        ConfigError, match=r"--with: toy-seed_1 has another network: conv1.bias has shape \(2,\), "
    ):
        replace(lines_of(imp, fit), lines=[wrong]).check()


def test_lines_lie_beside_copies_and_are_no_pairs(tmp_path: Path) -> None:
    folder = RunDir(tmp_path).stability
    assert folder.line(0, "", 1, "none") == folder.path / "lines/rounds/round_00_01.json"
    aligned = folder.line(3, "toy-seed_1", 3, "weights")
    assert aligned == folder.path / "lines/toy-seed_1/round_03_03_weights.json"
    for file in (folder.line(0, "", 1, "none"), aligned, folder.pair(0, 0, 0)):
        file.parent.mkdir(parents=True)
        file.touch()
    assert folder.line_files() == [folder.line(0, "", 1, "none"), aligned]
    assert folder.pair_files() == [folder.pair(0, 0, 0)]
