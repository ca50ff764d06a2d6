"""Runs of each task: columns, records, tickets, criteria, and what is refused in one line."""

import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lottery import histories, load_run
from lottery.record.score import Score
from tests.conftest import TINY, Done, Lottery, result_tables
from tests.helpers.damages import assert_one_line
from tests.helpers.toy_tasks import DECODER, TOY_TASKS

QUIET = (*TINY, "logger=none")
METRIC = {
    "regression": ("RMSE", ["mae", "r2"]),
    "multilabel": ("macro-F1", ["precision", "recall"]),
    "binary": ("accuracy", ["f1", "precision", "recall", "ece"]),
    "language_model": ("perplexity", ["accuracy"]),
}


@pytest.mark.parametrize("task", TOY_TASKS)
def test_a_run_and_its_ticket(lottery: Lottery, ticket: Callable[..., Done], task: str) -> None:
    done = lottery(*QUIET, *TOY_TASKS[task], "early_bird.epsilon=0.1")
    assert done.code == 0, done.err
    run, (metric, further) = load_run(done.run), METRIC[task]
    assert run.score.metric == metric
    results = pd.read_csv(done.run / "results.csv")
    assert list(results) == list(run.results)
    assert {f"{prefix}{name}" for name in further for prefix in ("val_", "")} <= set(results)
    assert ("f1" in results) == (task == "binary")
    history = pd.read_csv(done.run / "history.csv")
    assert list(history) == ["round", "iteration", "split", "loss", metric]
    last = history[(history["iteration"] == 20) & (history["split"] == "val")][metric]
    assert last.tolist() == results["val_last"].tolist()
    assert f"val_{metric}" in histories([run])
    if task == "language_model":
        assert results["val"].tolist() == pytest.approx(results["val_loss"].map(math.exp).tolist())
    verified = ticket(done.run, "--trust-code")
    assert verified.code == 0, verified.out
    assert f"val: {'correct' if task == 'binary' else metric} with es weights" in verified.out
    if task == "regression":
        forests = ticket(done.run, "--trust-code", "--features", "fc1")
        assert_one_line(forests, 2, "--features: forests need classes", "the run's score is RMSE")


def test_the_winning_round_has_the_lowest_error(lottery: Lottery) -> None:
    done = lottery(*QUIET, *TOY_TASKS["regression"], "rounds=2", "keep=winner")
    run = load_run(done.run)
    assert run.score == Score("RMSE", higher_is_better=False, is_share=False)
    best = int(run.results["val"][1:].idxmin())
    (line,) = [line for line in done.out.splitlines() if line.endswith("winning round")]
    assert line.split()[0] == str(best)
    assert (done.run / "rounds" / f"{best:02d}" / "es.safetensors").exists()


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_blocks_change_no_byte(lottery: Lottery, task: str) -> None:
    runs = [
        lottery(*QUIET, *TOY_TASKS[task], f"trainer.block={block}", f"output_dir=of_{block}").run
        for block in (1, 50)
    ]
    assert result_tables(runs[0]) == result_tables(runs[1])


@pytest.mark.parametrize("task", TOY_TASKS)
def test_a_criterion_that_takes_second_derivatives(lottery: Lottery, task: str) -> None:
    at_init = ("criterion=grasp", "criterion.num_batches=1", "criterion.batch_size=10")
    done = lottery(*QUIET, *TOY_TASKS[task], *at_init, "pruning.at=init", "iterations=2")
    assert done.code == 0, done.err


@pytest.mark.usefixtures("folder")
def test_a_decoder_learns_a_text(lottery: Lottery) -> None:
    Path("data").mkdir()
    Path("data/text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 60)
    text = ("dataset=text", "dataset.root=data", "dataset.length=8", "dataset.batch_size=20")
    learn = ("task=language_model", *DECODER, "optimizer.lr=0.03", "iterations=40", "rounds=0")
    results = load_run(lottery(*QUIET, *text, *learn).run).results
    assert results["test"][0] < 15 < 28  # perplexity; guessing has 28, the characters
    assert results["accuracy"][0] > 0.3


def test_metrics_of_the_users_are_further_columns(lottery: Lottery) -> None:
    auroc = "+task.metrics.auroc._target_=torchmetrics.classification.BinaryAUROC"
    plain = load_run(lottery(*QUIET, *TOY_TASKS["binary"]).run).results
    results = load_run(lottery(*QUIET, *TOY_TASKS["binary"], auroc).run).results
    assert list(results) == [*plain, "val_auroc", "auroc"]
    assert results[list(plain)].equals(plain)
    assert results["auroc"].between(0.5, 1).all()


@pytest.mark.parametrize("option", ["task.label_smoothing=0.1", "task.class_weights=balanced"])
def test_class_options_change_the_loss(lottery: Lottery, option: str) -> None:
    kinds = ("dataset._target_=tests.helpers.toy_tasks.ToyKinds", "dataset.batch_size=20")
    plain, other = (
        load_run(lottery(*QUIET, *kinds, "rounds=0", *more).run) for more in ([], [option])
    )
    assert other.results["val_loss"][0] > 1.05 * plain.results["val_loss"][0]


OWN_TASK = """
from dataclasses import dataclass
from typing import ClassVar

from lottery.record.score import Score
from lottery.tasks import Classification


@dataclass(frozen=True)
class Errors(Classification):
    score: ClassVar[Score] = Score("errors", higher_is_better=False, is_share=False)

    def score_of(self, sums, loss, examples):
        return examples - float(sums[0])
"""


def test_a_users_own_task(lottery: Lottery, write_module: Callable[[str, str], object]) -> None:
    write_module("own_task", OWN_TASK)
    # a loss of the user's goes with it: the task has no options that a loss must know
    loss = "model.loss={_target_:torch.nn.CrossEntropyLoss}"
    done = lottery(*QUIET, "task._target_=own_task.Errors", loss)
    assert done.code == 0, done.err
    run = load_run(done.run)
    assert (run.results["val"] == run.results["val"].round()).all()
    assert "errors" in run.history


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["task=regression"], "dataset: its targets are 10 classes"),
        (["task=multilabel"], "(examples, labels) expected; task=multilabel"),
        (["task=binary"], "dataset: it has 10 classes"),
        (["task=language_model"], "expected in both; task=language_model"),
        (
            [*TOY_TASKS["regression"][:2]],
            "no number of classes (num_classes); task=classification",
        ),
        (
            [*TOY_TASKS["regression"], "dataset.random_labels=0.5"],
            "dataset.random_labels=0.5: replaces classes; task=regression has none",
        ),
        (
            [*TOY_TASKS["regression"], "model.loss=cross_entropy"],
            "model.loss=cross_entropy: mse_loss, l1_loss, huber_loss, or a function",
        ),
        (
            [*TOY_TASKS["binary"], "task.outputs=2"],
            "model.loss=binary_cross_entropy: cross_entropy, or a function",
        ),
        (["task.label_smoothing=2"], "task.label_smoothing=2: a number >= 0 and below 1"),
        (["task.class_weights=[1]"], "it has 10 classes, and task.class_weights 1"),
        (
            ["task.label_smoothing=0.1", "model.loss=multi_margin_loss"],
            "model.loss=multi_margin_loss: cross_entropy",
        ),
        (
            ["task.label_smoothing=0.1", "model.loss={_target_:torch.nn.CrossEntropyLoss}"],
            "task.label_smoothing and task.class_weights: need model.loss=cross_entropy",
        ),
        (["+task.metrics.f1._target_=torchmetrics.MeanMetric"], "task.metrics.f1: the results"),
        (
            [
                *TOY_TASKS["binary"],
                "+task.metrics.a._target_=torchmetrics.classification.BinaryAccuracy",
                "+task.metrics.val_a._target_=torchmetrics.classification.BinaryAccuracy",
            ],
            "task.metrics.val_a: the results have a column of this name",
        ),
        (
            ["+task.metrics.m._target_=torchmetrics.classification.BinaryAUROC"],
            "task.metrics.m: gives no number for two examples",
        ),
        (["+task.metrics.m=5"], "task.metrics={'m': 5}: names, each with the _target_"),
        (["task._target_=lottery.models.LeNet300100"], "task: LeNet300100"),
    ],
)
def test_what_does_not_fit_is_one_line(lottery: Lottery, overrides: list[str], line: str) -> None:
    done = lottery(*QUIET, *overrides)
    assert done.code == 2
    assert line in done.err
    assert len(done.err.splitlines()) == 1
