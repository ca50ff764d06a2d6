"""A run's settings and its network, rebuilt from its run.json."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from lottery.config.device import dtype_of
from lottery.config.frozen_base import find_base
from lottery.config.groups import Model, read_group
from lottery.config.network import build_network_maker
from lottery.config.run_key import PATH_ARGUMENTS
from lottery.config.settings import Settings, read_settings
from lottery.errors import ConfigError
from lottery.generators import drawn
from lottery.seeds import derive_seed


def settings_of_run(entry: Mapping[str, Any], **changes: Mapping[str, Any] | None) -> Settings:
    """Return the settings that a run was last given, with absolute paths.

    Options that were added since have the value that means what was there before. `changes` are
    other values for single keys of groups; None empties a group.
    """
    config = entry.get("settings")
    if not isinstance(config, dict):
        raise ConfigError(
            "run.json: written by a version that did not keep all settings; remove it, and the "
            "command that began the run makes a new one"
        )
    changed = {
        group: None if values is None else {**config[group], **values}
        for group, values in changes.items()
    }
    return read_settings({**config, **changed})


def data_at(target: str, path: str) -> dict[str, str]:
    """Return the key of the `dataset` group that says where files are, with a new value."""
    argument = PATH_ARGUMENTS.get(target, "dataset.root").removeprefix("dataset.")
    return {argument: str(Path(path).absolute())}


def rebuild_network(entry: Mapping[str, Any]) -> nn.Module:
    """Return a run's network with random weights; only the head, if the base is frozen."""
    node = entry.get("settings", {}).get("model") or _unflatten(entry["config"], "model")
    node = {name: value for name, value in node.items() if name != "rates"}
    return network_of(
        read_group(Model, node, "model"),
        input_shape=entry["input_shape"],
        num_classes=entry["num_classes"],
        precision=entry["config"]["trainer.precision"],
        num_tokens=entry.get("num_tokens"),
        seed=initial_seed(entry),
    )


def initial_seed(entry: Mapping[str, Any]) -> int:
    """Return what a run's initial network was drawn from, by its `seed` and `config`."""
    own = entry["config"].get("seeds.init")
    return derive_seed(derive_seed(entry["seed"] if own is None else own, "init"), "init")


def _unflatten(config: Mapping[str, Any], group: str) -> dict[str, Any]:
    """Return a group of a flat canonical config as nested mappings."""
    node: dict[str, Any] = {}
    for key, value in config.items():
        first, *path, name = key.split(".") if "." in key else ("", key)
        if first == group:
            parent = node
            for step in path:
                parent = parent.setdefault(step, {})
            parent[name] = value
    return node


def network_of(
    model: Model,
    *,
    input_shape: Sequence[int],
    num_classes: int,
    precision: str,
    num_tokens: int | None,
    seed: int,
) -> nn.Module:
    """Return a run's initial network; only the head, if the base is frozen."""
    base = find_base(model, tuple(input_shape))
    shape = base.feature_shape if base else tuple(input_shape)
    make_network = build_network_maker(
        model,
        input_shape=shape,
        num_classes=num_classes,
        num_tokens=num_tokens,
        dtype=dtype_of(precision),
    )
    # Its weights will be replaced, but how its layers are connected may be drawn too.
    return drawn(make_network, seed)
