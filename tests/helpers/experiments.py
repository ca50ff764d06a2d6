"""Experiments as Hydra composes them, for tests."""

from functools import cache
from typing import Any

import torch
from hydra import compose, initialize_config_dir

from lottery.config.hydra_setup import conf_dir, register_resolvers
from lottery.config.network import build_network_maker
from lottery.config.run_key import plain
from lottery.config.settings import Settings, read_settings

PAPER = {
    "Lenet": "frankle2019_lenet",
    "Conv-2": "frankle2019_conv_2",
    "Conv-4": "frankle2019_conv_4",
    "Conv-6": "frankle2019_conv_6",
    "Resnet-18": "frankle2019_resnet_18",
    "VGG-19": "frankle2019_vgg_19",
}
INPUTS = {"mnist": (1, 28, 28), "fashion_mnist": (1, 28, 28), "cifar10": (3, 32, 32)}


@cache
def composed(*overrides: str) -> dict[str, Any]:
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return plain(compose("config", overrides=list(overrides)))


def settings_of(*overrides: str) -> Settings:
    return read_settings(composed(*overrides))


def network_of(settings: Settings) -> torch.nn.Module:
    shape = INPUTS[settings.dataset.node["name"]]
    with torch.device("meta"):
        return build_network_maker(settings.model, shape, 10, dtype=torch.float32)()
