"""Scores and further metrics of tasks: by hand, by scikit-learn and by torchmetrics."""

import math

import pytest
import torch
from sklearn import metrics
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_calibration_error

from lottery.data import Split, Splits
from lottery.measure.evaluate import evaluate, measure_further
from lottery.record.score import Score
from lottery.tasks import Binary, Classification, LanguageModel, Multilabel, Regression, Task
from lottery.tasks.classes import calibration_error


def _of(outputs: Tensor, targets: Tensor, task: Task, num_classes: int | None = None) -> Splits:
    """Return splits whose inputs are the outputs, for a network that is the identity."""
    split = Split(outputs, targets)
    return task.prepare(Splits(split, split, split, num_classes=num_classes))


def _measure(splits: Splits, task: Task, network: nn.Module | None = None) -> dict[str, float]:
    network, loss = network or nn.Identity(), next(iter(task.losses(splits).values()))
    found = evaluate(network, splits.test, loss=loss, task=task)
    further = measure_further(network, splits, task)
    assert {f"val_{name}" for name in further if not name.startswith("val_")} < further.keys()
    return {"score": found.score, "loss": found.loss, **further}


@pytest.mark.parametrize(
    ("task", "score"),
    [
        (Classification(), Score("accuracy")),
        (Binary(), Score("accuracy")),
        (Multilabel(), Score("macro-F1")),
        (Multilabel("micro"), Score("micro-F1")),
        (Regression(), Score("RMSE", higher_is_better=False, is_share=False)),
        (LanguageModel(), Score("perplexity", higher_is_better=False, is_share=False)),
    ],
)
def test_scores(task: Task, score: Score) -> None:
    assert task.score == score


def test_regression_of_one_number() -> None:
    """Errors 1, -1, 2, 0: squares 6 / 4; the targets' squares around their mean 5 are 20."""
    outputs, targets = torch.tensor([[3.0], [3.0], [8.0], [8.0]]), torch.tensor([2, 4, 6, 8])
    found = _measure(_of(outputs, targets, Regression()), Regression())
    assert found["score"] == pytest.approx(math.sqrt(1.5))
    assert found["loss"] == pytest.approx(1.5)
    assert found["mae"] == 1.0
    assert found["r2"] == pytest.approx(1 - 6 / 20)


def test_regression_is_scikit_learns() -> None:
    outputs = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    targets = outputs + torch.randn(50, 3, generator=torch.Generator().manual_seed(1)) + 100
    found = _measure(_of(outputs + 100, targets, Regression()), Regression())
    predicted = outputs.double() + 100
    assert found["score"] ** 2 == pytest.approx(
        metrics.mean_squared_error(targets.double(), predicted), rel=1e-5
    )
    assert found["r2"] == pytest.approx(metrics.r2_score(targets, predicted), rel=1e-5)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(targets, predicted), rel=1e-5)


def test_equal_targets_have_no_variance_to_explain() -> None:
    splits = _of(torch.tensor([[1.0], [3.0]]), torch.tensor([2.0, 2.0]), Regression())
    assert _measure(splits, Regression())["r2"] == 0


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_multilabel_is_scikit_learns(average: str) -> None:
    """Label 3 is predicted, but never there; label 4 is neither."""
    outputs = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    outputs[:, 4] = -1
    targets = (torch.randn(40, 5, generator=torch.Generator().manual_seed(1)) > 0).int()
    targets[:, 3:] = 0
    task = Multilabel(average)
    found = _measure(_of(outputs, targets, task), task)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        targets.numpy(), (outputs > 0).numpy(), average=average, zero_division=0
    )
    assert (found["score"], found["precision"], found["recall"]) == pytest.approx(
        (f1, precision, recall)
    )


def test_multilabel_by_hand() -> None:
    """Label 0: 1 of 2 found, 1 of 1 right, F1 2/3; label 1: 1 of 1 found, 1 of 2 right, 2/3."""
    outputs = torch.tensor([[1.0, 1.0], [-1.0, 1.0]])
    targets = torch.tensor([[1, 1], [1, 0]])
    found = _measure(_of(outputs, targets, Multilabel()), Multilabel())
    assert (found["score"], found["precision"], found["recall"]) == pytest.approx(
        (2 / 3, 0.75, 0.75)
    )


class Logits(nn.Module):
    """Gives logits of three tokens at two positions: the input token has probability 1/2."""

    def forward(self, inputs: Tensor) -> Tensor:
        chances = torch.full((*inputs.shape, 3), 0.25)
        return chances.scatter(2, inputs[..., None], 0.5).log()


def test_perplexity_by_hand() -> None:
    """Chances of the three right tokens that are inputs are 1/2, that of the other is 1/4."""
    tokens = torch.tensor([[0, 1], [2, 2]])
    split = Split(tokens, torch.tensor([[0, 1], [2, 0]]))
    splits = Splits(split, split, split, num_classes=3, num_tokens=3)
    found = _measure(splits, LanguageModel(), Logits())
    assert found["score"] == pytest.approx((2 * 2 * 2 * 4) ** (1 / 4))
    assert found["loss"] == pytest.approx(math.log(found["score"]))
    assert found["accuracy"] == 3 / 4


def test_calibration_by_hand() -> None:
    """Of 0.75: 1 of 2 right, a gap of 0.25; of 0.95: 2 of 2 right, a gap of 0.05."""
    probabilities = torch.tensor([0.75, 0.75, 0.95, 0.95])
    right = torch.tensor([True, False, True, True])
    assert calibration_error(probabilities, right) == pytest.approx((0.25 + 0.05) / 2)
    assert calibration_error(torch.tensor([0.0, 1.0]), torch.tensor([False, True])) == 0


def test_calibration_is_torchmetrics_and_the_five_best_classes_count() -> None:
    logits = 2 * torch.randn(300, 12, generator=torch.Generator().manual_seed(0))
    targets = torch.randint(12, (300,), generator=torch.Generator().manual_seed(1))
    task = Classification()
    found = _measure(_of(logits, targets, task, num_classes=12), task)
    expected = multiclass_calibration_error(logits, targets, 12, n_bins=15, norm="l1")
    assert found["ece"] == pytest.approx(float(expected), abs=1e-6)
    top5 = metrics.top_k_accuracy_score(targets, logits, k=5, labels=range(12))
    assert found["top5"] == pytest.approx(top5)


def test_ten_classes_have_no_best_five() -> None:
    logits, targets = torch.eye(10), torch.arange(10)
    assert "top5" not in _measure(_of(logits, targets, Classification(), 10), Classification())


def test_one_logit_is_calibrated_like_two() -> None:
    logit = torch.randn(100, 1, generator=torch.Generator().manual_seed(0))
    targets = torch.randint(2, (100,), generator=torch.Generator().manual_seed(1))
    one = _measure(_of(logit, targets, Binary(), 2), Binary())
    two = _measure(_of(torch.cat([-logit / 2, logit / 2], 1), targets, Binary(2), 2), Binary(2))
    assert one == pytest.approx(two, rel=1e-5)
