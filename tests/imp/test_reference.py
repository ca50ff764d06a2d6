"""The framework against a bare loop, bit for bit, and a seeded run against its golden table."""

from collections.abc import Callable
from functools import partial

import pandas as pd
import pytest
import torch

from lottery import load_run
from lottery.data import BatchOrder, Digits
from lottery.models import LeNet300100
from lottery.models.state import State, fresh_state, write_state
from lottery.seeds import derive_seed
from lottery.training.schedules import Constant
from scripts.benchmarks.bare_loop import BareLoop, bare_imp
from tests.conftest import Done

STEPS, EVERY = 60, 20


def test_the_command_reaches_the_weights_of_a_bare_loop(lottery: Callable[..., Done]) -> None:
    done = lottery("rounds=2", f"iterations={STEPS}", f"evaluation.every={EVERY}", "seed=3")
    run = load_run(done.run)

    splits = Digits(split_seed=0).load()
    order_seed, init_seed = derive_seed(3, "order"), derive_seed(3, "init")
    initial = fresh_state(lambda: LeNet300100((1, 8, 8), 10), derive_seed(init_seed, "init"))
    network = LeNet300100((1, 8, 8), 10)
    write_state(network, State(initial.weights, {}))
    adam = partial(torch.optim.Adam, lr=0.0012, fused=True)
    train, val, test = (
        (split.inputs, split.targets) for split in (splits.train, splits.val, splits.test)
    )
    rounds = bare_imp(
        BareLoop(train, val, test, adam, EVERY, Constant()),
        network,
        lambda number: BatchOrder(1200, 60, order_seed, number).rows(0, STEPS),
        {"fc1.weight": 0.2, "fc2.weight": 0.2, "output.weight": 0.1},
        rounds=2,
    )

    history = run.history
    for number, expected in enumerate(rounds):
        masks = run.masks(number)
        for name, mask in expected.masks.items():
            assert torch.equal(masks[name], mask.bool()), name
        for weights, wanted in (("final", expected.weights), ("es", expected.es_weights)):
            stored = run.weights(number, weights)
            for name, weight in wanted.items():
                assert torch.equal(stored[name], weight), (weights, name)
        of_round = history[history["round"] == number]
        for split, values in (("val", expected.val), ("test", expected.test)):
            curve = of_round[of_round["split"] == split]
            assert curve["loss"].tolist() == pytest.approx([loss for loss, _ in values], rel=1e-6)
            assert curve["accuracy"].tolist() == [accuracy for _, accuracy in values]


GOLDEN = pd.DataFrame(
    [
        # round, ones left, val, test; `lottery rounds=3 iterations=300`, 1 thread, torch 2.13.0
        (0, 50_200, 0.987, 0.966),
        (1, 40_260, 0.983, 0.963),
        (2, 32_298, 0.980, 0.973),
        (3, 25_919, 0.980, 0.970),
    ],
    columns=["round", "ones", "val", "test"],
)


def test_golden_table(lottery: Callable[..., Done]) -> None:
    run = load_run(lottery("rounds=3", "iterations=300").run)
    results, layers = run.results, run.layers
    ones = layers.groupby("round")["remaining"].sum()
    assert ones.tolist() == GOLDEN["ones"].tolist()
    assert results["val"].tolist() == pytest.approx(GOLDEN["val"].tolist(), abs=0.02)
    assert results["test"].tolist() == pytest.approx(GOLDEN["test"].tolist(), abs=0.02)
