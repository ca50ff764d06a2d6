"""A network again, from what run.json says of it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from lottery.build.base import find_base
from lottery.build.network import build_network_maker
from lottery.build.parts import DTYPES


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
    dtype = DTYPES.get(entry["config"]["trainer.precision"], torch.float32)
    base = find_base(node, tuple(entry["input_shape"]), seed=0)
    shape = base.feature_shape if base else tuple(entry["input_shape"])
    make_network = build_network_maker(node, shape, entry["num_classes"], dtype)
    with torch.random.fork_rng(devices=[]):  # its weights are about to be overwritten
        return make_network()
