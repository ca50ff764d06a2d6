"""Losses of tasks, and what a task asks of the data."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lottery.data import DataError, Split, Splits
from lottery.measure.evaluate import all_batches
from lottery.tasks import Binary, Classification, LanguageModel, Multilabel, Regression, Task

CLASSES = Split(torch.ones(4, 2), torch.tensor([0, 0, 0, 1]))
TWO = Splits(CLASSES, CLASSES, CLASSES, num_classes=2)
TOKENS = Split(torch.tensor([[0, 1], [1, 2]]), torch.tensor([[1, 1], [2, 0]]))
WORDS = Splits(TOKENS, TOKENS, TOKENS, num_classes=3, num_tokens=3)


def _with(targets: Any, splits: Splits = TWO, num_classes: int | None = None) -> Splits:
    targets = torch.as_tensor(targets)
    split = replace(splits.train, inputs=splits.train.inputs[: len(targets)], targets=targets)
    return replace(splits, train=split, val=split, test=split, num_classes=num_classes)


def test_a_weighted_loss_of_two_halves_is_the_mean_of_theirs() -> None:
    """torch's own divides by each half's sum of weights, so that its halves do not add up."""
    logits = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    targets = CLASSES.targets
    loss = Classification(class_weights=[1, 3]).losses(TWO)["cross_entropy"]
    halves = [loss(logits[rows], targets[rows]) for rows in (slice(2), slice(2, 4))]
    assert float(loss(logits, targets)) == pytest.approx(float(sum(halves)) / 2)
    by_example = cross_entropy(logits, targets, reduction="none") * torch.tensor([1, 1, 1, 3.0])
    assert float(loss(logits, targets)) == pytest.approx(float(by_example.mean()))


def test_balanced_weights_are_of_the_training_split() -> None:
    """Of four examples three are of class 0: 4 / (2 * 3) and 4 / (2 * 1), a mean of 1."""
    loss: Any = Classification(class_weights="balanced").losses(TWO)["cross_entropy"]
    assert loss.weights.tolist() == pytest.approx([2 / 3, 2])
    assert float(loss.weights[CLASSES.targets].mean()) == pytest.approx(1)


def test_label_smoothing_is_torchs_and_none_is_the_plain_function() -> None:
    logits, targets = torch.eye(4), torch.arange(4)
    smooth = Classification(label_smoothing=0.2).losses(TWO)["cross_entropy"]
    assert smooth(logits, targets) == cross_entropy(logits, targets, label_smoothing=0.2)
    assert Classification().losses(TWO)["cross_entropy"] is cross_entropy


@pytest.mark.parametrize("task", [Regression(), Multilabel()])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_outputs_of_any_type_have_a_loss_and_a_gradient(task: Task, dtype: torch.dtype) -> None:
    targets = torch.tensor([[0.0], [1.0]])
    for loss in task.losses(TWO).values():
        outputs = torch.tensor([[0.25], [0.5]], dtype=dtype, requires_grad=True)
        loss(outputs, targets).backward()  # type: ignore[no-untyped-call]
        assert outputs.grad is not None
        assert outputs.grad.dtype == dtype


@pytest.mark.parametrize(
    ("targets", "prepared"),
    [([1, 2, 3, 4], [[1.0], [2.0], [3.0], [4.0]]), ([[0.5, 1]] * 4, [[0.5, 1.0]] * 4)],
)
def test_numbers_become_rows(targets: Any, prepared: list[list[float]]) -> None:
    splits = Regression().prepare(_with(targets))
    assert splits.val.targets.tolist() == prepared
    assert Regression().output_shape(splits) == (len(prepared[0]),)


def test_labels_become_floats_and_stay_wide_in_narrow_networks() -> None:
    splits = Multilabel().prepare(_with([[True, False]] * 4))
    assert splits.train.targets.tolist() == [[1.0, 0.0]] * 4
    assert splits.to("cpu", torch.bfloat16).train.targets.dtype == torch.float32
    assert splits.to("cpu", torch.float64).train.targets.dtype == torch.float64


REFUSED: list[tuple[Task, Splits, str]] = [
    (Classification(), _with([0, 1, 0, 1]), "no number of classes"),
    (
        Classification(),
        _with([0.0, 1.0], num_classes=2),
        "the train split's targets are torch.float32: class numbers in torch.long expected",
    ),
    (Classification(), _with([[0, 1]], num_classes=2), "2 targets for each example: one expected"),
    (Classification(), _with([0, 2], num_classes=2), "outside 0 to 1"),
    (Classification(class_weights=[1, 2, 3]), TWO, "2 classes, and task.class_weights 3"),
    (Binary(), _with([0, 2], num_classes=3), "3 classes"),
    (Regression(), TWO, r"its targets are 2 classes \(num_classes\), numbers expected"),
    (Regression(), _with([0.0, float("nan")]), "not finite"),
    (Regression(), _with(torch.zeros(2, 2, 2)), r"\(examples, outputs\) expected"),
    (Multilabel(), _with([0, 1]), r"\(examples, labels\) expected"),
    (Multilabel(), _with([[0, 2]]), "a target other than 0 and 1"),
    (LanguageModel(), TWO, r"tokens \(examples, positions\) expected in both"),
    (LanguageModel(), _with([0, 1], WORDS, 3), r"tokens \(examples, positions\) expected in both"),
    (LanguageModel(), _with([[0, 3], [1, 1]], WORDS, 3), "outside 0 to 2"),
    (LanguageModel(), replace(WORDS, num_classes=None), "no number of tokens"),
]


@pytest.mark.parametrize(("task", "splits", "line"), REFUSED)
def test_data_of_another_task_are_refused(task: Task, splits: Splits, line: str) -> None:
    with pytest.raises(DataError, match=line):
        task.prepare(splits)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (partial(Classification, label_smoothing=1), "label_smoothing=1: a number >= 0"),
        (partial(Classification, label_smoothing=True), "label_smoothing=True: a number"),
        (partial(Classification, class_weights=[1, 0]), r"class_weights=\[1, 0\]: a list"),
        (partial(Classification, class_weights="equal"), "class_weights=equal: a list"),
        (partial(Binary, outputs=3), "outputs=3: 1 or 2"),
        (partial(Multilabel, average="mean"), "average=mean: one of macro, micro"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], Task], line: str) -> None:
    with pytest.raises(ValueError, match=f"^{line}"):
        make()


def test_a_class_without_examples_has_no_balanced_weight() -> None:
    with pytest.raises(ValueError, match="no training example is of class 2"):
        Classification(class_weights="balanced").losses(replace(TWO, num_classes=3))


def test_a_text_is_evaluated_a_thousand_tokens_at_a_time() -> None:
    sizes = []

    class Zeros(torch.nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            sizes.append(len(inputs))
            return torch.zeros(*inputs.shape, 3)

    tokens = torch.zeros(25, 100, dtype=torch.long)
    assert sum(len(targets) for _, _, targets in all_batches(Zeros(), Split(tokens, tokens))) == 25
    assert sizes == [10, 10, 5]
