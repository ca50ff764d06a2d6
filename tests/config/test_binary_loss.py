"""Two classes by one logit: `model.loss=binary_cross_entropy`."""

import pytest
import torch

from lottery.api import load_run
from lottery.measure.evaluate import evaluate, measure_further
from lottery.tasks import Binary
from lottery.tasks.binary import binary_cross_entropy
from lottery.tasks.classes import predict
from tests.conftest import TINY, Lottery, WriteModule
from tests.helpers.toy_images import ToyImages, toy_images

TWO = toy_images(channels=1, size=8, classes=2)
BINARY = ("model.loss=binary_cross_entropy", "optimizer.lr=0.01")


def test_one_logit_above_zero_is_class_one() -> None:
    assert predict(torch.tensor([[0.0], [1e-9], [-3.0]])).tolist() == [0, 1, 0]
    assert predict(torch.tensor([[1.0, 0.0], [0.0, 1.0]])).tolist() == [0, 1]
    assert predict(torch.tensor([[1.0, 0.0]])).dtype == torch.long
    assert predict(torch.tensor([[1.0]])).dtype == torch.long


def test_one_logit_costs_what_two_of_the_same_difference_cost() -> None:
    logit = torch.tensor([[2.0], [-1.0], [0.5]])
    targets = torch.tensor([1, 1, 0])
    two = torch.cat([torch.zeros_like(logit), logit], 1)
    torch.testing.assert_close(
        binary_cross_entropy(logit, targets), torch.nn.functional.cross_entropy(two, targets)
    )


def test_evaluation_counts_what_one_logit_gets_right() -> None:
    class Brightness(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs.flatten(1).mean(1, keepdim=True) - 0.3

    splits = ToyImages(channels=1, size=8, classes=2).load()
    result = evaluate(Brightness(), splits.val, loss=binary_cross_entropy, task=Binary(1))
    assert result.score == 1
    further = measure_further(Brightness(), splits, Binary(1))
    assert further["val_f1"] == further["recall"] == 1


def test_a_run_trains_one_output(lottery: Lottery) -> None:
    done = lottery(*TINY, *TWO, *BINARY, "iterations=100")
    assert done.code == 0, done.err
    run = load_run(done.run)
    weights = run.weights(1)
    assert weights["output.weight"].shape == (1, 100)
    assert weights["output.bias"].shape == (1,)
    assert (run.results[["val", "test", "f1", "recall"]] == 1).all(axis=None)
    history = run.history
    train = history[(history["split"] == "train") & (history["round"] == 1)]
    assert train["accuracy"].iloc[-1] > 0.9
    network = run.model(1)
    assert network(torch.zeros(3, 1, 8, 8)).shape == (3, 1)


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            ["dataset=digits", *BINARY],
            "it has 10 classes; model.loss=binary_cross_entropy is for two",
        ),
        (
            [*TWO, *BINARY, "model._target_=two.Outputs", "model.rates=[]"],
            "gives (2,) outputs for an example; the task needs (1,)",
        ),
    ],
    ids=["ten classes", "two outputs"],
)
def test_what_does_not_fit_is_one_line(
    lottery: Lottery, write_module: WriteModule, overrides: list[str], line: str
) -> None:
    source = """
    from torch import nn

    def Outputs():
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    """
    write_module("two", "\n".join(row[4:] for row in source.splitlines()))
    done = lottery(*TINY, *overrides)
    assert done.code == 2
    assert line in done.err
    assert len(done.err.splitlines()) == 1
