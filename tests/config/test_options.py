"""Single options, in tiny runs: each does what it says, and nothing else."""

import pandas as pd
import pytest
import torch
from torch import Tensor

from lottery.api import load_run
from tests.conftest import TINY, Lottery
from tests.helpers.finished import assert_trained


def test_one_shot_leaves_what_the_rounds_leave(lottery: Lottery) -> None:
    rounds = load_run(lottery(*TINY, "rounds=3").run)
    shot = assert_trained(lottery(*TINY, "rounds=3", "pruning.one_shot=3"))
    assert shot.results["remaining"][1] == rounds.results["remaining"][3]
    left = {name: int(mask.sum()) for name, mask in shot.masks(1).items()}
    assert left == {name: int(mask.sum()) for name, mask in rounds.masks(3).items()}


def test_excluded_layers_are_not_pruned(lottery: Lottery) -> None:
    run = assert_trained(lottery(*TINY, "pruning.exclude=[output*]"))
    assert set(run.masks(1)) == {"fc1.weight", "fc2.weight"}
    row = run.results.iloc[1]
    assert row["remaining"] == 0.8
    assert row["remaining_all"] == pytest.approx((0.8 * 49200 + 1000) / 50200)


def test_scope_global_says_that_the_models_rates_do_not_apply(lottery: Lottery) -> None:
    done = lottery(*TINY, "scope=global")
    assert "rates do not apply" in done.err
    assert load_run(done.run).results["remaining"][1] == pytest.approx(0.8, abs=1e-5)
    assert lottery(*TINY, "scope=global", "pruning.rates=[]").code == 0


def test_fixed_order_shows_every_round_the_dense_batches(lottery: Lottery) -> None:
    """With nothing pruned, a rewound round is the dense one wherever the batches are."""
    losses = {}
    for order in ("fixed", "per_round"):
        nothing = ("pruning.rates=[{*: 0}]", f"dataset.order={order}")
        history = load_run(lottery(*TINY, *nothing).run).history
        train = history[history["split"] == "train"]
        losses[order] = [list(train[train["round"] == number]["loss"]) for number in (0, 1)]
    assert losses["fixed"][0] == losses["fixed"][1]
    assert losses["per_round"][0] != losses["per_round"][1]
    assert losses["per_round"][0] == losses["fixed"][0]


def test_a_scheduler_takes_effect(lottery: Lottery) -> None:
    def final(*overrides: str) -> Tensor:
        return load_run(lottery(*TINY, "rounds=0", *overrides).run).weights(0, "final")[
            "fc1.weight"
        ]

    constant = final()
    assert not torch.equal(constant, final("scheduler=step_drops", "scheduler.at=[10]"))
    assert not torch.equal(constant, final("scheduler=warmup", "scheduler.steps=10"))
    assert torch.equal(constant, final("scheduler=step_drops", "scheduler.at=[20]"))
    assert not torch.equal(constant, final("scheduler=cosine"))
    assert torch.equal(constant, final("scheduler=cosine", "scheduler.final=1"))
    impatient = ("scheduler=plateau", "scheduler.patience=0", "scheduler.threshold=0.9")
    assert not torch.equal(constant, final(*impatient, "evaluation.every=5"))
    # 20 batches an epoch
    in_epochs = final("scheduler=warmup", "scheduler.steps=1ep")
    assert torch.equal(in_epochs, final("scheduler=warmup", "scheduler.steps=20it"))


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimizer=sgd"],
        ["optimizer=sgd", "optimizer.nesterov=true"],
        ["optimizer.clip_norm=0.1"],
        ["trainer.precision=64-true"],
        ["trainer.precision=bf16-true"],
        ["trainer.precision=bf16-mixed"],
        ["trainer.deterministic=false"],
        ["model.loss=multi_margin_loss"],
        ["model.loss={_target_:torch.nn.functional.cross_entropy,label_smoothing:0.1}"],
        [
            "trainer.precision=64-true",
            "model.loss={_target_:torch.nn.CrossEntropyLoss,"
            "weight:{_target_:torch.ones,_args_:[10]}}",
        ],
    ],
    ids=lambda overrides: overrides[-1],
)
def test_variants_learn(lottery: Lottery, overrides: list[str]) -> None:
    run = assert_trained(lottery(*TINY, "iterations=60", *overrides))
    assert (run.results["test"] > 0.5).all()
    dtype = {"64-true": torch.float64, "bf16-true": torch.bfloat16}
    expected = dtype.get(overrides[0].partition("=")[2], torch.float32)
    assert run.weights(1)["fc1.weight"].dtype == expected


def test_evaluation_in_epochs_and_at_the_last_step(lottery: Lottery) -> None:
    done = lottery("rounds=0", "trainer.threads=1", "iterations=50", "evaluation.every=1ep")
    history = load_run(done.run).history
    assert list(history[history["split"] == "val"]["iteration"]) == [20, 40, 50]


def test_test_curve_evaluates_every_time_and_changes_no_result(lottery: Lottery) -> None:
    noisy = ("rounds=0", "iterations=60", "evaluation.every=5", "trainer.threads=1")
    noisy += ("optimizer=sgd", "optimizer.lr=0.5")
    some = load_run(lottery(*noisy).run)
    every = load_run(lottery(*noisy, "evaluation.test_curve=true").run)
    pd.testing.assert_frame_equal(some.results, every.results)
    counts = {run.path: run.history["split"].value_counts() for run in (some, every)}
    assert counts[every.path]["test"] == counts[every.path]["val"] == 12
    assert counts[some.path]["test"] < 12


def test_early_stopping_ends_a_round(lottery: Lottery) -> None:
    stopping = ("early_stopping.patience=2", "optimizer=sgd", "optimizer.lr=3")
    arguments = ("rounds=0", "trainer.threads=1", "iterations=200", "evaluation.every=5")
    run = assert_trained(lottery(*arguments, *stopping), rounds=0)
    row = run.results.iloc[0]
    val = run.history[run.history["split"] == "val"]
    assert row["steps"] < 200
    assert row["steps"] == row["ES"] + 2 * 5
    assert list(val["iteration"]) == list(range(5, int(row["steps"]) + 1, 5))
    assert row["ES"] == val["iteration"].iloc[int(val["loss"].to_numpy().argmin())]
    assert row["val_last"] == val["accuracy"].iloc[-1]


@pytest.mark.parametrize(
    ("overrides", "note"),
    [
        (["pruning.rate=1e-6"], "pruning.rate=1e-06: no weight is pruned in any round"),
        (["pruning.rate=1e-300"], "pruning.rate=1e-300: no weight is pruned in any round"),
        (["pruning.rates=[{f*: 0},{o*: 0}]"], "pruning.rates: no weight is pruned in any round"),
        (
            ["pruning.rate=0.001", "pruning.units=l1", "rounds=1"],
            "pruning.rate=0.001: no filter or neuron is pruned in any round",
        ),
        (["pruning.rate=0.001", "rounds=0"], ""),
        (["pruning.rate=0.001"], ""),
    ],
)
def test_a_rate_that_prunes_nothing_is_said(
    lottery: Lottery, overrides: list[str], note: str
) -> None:
    done = lottery("dry_run=true", *overrides)
    assert done.code == 0, done.err
    assert [line for line in done.out.splitlines() if "is pruned in any round" in line] == (
        [note] if note else []
    )
