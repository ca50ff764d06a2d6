"""Published accuracies of dense networks, and a check of ours against them."""

from collections.abc import Mapping, Sequence
from typing import Any

from lottery.report.read.labels import UNUSUAL
from lottery.report.read.settings import Setting

FAR_BELOW = 1.0  # points
SOURCE = "Frankle et al. 2019, arXiv:1903.01611"
# (dataset.name, model class) -> optimizer.lr -> test accuracy in percent, protocol
DENSE = {
    ("mnist", "LeNet300100"): {
        0.0012: (98.0, "50,000 steps of 60, Adam"),
    },
    ("cifar10", "ResNet20"): {
        0.1: (90.5, "30,000 steps of 128, SGD, lr 0.1"),
        0.03: (89.6, "30,000 steps of 128, SGD, lr 0.03 with warm-up"),
        0.01: (89.1, "30,000 steps of 128, SGD, lr 0.01"),
    },
    ("cifar10", "VGG19"): {
        0.1: (91.5, "112,000 steps of 64, SGD, lr 0.1"),
        0.01: (92.0, "112,000 steps of 64, SGD, lr 0.01"),
    },
}


def published_dense(config: Mapping[str, Any]) -> tuple[float, str] | None:
    """Return accuracy and protocol of a config's dense network in its paper; None if it has none.

    For a learning rate that the paper does not have, return the paper's least accurate network.
    """
    if any(config.get(key) for key in UNUSUAL if key.startswith("dataset.")):
        return None
    model = str(config.get("model._target_")).removeprefix("lottery.models.")
    by_rate = DENSE.get((str(config.get("dataset.name")), model))
    if by_rate is None:
        return None
    return by_rate.get(config.get("optimizer.lr", 0.0), min(by_rate.values()))


def far_below_paper(settings: Sequence[Setting]) -> list[str]:
    """Return a sentence for each dense network that is far below its paper's."""
    found: dict[tuple[str, float], str] = {}
    for setting in settings:
        paper, dense = published_dense(setting.config), setting.means("test").get(0)
        if paper is None or dense is None or 100 * dense >= paper[0] - FAR_BELOW:
            continue
        accuracy, protocol = paper
        found[protocol, dense] = (
            f"The dense network ({setting.network}) has {100 * dense:.2f} % test accuracy, "
            f"{accuracy - 100 * dense:.2f} points below the {accuracy:.1f} % of {SOURCE} "
            f"({protocol}). A ticket that matches it matches a network that could be better. "
            "Check the data, the iterations and the learning rate."
        )
    return list(found.values())
