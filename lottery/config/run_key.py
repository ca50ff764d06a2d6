"""Which run a config is: the canonical config, its key and its folder.

The folder is named before the config is checked, so nothing here may fail on wrong values.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lottery.config.frozen_weights import reinit_word, with_frozen_weights
from lottery.config.one_spelling import canonical_duration, canonical_number, trunk_name
from lottery.config.replaced import (
    KEPT_OF_DATASET,
    OPTIONAL,
    STREAM,
    has_module,
    is_stream,
    is_supervised,
    replaced_groups,
    without_replaced,
)
from lottery.config.rules import first_line, get_nested, show
from lottery.config.targets import load_target
from lottery.errors import ConfigError

# Keys that change no result: where and how a run is done, and which of its rounds.
LEFT_OUT = (
    "seed",
    "rounds",
    "pruning.target_sparsity",
    "criterion.rounds",
    "output_dir",
    "keep",
    "adopt",
    "dry_run",
    "checkpoint.every_seconds",
    "short",
    "dataset.root",
    "dataset.download",
    "dataset.base_url",
)
# The keys of `trainer` that change results by more than the order of additions.
TRAINER_KEPT = {"trainer.precision", "trainer.sync_batchnorm", "trainer.tf32"}
# Without synchronized BatchNorm, a device's share of a batch changes them too.
OWN_STATISTICS = {"trainer.devices", "trainer.num_nodes"}
# Options added after the first release, with the value that means what was there before. An
# option with this value is left out of the key, so that keys of older runs last.
ADDED_LATER: dict[str, Any] = {
    "criterion.inverted": False,
    "criterion.mode": "train",
    "criterion.sampling": "random",
    "dataset.augment": "none",
    "dataset.limit": None,
    "dataset.numeric_target": False,
    "dataset.subsample": 1,
    "dataset.random_labels": 0,
    "dataset.shuffle_pixels": False,
    "dataset.val_share": None,
    "dynamic.restart": False,
    "early_bird.epsilon": None,
    "metrics.is_share": False,
    "metrics.mode": None,
    "metrics.monitor": None,
    "metrics.test": None,
    "metrics.val": None,
    "metrics.val_mode": None,
    **dict.fromkeys(("model.init", "model.init_from", "model.init_norms", "model.logits"), None),
    "optimizer.decay_norms": True,
    "pruning.also": [],
    "pruning.at": "trained",
    "pruning.units": "none",
    "reinit.keep_optimizer": False,
    "scope.ties": "index",
    "trainer.lightning": {},
    "task._target_": "lottery.tasks.Classification",
    "task.class_weights": None,
    "task.label_smoothing": 0,
    "task.metrics": {},
    "trainer.sync_batchnorm": True,
    "trainer.tf32": False,
}
# Options with a second name. Runs with either name have one folder.
ALIASES = {"large_final": "magnitude"}

COPIED = "lottery.pruning.CopiedPruner"
# Arguments of our classes that are paths; they enter the key by their last component. A table
# and no class attributes: reading those would import torch before any value is checked.
PATH_ARGUMENTS = {
    "lottery.data.ImageFolder": "dataset.folder",
    "lottery.data.Tabular": "dataset.file",
    "lottery.data.Text": "dataset.file",
    "lottery.models.VGG16Head": "model.weights",
    STREAM: "datamodule.folder",
}
PATHS = {"dataset.root", "criterion.run", "model.init_from", *PATH_ARGUMENTS.values()}

DURATIONS = ("iterations", "evaluation.every")
# Durations of our own schedules and reinits, for the same reason.
DURATION_ARGUMENTS = (
    "scheduler.at",
    "scheduler.steps",
    "reinit.to",
    "reinit.steps",
    "dynamic.every",
)


def plain(config: DictConfig) -> dict[str, Any]:
    """Return the composed config, resolved, as plain containers and without Hydra's own part.

    With `short=true` the values of `shortened` replace others.
    """
    copy = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    try:
        container = OmegaConf.to_container(copy, resolve=True)
    except (OmegaConfBaseException, RecursionError) as error:
        key = getattr(error, "full_key", None) or "config"
        raise ConfigError(f"{key}: {first_line(error)}") from error
    assert isinstance(container, dict)
    values = {str(key): value for key, value in container.items()}
    # the option `none` of these groups is no more than its name
    values = {k: v for k, v in values.items() if k not in OPTIONAL or v != {"_target_": None}}
    if has_module(values):
        values = without_replaced(values, OmegaConf.select(config, "hydra.overrides.task"))
    shortened = values.pop("shortened", None)
    if values.get("short") is True:
        if not isinstance(shortened, Mapping):
            wanted = "keys with their values for short=true, {rounds: 2}"
            raise ConfigError(f"shortened={show(shortened)}: {wanted}")
        values = _merged(values, shortened)
    values = with_frozen_weights(values)
    return _with_paths(values, lambda _, path: os.path.expanduser(path))  # noqa: PTH111  # Path's fails without a home


def copies_masks(config: Mapping[str, Any]) -> bool:
    """Tell whether the masks are copied from another run (`criterion=copy`)."""
    return bool(get_nested(config, "criterion._target_") == COPIED)


def canonical(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return all values that change results, in one spelling, flat: {"pruning.rate": 0.2, ...}."""
    flat = flatten(config)
    if copies_masks(config):
        # Copied masks do not depend on the scope and the pruning of this run.
        flat = {k: v for k, v in flat.items() if not k.startswith(("pruning.", "scope."))}
        flat["criterion.run"] = trunk_name(flat["criterion.run"], config["seed"])
    if has_module(config):
        flat = {k: v for k, v in flat.items() if k.split(".")[0] not in replaced_groups(config)}
        flat |= {f"dataset.{name}": config["dataset"][name] for name in KEPT_OF_DATASET}
    if flat.get("pruning.at") == "init":
        from lottery.pruning import trait  # imports torch

        if not trait(load_target(config["criterion"], "criterion"), "needs_training"):
            del flat["pruning.at"]
    if is_stream(config):
        flat.pop("datamodule.num_workers", None)
    targets = [str(flat.get(f"{group}._target_")) for group in ("dataset", "model", "datamodule")]
    for key in ("model.init_from", *(PATH_ARGUMENTS.get(target, "") for target in targets)):
        if isinstance(flat.get(key), str):
            flat[key] = Path(flat[key]).absolute().name
    synchronized = flat.get("trainer.sync_batchnorm", True)
    kept = TRAINER_KEPT if synchronized else TRAINER_KEPT | OWN_STATISTICS
    kept |= {key for key in flat if key.startswith("trainer.lightning.")}
    for key in (*DURATIONS, *DURATION_ARGUMENTS):
        ours = str(flat.get(f"{key.partition('.')[0]}._target_")).startswith("lottery.")
        if key in flat and (ours or key in DURATIONS):
            flat[key] = canonical_duration(flat[key])
    return {
        key: canonical_number(value)
        for key, value in sorted(flat.items())
        if key not in LEFT_OUT
        and not key.startswith(("logger", "callbacks"))
        and not (key.startswith("trainer.") and key not in kept)
        and not (key in ADDED_LATER and value == ADDED_LATER[key])
    }


def located(config: Mapping[str, Any], folder: str = "") -> dict[str, Any]:
    """Return the config with absolute paths, so that its run can be rebuilt from any folder.

    Relative paths start at `folder`, which is the current one if it is not given.
    """

    def locate(key: str, value: str) -> str:
        path = Path(folder, value).absolute()
        is_word = key == "model.weights" and not path.exists()  # such as random
        return value if is_word else str(path)

    return _with_paths(config, locate)


def _with_paths(config: Mapping[str, Any], change: Callable[[str, str], str]) -> dict[str, Any]:
    """Return the config with its paths changed; what is no text is left as it is."""
    changed: dict[str, Any] = {
        group: dict(node) for group, node in config.items() if isinstance(node, Mapping)
    }
    for key in PATHS:
        group, name = key.split(".")
        value = changed.get(group, {}).get(name)
        if group == "datamodule" and not is_stream(config):
            continue  # a user's own argument
        if isinstance(value, str):
            changed[group][name] = change(key, value)
    if isinstance(config.get("output_dir"), str):
        changed["output_dir"] = change("output_dir", config["output_dir"])
    return {**config, **changed}


def key_of(config: Mapping[str, Any]) -> str:
    """Return the key of a canonical config: eight hexadecimal digits of its sha256."""
    text = json.dumps(config, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def folder_name(config: Mapping[str, Any], choices: Mapping[str, Any]) -> str:
    """Return `<dataset>-<model>-<criterion>-<rate>-<scope>-<reinit>-<key>`."""
    words = {"rate": get_nested(config, "pruning.rate"), **choices}
    if has_module(config):
        words |= {"dataset": _option(config, choices, "datamodule")}
    if has_module(config) and not is_supervised(config):
        words |= {"model": _option(config, choices, "module")}
    if copies_masks(config):
        words |= {"rate": "none", "scope": "none"}
    words["criterion"] = ALIASES.get(str(words.get("criterion")), words.get("criterion"))
    if (dynamic := _option(config, choices, "dynamic")) != "none":
        words["criterion"] = f"{words['criterion']}+{dynamic}"
    words |= {"reinit": reinit_word(config, words.get("reinit")), "key": key_of(canonical(config))}
    order = ("dataset", "model", "criterion", "rate", "scope", "reinit", "key")
    return "-".join(_file_name(words.get(name)) for name in order)


def _option(config: Mapping[str, Any], choices: Mapping[str, Any], group: str) -> str:
    """Return the option chosen of a group, or its class where another file names it."""
    if choices.get(group, "none") != "none":
        return str(choices[group])
    target = get_nested(config, f"{group}._target_")
    return "none" if target is None else str(target).rpartition(".")[2]


def run_path(config: Mapping[str, Any], choices: Mapping[str, Any]) -> Path:
    """Return the run's folder. The same config has the same folder."""
    seed = f"seed_{_file_name(config.get('seed'))}"
    return Path(str(config.get("output_dir"))).absolute() / folder_name(config, choices) / seed


def shapes_dense_round(config: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return the values of a canonical config that round 0 depends on."""
    pruning = ("criterion.", "scope.", "reinit.", "pruning.", "model.rates", "seeds.pruning")
    # it only looks; round 0 has one order, and its masks stay
    others = ("early_bird.", "dataset.order", "dynamic.")
    shaping = {k: v for k, v in config.items() if not k.startswith(pruning + others)}
    for key in ("seeds.init", "seeds.order", "seeds.augmentation"):
        if shaping[key] is None:
            shaping[key] = seed
    return shaping


def _merged(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(config)
    for key, value in changes.items():
        here = merged.get(key)
        if isinstance(here, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(here, value)
        else:
            merged[key] = value
    return merged


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values flat, by dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def _file_name(value: Any) -> str:
    return re.sub(r"[^\w.+]", "_", str(value))
