"""What a user's LightningModule replaces in a composed config. Nothing heavy is imported."""

from collections.abc import Mapping, Sequence
from typing import Any

from lottery.config.rules import get_nested
from lottery.errors import ConfigError

# Groups that a LightningModule replaces, and the keys of `dataset` that still mean something.
OF_THE_MODULE = ("model", "dataset", "optimizer", "scheduler", "task")
KEPT_OF_DATASET = ("order", "split_seed")
UNUSED_OF_DATASET = (
    "root",
    "download",
    "batch_size",
    "val_share",
    "limit",
    "subsample",
    "random_labels",
    "shuffle_pixels",
)
# Groups that may be none.
OPTIONAL = ("module", "datamodule", "dynamic")
# Our own module and data: the module is made of the groups, but for dataset.
SUPERVISED = "lottery.training.native.Supervised"
STREAM = "lottery.training.native.ImageStream"


def has_module(config: Mapping[str, Any]) -> bool:
    """Tell whether a LightningModule is trained (`module._target_`), a user's or ours."""
    return get_nested(config, "module._target_") is not None


def is_supervised(config: Mapping[str, Any]) -> bool:
    """Tell whether the LightningModule is ours (`module=supervised`)."""
    return bool(get_nested(config, "module._target_") == SUPERVISED)


def is_stream(config: Mapping[str, Any]) -> bool:
    """Tell whether the LightningDataModule is ours (`datamodule=image_stream`)."""
    return bool(get_nested(config, "datamodule._target_") == STREAM)


def replaced_groups(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the groups that a LightningModule replaces."""
    return ("dataset",) if is_supervised(config) else OF_THE_MODULE


def without_replaced(values: Mapping[str, Any], words: Sequence[str] | None) -> dict[str, Any]:
    """Return a config without what its module replaces; refuse what a user typed of it."""
    kept, replaced = tuple(f"dataset.{name}" for name in KEPT_OF_DATASET), replaced_groups(values)
    for word in words or ():
        key = str(word).lstrip("+~").partition("=")[0]
        if key.partition(".")[0] in replaced and key not in kept:
            target = get_nested(values, "module._target_")
            if is_supervised(values):
                raise ConfigError(f"{word}: with module=supervised the data are datamodule's")
            raise ConfigError(
                f"{word}: with module._target_={target} the module has its own network and "
                "optimizers, and the data are its own or datamodule's; their arguments are "
                "+module.<name> and +datamodule.<name>"
            )
    nodes: dict[str, Any] = {group: {} for group in replaced if group != "dataset"}
    ours = (*KEPT_OF_DATASET, *UNUSED_OF_DATASET)
    dataset = {key: value for key, value in values["dataset"].items() if key in ours}
    return {**values, **nodes, "dataset": dataset}
