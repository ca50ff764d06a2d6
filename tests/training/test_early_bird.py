"""Early birds: the step from which the mask hardly changes; looking changes nothing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lottery.api import load_run
from lottery.config import ProcessRank
from lottery.imp import Fit, run_rounds
from lottery.masks import prunable_weights
from lottery.pruning import Layerwise, Pruner, Random, ScoredPruner
from lottery.record.run_dir import RunDir
from lottery.signals import Stopped
from lottery.tensors import load_tensors
from lottery.training import EarlyBird, EvaluationSchedule, LightningFit, Outcome
from tests.conftest import TINY, Lottery, result_tables, tensor_files
from tests.helpers.ranks import on_ranks
from tests.helpers.stopping import StopAt
from tests.helpers.toy_runs import NUM_STEPS, ToyDropout, toy_fit, toy_imp

#         step 10      20      30      40      50      60      70
MASKS = ["11110000", "00001111", "11110000", "11101000", "11101000", "11101000", "11101000"]


def _mask(text: str) -> dict[str, torch.Tensor]:
    return {"w": torch.tensor([place == "1" for place in text])}


def _looked(epsilon: float) -> EarlyBird:
    masks = iter(MASKS)
    bird = EarlyBird(epsilon, num_alive=8, next_masks=lambda state: _mask(next(masks)))
    for number in range(len(MASKS)):
        bird.look(10 * (number + 1), nn.Linear(1, 1))
    return bird


def test_distances_to_the_four_masks_before() -> None:
    expected = [
        (20, [1.0]),
        (30, [1.0, 0.0]),
        (40, [0.25, 0.75, 0.25]),
        (50, [0.0, 0.25, 0.75, 0.25]),
        (60, [0.0, 0.0, 0.25, 0.75]),
        (70, [0.0, 0.0, 0.0, 0.25]),
    ]
    assert _looked(0.1).distances == [
        {"iteration": step, "back": back, "distance": distance}
        for step, distances in expected
        for back, distance in enumerate(distances, start=1)
    ]


@pytest.mark.parametrize(
    ("epsilon", "step"),
    [(0.8, 50), (0.75, 70), (0.26, 70), (0.25, None), (0.1, None)],
)
def test_the_early_bird_is_nearer_than_epsilon_to_all_four(
    epsilon: float, step: int | None
) -> None:
    assert _looked(epsilon).record()["step"] == step


def test_a_second_look_at_a_step_changes_nothing() -> None:
    bird = EarlyBird(0.1, num_alive=8, next_masks=lambda state: _mask(MASKS[0]))
    for step in (10, 10, 20, 20):
        bird.look(step, nn.Linear(1, 1))
    assert bird.distances == [{"iteration": 20, "back": 1, "distance": 0.0}]


def test_a_distance_is_a_share_of_the_live_weights() -> None:
    masks = iter(MASKS)
    bird = EarlyBird(0.1, num_alive=4, next_masks=lambda state: _mask(next(masks)))
    bird.look(10, nn.Linear(1, 1))
    bird.look(20, nn.Linear(1, 1))
    assert bird.distances[0]["distance"] == 2.0


def _fit() -> LightningFit:
    """A training that draws random numbers, evaluated at each of its 12 steps."""
    return replace(
        toy_fit(ToyDropout()), evaluation=EvaluationSchedule(1, test_curve=False, patience=None)
    )


def _run(path: Path, fit: LightningFit | None = None, **changes: Any) -> RunDir:
    run_rounds(toy_imp(path, fit or _fit(), **changes))
    return RunDir(path)


RATES = dict.fromkeys(prunable_weights(ToyDropout()), 0.2)


@pytest.mark.parametrize("prune", [None, ScoredPruner(Random(), Layerwise(), RATES)])
def test_looking_changes_no_bit(tmp_path: Path, prune: Pruner | None) -> None:
    changes = {} if prune is None else {"prune": prune}
    without = _run(tmp_path / "without", **changes)
    looked = _run(tmp_path / "looked", early_bird=0.1, **changes)
    assert tensor_files(looked.path) == tensor_files(without.path)
    for table in ("results.csv", "history.csv"):
        assert (looked.path / table).read_bytes() == (without.path / table).read_bytes()
    for number, entry in enumerate(json.loads(looked.results_json.read_text())["rounds"]):
        bird = entry.pop("early_bird")
        assert entry == json.loads(without.results_json.read_text())["rounds"][number]
        assert len(bird["distances"]) == 0 + 1 + 2 + 3 + 4 * (NUM_STEPS - 4)
        if prune is not None:  # random masks do not depend on the weights
            assert bird["step"] == 5
            assert {distance["distance"] for distance in bird["distances"]} == {0.0}


def test_the_mask_at_the_end_is_the_next_rounds(tmp_path: Path) -> None:
    last: list[dict[str, torch.Tensor]] = []

    def noting_its_last_mask(fit: LightningFit) -> Fit:
        def train(*training: Any, early_bird: EarlyBird, **named: Any) -> Outcome:
            outcome = fit(*training, early_bird=early_bird, **named)
            last.append(early_bird.snapshot()["earlier"][-1])
            return outcome

        return train

    run_dir = _run(tmp_path, early_bird=0.1, wrap=noting_its_last_mask)
    for number in (1, 2):
        masks = load_tensors(run_dir.round(number).masks)
        assert all(torch.equal(mask, masks[name]) for name, mask in last[number - 1].items())


@pytest.mark.parametrize("step", [3, 8])
def test_stopped_and_carried_on_is_never_stopped(tmp_path: Path, step: int) -> None:
    whole = _run(tmp_path / "whole", early_bird=0.2)
    fit = _fit()
    callback = StopAt(1, step, fit.stop)
    with pytest.raises(Stopped):
        _run(
            tmp_path / "stopped",
            replace(fit, make_callbacks=lambda number: [callback]),
            early_bird=0.2,
        )
    stopped = _run(tmp_path / "stopped", early_bird=0.2)
    assert result_tables(stopped.path) == result_tables(whole.path)
    assert '"early_bird"' in whole.results_json.read_text()


def _on_rank(process: ProcessRank, path: Path) -> None:
    _run(path, early_bird=0.2)


def test_several_processes_see_the_same_birds(tmp_path: Path) -> None:
    assert on_ranks(2, _on_rank, tmp_path / "ranks") == [None, None]
    rounds = json.loads((tmp_path / "ranks" / "results.json").read_text())["rounds"]
    assert [len(entry["early_bird"]["distances"]) for entry in rounds] == [38] * 3


def test_the_command_records_early_birds(lottery: Lottery) -> None:
    every = ("evaluation.every=2", "early_bird.epsilon=0.9")
    run = load_run(lottery(*TINY, *every).run)
    birds = run.early_bird
    assert list(birds.columns) == ["round", "iteration", "back", "distance"]
    assert set(birds["round"]) == {0, 1}
    assert birds["iteration"].max() == 20
    assert birds["distance"].between(0, 1).all()
    for entry in json.loads((run.path / "results.json").read_text())["rounds"]:
        assert entry["early_bird"]["step"] == 10  # the fifth evaluation, at so large an epsilon
        assert entry["early_bird"]["epsilon"] == 0.9
    plain = load_run(lottery(*TINY, "evaluation.every=2").run)
    assert plain.early_bird.empty
    assert plain.path != run.path
    # a copy shares the dense round, which is the same whether it was looked at or not
    copy = lottery(*TINY, "evaluation.every=2", "criterion=copy", f"criterion.run={run.path}")
    assert "round 0: taken from" in copy.err

    refused = lottery(*TINY, "criterion=copy", f"criterion.run={run.path}", *every)
    assert refused.code == 2
    assert refused.err.startswith(
        "error: early_bird.epsilon=0.9: must be null with criterion=copy"
    )


def test_a_criterion_that_runs_the_network_changes_no_bit_of_its_training(
    lottery: Lottery,
) -> None:
    arguments = (*TINY, "criterion=snip", "evaluation.every=4")
    without = lottery(*arguments).run
    looked = lottery(*arguments, "early_bird.epsilon=0.1").run
    assert tensor_files(looked) == tensor_files(without)
    assert (looked / "history.csv").read_bytes() == (without / "history.csv").read_bytes()
    assert load_run(looked).early_bird["distance"].max() > 0
