"""A stability analysis: its tables say what the copies do, and nothing is done twice."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lottery.measure.evaluate import evaluate
from lottery.models.state import State, write_state
from lottery.record.run_dir import StabilityDir
from lottery.signals import Stopped
from lottery.stability import analyse
from lottery.stability import copies as copying
from lottery.stability.copies import with_noise
from lottery.stability.interpolation import measure_at
from lottery.tensors import load_tensors
from lottery.training import LightningFit
from tests.helpers.stability_runs import analysis_of, start_of, toy_run
from tests.helpers.stopping import StopAfter
from tests.helpers.toy_runs import ToyDropout


def _tables(folder: StabilityDir) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.glob("*.csv")}


def test_copies_with_one_noise_are_equal_and_have_no_barrier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imp, fit = toy_run(tmp_path)
    monkeypatch.setattr(copying, "with_noise", lambda fit, number: with_noise(fit, number // 2))
    analyse(analysis_of(imp, fit))
    pairs = pd.read_csv(imp.run_dir.stability.pairs_csv)
    for column in ("barrier_train", "barrier_test", "l2", "angle"):
        assert list(pairs[column]) == [0.0, 0.0], column
    points = pd.read_csv(imp.run_dir.stability.points_csv)
    assert (points.groupby(["round", "split"])["loss"].nunique() == 1).all()


def test_the_ends_of_a_line_are_the_copies(tmp_path: Path) -> None:
    """Without BatchNorm to the last bit; with BatchNorm, with the recomputed statistics."""
    imp, fit = toy_run(tmp_path, network=ToyDropout())
    analyse(analysis_of(imp, fit))
    points = pd.read_csv(imp.run_dir.stability.points_csv)
    folder = imp.run_dir.stability
    for number in (0, 1):
        for name, alpha in (("copy_0", 0.0), ("copy_1", 1.0)):
            stored = load_tensors(folder.training(0, name).round(number).final)
            write_state(fit.network, State(stored, {}))
            for split in ("train", "test"):
                of_split = getattr(fit.splits, split)
                found = evaluate(fit.network, of_split, loss=fit.loss, task=fit.task)
                place = (points["round"] == number) & (points["alpha"] == alpha)
                (row,) = points[place & (points["split"] == split)].to_dict("records")
                assert (row["loss"], row["error"]) == (found.loss, 1 - found.score)


def test_tables_say_what_the_points_say(tmp_path: Path) -> None:
    imp, fit = toy_run(tmp_path)
    analyse(analysis_of(imp, fit, pairs=2, points=5))
    folder = imp.run_dir.stability
    points, pairs = pd.read_csv(folder.points_csv), pd.read_csv(folder.pairs_csv)
    assert len(points) == 2 * 2 * 5 * 2  # rounds, pairs, points, splits
    for row in pairs.to_dict("records"):
        for split in ("train", "test"):
            of_pair = (points["round"] == row["round"]) & (points["pair"] == row["pair"])
            line = points[of_pair & (points["split"] == split)]["error"]
            ends = (line.iloc[0] + line.iloc[-1]) / 2
            assert row[f"barrier_{split}"] == pytest.approx(line.max() - ends)
    summary = pd.read_csv(folder.summary_csv).set_index("round")
    for number, of_round in pairs.groupby("round"):
        assert summary["pairs"][number] == 2
        assert summary["barrier_test"][number] == pytest.approx(of_round["barrier_test"].mean())
        assert summary["barrier_test_highest"][number] == of_round["barrier_test"].max()
    assert set(pairs["batch_norm"]) == {"recomputed"}
    # the ticket starts from the dense network's weights: its stability to pruning is known
    assert pairs[pairs["round"] == 0]["l2_from_dense"].isna().all()
    assert (pairs[pairs["round"] == 1]["l2_from_dense"] > 0).all()


def test_the_distance_to_dense_is_that_in_one_data_order(tmp_path: Path) -> None:
    imp, fit = toy_run(tmp_path)
    analyse(analysis_of(imp, fit))
    _, masks = start_of(imp, 1)
    folder = imp.run_dir.stability
    ends = {
        (name, number): load_tensors(folder.training(0, name).round(number).final)
        for name in ("copy_0", "copy_1")
        for number in (0, 1)
    }
    by_hand = [
        math.sqrt(
            sum(
                float(((ends[name, 1][w] - ends[name, 0][w]).double()[mask] ** 2).sum())
                for w, mask in masks.items()
            )
        )
        for name in ("copy_0", "copy_1")
    ]
    pairs = pd.read_csv(folder.pairs_csv).set_index("round")
    assert pairs["l2_from_dense"][1] == pytest.approx(sum(by_hand) / 2)


def test_a_ticket_that_started_elsewhere_is_not_compared_with_dense(tmp_path: Path) -> None:
    imp, fit = toy_run(tmp_path, network=ToyDropout())
    analyse(analysis_of(imp, fit, step=5))  # by then it is another network, not a masked one
    assert pd.read_csv(imp.run_dir.stability.pairs_csv)["l2_from_dense"].isna().all()


def _counting(fit: LightningFit) -> tuple[LightningFit, list[int]]:
    trained: list[int] = []
    return replace(fit, make_callbacks=lambda number: trained.append(number) or []), trained


def test_finished_pairs_are_never_trained_again(tmp_path: Path) -> None:
    imp, plain = toy_run(tmp_path)
    fit, trained = _counting(plain)
    folder = imp.run_dir.stability
    analyse(analysis_of(imp, fit, step=5))
    assert trained == [0, 0, 0, 1, 1, 1]  # the way to step 5, and two copies
    ends = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*.safetensors")}
    tables = _tables(folder)
    analyse(analysis_of(imp, fit, step=5))
    assert (len(trained), _tables(folder)) == (6, tables)
    analyse(analysis_of(imp, fit, step=5, points=5))  # more points need no training
    analyse(analysis_of(imp, fit, step=5, pairs=2))
    assert len(trained) == 6 + 4
    assert (
        ends.items()
        <= {path: path.stat().st_mtime_ns for path in folder.path.rglob("*.safetensors")}.items()
    )
    points = pd.read_csv(folder.points_csv)
    assert points.groupby(["round", "pair"])["alpha"].nunique().to_dict() == {
        (0, 0): 5,
        (0, 1): 3,
        (1, 0): 5,
        (1, 1): 3,
    }


def test_stopped_anywhere_and_started_again_is_never_stopped(tmp_path: Path) -> None:
    imp, fit = toy_run(tmp_path / "whole")
    analyse(analysis_of(imp, fit, rounds=(1,), step=5, points=6))
    whole = _tables(imp.run_dir.stability)
    imp, fit = toy_run(tmp_path / "stopped")
    stops: list[str] = []
    while len(stops) < 50:
        stop: Any = StopAfter(asked=4)
        try:
            analyse(analysis_of(imp, replace(fit, stop=stop), rounds=(1,), step=5, points=6))
            break
        except Stopped as stopped:
            stops.append(stopped.where)
    assert _tables(imp.run_dir.stability) == whole
    for where in ("at step 4", "at step 8", "pair 0, between its networks"):
        assert any(where in stop for stop in stops), (where, stops)
    assert not list(imp.run_dir.stability.path.rglob("checkpoint.pt"))


def test_copies_of_another_start_are_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    imp, plain = toy_run(tmp_path)
    fit, trained = _counting(plain)
    analysis = analysis_of(imp, fit, rounds=(1,))
    analyse(analysis)
    (target,) = analysis.targets
    name = next(iter(target.start.weights))
    target.start.weights[name].mul_(2)
    analyse(analysis)
    assert len(trained) == 4
    assert "has another start; made again" in caplog.text


def test_masks_are_worth_something_on_untrained_weights(tmp_path: Path) -> None:
    imp, fit = toy_run(tmp_path)
    analyse(analysis_of(imp, fit))
    found = pd.read_csv(imp.run_dir.stability.untrained_csv).set_index(
        ["round", "weights", "split"]
    )
    for weights, number in (("masked", 1), ("dense", 0)):
        stored = load_tensors(imp.run_dir.round(number).start)
        state = State(
            {k: v for k, v in stored.items() if k not in imp.storage.buffers},
            {k: v for k, v in stored.items() if k in imp.storage.buffers},
        )
        by_split = measure_at(fit.network, state, fit.splits, loss=fit.loss, task=fit.task)
        for split, measured in by_split.items():
            row = found.loc[(1, weights, split)]
            assert (row["loss"], row["accuracy"]) == (measured.loss, measured.score)
