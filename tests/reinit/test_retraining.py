"""Retraining without rewinding the weights: rates, clocks, and which are the same training."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch

from lottery.masks import ones
from lottery.models.state import Start, State, fresh_state, start_at
from lottery.pruning import CopiedPruner
from lottery.record.equivalent_reinits import note_on_reinit, plainest_reinit
from lottery.record.run_dir import RunDir
from lottery.reinit import Continue, Finetune, LrRewind, Reinit, Sign, Stored
from lottery.signals import Stopped
from lottery.tensors import digest, load_tensors
from lottery.training import Outcome
from lottery.training.schedules import Constant, Schedule, StepDrops
from tests.conftest import TINY, Lottery, result_tables
from tests.helpers.stopping import StopAt
from tests.helpers.toy_runs import NUM_STEPS, Recorder, ToyResNet, run_toy, sgd, toy_fit

DROPS = StepDrops(at=(4, 8), factor=0.1)  # of the toy's 12 steps at 0.05: 4 of each rate
INITIAL = fresh_state(ToyResNet, 0)


def plain_sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.05)


def train(
    number: int, start: Start, schedule: Schedule, optimizer: Any, *callbacks: Any
) -> Outcome:
    """A round of the toy network with nothing pruned."""
    fit = toy_fit(schedule=schedule, optimizer=optimizer, block=1, callbacks=callbacks)
    masks = ones({name: start.weights[name] for name in ("conv1.weight", "output.weight")})
    with TemporaryDirectory() as folder:
        return replace(fit, run_dir=RunDir(Path(folder)))(number, start, masks, None)


@cache
def dense_end(schedule: Schedule, optimizer: Any) -> State:
    return train(0, start_at(INITIAL, NUM_STEPS), schedule, optimizer).final


def retrain(reinit: Reinit, schedule: Schedule, optimizer: Any, *callbacks: Any) -> Outcome:
    """What round 1 makes of the end of the dense training."""
    last, prunable = dense_end(schedule, optimizer), ["conv1.weight", "output.weight"]
    stored = Stored(1, INITIAL, INITIAL, last, NUM_STEPS, lambda *_: INITIAL, prunable)
    return train(1, reinit(stored), schedule, optimizer, *callbacks)


@pytest.mark.parametrize(
    ("reinit", "factors"),
    [
        (LrRewind(12), [1.0] * 4 + [0.1] * 4 + [0.01] * 4),
        (LrRewind(6), [0.1] * 2 + [0.01] * 4),
        (Finetune(5), [0.01] * 5),
        (Sign(), [1.0] * 4 + [0.1] * 4 + [0.01] * 4),
    ],
    ids=str,
)
def test_learning_rates_of_a_round(reinit: Reinit, factors: list[float]) -> None:
    recorder = Recorder()
    outcome = retrain(reinit, DROPS, sgd, recorder)
    assert recorder.rates == pytest.approx([0.05 * factor for factor in factors])
    assert recorder.steps == list(range(1, len(factors) + 1))
    assert outcome.steps == len(factors)
    assert outcome.first_seen == outcome.first_expected


@pytest.mark.parametrize("reinit", [LrRewind(6), Finetune(6)], ids=str)
def test_weights_and_statistics_are_kept_and_the_optimizer_is_fresh(
    tmp_path: Path, reinit: Reinit
) -> None:
    _, rows = run_toy(tmp_path, toy_fit(schedule=DROPS), reinit=reinit)
    assert [row["steps"] for row in rows] == [NUM_STEPS, 6, 6]
    assert all(0 < row["ES"] <= 6 for row in rows[1:])
    for number in (1, 2):
        last = load_tensors(RunDir(tmp_path).round(number - 1).final)
        start = load_tensors(RunDir(tmp_path).round(number).start)
        masks = load_tensors(RunDir(tmp_path).round(number).masks)
        for name, value in last.items():
            assert torch.equal(start[name], value * masks[name] if name in masks else value), name
        assert start["norm1.num_batches_tracked"] == NUM_STEPS + (number - 1) * 6
        assert not RunDir(tmp_path).round(number).final_optimizer.exists()


SCHEDULES = {"Constant": {}, "StepDrops": {"scheduler.at": [4, 8], "scheduler.factor": 0.1}}


@pytest.mark.parametrize(
    ("schedule", "optimizer", "one", "other", "same"),
    [
        (Constant(), sgd, LrRewind(12), Finetune(12), True),
        (DROPS, sgd, LrRewind(5), Finetune(5), False),
        (DROPS, sgd, LrRewind(4), Finetune(4), True),
        (DROPS, plain_sgd, LrRewind(12), Continue(), True),
        (DROPS, sgd, LrRewind(12), Continue(), False),
        (DROPS, sgd, LrRewind(12, keep_optimizer=True), Continue(), True),
        (DROPS, sgd, LrRewind(6, keep_optimizer=True), LrRewind(6), False),
        (DROPS, plain_sgd, LrRewind(6, keep_optimizer=True), LrRewind(6), True),
        (Constant(), sgd, LrRewind(6, keep_optimizer=True), Finetune(6), False),
        (Constant(), plain_sgd, Finetune(12), Continue(), True),
    ],
)
def test_what_is_the_same_training_is_said_to_be(
    schedule: Schedule, optimizer: Any, one: Reinit, other: Reinit, same: bool
) -> None:
    """The settings say so exactly where the weights agree bit for bit."""
    ends = [retrain(reinit, schedule, optimizer).final.weights for reinit in (one, other)]
    assert (digest(ends[0]) == digest(ends[1])) == same
    name = type(schedule).__name__
    config = {
        "iterations": NUM_STEPS,
        "scheduler._target_": f"lottery.training.schedules.{name}",
        **SCHEDULES[name],
        "optimizer._target_": "torch.optim.SGD",
        "optimizer.momentum": 0.9 if optimizer is sgd else 0,
    }
    plainest = [plainest_reinit(config | _canonical(reinit)) for reinit in (one, other)]
    assert (plainest[0] == plainest[1]) == same


def _canonical(reinit: Reinit) -> dict[str, Any]:
    arguments: dict[str, Any] = {"reinit._target_": f"lottery.reinit.{type(reinit).__name__}"}
    if isinstance(reinit, LrRewind | Finetune):
        arguments["reinit.steps"] = reinit.steps
    if isinstance(reinit, LrRewind) and reinit.keep_optimizer:
        arguments["reinit.keep_optimizer"] = True
    return arguments


ADAM = {"optimizer._target_": "torch.optim.Adam"}
SGD = {"optimizer._target_": "torch.optim.SGD", "optimizer.momentum": 0}
CONSTANT = {"scheduler._target_": "lottery.training.schedules.Constant"}
OWN = {"scheduler._target_": "mine.Cosine"}
COSINE = {"scheduler._target_": "lottery.training.schedules.Cosine", "scheduler.final": 1}


def _drops(*at: int | str) -> dict[str, Any]:
    return {"scheduler._target_": "lottery.training.schedules.StepDrops", "scheduler.at": [*at]}


def _warmup(steps: int | str, *at: int | str) -> dict[str, Any]:
    target = {"scheduler._target_": "lottery.training.schedules.Warmup"}
    return target | {"scheduler.steps": steps, "scheduler.at": [*at]}


@pytest.mark.parametrize(
    ("iterations", "steps", "scheduler", "plainest"),
    [
        (100, None, CONSTANT, "finetune"),
        (100, "3ep", CONSTANT, "finetune"),
        (100, None, _drops(50), "lr_rewind"),
        (100, 50, _drops(50), "finetune"),
        (100, 51, _drops(50), "lr_rewind"),
        (100, None, _drops(100), "finetune"),
        (100, None, _drops(), "finetune"),
        ("10ep", "5ep", _drops("5ep"), "finetune"),
        ("10ep", "6ep", _drops("5ep"), "lr_rewind"),
        ("10ep", "1ep", _drops(500), "lr_rewind"),  # who knows how long an epoch is
        (100, 90, _warmup(10), "finetune"),
        (100, 95, _warmup(10), "lr_rewind"),
        (100, None, _warmup(200), "lr_rewind"),
        (100, 20, _warmup(10, 90), "lr_rewind"),
        (100, None, OWN, "lr_rewind"),
        (100, None, COSINE, "lr_rewind"),  # nothing is claimed, though it is constant
    ],
)
def test_where_rewinding_the_rate_is_fine_tuning(
    iterations: int | str, steps: int | str | None, scheduler: dict[str, Any], plainest: str
) -> None:
    config = {"iterations": iterations, **scheduler, **ADAM}
    reinit = {"reinit._target_": "lottery.reinit.LrRewind", "reinit.steps": steps}
    assert plainest_reinit(config | reinit)["option"] == plainest
    said = note_on_reinit(config | reinit)
    if plainest == "lr_rewind":
        assert said is None
    else:
        assert said == (
            "reinit=lr_rewind: the same training as reinit=finetune, "
            "as the learning rate is the same in all its steps"
        )


def test_a_rate_that_each_pruning_sets_back_is_not_the_same_in_all_steps() -> None:
    reinit = {"reinit._target_": "lottery.reinit.LrRewind", "reinit.steps": 50}
    config = {"iterations": 100, **_drops(50), **ADAM, **reinit, "dynamic.restart": True}
    assert plainest_reinit(config)["option"] == "lr_rewind"


def test_optimizer_states_that_make_no_difference() -> None:
    rewind = {"reinit._target_": "lottery.reinit.Rewind", "iterations": 100, **CONSTANT}
    for optimizer, step, same in ((ADAM, 0, True), (ADAM, 5, False), (SGD, 5, True)):
        fresh, restored = (
            plainest_reinit(
                {**rewind, **optimizer, "reinit.to": step, "reinit.optimizer_state": state}
            )
            for state in ("fresh", "restored")
        )
        assert (fresh == restored) == same
    own = {"reinit._target_": "mine.Own", "reinit.steps": 3, **CONSTANT, **ADAM}
    assert plainest_reinit(own) == {"option": "mine.Own", "steps": 3}
    assert note_on_reinit(own) is None


def test_a_run_says_that_its_reinit_is_another_one(lottery: Lottery) -> None:
    done = lottery(*TINY, "reinit=finetune", "reinit.steps=5")
    assert "reinit=finetune: the same training as reinit=lr_rewind" in done.err
    other = lottery(*TINY, "reinit=lr_rewind", "reinit.steps=5")
    assert "reinit=lr_rewind: the same training as reinit=finetune" in other.err
    assert done.run != other.run
    assert result_tables(done.run) == result_tables(other.run)


@pytest.mark.parametrize("reinit", [LrRewind(6)], ids=str)
def test_a_copy_goes_on_from_its_own_weights(tmp_path: Path, reinit: Reinit) -> None:
    """Also where keep=winner has dropped what is not needed any more."""
    run_toy(tmp_path / "trunk")
    trunk = RunDir(tmp_path / "trunk")
    copied = CopiedPruner(lambda number: load_tensors(trunk.round(number).masks), "none")
    fit = toy_fit(order_seed=9)  # another dense run than the trunk's
    run_toy(tmp_path / "copy", fit, prune=copied, reinit=reinit)
    here = RunDir(tmp_path / "copy")
    for rounds in ((0, 1), (0, 1, 2)):
        run_toy(tmp_path / "few", fit, prune=copied, reinit=reinit, keep="winner", rounds=rounds)
    assert here.results_csv.read_bytes() == RunDir(tmp_path / "few").results_csv.read_bytes()
    for number in (1, 2):
        last = load_tensors(here.round(number - 1).final)
        theirs = load_tensors(trunk.round(number - 1).final)
        start = load_tensors(here.round(number).start)
        mask = load_tensors(trunk.round(number).masks)["conv1.weight"]
        assert torch.equal(start["conv1.weight"], last["conv1.weight"] * mask)
        assert not torch.equal(start["conv1.weight"], theirs["conv1.weight"] * mask)


@pytest.mark.parametrize("reinit", [LrRewind(10), Finetune(10)], ids=str)
def test_stopped_in_a_later_round_and_carried_on_is_never_stopped(
    tmp_path: Path, reinit: Reinit
) -> None:
    run_toy(tmp_path / "whole", toy_fit(schedule=DROPS), reinit=reinit)
    fit = toy_fit(schedule=DROPS)
    signal = StopAt(1, 5, fit.stop)
    stopping = replace(fit, make_callbacks=lambda number: [signal])
    with pytest.raises(Stopped):
        run_toy(tmp_path / "stopped", stopping, reinit=reinit)
    assert RunDir(tmp_path / "stopped").round(1).checkpoint.exists()
    run_toy(tmp_path / "stopped", toy_fit(schedule=DROPS), reinit=reinit)
    assert result_tables(tmp_path / "stopped") == result_tables(tmp_path / "whole")
    ends = [RunDir(tmp_path / name).round(2).final.read_bytes() for name in ("stopped", "whole")]
    assert ends[0] == ends[1]
