"""`model.init` and `model.init_norms`: initial weights by name, for W_0 and for random reinit."""

from math import sqrt

import pytest
import torch
from torch import nn

from lottery.api import load_run
from lottery.models import ResNet20
from lottery.models.init import draw_norms_, draw_weights_
from tests.conftest import TINY, Lottery


@pytest.mark.parametrize(
    ("name", "std", "largest"),
    [  # 400 inputs, 100 outputs
        ("kaiming_normal", sqrt(2 / 400), None),
        ("kaiming_uniform", sqrt(2 / 400), sqrt(6 / 400)),
        ("xavier_normal", sqrt(2 / 500), None),
        ("xavier_uniform", sqrt(2 / 500), sqrt(6 / 500)),
    ],
)
def test_weights_have_the_spread_of_their_name(
    name: str, std: float, largest: float | None
) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(400, 100)
    bias = layer.bias.detach().clone()
    draw_weights_([layer.weight], name)
    assert layer.weight.std().item() == pytest.approx(std, rel=0.01)
    assert torch.equal(layer.bias, bias)
    if largest is not None:
        assert layer.weight.abs().max().item() == pytest.approx(largest, rel=0.01)


def test_scales_of_batch_norm() -> None:
    network = ResNet20((3, 32, 32), 10)
    before = network.output.weight.detach().clone()
    draw_norms_(network, "uniform")
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    scales = torch.cat([norm.weight for norm in norms])
    assert 0 <= scales.min() < 0.05
    assert 0.95 < scales.max() <= 1
    assert scales.mean().item() == pytest.approx(0.5, abs=0.05)
    draw_norms_(network, "ones")
    assert all((norm.weight == 1).all() for norm in norms)
    assert torch.equal(network.output.weight, before)


def test_frozen_weights_and_layers_without_scales_stay() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False))
    network[0].requires_grad_(False)
    before = network[0].weight.clone()
    draw_weights_([network[0].weight], "kaiming_normal")
    draw_norms_(network, "uniform")
    assert torch.equal(network[0].weight, before)


def test_a_run_and_its_random_reinit_start_so(lottery: Lottery) -> None:
    run = load_run(lottery(*TINY, "model.init=kaiming_uniform", "reinit=random").run)
    ours = load_run(lottery(*TINY).run)
    initial, drawn = run.weights(0, "start"), run.weights(1, "start")
    kept = run.masks(1)["fc1.weight"]  # of other weights than the drawn ones
    for values in (initial["fc1.weight"], drawn["fc1.weight"][kept]):
        assert values.std().item() == pytest.approx(sqrt(2 / 64), rel=0.02)
        assert values.abs().max().item() <= sqrt(6 / 64)
    assert not torch.equal(initial["fc1.weight"][kept], drawn["fc1.weight"][kept])
    assert not torch.equal(initial["fc1.weight"], ours.weights(0, "start")["fc1.weight"])
