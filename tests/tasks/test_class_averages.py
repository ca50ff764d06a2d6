"""F1, precision and recall, against numbers by hand, scikit-learn and torchmetrics."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support
from torch.utils._python_dispatch import TorchDispatchMode
from torchmetrics.functional.classification import (
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from lottery.tasks.class_averages import class_averages

CLASSES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


@settings(deadline=None)
@given(CLASSES)
def test_class_averages_are_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    """Also where a class is never predicted, or is not there at all."""
    predictions, targets = torch.tensor(pairs).unbind(1)
    precision, recall, f1, _ = precision_recall_fscore_support(
        targets.numpy(), predictions.numpy(), average="macro", zero_division=0
    )
    assert class_averages(predictions, targets, 4) == pytest.approx(
        {"f1": f1, "precision": precision, "recall": recall}, abs=1e-6
    )


def test_class_averages_weigh_classes_alike() -> None:
    """Class 0: 8 of 8 found, 8 of 9 right; class 1: 1 of 2 found, 1 of 1 right; class 2: 1, 1."""
    targets = torch.tensor([0] * 8 + [1, 1, 2])
    predictions = torch.tensor([0] * 8 + [0, 1, 2])
    averages = class_averages(predictions, targets, 3)
    assert averages["recall"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert averages["precision"] == pytest.approx((8 / 9 + 1 + 1) / 3)
    assert averages["f1"] == pytest.approx((16 / 17 + 2 / 3 + 1) / 3)


def test_of_two_classes_the_averages_are_those_of_class_1() -> None:
    targets = torch.tensor([1, 1, 1, 0, 0, 0])
    predictions = torch.tensor([1, 1, 0, 1, 0, 0])  # of 3 found 2 are right
    averages = class_averages(predictions, targets, 2)
    assert averages == pytest.approx({"f1": 2 / 3, "precision": 2 / 3, "recall": 2 / 3})
    averages = class_averages(torch.tensor([1, 1, 1, 1, 0, 0]), targets, 2)
    assert averages == pytest.approx({"f1": 6 / 7, "precision": 3 / 4, "recall": 1.0})


@settings(deadline=None)
@given(CLASSES)
def test_class_averages_are_torchmetrics_to_the_bit(pairs: list[tuple[int, int]]) -> None:
    """Results of runs made before we counted ourselves stay as they are."""
    predictions, targets = torch.tensor(pairs).unbind(1)
    scores = {
        "f1": multiclass_f1_score,
        "precision": multiclass_precision,
        "recall": multiclass_recall,
    }
    assert class_averages(predictions, targets, 4) == {
        name: float(score(predictions, targets, 4, average="macro"))
        for name, score in scores.items()
    }


class LargestResult(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.elements = max(self.elements, result.numel())
        return result


def test_no_table_is_larger_than_the_examples() -> None:
    """Not even in deterministic mode, where torchmetrics makes 10,000 x 100^2 numbers."""
    predictions, targets = torch.arange(10_000) % 100, torch.arange(10_000) % 99
    torch.use_deterministic_algorithms(True)
    try:
        with LargestResult() as largest:
            class_averages(predictions, targets, 100)
    finally:
        torch.use_deterministic_algorithms(False)
    assert largest.elements == 10_000
