"""The ladders of the papers' networks: percent left after each round, and one shot to the same."""

from dataclasses import replace

import pytest
import torch

from lottery.config.pruning import ladder, set_up_pruning
from lottery.masks import Masks, count_ones, ones, prunable_weights
from lottery.pruning import IN_ALL, Keep, ScoredPruner
from lottery.pruning.scopes import split_like
from tests.helpers.experiments import PAPER, network_of, settings_of
from tests.helpers.toy_weights import toy_trained, toy_weights

# Percent of the weights left after rounds 0, 1, 2, ... 20.
LADDER = {
    "Lenet": [
        *(100, 80.04, 64.06, 51.28, 41.05, 32.87, 26.32, 21.07, 16.88, 13.52, 10.83),
        *(8.68, 6.95, 5.57, 4.47, 3.58, 2.87, 2.31, 1.85, 1.49, 1.19),
    ],
    "Conv-2": [
        *(100, 80.10, 64.16, 51.41, 41.20, 33.02, 26.47, 21.23, 17.03, 13.66, 10.97),
        *(8.81, 7.08, 5.69, 4.57, 3.68, 2.97, 2.39, 1.93, 1.56, 1.26),
    ],
    "Conv-4": [
        *(100, 81.08, 65.84, 53.55, 43.63, 35.61, 29.13, 23.88, 19.62, 16.16, 13.35),
        *(11.06, 9.18, 7.65, 6.40, 5.37, 4.51, 3.81, 3.23, 2.75, 2.34),
    ],
    "Conv-6": [
        *(100, 82.54, 68.20, 56.39, 46.68, 38.67, 32.07, 26.61, 22.11, 18.38, 15.29),
        *(12.74, 10.62, 8.86, 7.39, 6.18, 5.17, 4.32, 3.62, 3.03, 2.54),
    ],
    "Resnet-18": [
        *(100, 80.24, 64.43, 51.78, 41.66, 33.56, 27.09, 21.91, 17.76, 14.44, 11.79),
        *(9.67, 7.97, 6.61, 5.53, 4.66, 3.96, 3.41, 2.96, 2.61, 2.32),
    ],
    "VGG-19": [
        *(100, 80.01, 64.01, 51.21, 40.98, 32.79, 26.23, 20.99, 16.80, 13.44, 10.76),
        *(8.61, 6.90, 5.52, 4.42, 3.54, 2.84, 2.28, 1.83, 1.47, 1.18),
    ],
}


# What the percent are of: every Linear and Conv weight, biases and BatchNorm not counted. Of
# Resnet-18 and VGG-19 the layers that stay dense are in it (`remaining_all`); the other networks
# have none (`remaining` and `remaining_all` agree).
DENOMINATOR = {
    "Lenet": (266_200, 266_200),  # prunable, all
    "Conv-2": (4_300_992, 4_300_992),
    "Conv-4": (2_425_024, 2_425_024),
    "Conv-6": (2_261_184, 2_261_184),
    "Resnet-18": (267_696, 270_896),
    "VGG-19": (20_018_880, 20_024_000),
}


@pytest.mark.parametrize("network", LADDER)
def test_ladder_of_remaining_weights(network: str) -> None:
    settings = settings_of(f"experiment={PAPER[network]}")
    made = network_of(settings)
    weights = prunable_weights(made)
    setup = set_up_pruning(settings, made)
    sizes = {name: weights[name].numel() for name in setup.prunable}
    shapes = {name: tuple(weights[name].shape) for name in setup.prunable}
    prunable, everything = sum(sizes.values()), sum(w.numel() for w in weights.values())
    assert (prunable, everything) == DENOMINATOR[network]
    for number, percent in enumerate(LADDER[network]):
        left = ladder(setup, shapes, number) * prunable
        ours = 100 * (left + everything - prunable) / everything
        assert ours == pytest.approx(percent, abs=0.03), f"round {number}"
    assert len(LADDER[network]) == 21


@pytest.mark.parametrize("network", ["Lenet", "Conv-2", "Resnet-18"])
def test_one_shot_leaves_exactly_what_the_rounds_leave(network: str) -> None:
    experiment = f"experiment={PAPER[network]}"
    settings = settings_of(experiment)
    made = network_of(settings)
    layers = prunable_weights(made)
    setup = set_up_pruning(settings, made)
    shapes = {name: tuple(layers[name].shape) for name in setup.prunable}
    pruner = setup.pruner
    assert isinstance(pruner, ScoredPruner)
    weights = toy_weights(shapes)
    masks = ones(weights)
    for k in range(1, 21):
        left = pruner.expected(toy_trained(weights, masks))
        masks = _with(left, masks)
        assert replace(pruner, steps=k).expected(toy_trained(weights)) == left
    shot = set_up_pruning(settings_of(experiment, "pruning.one_shot=20"), made).pruner
    counts = count_ones(shot(toy_trained(weights)))
    assert ({IN_ALL: sum(counts.values())} if IN_ALL in left else counts) == left


def _with(left: Keep, masks: Masks) -> Masks:
    """Masks with so many ones, in each layer or in all, wherever."""
    if IN_ALL in left:
        joined = torch.cat([mask.flatten() for mask in masks.values()])
        return split_like(joined & (joined.cumsum(0) <= left[IN_ALL]), masks)
    return {
        name: mask & (mask.flatten().cumsum(0).reshape(mask.shape) <= left[name])
        for name, mask in masks.items()
    }
