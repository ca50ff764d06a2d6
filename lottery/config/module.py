"""`module` and `datamodule`: a user's LightningModule and data, checked before the run."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor
from torch.nn.parameter import is_lazy

from lottery.config.check_network import check_layers
from lottery.config.device import dtype_of
from lottery.config.groups import Metrics
from lottery.config.instantiate import make
from lottery.config.module_settings import score_of_metrics
from lottery.config.rules import first_line
from lottery.config.settings import Settings
from lottery.config.targets import Node
from lottery.errors import ConfigError
from lottery.generators import drawn
from lottery.masks import Masks
from lottery.measure.flops import make_counter, make_parameter_counter
from lottery.record.score import Score
from lottery.seeds import derive_seed
from lottery.training import Device
from lottery.training.native import MetricNames, Seen, look
from lottery.training.native.metrics import MissingMetric
from lottery.training.native.trainer import is_refusal


@dataclass(frozen=True)
class ModuleMaker:
    """Makes a user's LightningModule with random weights: `maker()`."""

    node: Node
    dtype: torch.dtype

    @property
    def target(self) -> str:
        """Its class, for messages."""
        return f"module._target_={self.node.get('_target_')}"

    def __call__(self) -> pl.LightningModule:
        """Make the module and check that masks can hold its weights."""
        module = make(self.node, "module")
        if not isinstance(module, pl.LightningModule):
            raise ConfigError(f"{self.target}: not a LightningModule; a plain network is model=")
        weights: Iterable[tuple[str, Any]] = module.named_parameters()
        lazy = [name for name, weight in weights if is_lazy(weight)]
        if lazy or is_overridden("configure_model", module):
            what = f"{lazy[0]} is lazy" if lazy else "it makes weights in configure_model"
            raise ConfigError(
                f"{self.target}: {what}: masks need weights that the constructor has made"
            )
        check_layers(module, self.target)
        return module.to(self.dtype)


@dataclass(frozen=True)
class ModuleSetup:
    """A user's module and data as a run needs them."""

    make: Callable[[], pl.LightningModule]  # draws the initial weights from the global generators
    make_initial: Callable[[], pl.LightningModule]  # the same one each time
    make_data: Callable[[], pl.LightningDataModule | None]
    network: pl.LightningModule  # for names and shapes
    names: MetricNames
    score: Score
    seen: Seen

    def counter(self) -> Callable[[Masks], dict[str, Any]]:
        """Return a function that counts parameters, and operations where it can."""
        example = self.network.example_input_array
        if not isinstance(example, Tensor):
            return make_parameter_counter(self.network)
        try:
            shape, dtype = tuple(example.shape[1:]), example.dtype
            whole = None if dtype.is_floating_point else dtype
            return make_counter(self.network, shape, input_dtype=whole)
        except (RuntimeError, ValueError, IndexError) as error:
            line = first_line(error)
            raise ConfigError(f"module: fails on its example_input_array: {line}") from error


def set_up_module(settings: Settings, device: Device) -> ModuleSetup:
    """Make a module and its data, and check one batch of each of their loops."""
    assert settings.module is not None
    maker = ModuleMaker(settings.module, dtype_of(device.precision))
    make_initial = partial(drawn, maker, module_seed(settings))
    make_data = partial(seeded_datamodule, settings.datamodule, settings.dataset.split_seed)
    names, network = metric_names(settings.metrics), make_initial()
    try:
        seen = look(
            make_initial(),
            make_data(),
            device=device,
            options=settings.trainer.lightning,
            names=names,
        )
    except MissingMetric as error:
        raise ConfigError(str(error)) from error
    except Exception as error:
        if not is_refusal(error):
            raise  # the user's own
        raise ConfigError(f"{maker.target}: Lightning: {error}") from error
    return ModuleSetup(
        make=maker,
        make_initial=make_initial,
        make_data=make_data,
        network=network,
        names=names,
        score=score_of_metrics(settings),
        seen=seen,
    )


def module_seed(settings: Settings) -> int:
    """Return what the initial weights are drawn from."""
    return derive_seed(settings.seed_for("init"), "init")


def seeded_datamodule(
    node: Mapping[str, Any] | None, split_seed: int
) -> pl.LightningDataModule | None:
    """Make the data; what their constructor draws is the same each time."""
    return drawn(partial(make_datamodule, node), derive_seed(split_seed, "datamodule"))


def make_datamodule(node: Mapping[str, Any] | None) -> pl.LightningDataModule | None:
    """Make a user's LightningDataModule; None if the module has the loaders itself."""
    if node is None:
        return None
    data = make(node, "datamodule")
    if not isinstance(data, pl.LightningDataModule):
        raise ConfigError(f"datamodule._target_={node['_target_']}: not a LightningDataModule")
    return data


def metric_names(metrics: Metrics) -> MetricNames:
    """Return the names of the metrics that the run is about."""
    return MetricNames(
        val=str(metrics.val),
        test=str(metrics.test),
        monitor=str(metrics.monitor or metrics.val),
        lower_is_better=metrics.mode == "min",
    )
