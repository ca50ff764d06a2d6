"""A whole run, built and checked: from the composed config to the round loop's parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from lottery.build.durations import parse_duration
from lottery.build.identity import canonical, copies_masks, shapes_dense_round
from lottery.build.lightning import (
    build_callback_maker,
    build_logger_maker,
    uses_tensorboard,
)
from lottery.build.parts import (
    DTYPES,
    build_device,
    build_loss,
    build_network_maker,
    build_optimizer_maker,
    build_protocol,
    build_reinit,
    build_schedule,
    build_splits,
    set_threads,
)
from lottery.build.provenance import file_digests
from lottery.build.pruning import (
    build_pruner,
    build_scope,
    check_trunk,
    choose_prunable,
    choose_rates,
    choose_rounds,
    find_trunk,
    trunk_digests,
)
from lottery.data import Splits
from lottery.imp import Imp, Storage
from lottery.masks import linear_and_conv_weights
from lottery.measure import count_parameters
from lottery.models.state import State, fresh_state, persistent_buffers
from lottery.progress import Progress
from lottery.pruning import Scope
from lottery.reinit import Reinit
from lottery.run_dir import RunDir, read_json
from lottery.seeds import derive_seed
from lottery.training import Device, LightningFit
from lottery.training.summary import TensorBoardSummary


@dataclass(frozen=True)
class Experiment:
    """A run that is ready to start.

    Args:
        imp: the round loop's parts.
        config: the composed config as plain containers.
        digests: of what the run rests on, by a name a user knows.
        splits: the data.
        shapes: of the prunable weights.
        rates: pruning rate per prunable weight; empty where masks are copied.
        scope: what counts the weights that stay.
        device: where it trains.
        progress: where it shows how far it is.
    """

    imp: Imp
    config: Mapping[str, Any]
    digests: Mapping[str, str]
    splits: Splits
    shapes: Mapping[str, tuple[int, ...]]
    rates: Mapping[str, float]
    scope: Scope
    device: Device
    progress: Progress


def build_experiment(config: Mapping[str, Any], run_dir: RunDir) -> Experiment:
    """Build everything a run needs; nothing is written.

    Args:
        config: the composed config as plain containers, its plain values checked.
        run_dir: the run's folder, which need not exist.

    Raises:
        ConfigError: something does not fit.
    """
    device = build_device(config["trainer"])
    dtype = DTYPES.get(device.precision, torch.float32)
    splits = build_splits(
        config["dataset"], download=config["dataset"]["download"] and not config["dry_run"]
    )
    steps_per_epoch = len(splits.train) // config["dataset"]["batch_size"]
    num_steps = parse_duration(config["iterations"]).steps(steps_per_epoch)
    make_network = build_network_maker(
        config["model"], splits.input_shape, splits.num_classes, dtype
    )
    network = _make_quietly(make_network)
    set_threads(config["trainer"]["threads"], network)
    weights = {name: w.detach() for name, w in linear_and_conv_weights(network).items()}
    copied = copies_masks(config)
    if copied:
        check_trunk(config, weights)
    prunable = choose_prunable(config, weights)
    rates = {} if copied else choose_rates(config, prunable, list(weights))
    scope = build_scope(config)
    reinit = build_reinit(config["reinit"], steps_per_epoch, num_steps)
    digests = {"data": splits.digest(), **file_digests(config)}
    if copied:
        digests |= trunk_digests(config)
    progress = Progress()
    fit = LightningFit(
        network=network,
        splits=splits.to(device.torch_device, dtype),
        loss=build_loss(config["model"]),
        make_optimizer=build_optimizer_maker(config["optimizer"]),
        schedule=build_schedule(config["scheduler"], steps_per_epoch),
        clip_norm=config["optimizer"]["clip_norm"],
        batch_size=config["dataset"]["batch_size"],
        order_seed=purpose_seed(config, "order"),
        fixed_order=config["dataset"]["order"] == "fixed",
        protocol=build_protocol(config, steps_per_epoch),
        device=device,
        make_callbacks=build_callback_maker(config["callbacks"], run_dir),
        make_loggers=build_logger_maker(config["logger"], run_dir),
        progress=progress,
    )
    settings = canonical(config) | {"seed": config["seed"]}
    summary = TensorBoardSummary(run_dir, settings)
    imp = Imp(
        storage=Storage(run_dir, persistent_buffers(network).keys()),
        rounds=choose_rounds(config),
        num_steps=num_steps,
        fresh=_fresh(make_network, purpose_seed(config, "init")),
        prunable=prunable,
        fit=fit,
        prune=build_pruner(config, rates, scope),
        reinit=reinit,
        pruning_seed=purpose_seed(config, "pruning"),
        count=partial(count_parameters, network),
        target_sparsity=config["pruning"]["target_sparsity"],
        keep=config["keep"],
        dense_from=_shared_dense_round(config, reinit, digests) if copied else None,
        update_views=summary.update if uses_tensorboard(config["logger"]) else lambda: None,
    )
    if device.compile:
        network.compile()  # in place: the parameters keep their names
    shapes = {name: tuple(weights[name].shape) for name in prunable}
    return Experiment(imp, config, digests, splits, shapes, rates, scope, device, progress)


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


def _shared_dense_round(
    config: Mapping[str, Any], reinit: Reinit, digests: Mapping[str, str]
) -> RunDir | None:
    """The trunk, where its round 0 is this run's and has the states this run's reinit needs."""
    trunk = find_trunk(config)
    entry = read_json(trunk.run_json)
    folder = trunk.round(0)
    theirs = shapes_dense_round(entry["config"], entry["seed"])
    ours = shapes_dense_round(canonical(config), config["seed"])
    same = theirs == ours and _foundations(entry["digests"]) == _foundations(digests)
    if reinit.rewind_step:
        # in both canonical configs "reinit.to" has the same spelling for the same step
        same &= folder.rewind.exists() and entry["config"].get("reinit.to") == canonical(
            config
        ).get("reinit.to")
    if reinit.carries_optimizer:
        same &= folder.final_optimizer.exists()
    return trunk if same else None


def _foundations(digests: Mapping[str, str]) -> dict[str, str]:
    """The digests round 0 rests on: all but those of copied masks."""
    return {name: d for name, d in digests.items() if not name.startswith("criterion.run ")}
