"""Rounds that learn their masks: edge-popup written again, frozen weights, planted errors."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from lottery.config import ProcessRank
from lottery.imp import BrokenInvariant, Imp
from lottery.masks import count_ones, masked, ones
from lottery.models.state import State, fresh_state, write_state
from lottery.pruning import EdgePopup, Layerwise, LearnedPruner, ScoredPruner, Trained
from lottery.pruning.learned import draw_scores
from lottery.record.schema import Row
from lottery.seeds import derive_seed
from lottery.signals import Stopped
from lottery.tensors import Tensors
from lottery.training import LightningFit, Outcome
from lottery.training.learned_masks import LearnedMasks
from tests.conftest import result_tables, tensor_files
from tests.helpers.ranks import on_ranks
from tests.helpers.stopping import stopping
from tests.helpers.toy_runs import (
    NUM_STEPS,
    SIZES,
    ToyResNet,
    adam,
    run_toy,
    sgd,
    toy_fit,
)
from tests.imp.test_planted_errors import Training, wrongly

PRUNER = LearnedPruner(ScoredPruner(EdgePopup(), Layerwise(), dict.fromkeys(SIZES, 0.5)))
SEED = 3  # of pruning, in `toy_imp`


def draw(number: int, masks: dict[str, Tensor]) -> Tensors:
    return draw_scores(masks, torch.Generator().manual_seed(derive_seed(SEED, number)))


def learning(**changes: Any) -> LightningFit:
    return replace(toy_fit(ToyResNet(), **changes), draw_scores=draw)


def learn(path: Path, fit: LightningFit, **changes: Any) -> tuple[Imp, list[Row]]:
    return run_toy(path, fit, prune=PRUNER, **changes)


def test_one_step_by_hand() -> None:
    """The loss is the output: dL/d|s| is w x. The step is 0.1 times as long."""
    network = nn.Linear(3, 1, bias=False)
    mask = {"weight": torch.tensor([[True, False, True]])}
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0, -2.0, -1.0]]))
    learned = LearnedMasks(network, mask, {"weight": torch.tensor([[0.5, -0.1, 0.2]])})
    seen = []

    def change_masks(masks: dict[str, Tensor]) -> None:
        seen.append(masks["weight"].tolist())
        network.weight.data.mul_(masks["weight"])

    optimizer = learned.optimizer(lambda scores: torch.optim.SGD(scores, lr=0.1), change_masks)
    change_masks(mask)
    output = network(torch.tensor([[1.0, 2.0, 3.0]]))
    assert output.item() == 1 * 1 - 1 * 3  # the two largest |s|
    output.sum().backward()
    optimizer.step()
    # |s| less 0.1 times (1, -4, -3); the second score is below 0
    assert learned.scores["weight"].tolist() == [[pytest.approx(v) for v in (0.4, -0.5, 0.5)]]
    assert seen[1:] == [[[False, True, True]]]
    assert network.weight.tolist() == [[0.0, -2.0, -1.0]]


class StraightThrough(torch.autograd.Function):
    """A mask of the k largest values, which passes its gradient on as it is."""

    @staticmethod
    def forward(ctx: Any, sizes: Tensor, k: int) -> Tensor:
        kept = sizes.flatten().argsort(descending=True, stable=True)[:k]
        return torch.zeros(sizes.numel()).index_fill(0, kept, 1.0).reshape(sizes.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


@pytest.mark.parametrize("make", [sgd, adam])
def test_a_round_is_the_papers_algorithm(tmp_path: Path, make: Any) -> None:
    """Written again with autograd alone: every score is a leaf, and w h(|s|) is the weight."""
    fit = learning(optimizer=make)
    imp, _ = learn(tmp_path, fit, rounds=(0, 1))
    network, initial = ToyResNet(), imp.storage.initial()
    write_state(network, initial)
    scores = {n: s.requires_grad_() for n, s in draw(1, imp.storage.masks(0)).items()}
    optimizer, train = make(scores.values()), fit.splits.train
    keep = {name: size // 2 for name, size in SIZES.items()}

    def weights() -> Tensors:
        return {
            n: initial.weights[n] * StraightThrough.apply(s.abs(), keep[n])
            for n, s in scores.items()
        }

    for rows in fit.data_order.batches(1, train).rows(0, NUM_STEPS):
        inputs, targets = train.batch(rows)
        optimizer.zero_grad()
        fit.loss(functional_call(network, weights(), inputs), targets).backward()
        optimizer.step()
    masks = imp.storage.masks(1)
    assert {n: m.float().tolist() for n, m in masks.items()} == {
        name: StraightThrough.apply(s.abs(), keep[name]).tolist() for name, s in scores.items()
    }
    start = draw(1, imp.storage.masks(0))
    moved = {
        n: int((StraightThrough.apply(s.abs(), keep[n]).bool() != masks[n]).sum())
        for n, s in start.items()
    }
    assert moved["conv1.weight"] > 5  # else nothing was compared


def test_weights_stay_and_counts_are_those_of_the_ladder(tmp_path: Path) -> None:
    imp, rows = learn(tmp_path, learning(), rounds=(0, 1, 2))
    initial, storage = imp.storage.initial(), imp.storage
    for number, share in ((1, 2), (2, 4)):
        masks = storage.masks(number)
        expected = {n: size - round(size / 2) for n, size in SIZES.items()}
        if number == 2:
            expected = {n: size - round(size / 2) for n, size in expected.items()}
        assert count_ones(masks) == expected, share
        cut = masked(initial.weights, masks)
        for state in (storage.start(number), storage.final(number)):
            assert all(torch.equal(state.weights[name], cut[name]) for name in cut)
        row = rows[number]
        assert (row["ES"], row["val"], row["test"]) == (
            NUM_STEPS,
            row["val_last"],
            row["test_last"],
        )
    assert not all((storage.masks(2)[n] <= storage.masks(1)[n]).all() for n in SIZES)  # own scores


@pytest.mark.parametrize("step", [1, 6, NUM_STEPS - 1])
def test_stopped_and_carried_on_is_never_stopped(tmp_path: Path, step: int) -> None:
    learn(tmp_path / "whole", learning(optimizer=adam, block=3), rounds=(0, 1))
    fit = stopping(learning(optimizer=adam, block=3), 1, step)
    with pytest.raises(Stopped):
        learn(tmp_path / "run", fit, rounds=(0, 1))
    learn(tmp_path / "run", learning(optimizer=adam), rounds=(0, 1))
    assert result_tables(tmp_path / "run") == result_tables(tmp_path / "whole")
    assert tensor_files(tmp_path / "run") == tensor_files(tmp_path / "whole")


def _learn_on_rank(process: ProcessRank, path: Path, own_scores: int) -> None:
    def draw_here(number: int, masks: dict[str, Tensor]) -> Tensors:
        return draw(number + own_scores * process.rank, masks)

    learn(path, replace(learning(), draw_scores=draw_here), rounds=(0, 1))


def test_ranks_learn_equal_masks_and_are_stopped_if_not(tmp_path: Path) -> None:
    assert on_ranks(2, _learn_on_rank, tmp_path / "right", 0) == [None, None]
    errors = on_ranks(2, _learn_on_rank, tmp_path / "wrong", 1)
    message = "round 1: the trained weights of rank 1 differ from rank 0's"
    assert [str(error) for error in errors] == [message] * 2


def _trains_weights(fit: LightningFit, training: Training) -> Outcome:
    return (
        training.by(replace(fit, draw_scores=None))
        if training.number == 0
        else _shifted(fit, training)
    )


def _shifted(fit: LightningFit, training: Training) -> Outcome:
    outcome = training.by(fit)
    assert outcome.learned is not None
    weights = {**outcome.final.weights}
    weights["conv1.weight"] = weights["conv1.weight"] * 1.5
    return replace(outcome, final=State(weights, outcome.final.buffers))


def _keeps_one_more(fit: LightningFit, training: Training) -> Outcome:
    outcome = training.by(fit)
    if outcome.learned is None:
        return outcome
    more = {**outcome.learned}
    more["conv1.weight"] = ones({"": more["conv1.weight"]})[""]
    return replace(outcome, learned=more)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (_trains_weights, r"round 1: weights were trained that are frozen \(at the end\): conv1"),
        (_keeps_one_more, "round 1: .*'conv1.weight': 162.* learned, .*'conv1.weight': 81"),
    ],
)
def test_planted_errors_are_found(tmp_path: Path, wrong: Any, message: str) -> None:
    with pytest.raises(BrokenInvariant, match=message):
        learn(tmp_path, learning(), rounds=(0, 1), wrap=wrongly(wrong))


def test_scores_are_uniform_within_the_bound_of_a_units_inputs() -> None:
    weights = {"conv": torch.ones(50, 4, 5, 5), "bias": torch.ones(40)}
    drawn = EdgePopup()(
        Trained(1, weights, weights, ones(weights), torch.Generator().manual_seed(0))
    )
    assert 0.099 < drawn["conv"].max() <= 0.1  # 100 inputs
    assert 0.9 < drawn["bias"].max() <= 1
    assert drawn["conv"].mean().item() == pytest.approx(0.05, abs=0.002)


def test_another_init_seed_leaves_the_scores(tmp_path: Path) -> None:
    fresh = fresh_state(ToyResNet, 5)
    masks = ones({name: fresh.weights[name] for name in SIZES})
    first, again, other = draw(1, masks), draw(1, masks), draw(2, masks)
    assert all(
        torch.equal(first[n], again[n]) and not torch.equal(first[n], other[n]) for n in SIZES
    )
