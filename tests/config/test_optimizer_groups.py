"""`optimizer.decay_norms`: which parameters weight decay shrinks."""

from typing import Any

import pytest
import torch
from torch import nn

from lottery.config.fit import build_optimizer_maker
from lottery.config.groups import Optimizer, read_group
from lottery.training.optimization import MakeOptimizer
from tests.conftest import TINY, Lottery
from tests.helpers.toy_images import toy_images


class Network(nn.Module):
    """Every kind of parameter, all at 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.batch_norm = nn.BatchNorm2d(2)
        self.layer_norm = nn.LayerNorm(2)
        self.embedding = nn.Embedding(4, 2)
        self.output = nn.Linear(2, 2)
        for parameter in self.parameters():
            nn.init.ones_(parameter)


def make_optimizer(node: dict[str, Any]) -> MakeOptimizer:
    """What the group `optimizer` gives; `clip_norm` stands in every YAML."""
    group = read_group(Optimizer, {"clip_norm": None, **node}, "optimizer")
    return build_optimizer_maker(group, torch.device("cpu"))


WEIGHTS = {"conv.weight", "embedding.weight", "output.weight"}


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("name", ["SGD", "AdamW"])
@pytest.mark.parametrize("decay_norms", [True, False])
def test_weight_decay_leaves_out_biases_and_norms(
    name: str, decay_norms: bool, fused: bool
) -> None:
    network = Network()
    node: dict[str, Any] = {"_target_": f"torch.optim.{name}", "lr": 0.5, "weight_decay": 0.5}
    make = make_optimizer(node | {"decay_norms": decay_norms, "fused": fused})
    optimizer = make(network.parameters())
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    shrunk = {name for name, p in network.named_parameters() if bool((p < 1).all())}
    assert shrunk == (set(dict(network.named_parameters())) if decay_norms else WEIGHTS)


@pytest.mark.parametrize(
    "parameters", [[nn.Parameter(torch.ones(2))], [nn.Parameter(torch.ones(2, 2))]]
)
def test_a_network_may_have_one_kind_only(parameters: list[nn.Parameter]) -> None:
    node = {"_target_": "torch.optim.AdamW", "lr": 0.1, "decay_norms": False}
    (group,) = make_optimizer(node)(parameters).param_groups
    assert group["params"] == parameters


def test_settings_of_older_runs_do_not_name_it() -> None:
    (group,) = make_optimizer({"_target_": "torch.optim.SGD", "lr": 0.1})(
        Network().parameters()
    ).param_groups
    assert len(group["params"]) == 9


def test_a_run_carries_its_groups_through_rounds(lottery: Lottery) -> None:
    """The optimizer's state is stored and restored by name, in whatever order the groups are."""
    run = lottery(
        *TINY,
        *toy_images(size=8),
        "model=resnet_20",
        "optimizer=adamw",
        "optimizer.decay_norms=false",
        "reinit=none",
        "logger=none",
        "iterations=4",
    )
    assert run.code == 0, run.err
