"""Which run a config is: the canonical config, its key, and the folder it lives in."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lottery.config.rules import find
from lottery.record.durations import parse_duration

# What changes no result: where and how a run is done, and which of its rounds.
LEFT_OUT = (
    *("seed", "rounds", "pruning.target_sparsity", "criterion.rounds"),
    *("output_dir", "keep", "dry_run", "checkpoint.every_seconds", "short"),
    *("dataset.root", "dataset.download", "dataset.base_url"),
)
# Of the trainer only this changes results by more than the order of additions.
TRAINER_KEPT = "precision"
# Options added after the first release, with the value that means what was there before: equal
# to it they are left out, so that keys of older runs last.
ADDED_LATER: dict[str, Any] = {
    "dataset.limit": None,
    "dataset.subsample": 1,
    "dataset.random_labels": 0,
    "dataset.shuffle_pixels": False,
    "dataset.augment": "none",
    "early_bird.epsilon": None,
    "pruning.at": "trained",
    "pruning.units": "none",
}
# Criteria that look at no trained weight: when they prune plays no part.
UNTRAINED = ("lottery.pruning.Random", "lottery.pruning.LargeInit")
# Options that are another name of one: equal runs have one folder.
ALIASES = {"large_final": "magnitude"}

# The key of `dataset` that says where the files are, for datasets that do not use dataset.root.
DATA_PATHS = {
    "lottery.data.ImageFolder": "folder",
    "lottery.data.Tabular": "file",
    "lottery.data.Text": "file",
}
WITH_BASE = "lottery.models.VGG16Head"  # whose model.weights may be a file

PATHS = (
    ("dataset", "root"),
    ("dataset", "folder"),
    ("dataset", "file"),
    ("criterion", "run"),
    ("model", "weights"),
)

DURATIONS = (
    *("iterations", "evaluation.every", "scheduler.at", "scheduler.steps"),
    *("reinit.to", "reinit.steps"),
)


def plain(config: DictConfig) -> dict[str, Any]:
    """The composed config, resolved, as plain containers and without Hydra's own part.

    With `short=true` the values of `shortened` are in their places.
    """
    copy = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    container = OmegaConf.to_container(copy, resolve=True)
    assert isinstance(container, dict)
    values = {str(key): value for key, value in container.items()}
    shortened = values.pop("shortened", {})
    return _merged(values, shortened) if values.get("short") is True else values


def copies_masks(config: Mapping[str, Any]) -> bool:
    """Whether the masks are another run's (`criterion=copy`)."""
    return find(config, ["criterion", "_target_"]) == (True, "lottery.pruning.CopiedPruner")


def canonical(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every value that changes results, in one spelling, flat: {"pruning.rate": 0.2, ...}.

    Args:
        config: the composed config as plain containers.
    """
    flat = _flatten(config)
    if copies_masks(config):
        # Copied masks owe nothing to the scope and the pruning of this run.
        flat = {k: v for k, v in flat.items() if not k.startswith(("pruning.", "scope."))}
        flat["criterion.run"] = _trunk_name(flat["criterion.run"], config["seed"])
    if flat.get("criterion._target_") in UNTRAINED:
        flat.pop("pruning.at", None)
    if flat.get("model._target_") == WITH_BASE and isinstance(flat.get("model.weights"), str):
        flat["model.weights"] = Path(flat["model.weights"]).name
    if name := DATA_PATHS.get(str(flat.get("dataset._target_"))):
        key = f"dataset.{name}"
        flat[key] = Path(str(flat.get(key))).absolute().name
    for key in DURATIONS:
        if key in flat:
            flat[key] = _canonical_duration(flat[key])
    return {
        key: _canonical_number(value)
        for key, value in sorted(flat.items())
        if key not in LEFT_OUT
        and not key.startswith(("logger", "callbacks"))
        and not (key.startswith("trainer.") and key != f"trainer.{TRAINER_KEPT}")
        and not (key in ADDED_LATER and value == ADDED_LATER[key])
    }


def located(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with its paths absolute, so that a run can be made again from any folder.

    Args:
        config: the composed config as plain containers.
    """
    changed = {group: dict(node) for group, node in config.items() if isinstance(node, Mapping)}
    for group, name in PATHS:
        value = changed.get(group, {}).get(name)
        if isinstance(value, str) and Path(value).exists():  # weights may also be a word
            changed[group][name] = str(Path(value).absolute())
    return {**config, **changed, "output_dir": str(Path(config["output_dir"]).absolute())}


def key_of(config: Mapping[str, Any]) -> str:
    """Eight hexadecimal digits of sha256 over the canonical config."""
    text = json.dumps(canonical(config), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def folder_name(config: Mapping[str, Any], choices: Mapping[str, Any]) -> str:
    """`<dataset>-<model>-<criterion>-<rate>-<scope>-<reinit>-<key>`.

    Args:
        config: the composed config as plain containers.
        choices: the option chosen in each config group.
    """
    copied = copies_masks(config)
    rate = "none" if copied else find(config, ["pruning", "rate"])[1]
    scope = "none" if copied else choices.get("scope")
    criterion = str(choices.get("criterion"))
    parts = [choices.get("dataset"), choices.get("model"), ALIASES.get(criterion, criterion)]
    parts += [rate, scope, choices.get("reinit"), key_of(config)]
    return "-".join(re.sub(r"[^\w.+]", "_", str(part)) for part in parts)


def run_path(config: Mapping[str, Any], choices: Mapping[str, Any]) -> Path:
    """The run's folder: the same config finds its own work again."""
    name = folder_name(config, choices)
    seed = re.sub(r"[^\w.+]", "_", str(config.get("seed")))
    return Path(str(config.get("output_dir"))).absolute() / name / f"seed_{seed}"


def shapes_dense_round(config: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """What round 0 depends on, of a canonical config: equal for two runs, equal round 0.

    Args:
        config: a canonical config.
        seed: the run's seed.
    """
    later = (
        *("criterion.", "scope.", "reinit.", "pruning.", "model.rates", "seeds.pruning"),
        "early_bird.",  # which only looks
    )
    shaping = {
        key: value
        for key, value in config.items()
        if not key.startswith(later) and key != "dataset.order"
    }
    for key in ("seeds.init", "seeds.order", "seeds.augmentation"):
        if shaping[key] is None:
            shaping[key] = seed
    return shaping


def _merged(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A config with some values changed, group by group."""
    merged = dict(config)
    for key, value in changes.items():
        here = merged.get(key)
        both = isinstance(here, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(here, value) if both else value  # type: ignore[arg-type]
    return merged


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= _flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def _trunk_name(run: Any, seed: Any) -> str:
    """The folder of the trunk's setting; with a seed behind it where that is another one."""
    path = Path(os.path.normpath(Path(str(run)).absolute()))
    if path.name == f"seed_{seed}":
        return path.parent.name
    return "/".join(path.parts[-2:]) if re.fullmatch(r"seed_\d+", path.name) else path.name


def _canonical_duration(value: Any) -> Any:
    if isinstance(value, list):
        return [_canonical_duration(item) for item in value]
    try:
        return parse_duration(value).canonical()
    except ValueError:  # a wrong value is reported later; naming its folder must not fail
        return value


def _canonical_number(value: Any) -> Any:
    if isinstance(value, list):
        return [_canonical_number(item) for item in value]
    if isinstance(value, Mapping):
        # Pairs, in their order: of pruning.rates the first match wins.
        return [[key, _canonical_number(item)] for key, item in value.items()]
    return int(value) if isinstance(value, float) and value.is_integer() else value
