"""Accuracies that papers give for dense networks, and whether ours come near them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lottery.report.settings import Setting
from lottery.report.unusual_settings import KEYS

FAR_UNDER = 1.0  # points


@dataclass(frozen=True)
class Published:
    """A dense network in a paper."""

    dataset: str  # dataset.name
    model: str  # model._target_
    learning_rate: float
    accuracy: float  # %, on test
    protocol: str


SOURCE = "Frankle et al. 2019, arXiv:1903.01611"
LENET, RESNET, VGG = (f"lottery.models.{name}" for name in ("LeNet300100", "ResNet20", "VGG19"))
DENSE = (
    Published("mnist", LENET, 0.0012, 98.0, "50,000 steps of 60, Adam"),
    Published("cifar10", RESNET, 0.1, 90.5, "30,000 steps of 128, SGD, lr 0.1"),
    Published("cifar10", RESNET, 0.03, 89.6, "30,000 steps of 128, SGD, lr 0.03 with warm-up"),
    Published("cifar10", RESNET, 0.01, 89.1, "30,000 steps of 128, SGD, lr 0.01"),
    Published("cifar10", VGG, 0.1, 91.5, "112,000 steps of 64, SGD, lr 0.1"),
    Published("cifar10", VGG, 0.01, 92.0, "112,000 steps of 64, SGD, lr 0.01"),
)
# With these the data are not the paper's.
OTHER_DATA = tuple(key for key in KEYS if key.startswith("dataset."))


def published_of(config: Mapping[str, Any]) -> Published | None:
    """The paper's network for a canonical config; of several the one with its learning rate.

    Where none has it, the least accurate one: nobody is asked for more than a paper reached.
    """
    if any(config.get(key) for key in OTHER_DATA):
        return None
    network = config.get("dataset.name"), config.get("model._target_")
    known = [paper for paper in DENSE if (paper.dataset, paper.model) == network]
    lr = config.get("optimizer.lr")
    same = [paper for paper in known if paper.learning_rate == lr]
    return min(same or known, key=lambda paper: paper.accuracy, default=None)


def far_under_paper(settings: Sequence[Setting]) -> list[str]:
    """A sentence for each dense network that is more than a point under its paper's."""
    found: dict[tuple[Published, float], str] = {}
    for setting in settings:
        paper, dense = published_of(setting.config), setting.means("test").get(0)
        if paper is None or dense is None or 100 * dense >= paper.accuracy - FAR_UNDER:
            continue
        network = f"{setting.chosen('model')} on {setting.chosen('dataset')}"
        found[paper, dense] = (
            f"The dense network ({network}) has {100 * dense:.2f} % test accuracy, "
            f"{paper.accuracy - 100 * dense:.2f} points under the {paper.accuracy:.1f} % of "
            f"{SOURCE} ({paper.protocol}). Tickets that match it match a network that could be "
            "better: check data, iterations and learning rate."
        )
    return list(found.values())
