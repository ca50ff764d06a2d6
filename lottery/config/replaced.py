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


def has_module(config: Mapping[str, Any]) -> bool:
    """Tell whether a user's LightningModule is trained (`module._target_`)."""
    return get_nested(config, "module._target_") is not None


def without_replaced(values: Mapping[str, Any], words: Sequence[str] | None) -> dict[str, Any]:
    """Return a config without what its module replaces; refuse what a user typed of it."""
    kept = tuple(f"dataset.{name}" for name in KEPT_OF_DATASET)
    for word in words or ():
        key = str(word).lstrip("+~").partition("=")[0]
        if key.partition(".")[0] in OF_THE_MODULE and key not in kept:
            target = get_nested(values, "module._target_")
            raise ConfigError(
                f"{word}: with module._target_={target} the module has its own network and "
                "optimizers, and the data are its own or datamodule's; their arguments are "
                "+module.<name> and +datamodule.<name>"
            )
    nodes: dict[str, Any] = {group: {} for group in OF_THE_MODULE if group != "dataset"}
    ours = (*KEPT_OF_DATASET, *UNUSED_OF_DATASET)
    dataset = {key: value for key, value in values["dataset"].items() if key in ours}
    return {**values, **nodes, "dataset": dataset}
