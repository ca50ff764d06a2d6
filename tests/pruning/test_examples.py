"""Which examples SNIP and GraSP score on, and how BatchNorm works meanwhile."""

import re

import pytest
import torch
from torch import nn

from lottery.api import load_run
from lottery.data import Split
from lottery.pruning import Criterion, GradientMagnitude, Grasp, Snip
from lottery.pruning.examples import count_examples, draw_batches
from tests.conftest import TINY, Lottery
from tests.helpers.probes import make, trained_network
from tests.helpers.toy_runs import ToyResNet, toy_splits

TRAIN = toy_splits().train  # 44 examples of three classes in turn
EXAMPLES = Split(TRAIN.inputs.double(), TRAIN.targets)


def _network() -> nn.Module:
    network = make(ToyResNet)
    for number, layer in enumerate(m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        layer.running_mean.fill_(0.1 + number)
        layer.running_var.fill_(2.0)
    return network


def _gradients(network: nn.Module, *, training: bool) -> dict[str, torch.Tensor]:
    network.train(training)
    nn.functional.cross_entropy(network(EXAMPLES.inputs), EXAMPLES.targets).backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_gradients_are_those_of_the_mode(mode: str) -> None:
    expected = _gradients(_network(), training=mode == "train")
    trained = trained_network(_network(), EXAMPLES)
    scores = GradientMagnitude(1, 44, mode=mode)(trained)
    other = GradientMagnitude(1, 44, mode="eval" if mode == "train" else "train")(trained)
    for name, score in scores.items():
        torch.testing.assert_close(score, expected[name].abs())
    assert not torch.allclose(scores["conv1.weight"], other["conv1.weight"], rtol=0.01)


@pytest.mark.parametrize("criterion", [Snip(1, 44, mode="eval"), Grasp(1, 44, 1, mode="eval")])
def test_scores_in_evaluation_mode_leave_the_averages_alone(criterion: Criterion) -> None:
    trained = trained_network(_network(), EXAMPLES)
    before = {name: buffer.clone() for name, buffer in trained.state.buffers.items()}
    first = criterion(trained)
    assert all(torch.equal(trained.state.buffers[name], before[name]) for name in before)
    again = criterion(trained_network(_network(), EXAMPLES))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_classes_take_turns() -> None:
    trained = trained_network(_network(), EXAMPLES)
    probe = trained.probe(torch.float64)
    per_class = Snip(2, 12, sampling="per_class", num_classes=3)
    batches = draw_batches(per_class, probe, trained)
    assert [torch.bincount(targets).tolist() for _, targets in batches] == [[4, 4, 4], [4, 4, 4]]
    rows = torch.cat([inputs for inputs, _ in batches]).flatten(1)
    assert len(rows.unique(dim=0)) == 24  # different examples
    any_ = draw_batches(Snip(2, 12), probe, trained_network(_network(), EXAMPLES))
    assert [torch.bincount(targets).tolist() for _, targets in any_] != [[4, 4, 4], [4, 4, 4]]


def test_a_small_class_gives_all_it_has() -> None:
    targets = torch.tensor([0] * 10 + [1] * 2)
    few = Split(torch.zeros(12, 3, 6, 6, dtype=torch.float64), targets)
    trained = trained_network(_network(), few)
    ((_, drawn),) = draw_batches(
        Snip(1, 8, sampling="per_class", num_classes=2), trained.probe(torch.float64), trained
    )
    assert torch.bincount(drawn).tolist() == [6, 2]


def test_auto_is_ten_of_each_class() -> None:
    criterion = Grasp(2, "auto", 200, sampling="per_class", num_classes=100)
    assert count_examples(criterion) == criterion.num_examples == 2000


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"batch_size": "auto"}, "batch_size=auto: needs a target that is one class"),
        ({"batch_size": 8, "sampling": "per_class"}, "sampling=per_class: needs a target"),
        ({"batch_size": 8.0}, "batch_size=8.0: a whole number"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], line: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(line)}"):
        Snip(1, **arguments)  # type: ignore[arg-type]


def test_draws_are_replicates_by_the_pruning_seed(lottery: Lottery) -> None:
    snip = (*TINY, "criterion=snip", "pruning.at=init", "criterion.batch_size=auto")
    snip = (*snip, "criterion.sampling=per_class", "criterion.mode=eval")
    one, other = (load_run(lottery(*snip, f"seeds.pruning={seed}").run) for seed in (0, 1))
    assert one.results.iloc[0].equals(other.results.iloc[0])
    assert not torch.equal(one.masks(1)["fc1.weight"], other.masks(1)["fc1.weight"])
    assert torch.equal(
        one.weights(0, "start")["fc1.weight"], other.weights(0, "start")["fc1.weight"]
    )
