"""Configs as Hydra composes them, the runs' folders and keys, and the papers' networks."""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from lottery.config.hydra_setup import choices_of, conf_dir, register_resolvers
from lottery.config.network_maker import build_network_maker
from lottery.config.run_key import canonical, plain, run_path
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
def with_hydra(*overrides: str) -> DictConfig:
    """Return the composed config, Hydra's own settings in it."""
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("config", overrides=list(overrides), return_hydra_config=True)


@cache
def composed(*overrides: str) -> dict[str, Any]:
    """Return the composed config as the command checks it."""
    return plain(with_hydra(*overrides))


def path_of(*overrides: str) -> Path:
    """Return the folder of the run."""
    return run_path(composed(*overrides), choices_of(with_hydra(*overrides)))


def name_of(*overrides: str) -> str:
    """Return the name of the setting's folder."""
    return path_of(*overrides).parent.name


def key_of(*overrides: str) -> str:
    """Return the hash at the end of that name."""
    return name_of(*overrides).rsplit("-", 1)[1]


def settings_of(*overrides: str) -> Settings:
    return read_settings(composed(*overrides))


def network_of(settings: Settings) -> torch.nn.Module:
    shape = INPUTS[settings.dataset.node["name"]]
    with torch.device("meta"):
        return build_network_maker(
            settings.model,
            input_shape=shape,
            output_shape=(10,),
            num_tokens=None,
            dtype=torch.float32,
        )()


def changes_of(before: str, *after: str) -> dict[str, Any]:
    """Entries of the second canonical config that the first has not."""
    old, new = canonical(composed(before)), canonical(composed(*after))
    assert old.keys() <= new.keys()
    return {key: value for key, value in new.items() if old.get(key, KeyError) != value}
