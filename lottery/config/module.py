"""`module` and `datamodule`: a user's LightningModule and data, checked before the run."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lottery.config.check_network import check_layers
from lottery.config.device import dtype_of
from lottery.config.groups import Metrics
from lottery.config.instantiate import make
from lottery.config.module_settings import score_of_metrics
from lottery.config.replaced import is_stream
from lottery.config.rules import first_line
from lottery.config.settings import Settings
from lottery.config.targets import Node
from lottery.data import DataError, Splits
from lottery.errors import ConfigError
from lottery.generators import drawn
from lottery.masks import Masks
from lottery.measure.flops import make_counter, make_parameter_counter
from lottery.models.state import State, fresh_state
from lottery.record.score import Score
from lottery.seeds import derive_seed
from lottery.tasks import Task
from lottery.training import Device
from lottery.training.native import ImageStream, MetricNames, Seen, look
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
    """A module and its data as a run needs them."""

    fresh: Callable[..., State]  # the state of a module that is drawn for a purpose
    make_initial: Callable[[], pl.LightningModule]  # the same one each time
    make_data: "DataMaker"
    network: nn.Module  # for names and shapes
    names: MetricNames
    score: Score
    seen: Seen
    count: Callable[[Masks], dict[str, Any]]  # parameters, and operations where it can
    options: Mapping[str, Any]  # further arguments of Lightning's Trainer
    splits: Splits | None = None  # without inputs; of module=supervised
    task: Task | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DataMaker:
    """Makes a run's data new for each round: `maker(key)`.

    `key` is the round, or 0 if every round has the same order.
    """

    make: Callable[[], pl.LightningDataModule | None]  # the same each time
    stream: ImageStream | None  # ours, whose lists of images all rounds share

    def __call__(self, key: int = 0) -> pl.LightningDataModule | None:
        """Make the data of a round."""
        return self.make() if self.stream is None else self.stream.of_round(key)

    def digests(self) -> dict[str, str]:
        """Return the digests of what our own data list."""
        return {} if self.stream is None else self.stream.digests()


def build_data_maker(settings: Settings, device: Device) -> DataMaker:
    """Return what makes the data; the folders of our own are read once."""
    node = settings.datamodule
    split_seed = settings.dataset.split_seed
    offered = {
        "split_seed": split_seed,
        "order_seed": settings.seed_for("order"),
        "augmentation_seed": settings.seed_for("augmentation"),
    }
    is_ours = is_stream(settings.config)
    make = partial(seeded_datamodule, node, split_seed, **(offered if is_ours else {}))
    stream = make() if is_ours else None
    if not isinstance(stream, ImageStream):
        return DataMaker(make, stream=None)
    if stream.batch_size % device.num_processes:
        raise ConfigError(
            f"datamodule.batch_size={stream.batch_size}: {device.num_processes} devices share it; "
            "accepted: their multiples"
        )
    try:
        assert stream.rows
    except DataError as error:
        raise ConfigError(f"datamodule.folder: {error}") from error
    return DataMaker(make, stream)


def count_module(network: pl.LightningModule) -> Callable[[Masks], dict[str, Any]]:
    """Return a function that counts a module's parameters, and operations where it can."""
    example = network.example_input_array
    if not isinstance(example, Tensor):
        return make_parameter_counter(network)
    try:
        shape, dtype = tuple(example.shape[1:]), example.dtype
        whole = None if dtype.is_floating_point else dtype
        return make_counter(network, shape, input_dtype=whole)
    except (RuntimeError, ValueError, IndexError) as error:
        line = first_line(error)
        raise ConfigError(f"module: fails on its example_input_array: {line}") from error


def set_up_module(settings: Settings, device: Device) -> ModuleSetup:
    """Make a module and its data, and check one batch of each of their loops."""
    assert settings.module is not None
    maker = ModuleMaker(settings.module, dtype_of(device.precision))
    make_initial = partial(drawn, maker, module_seed(settings))
    make_data = build_data_maker(settings, device)
    names, network = metric_names(settings.metrics), make_initial()
    return ModuleSetup(
        fresh=partial(_draw, maker, settings.seed_for("init")),
        make_initial=make_initial,
        make_data=make_data,
        network=network,
        names=names,
        score=score_of_metrics(settings),
        seen=look_at(maker.target, make_initial(), make_data(), settings, device, names),
        count=count_module(network),
        options=settings.trainer.lightning,
    )


def _draw(make: Callable[[], nn.Module], seed: int, *purpose: str | int) -> State:
    return fresh_state(make, derive_seed(seed, *purpose))


def look_at(
    target: str,
    module: pl.LightningModule,
    data: pl.LightningDataModule | None,
    settings: Settings,
    device: Device,
    names: MetricNames,
) -> Seen:
    """Check one batch of each of a module's loops; `target` names the module in messages."""
    try:
        return look(module, data, device=device, options=settings.trainer.lightning, names=names)
    except MissingMetric as error:
        raise ConfigError(str(error)) from error
    except Exception as error:
        if not is_refusal(error):
            raise  # the user's own
        raise ConfigError(f"{target}: Lightning: {error}") from error


def module_seed(settings: Settings) -> int:
    """Return what the initial weights are drawn from."""
    return derive_seed(settings.seed_for("init"), "init")


def seeded_datamodule(
    node: Node | None, split_seed: int, /, **offered: Any
) -> pl.LightningDataModule | None:
    """Make the data; what their constructor draws is the same each time."""
    make_data = partial(make_datamodule, node, **offered)
    return drawn(make_data, derive_seed(split_seed, "datamodule"))


def make_datamodule(node: Node | None, **offered: Any) -> pl.LightningDataModule | None:
    """Make a LightningDataModule; None if the module has the loaders itself."""
    if node is None:
        return None
    data = make(node, "datamodule", **offered)
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
