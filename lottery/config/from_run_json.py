"""A run's settings and its network again, from what run.json says of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lottery.config.frozen_base import find_base
from lottery.config.groups import CORRUPTIONS, OFFERED_KEYS, dtype_of
from lottery.config.hydra_setup import conf_dir
from lottery.config.network import build_network_maker
from lottery.config.run_key import ADDED_LATER, DATA_PATHS
from lottery.errors import ConfigError


def rebuild_settings(entry: Mapping[str, Any], **changes: Mapping[str, Any]) -> dict[str, Any]:
    """The composed config a run was last given, its paths absolute: what `prepare` takes.

    Args:
        entry: the content of run.json.
        changes: other values for single keys of groups, such as dataset={"root": "/elsewhere"}.

    Raises:
        ConfigError: run.json does not hold it.
    """
    settings = entry.get("settings")
    if not isinstance(settings, dict):
        raise ConfigError(
            "run.json: written by a version that did not keep all settings; remove it, and the "
            "command that began the run makes it anew"
        )
    settings = {**_complete(settings), "dataset": complete_dataset(settings["dataset"])}
    return {**settings, **{group: {**settings[group], **new} for group, new in changes.items()}}


def _complete(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the options that were added since to what every run has, at their neutral."""
    completed = dict(settings)
    for key, neutral in ADDED_LATER.items():
        group, _, name = key.partition(".")
        if not (conf_dir() / group).is_dir():  # those of a group are its options' own
            completed[group] = {name: neutral, **completed.get(group, {})}
    return completed


def complete_dataset(node: Mapping[str, Any]) -> dict[str, Any]:
    """A stored `dataset` group, with the options that were added since at what was before them."""
    options = {key: f"dataset.{key}" for key in (*OFFERED_KEYS, *CORRUPTIONS)}
    neutral = {key: ADDED_LATER[name] for key, name in options.items() if name in ADDED_LATER}
    return {**neutral, **node}


def data_at(target: str, place: str) -> dict[str, str]:
    """The value of a `dataset` group that says where its files are now, for a run made again.

    Args:
        target: the group's `_target_`.
        place: `dataset.root`; for a dataset that does not use it, its folder or file.
    """
    return {DATA_PATHS.get(target, "root"): str(Path(place).absolute())}


def rebuild_network(entry: Mapping[str, Any]) -> nn.Module:
    """A run's network, with weights yet to be loaded.

    Of a network with a frozen base what was trained: its head, which takes features.

    Args:
        entry: the content of run.json.

    Raises:
        ConfigError: the network's class is not to be had any more.
    """
    node: dict[str, Any] = {}
    for key, value in entry["config"].items():
        group, *path, name = key.split(".") if "." in key else ("", key)
        if group == "model":
            parent = node
            for part in path:
                parent = parent.setdefault(part, {})
            parent[name] = value
    return network_of(
        node,
        input_shape=entry["input_shape"],
        num_classes=entry["num_classes"],
        precision=entry["config"]["trainer.precision"],
        num_tokens=entry.get("num_tokens"),
    )


def network_of(
    node: Mapping[str, Any],
    input_shape: Sequence[int],
    num_classes: int,
    precision: str,
    num_tokens: int | None,
) -> nn.Module:
    """The network of a `model` group, with weights yet to be loaded; of a frozen base the head.

    Args:
        node: the group.
        input_shape: of one image.
        num_classes: of the dataset.
        precision: `trainer.precision`.
        num_tokens: how many tokens there are, where the inputs are tokens.

    Raises:
        ConfigError: the network's class is not to be had any more.
    """
    base = find_base(node, tuple(input_shape), seed=0)
    shape = base.feature_shape if base else tuple(input_shape)
    make_network = build_network_maker(
        node,
        input_shape=shape,
        num_classes=num_classes,
        dtype=dtype_of(precision),
        num_tokens=num_tokens,
    )
    with torch.random.fork_rng(devices=[]):  # its weights are about to be overwritten
        return make_network()
