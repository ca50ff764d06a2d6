"""`criterion=edge_popup` by the command: its runs, tickets and reports, and what it refuses."""

from collections.abc import Callable

import pytest

from lottery import load_run, load_ticket
from lottery.tensors import digest
from tests.conftest import TINY, Done, Lottery
from tests.helpers.refused import assert_one_line

LEARNED = (*TINY, "criterion=edge_popup", "pruning.one_shot=3", "logger=none")


def test_a_run_and_its_ticket(
    lottery: Lottery, ticket: Callable[..., Done], in_process: Callable[..., Done]
) -> None:
    done = lottery(*LEARNED, "reinit=none")
    assert done.code == 0, done.err
    assert "edge_popup-0.2-layerwise-rewind-" in done.run.parent.name
    run = load_run(done.run)
    row, masks, initial = run.results.iloc[1], run.masks(1), run.weights(0, "start")
    assert sum(int(mask.sum()) for mask in masks.values()) == 25_919  # as magnitude's in 3 rounds
    assert row["remaining"] == 25_919 / 50_200
    # a step: forward and activations' gradients of what is left, and the gradient of each score
    assert row["dense_trainings"] == pytest.approx((2 * row["remaining"] + 1) / 3)
    assert row["train_flops_total"] == row["train_flops"]  # no trained weight led to it
    for name, weight in run.weights(1, "es").items():
        kept = masks.get(name, weight == weight)
        assert (weight[kept] == initial[name][kept]).all(), name
    again = lottery(*LEARNED, "reinit=rewind")
    assert (again.code, again.run) == (0, done.run)

    verified = ticket(done.run)
    assert (verified.code, verified.out.splitlines()[-1]) == (0, "PASS"), verified.out
    network = load_ticket(done.run)
    weights = {name: w.detach() for name, w in network.named_parameters()}
    assert digest(weights) == digest(run.weights(1, "es"))


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("scope=global", "scope", "layerwise, erk, balanced"),
        ("reinit=finetune", "reinit._target_", "rewind, none, sign, random"),
        ("reinit.optimizer_state=restored", "reinit.optimizer_state", "fresh"),
        ("pruning.units=l2", "pruning.units", "none"),
        ("scope.ties=random", "scope.ties", "index"),
        ("+criterion.iterations=3", "criterion.iterations", "1"),
        ("criterion.inverted=true", "criterion.inverted=true", "false"),
        ("optimizer.clip_norm=1", "optimizer.clip_norm", "null"),
        ("early_bird.epsilon=0.1", "early_bird.epsilon", "null"),
        ("early_stopping.patience=2", "early_stopping.patience", "null"),
        ("dynamic=rigl", "dynamic._target_", "null"),
    ],
)
def test_what_it_cannot_do_is_one_line(
    lottery: Lottery, override: str, key: str, value: str
) -> None:
    done = lottery(*LEARNED, override)
    assert done.code == 2
    assert_one_line(done, key, value)
