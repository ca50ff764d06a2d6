"""The objects of a run, one function per config group."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from lottery.config.instantiate import call, load_target, make
from lottery.config.process_rank import Place
from lottery.data import DataError, Splits
from lottery.data.corruptions import Corruptions
from lottery.data.subset import limited
from lottery.errors import ConfigError
from lottery.record.durations import parse_duration
from lottery.reinit import Reinit
from lottery.training.evaluation import Protocol
from lottery.training.fit import Device
from lottery.training.module import MakeOptimizer
from lottery.training.schedules import Schedule

DEFAULT_THREADS = torch.get_num_threads()  # PyTorch's choice, before a run has changed it

SMALL_NETWORK = 100_000  # parameters

DTYPES = {"64-true": torch.float64, "bf16-true": torch.bfloat16}

# Keys that stand in a group for the user's convenience and are no argument of its `_target_`.
DATASET_KEYS = ("batch_size", "order")
# What is done to the training data of any dataset
CORRUPTIONS = ("subsample", "random_labels", "shuffle_pixels")
# to a dataset whose constructor names them
OFFERED_KEYS = ("root", "split_seed", "download", "limit")


def dtype_of(precision: str) -> torch.dtype:
    """The type of a network's weights under `trainer.precision`."""
    return DTYPES.get(precision, torch.float32)


def without(node: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """A config node less some of its keys."""
    return {name: value for name, value in node.items() if name not in keys}


def build_splits(node: Mapping[str, Any], *, may_write: bool) -> Splits:
    """`dataset`: the splits.

    Args:
        node: the group.
        may_write: whether missing files may be fetched or made.

    Raises:
        ConfigError: wrong arguments, or a batch larger than the training set.
    """
    offered = {key: node[key] for key in OFFERED_KEYS}
    offered |= {"download": may_write and node["download"], "may_write": may_write}
    others = (*DATASET_KEYS, *CORRUPTIONS, *OFFERED_KEYS)
    dataset = make(without(node, others), "dataset", **offered)
    if not hasattr(dataset, "load"):
        raise ConfigError(f"dataset._target_={node['_target_']}: a class with load() expected")
    try:
        splits = dataset.load()
        if isinstance(splits, Splits):
            splits.check()
    except DataError as error:
        raise ConfigError(f"dataset: {error}") from error
    if not isinstance(splits, Splits):
        raise ConfigError(f"dataset._target_={node['_target_']}: load() must return Splits")
    splits = splits.with_num_tokens()  # of all examples, whatever is left of them below
    if node["limit"] is not None:  # where the dataset has not seen to it itself
        splits = limited(splits, node["limit"], node["split_seed"])
    splits = Corruptions(**{key: node[key] for key in CORRUPTIONS}, seed=node["split_seed"])(
        splits
    )
    if node["batch_size"] > len(splits.train):
        raise ConfigError(
            f"dataset.batch_size={node['batch_size']}: "
            f"at most the {len(splits.train)} training examples"
        )
    return splits


def build_optimizer_maker(node: Mapping[str, Any]) -> MakeOptimizer:
    """`optimizer`: a function from parameters to a new optimizer.

    Raises:
        ConfigError: the optimizer refuses its arguments.
    """
    arguments = without(node, ("_target_", "clip_norm"))
    make_optimizer = partial(load_target(node, "optimizer"), **arguments)
    call(partial(make_optimizer, [nn.Parameter(torch.zeros(1))]), "optimizer")
    return make_optimizer


def build_schedule(node: Mapping[str, Any], steps_per_epoch: int) -> Schedule:
    """`scheduler`: step -> factor."""
    node = dict(node)
    if "at" in node:
        node["at"] = [parse_duration(value).steps(steps_per_epoch) for value in node["at"]]
    if "steps" in node:
        node["steps"] = parse_duration(node["steps"]).steps(steps_per_epoch)
    schedule: Schedule = make(node, "scheduler")
    return schedule


def build_reinit(node: Mapping[str, Any], steps_per_epoch: int, num_steps: int) -> Reinit:
    """`reinit`: where rounds start.

    Raises:
        ConfigError: the rewind point is not before the end of training, or retraining is longer.
    """
    node = dict(node)
    if "to" in node:
        asked = node["to"]
        node["to"] = parse_duration(asked).steps(steps_per_epoch)
        if node["to"] >= num_steps:
            raise ConfigError(f"reinit.to={asked}: before the end of training, {num_steps} steps")
    if "steps" in node:
        asked = node["steps"]
        steps = num_steps if asked is None else parse_duration(asked).steps(steps_per_epoch)
        if steps > num_steps:
            raise ConfigError(f"reinit.steps={asked}: at most the {num_steps} of iterations")
        node["steps"] = steps
    reinit: Reinit = make(node, "reinit")
    return reinit


def build_protocol(config: Mapping[str, Any], steps_per_epoch: int) -> Protocol:
    """`evaluation` and `early_stopping`."""
    return Protocol(
        every=parse_duration(config["evaluation"]["every"]).steps(steps_per_epoch),
        test_curve=config["evaluation"]["test_curve"],
        patience=config["early_stopping"]["patience"],
    )


def build_device(node: Mapping[str, Any], place: Place) -> Device:
    """`trainer`: the device, with "auto" decided.

    Raises:
        ConfigError: GPUs are asked for that are not there, or processes that nobody started.
    """
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    accelerator = node["accelerator"]
    if accelerator == "gpu" and not num_gpus:
        raise ConfigError("trainer.accelerator=gpu: no GPU is visible here; accepted: cpu, auto")
    if accelerator == "auto":
        accelerator = "gpu" if num_gpus else "cpu"
    if accelerator == "gpu" and node["devices"] > num_gpus:
        raise ConfigError(f"trainer.devices={node['devices']}: at most {num_gpus}, the GPUs here")
    _check_processes(node, place)
    return Device(
        num_devices=node["devices"],
        num_nodes=node["num_nodes"],
        index=place.local_rank,
        timeout=node["timeout"],
        accelerator=accelerator,
        precision=node["precision"],
        deterministic=node["deterministic"],
        compile=node["compile"],
        block=node["block"],
    )


def _check_processes(node: Mapping[str, Any], place: Place) -> None:
    asked = f"trainer.devices={node['devices']}, trainer.num_nodes={node['num_nodes']}"
    wanted = node["devices"] * node["num_nodes"]
    if place.processes not in (1, wanted):
        raise ConfigError(f"{asked}: {place.processes} tasks were started; one per device")
    if place.processes == 1 and node["num_nodes"] > 1:
        raise ConfigError(f"{asked}: needs one task per device, from SLURM or torchrun")


def synchronized(network: nn.Module, device: Device) -> nn.Module:
    """The network, its BatchNorm layers seeing the whole batch where processes divide it.

    Raises:
        ConfigError: it has BatchNorm, and the processes have no GPUs: SyncBatchNorm needs them.
    """
    layers = network.modules()
    if not any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in layers):
        return network
    if device.num_processes == 1:
        return network
    if device.accelerator == "cpu":
        raise ConfigError(
            f"trainer.devices={device.num_devices}: 1 on CPUs for a network with BatchNorm, "
            "which would see a part of each batch only; GPUs synchronize it"
        )
    synced: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return synced


def set_threads(threads: int | None, network: nn.Module, device: Device) -> None:
    """`trainer.threads`: how many CPU threads PyTorch computes with.

    By default PyTorch's own choice, but one for a small network without convolutions: a second
    thread gains it nothing, and where other processes are at work the two wait for each other,
    up to 60 times as long as the computing takes. The processes of one run share them.
    """
    if threads is None:
        size = sum(parameter.numel() for parameter in network.parameters())
        convolves = any(isinstance(layer, nn.modules.conv._ConvNd) for layer in network.modules())
        shared = max(1, DEFAULT_THREADS // device.num_devices)
        threads = 1 if size < SMALL_NETWORK and not convolves else shared
    torch.set_num_threads(threads)
