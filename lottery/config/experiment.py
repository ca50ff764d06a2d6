"""A whole run, built and checked: from the composed config to the round loop's parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import nn

from lottery.config.copied_masks import (
    check_goes_on,
    choose_rounds,
    shared_dense_round,
    trunk_digests,
)
from lottery.config.frozen_base import find_base
from lottery.config.frozen_features import feature_file, load_features
from lottery.config.groups import (
    build_device,
    build_optimizer_maker,
    build_protocol,
    build_reinit,
    build_schedule,
    build_splits,
    dtype_of,
    set_threads,
    synchronized,
)
from lottery.config.loggers import (
    build_callback_maker,
    build_logger_maker,
    uses_tensorboard,
)
from lottery.config.network import build_loss, build_network_maker, count_outputs, laid_out
from lottery.config.probe import build_probe_maker, check_examples, check_inputs, check_loss
from lottery.config.process_rank import Place
from lottery.config.provenance import file_digests
from lottery.config.pruning import PruningPlan, plan_pruning
from lottery.config.run_key import canonical, copies_masks
from lottery.data import Splits
from lottery.errors import ConfigError
from lottery.imp import Imp, Storage
from lottery.masks import linear_and_conv_weights
from lottery.measure.flops import make_counter
from lottery.models.state import State, all_buffers, fresh_state
from lottery.progress import Progress
from lottery.record.durations import parse_duration
from lottery.record.equivalent_reinits import note_on_reinit
from lottery.record.run_dir import RunDir
from lottery.seeds import derive_seed
from lottery.signals import StopRequest
from lottery.training import Device, LightningFit
from lottery.training.tensorboard import TensorBoardSummary


@dataclass(frozen=True)
class Experiment:
    """A run that is ready to start.

    Args:
        imp: the round loop's parts.
        config: the composed config as plain containers.
        digests: of what the run rests on, by a name a user knows.
        splits: the data.
        shapes: of the prunable weights.
        plan: what is pruned, by what.
        device: where it trains.
        place: which of the run's processes this is.
        starts_workers: whether the training is done by processes that this one starts.
        progress: where it shows how far it is.
        stop: whether a signal has asked to stop.
    """

    imp: Imp
    config: Mapping[str, Any]
    digests: Mapping[str, str]
    splits: Splits
    shapes: Mapping[str, tuple[int, ...]]
    plan: PruningPlan
    device: Device
    place: Place
    starts_workers: bool
    progress: Progress
    stop: StopRequest

    @property
    def notes(self) -> list[str]:
        """What a user should know of settings that have no effect."""
        note = note_on_reinit(canonical(self.config))
        return [*self.plan.notes, *([note] if note else [])]


def build_experiment(config: Mapping[str, Any], run_dir: RunDir, place: Place) -> Experiment:
    """Build everything a run needs; nothing is written.

    Args:
        config: the composed config as plain containers, its plain values checked.
        run_dir: the run's folder, which need not exist.
        place: which of the run's processes this is.

    Raises:
        ConfigError: something does not fit.
    """
    device = build_device(config["trainer"], place)
    dtype = dtype_of(device.precision)
    splits = build_splits(config["dataset"], may_write=not config["dry_run"])
    init_seed = purpose_seed(config, "init")
    base = find_base(config["model"], splits.input_shape, derive_seed(init_seed, "base"))
    input_shape = base.feature_shape if base else splits.input_shape
    make_network = build_network_maker(
        config["model"],
        input_shape=input_shape,
        num_classes=splits.num_classes,
        dtype=dtype,
        num_tokens=splits.num_tokens,
    )
    network = synchronized(_make_quietly(make_network), device)
    set_threads(config["trainer"]["threads"], network, device)
    steps_per_epoch = len(splits.train) // config["dataset"]["batch_size"]
    num_steps = parse_duration(config["iterations"]).steps(steps_per_epoch)
    weights = {name: w.detach() for name, w in linear_and_conv_weights(network).items()}
    plan = plan_pruning(config, weights)
    reinit = build_reinit(config["reinit"], steps_per_epoch, num_steps)
    data = splits.digests()
    digests = {**data, **file_digests(config)}
    if base:
        base.check(splits, fetch=not config["dry_run"])
        digests[base.name] = base.digest()
    dense_from = None
    if copies_masks(config):
        check_goes_on(config, reinit)
        digests |= trunk_digests(config)
        dense_from = shared_dense_round(config, reinit, digests)
    _check_batch(config, device)
    progress, stop = Progress(), StopRequest()
    if base:
        file = feature_file(config, data, base, device)
        load_splits = cache(partial(load_features, file, splits, base, device, dtype, stop))
    else:
        load_splits = cache(partial(splits.to, device.torch_device, dtype))
    # before the fit has the network compiled, for other ways of calling it
    count = make_counter(
        network,
        input_shape=input_shape,
        frozen_flops=base.flops() if base else 0,
        input_dtype=splits.input_dtype,
    )
    fit = _build_fit(config, run_dir, device, splits, load_splits, network, progress, stop)
    check_examples(config["criterion"], len(splits.train))
    check_inputs(config, splits)
    check_loss(config, fit.loss, count_outputs(config["model"], splits.num_classes))
    imp = Imp(
        storage=Storage(run_dir, all_buffers(network).keys()),
        rounds=choose_rounds(config),
        num_steps=num_steps,
        fresh=_fresh(make_network, init_seed),
        prunable=plan.prunable,
        fit=fit,
        prune=plan.pruner,
        reinit=reinit,
        pruning_seed=purpose_seed(config, "pruning"),
        count=count,
        target_sparsity=config["pruning"]["target_sparsity"],
        keep=config["keep"],
        dense_from=dense_from,
        update_views=_build_summary(config, run_dir),
        early_bird=_early_bird_epsilon(config),
        prune_at=config["pruning"]["at"],
        probe=build_probe_maker(make_network, load_splits, fit.loss, input_shape, device),
    )
    shapes = {name: tuple(weights[name].shape) for name in plan.prunable}
    return Experiment(
        *(imp, config, digests, splits, shapes, plan, device, place),
        *(device.num_processes > place.processes, progress, stop),
    )


def _check_batch(config: Mapping[str, Any], device: Device) -> None:
    size = config["dataset"]["batch_size"]
    if size < device.num_processes:
        raise ConfigError(
            f"dataset.batch_size={size}: at least one example for each of the "
            f"{device.num_processes} devices"
        )


def _build_fit(
    config: Mapping[str, Any],
    run_dir: RunDir,
    device: Device,
    splits: Splits,
    load_splits: Callable[[], Splits],
    network: nn.Module,
    progress: Progress,
    stop: StopRequest,
) -> LightningFit:
    batch_size = config["dataset"]["batch_size"]
    steps_per_epoch = len(splits.train) // batch_size
    laid_out(network, device.accelerator)
    if device.compile:
        network.compile()  # in place: the parameters keep their names
    return LightningFit(
        network=network,
        load_splits=load_splits,
        loss=build_loss(config["model"], splits.num_classes),
        make_optimizer=build_optimizer_maker(config["optimizer"]),
        schedule=build_schedule(config["scheduler"], steps_per_epoch),
        clip_norm=config["optimizer"].get("clip_norm"),
        batch_size=batch_size,
        order_seed=purpose_seed(config, "order"),
        augmentation_seed=purpose_seed(config, "augmentation"),
        fixed_order=config["dataset"]["order"] == "fixed",
        protocol=build_protocol(config, steps_per_epoch),
        device=device,
        make_callbacks=build_callback_maker(config.get("callbacks") or {}, run_dir),
        make_loggers=build_logger_maker(config.get("logger") or {}, run_dir),
        progress=progress,
        run_dir=run_dir,
        checkpoint_seconds=config["checkpoint"]["every_seconds"],
        stop=stop,
    )


def _early_bird_epsilon(config: Mapping[str, Any]) -> float | None:
    """`early_bird.epsilon`, for pruners whose masks follow from the weights.

    Raises:
        ConfigError: the masks are another run's, or initial weights are judged.
    """
    epsilon: float | None = config["early_bird"]["epsilon"]
    if epsilon is not None and config["pruning"]["at"] == "init":
        raise ConfigError(
            f"early_bird.epsilon={epsilon}: null with pruning.at=init: no mask follows training"
        )
    if epsilon is not None and copies_masks(config):
        raise ConfigError(
            f"early_bird.epsilon={epsilon}: null with criterion=copy: its masks are another run's"
        )
    return epsilon


def _build_summary(config: Mapping[str, Any], run_dir: RunDir) -> Callable[[], None]:
    if not uses_tensorboard(config.get("logger") or {}):
        return lambda: None
    return TensorBoardSummary(run_dir, canonical(config) | {"seed": config["seed"]}).update


def purpose_seed(config: Mapping[str, Any], purpose: str) -> int:
    """The seed of one purpose: `seeds.<purpose>` where it is given, else `seed`, by name."""
    own = config["seeds"][purpose]
    return derive_seed(config["seed"] if own is None else own, purpose)


def _make_quietly(make_network: Callable[[], nn.Module]) -> nn.Module:
    """The network that lives through the rounds; its weights are written before each of them."""
    with torch.random.fork_rng(devices=[]):
        return make_network()


def _fresh(make_network: Callable[[], nn.Module], seed: int) -> Callable[..., State]:
    def fresh(*purpose: str | int) -> State:
        return fresh_state(make_network, derive_seed(seed, *purpose))

    return fresh
