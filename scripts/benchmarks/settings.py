"""What is timed: the papers' networks over made-up data of the real size."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir

from lottery.config import prepare
from lottery.config.experiment import Experiment
from lottery.config.hydra_setup import conf_dir, register_resolvers
from lottery.config.run_key import plain
from lottery.data import Split, Splits

SIZES = {
    "mnist": (55_000, 5_000, 10_000, (1, 28, 28)),
    "cifar10": (45_000, 5_000, 10_000, (3, 32, 32)),
    "quick": (600, 200, 200, (1, 28, 28)),
}


@dataclass(frozen=True)
class Setting:
    """A training to time.

    Args:
        overrides: of the configuration.
        data: whose number and shape of images the made-up ones have; "" for the config's own data.
        steps: of a round.
        every: steps between evaluations.
    """

    overrides: tuple[str, ...]
    data: str
    steps: int
    every: int


SGD = ("optimizer=sgd", "optimizer.lr=0.01")
SETTINGS = {
    "LeNet-300-100, MNIST, batch 60": Setting(("model=lenet_300_100",), "mnist", 2000, 100),
    "Conv-2, CIFAR-10, batch 60": Setting(("model=conv_2",), "cifar10", 100, 50),
}
KERNELS = "trainer.graph=false"  # by which `auto` is compared with steps made kernel by kernel
RESNET_20 = ("model=resnet_20", *SGD, "dataset.batch_size=128")
GPU_SETTINGS = {
    "LeNet-300-100, MNIST, batch 60": Setting(("model=lenet_300_100",), "mnist", 5000, 100),
    "LeNet-300-100, no graph": Setting(("model=lenet_300_100", KERNELS), "mnist", 5000, 100),
    "Conv-6, CIFAR-10, batch 60": Setting(("model=conv_6",), "cifar10", 2000, 100),
    "ResNet-20, CIFAR-10, batch 128": Setting(RESNET_20, "cifar10", 1000, 500),
    "ResNet-20, no graph": Setting((*RESNET_20, KERNELS), "cifar10", 1000, 500),
}
QUICK_SETTINGS = {
    "LeNet-300-100, MNIST, batch 60": Setting(("model=lenet_300_100",), "quick", 40, 20),
}


@dataclass(frozen=True)
class MadeUp:
    """Images that can be learned: noise around a mean for each of ten classes."""

    like: str

    def load(self) -> Splits:
        """The three splits."""
        *sizes, shape = SIZES[self.like]
        generator = torch.Generator().manual_seed(0)
        means = torch.rand(10, *shape, generator=generator)

        def split(size: int) -> Split:
            targets = torch.randint(10, (size,), generator=generator)
            noise = torch.rand(size, *shape, generator=generator)
            return Split(means[targets] + 2 * noise, targets)

        return Splits(*(split(size) for size in sizes), num_classes=10)


def data_of(setting: Setting) -> list[str]:
    """The overrides that choose the data."""
    if not setting.data:
        return []
    return ["dataset._target_=benchmarks.settings.MadeUp", f"+dataset.like={setting.data}"]


@contextmanager
def experiment(setting: Setting, *overrides: str) -> Iterator[Experiment]:
    """A run of a setting, ready to start, in a folder that is removed afterwards."""
    register_resolvers()
    own = (
        *data_of(setting),
        f"iterations={setting.steps}",
        f"evaluation.every={setting.every}",
    )
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = plain(compose("config", [*own, *setting.overrides, *overrides]))
    with tempfile.TemporaryDirectory() as folder:
        yield prepare(config, Path(folder) / "run" / "seed_0")
