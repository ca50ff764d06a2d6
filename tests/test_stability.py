"""Stability to SGD noise: the barrier, the line, the copies and what they start from."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from lottery.data.augmentation import CropAndFlip
from lottery.imp import Imp, round_start
from lottery.masks import Masks
from lottery.measure import evaluate
from lottery.models.state import Start, State, read_state, write_state
from lottery.progress import Progress
from lottery.reinit import Finetune, Reinit, Rewind
from lottery.run_dir import RunDir, StabilityDir, read_json
from lottery.stability import Analysis, Target, analyse, interpolation
from lottery.stability import copies as copying
from lottery.stability.barrier import error_barrier, evenly_spaced
from lottery.stability.copies import Trainings, with_noise
from lottery.stability.distances import distance
from lottery.stability.interpolation import between, measure_at, recompute_norms
from lottery.stopping import Stopped
from lottery.tensors import digest, load_tensors
from lottery.training import LightningFit
from lottery.training.evaluation import Protocol
from lottery.training.schedules import StepDrops
from tests.toys import NUM_STEPS, Recorder, ToyDropout, ToyResNet, adam, run_toy, sgd, toy_fit

# The barrier


@pytest.mark.parametrize(
    ("errors", "barrier"),
    [
        ([0.1, 0.1, 0.1], 0.0),
        ([0.1, 0.5, 0.1], 0.4),
        ([0.1, 0.2, 0.3], 0.1),  # a slope: the higher end less the mean of both
        ([0.2, 0.1, 0.2], 0.0),  # a valley: the ends are points of the line too
        ([0.0, 0.25, 1.0, 0.5, 0.5], 0.75),
    ],
)
def test_the_barrier_is_the_highest_error_less_the_mean_of_the_ends(
    errors: Sequence[float], barrier: float
) -> None:
    line = dict(zip(evenly_spaced(len(errors)), errors, strict=True))
    assert error_barrier(line) == pytest.approx(barrier)


def test_a_line_has_a_point_between_its_ends() -> None:
    assert evenly_spaced(3) == [0.0, 0.5, 1.0]
    with pytest.raises(ValueError, match="points=2: 3 or more"):
        evenly_spaced(2)


class Parabola(nn.Module):
    """One weight w; class 1 where x < 4 w (1 - w), so that the error has a known form."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        height = 4 * self.w * (1 - self.w)
        return torch.stack([inputs[:, 0], height.expand(len(inputs))], dim=1)


def test_the_barrier_of_a_known_function() -> None:
    from lottery.data import Split, Splits

    inputs = torch.tensor([[0.1], [0.3], [0.5], [0.7], [0.9]])
    split = Split(inputs, torch.zeros(5, dtype=torch.long))  # right where x >= 4 w (1 - w)
    splits = Splits(split, split, split, num_classes=2)
    network = Parabola()
    ends = State({"w": torch.tensor(0.0)}, {}), State({"w": torch.tensor(1.0)}, {})
    errors = {
        alpha: 1
        - measure_at(network, between(*ends, alpha), splits, nn.functional.cross_entropy)[
            "test"
        ].accuracy
        for alpha in evenly_spaced(5)
    }
    # 4 w (1 - w) = 0, 0.75, 1, 0.75, 0
    assert errors == pytest.approx({0.0: 0.0, 0.25: 0.8, 0.5: 1.0, 0.75: 0.8, 1.0: 0.0})
    assert error_barrier(errors) == 1.0


# Distances


def test_distances_are_of_the_kept_weights_alone() -> None:
    masks = {"a": torch.tensor([True, False]), "b": torch.tensor([True])}
    first = {"a": torch.tensor([1.0, 100.0]), "b": torch.tensor([1.0]), "bias": torch.ones(9)}
    second = {"a": torch.tensor([1.0, -100.0]), "b": torch.tensor([0.0]), "bias": -torch.ones(9)}
    found = distance(first, second, masks)
    assert (found.l2, found.angle) == (1.0, pytest.approx(45.0))


def test_equal_networks_are_no_distance_apart() -> None:
    weights, masks = {"a": torch.rand(50)}, {"a": torch.ones(50, dtype=torch.bool)}
    assert distance(weights, weights, masks) == distance(
        {"a": torch.zeros(50)}, weights, {"a": ~masks["a"]}
    )
    assert distance(weights, weights, masks).l2 == distance(weights, weights, masks).angle == 0.0


# The line


def _state(**weights: Tensor) -> State:
    return State(weights, {})


def test_between_is_a_straight_line_with_exact_ends() -> None:
    first, second = _state(w=torch.rand(99)), _state(w=torch.rand(99) * 1e6)
    assert torch.equal(between(first, second, 0.0).weights["w"], first.weights["w"])
    assert torch.equal(between(first, second, 1.0).weights["w"], second.weights["w"])
    middle = (first.weights["w"] + second.weights["w"]) / 2
    assert torch.allclose(between(first, second, 0.5).weights["w"], middle)


def test_buffers_lie_on_the_line_too_and_counters_are_the_nearer_ones() -> None:
    first = State({}, {"mean": torch.tensor(1.0), "count": torch.tensor(3)})
    second = State({}, {"mean": torch.tensor(2.0), "count": torch.tensor(8)})
    found = between(first, second, 0.25).buffers
    assert (float(found["mean"]), int(found["count"])) == (1.25, 3)
    assert int(between(first, second, 0.5).buffers["count"]) == 8


def test_statistics_of_batch_norm_are_those_of_the_training_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Against a hand loop: mean over three batches of the means and unbiased variances."""
    monkeypatch.setattr(interpolation, "EVALUATION_BATCH", 16)
    torch.manual_seed(0)
    network, train = ToyResNet(), toy_fit().splits.train
    network.norm1.momentum = 0.3
    order = torch.randperm(44, generator=torch.Generator().manual_seed(0))
    means, variances = [], []
    for rows in order.split([15, 15, 14]):
        hidden = network.conv1(train.inputs[rows]).detach()
        means.append(hidden.mean((0, 2, 3)))
        variances.append(hidden.var((0, 2, 3)))
    network.eval()
    recompute_norms(network, train)
    assert torch.allclose(network.norm1.running_mean, sum(means) / 3, atol=1e-6)
    assert torch.allclose(network.norm1.running_var, sum(variances) / 3, atol=1e-6)
    assert not any(layer.training for layer in network.modules())
    assert (network.norm1.momentum, network.norm2.momentum) == (0.3, 0.1)
    before = read_state(network)
    recompute_norms(network, train)
    assert digest(read_state(network).buffers) == digest(before.buffers)


def test_dropout_stays_out_of_the_statistics() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.BatchNorm1d(108))
    train = toy_fit().splits.train
    recompute_norms(network.train(), train)
    norm = network[2]
    assert isinstance(norm, nn.BatchNorm1d)
    assert torch.allclose(norm.running_mean, train.inputs.flatten(1).mean(0), atol=1e-6)
    assert network.training


# Branches and copies

DROPS = StepDrops(at=(4, 9, 14), factor=0.5)  # the last one behind the end, for Finetune


def _toy(
    path: Path, reinit: Reinit | None = None, network: nn.Module | None = None, **fit: Any
) -> tuple[Imp, LightningFit]:
    imp, _ = run_toy(path, toy_fit(network, schedule=DROPS, **fit), reinit=reinit, rounds=(0, 1))
    assert isinstance(imp.fit, LightningFit)
    return imp, imp.fit


def _start(imp: Imp, number: int) -> tuple[Start, Masks]:
    stored = imp.storage.masks(number)
    masks = {name: stored[name] for name in imp.prunable}
    return round_start(imp, number, masks), masks


def _trainings(imp: Imp, fit: LightningFit) -> Trainings:
    folder = imp.run_dir.stability
    return Trainings(fit, folder, imp.storage.buffers, Progress(unit="training"))


@pytest.mark.parametrize(
    ("optimizer", "reinit", "number", "step"),
    [
        (sgd, Rewind(0, "fresh"), 0, 5),
        (sgd, Rewind(0, "fresh"), 1, 0),
        (adam, Rewind(0, "fresh"), 1, 5),
        (sgd, Rewind(3, "fresh"), 1, 3),
        (sgd, Rewind(3, "restored"), 1, 7),
        (sgd, Finetune(8), 1, 5),
    ],
    ids=str,
)
def test_in_the_runs_own_order_a_branch_ends_where_the_run_has_ended(
    tmp_path: Path, optimizer: Any, reinit: Reinit, number: int, step: int
) -> None:
    """Weights, BatchNorm, optimizer, schedule, data and augmentation: all is as it was at k."""
    imp, fit = _toy(tmp_path, reinit, optimizer=optimizer, augmentation=CropAndFlip(1))
    branch = _trainings(imp, fit).branch(number, *_start(imp, number), step)
    assert branch.start.first_step == step
    again = replace(fit, run_dir=RunDir(tmp_path / "again"))
    final = again(number, branch.start, branch.masks, None).final
    stored = load_tensors(imp.run_dir.round(number).final)
    assert digest(final.weights | final.buffers) == digest(stored)


def test_the_way_to_step_k_has_the_runs_own_dropout(tmp_path: Path) -> None:
    """A round that sees the dense run's batches goes on with its generators, too."""
    imp, fit = _toy(tmp_path, Rewind(3, "restored"), ToyDropout(), fixed_order=True)
    start, masks = _start(imp, 1)
    branch = _trainings(imp, fit).branch(1, start, masks, 7)
    again = replace(fit, run_dir=RunDir(tmp_path / "again"))
    kept = again(1, start, masks, 7).kept
    assert kept is not None
    assert digest(branch.start.weights) == digest(kept.weights)


def test_copies_differ_in_nothing_but_their_noise(tmp_path: Path) -> None:
    imp, fit = _toy(tmp_path, augmentation=CropAndFlip(1))
    recorders = [Recorder(), Recorder()]
    branch = _trainings(imp, fit).branch(1, *_start(imp, 1), 5)
    before = branch.digest
    ends = [
        _trainings(imp, replace(fit, make_callbacks=lambda _, r=r: [r])).copy(branch, number)
        for number, r in enumerate(recorders)
    ]
    assert branch.digest == before
    one, other = recorders
    assert one.steps == other.steps == [8, 12]
    assert one.rates == other.rates
    assert one.rows != other.rows
    assert max(*one.pruned_max, *other.pruned_max) == 0.0
    for end in ends:
        for name, mask in branch.masks.items():
            assert (end.weights[name][~mask] == 0).all()
            assert (end.weights[name][mask] != 0).any()
    assert digest(ends[0].weights) != digest(ends[1].weights)


def test_each_kind_of_noise_is_the_copys_own(tmp_path: Path) -> None:
    fit = toy_fit(fixed_order=False)
    first, second = with_noise(fit, 0), with_noise(fit, 1)
    for name in ("order_seed", "augmentation_seed"):
        assert len({getattr(one, name) for one in (fit, first, second)}) == 3
    assert first.fixed_order  # one data order in all rounds, for comparing tickets with dense
    # a run with a fixed order restores its generators; copies draw their own
    imp, own = _toy(tmp_path, Rewind(3, "restored"), ToyDropout(), fixed_order=True)
    start, masks = _start(imp, 1)
    assert start.generators
    assert not _trainings(imp, own).branch(1, start, masks, 3).start.generators


def _analysis(imp: Imp, fit: LightningFit, **changes: Any) -> Analysis:
    numbers, step = changes.pop("rounds", (0, 1)), changes.pop("step", 0)
    targets = [Target(number, step, *_start(imp, number)) for number in numbers]
    return Analysis(
        *(fit, imp.run_dir.stability, imp.storage.buffers, targets),
        **{"pairs": 1, "points": 3, "progress": Progress(unit="training"), **changes},
    )


def _tables(folder: StabilityDir) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.glob("*.csv")}


def test_copies_with_one_noise_are_equal_and_have_no_barrier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imp, fit = _toy(tmp_path)
    monkeypatch.setattr(copying, "with_noise", lambda fit, number: with_noise(fit, number // 2))
    analyse(_analysis(imp, fit))
    pairs = pd.read_csv(imp.run_dir.stability.pairs_csv)
    for column in ("barrier_train", "barrier_test", "l2", "angle"):
        assert list(pairs[column]) == [0.0, 0.0], column
    points = pd.read_csv(imp.run_dir.stability.points_csv)
    assert (points.groupby(["round", "split"])["loss"].nunique() == 1).all()


def test_the_ends_of_a_line_are_the_copies(tmp_path: Path) -> None:
    """Without BatchNorm to the last bit; where there is some, with the recomputed statistics."""
    imp, fit = _toy(tmp_path, network=ToyDropout())
    analyse(_analysis(imp, fit))
    points = pd.read_csv(imp.run_dir.stability.points_csv)
    folder = imp.run_dir.stability
    for number in (0, 1):
        for name, alpha in (("copy_0", 0.0), ("copy_1", 1.0)):
            stored = load_tensors(folder.training(0, name).round(number).final)
            write_state(fit.network, State(stored, {}))
            for split in ("train", "test"):
                found = evaluate(fit.network, getattr(fit.splits, split), fit.loss)
                place = (points["round"] == number) & (points["alpha"] == alpha)
                (row,) = points[place & (points["split"] == split)].to_dict("records")
                assert (row["loss"], row["error"]) == (found.loss, 1 - found.accuracy)


def test_tables_say_what_the_points_say(tmp_path: Path) -> None:
    imp, fit = _toy(tmp_path)
    analyse(_analysis(imp, fit, pairs=2, points=5))
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
    imp, fit = _toy(tmp_path)
    analyse(_analysis(imp, fit))
    _, masks = _start(imp, 1)
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
    imp, fit = _toy(tmp_path, network=ToyDropout())
    analyse(_analysis(imp, fit, step=5))  # by then it is another network, not a masked one
    assert pd.read_csv(imp.run_dir.stability.pairs_csv)["l2_from_dense"].isna().all()


# What is there is not done again


def _counting(fit: LightningFit) -> tuple[LightningFit, list[int]]:
    trained: list[int] = []
    return replace(fit, make_callbacks=lambda number: trained.append(number) or []), trained


def test_finished_pairs_are_never_trained_again(tmp_path: Path) -> None:
    imp, plain = _toy(tmp_path)
    fit, trained = _counting(plain)
    folder = imp.run_dir.stability
    analyse(_analysis(imp, fit, step=5))
    assert trained == [0, 0, 0, 1, 1, 1]  # the way to step 5, and two copies
    ends = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*.safetensors")}
    tables = _tables(folder)
    analyse(_analysis(imp, fit, step=5))
    assert (len(trained), _tables(folder)) == (6, tables)
    analyse(_analysis(imp, fit, step=5, points=5))  # more points need no training
    analyse(_analysis(imp, fit, step=5, pairs=2))
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


class StopAfter:
    """A request to stop that comes when it has been asked a number of times."""

    def __init__(self, asked: int) -> None:
        self.left = asked

    @property
    def signum(self) -> int:
        self.left -= 1
        return 15 if self.left < 0 else 0


def test_stopped_anywhere_and_started_again_is_never_stopped(tmp_path: Path) -> None:
    imp, fit = _toy(tmp_path / "whole")
    analyse(_analysis(imp, fit, rounds=(1,), step=5, points=6))
    whole = _tables(imp.run_dir.stability)
    imp, fit = _toy(tmp_path / "stopped")
    stops: list[str] = []
    while len(stops) < 50:
        stop: Any = StopAfter(asked=4)
        try:
            analyse(_analysis(imp, replace(fit, stop=stop), rounds=(1,), step=5, points=6))
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
    imp, plain = _toy(tmp_path)
    fit, trained = _counting(plain)
    analysis = _analysis(imp, fit, rounds=(1,))
    analyse(analysis)
    (target,) = analysis.targets
    name = next(iter(target.start.weights))
    target.start.weights[name].mul_(2)
    analyse(analysis)
    assert len(trained) == 4
    assert "of another start, and made again" in caplog.text


def test_masks_are_worth_something_on_untrained_weights(tmp_path: Path) -> None:
    imp, fit = _toy(tmp_path)
    analyse(_analysis(imp, fit))
    found = pd.read_csv(imp.run_dir.stability.untrained_csv).set_index(
        ["round", "weights", "split"]
    )
    for weights, number in (("masked", 1), ("dense", 0)):
        stored = load_tensors(imp.run_dir.round(number).start)
        state = State(
            {k: v for k, v in stored.items() if k not in imp.storage.buffers},
            {k: v for k, v in stored.items() if k in imp.storage.buffers},
        )
        for split, measured in measure_at(fit.network, state, fit.splits, fit.loss).items():
            row = found.loc[(1, weights, split)]
            assert (row["loss"], row["accuracy"]) == (measured.loss, measured.accuracy)


def test_early_stopping_does_not_cut_the_way_to_step_k(tmp_path: Path) -> None:
    """Where it could: nothing moves, so the second evaluation finds no new minimum."""
    still = partial(torch.optim.SGD, lr=0.0)
    imp, fit = _toy(tmp_path, network=ToyDropout(), optimizer=still)
    hasty = replace(fit, protocol=Protocol(every=1, test_curve=False, patience=1))
    trainings, step = _trainings(imp, hasty), NUM_STEPS - 3
    branch = trainings.branch(0, *_start(imp, 0), step)
    trainings.copy(branch, 0)
    steps = [
        read_json(imp.run_dir.stability.training(step, name).round(0).record)["steps"]
        for name in ("own", "copy_0")
    ]
    assert steps == [step, 2]  # the copy stops as the run does
