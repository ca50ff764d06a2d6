"""Checks of plain values, by key, before anything heavy is imported."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lottery.errors import ConfigError
from lottery.record.durations import ACCEPTED, parse_duration

Rule = tuple[Callable[[Any], bool], str]

PRECISIONS = ("32-true", "64-true", "bf16-true", "bf16-mixed")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_duration(value: Any, at_least: int) -> bool:
    try:
        return parse_duration(value).number >= at_least
    except ValueError:
        return False


def whole(at_least: int, at_most: int | None = None) -> Rule:
    """An int, not a bool."""
    accepted = f"a whole number >= {at_least}"
    if at_most is not None:
        accepted += f" and <= {at_most}"
    most = math.inf if at_most is None else at_most
    return lambda v: _is_whole(v) and at_least <= v <= most, accepted


def duration(at_least: int) -> Rule:
    """A number of steps or epochs."""
    return lambda v: _is_duration(v, at_least), f"{ACCEPTED}, at least {at_least}"


def one_of(*values: Any) -> Rule:
    """One of some values."""
    names = ", ".join("null" if value is None else str(value) for value in values)
    return lambda v: any(v is value or v == value for value in values), f"one of {names}"


def list_of(rule: Rule) -> Rule:
    """A list whose items all obey a rule."""
    check, accepted = rule
    return lambda v: isinstance(v, list) and all(map(check, v)), f"a list of: {accepted}"


def or_null(rule: Rule) -> Rule:
    """null, or what a rule accepts."""
    check, accepted = rule
    return lambda v: v is None or check(v), f"{accepted}, or null"


def _is_pair_of_betas(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(_is_number(beta) and 0 <= beta < 1 for beta in value)
    )


def _is_pair_of_sizes(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(_is_whole(size) and size >= 1 for size in value)
    )


SHARE: Rule = (lambda v: _is_number(v) and 0 < v < 1, "a number above 0 and below 1")
POSITIVE: Rule = (lambda v: _is_number(v) and v > 0, "a number above 0")
NOT_NEGATIVE: Rule = (lambda v: _is_number(v) and v >= 0, "a number >= 0")
FLAG: Rule = (lambda v: isinstance(v, bool), "true or false")
TEXT: Rule = (lambda v: isinstance(v, str) and v != "", "a text")

RULES: dict[str, Rule] = {
    "seed": whole(0),
    "seeds.init": or_null(whole(0)),
    "seeds.order": or_null(whole(0)),
    "seeds.augmentation": or_null(whole(0)),
    "seeds.pruning": or_null(whole(0)),
    "rounds": whole(0),
    "iterations": duration(1),
    "pruning.rate": SHARE,
    "pruning.only": list_of(TEXT),
    "pruning.exclude": list_of(TEXT),
    "pruning.target_sparsity": or_null(SHARE),
    "pruning.one_shot": or_null(whole(1)),
    "pruning.at": one_of("trained", "init"),
    "pruning.units": one_of("none", "l1", "l2"),
    "evaluation.every": duration(1),
    "evaluation.test_curve": FLAG,
    "early_stopping.patience": or_null(whole(1)),
    "early_bird.epsilon": or_null(SHARE),
    "dataset.batch_size": whole(1),
    "dataset.split_seed": whole(0, 2**32 - 1),  # what numpy and scikit-learn take
    "dataset.root": TEXT,
    "dataset.download": FLAG,
    "dataset.base_url": TEXT,
    "dataset.folder": TEXT,
    "dataset.image_size": (_is_pair_of_sizes, "two whole numbers >= 1, height and width"),
    "dataset.normalize": one_of("unit", "mean_std"),
    "dataset.order": one_of("per_round", "fixed"),
    "dataset.limit": or_null(whole(1)),
    "dataset.subsample": (lambda v: _is_number(v) and 0 < v <= 1, "a number above 0, at most 1"),
    "dataset.random_labels": (lambda v: _is_number(v) and 0 <= v <= 1, "a number from 0 to 1"),
    "dataset.shuffle_pixels": FLAG,
    "model.fc2": whole(1),
    "criterion.run": or_null(TEXT),
    "criterion.shuffle": one_of("none", "layerwise", "global"),
    "criterion.rounds": or_null(list_of(whole(1))),
    "criterion.num_batches": whole(1),
    "criterion.batch_size": whole(1),
    "criterion.iterations": whole(1),
    "criterion.temperature": POSITIVE,
    "reinit.to": duration(0),
    "reinit.optimizer_state": one_of("fresh", "restored"),
    "reinit.draw": whole(0),
    "reinit.steps": or_null(duration(1)),
    "optimizer.lr": POSITIVE,
    "optimizer.betas": (_is_pair_of_betas, "two numbers >= 0 and below 1"),
    "optimizer.eps": NOT_NEGATIVE,
    "optimizer.nesterov": FLAG,
    "optimizer.momentum": NOT_NEGATIVE,
    "optimizer.weight_decay": NOT_NEGATIVE,
    "optimizer.clip_norm": or_null(POSITIVE),
    "scheduler.at": list_of(duration(1)),
    "scheduler.steps": duration(1),
    "scheduler.factor": POSITIVE,
    "trainer.accelerator": one_of("auto", "cpu", "gpu"),
    "trainer.precision": one_of(*PRECISIONS),
    "trainer.compile": FLAG,
    "trainer.deterministic": FLAG,
    "trainer.threads": or_null(whole(1)),
    "trainer.block": whole(1),
    "trainer.devices": whole(1),
    "trainer.num_nodes": whole(1),
    "trainer.timeout": whole(1),
    "checkpoint.every_seconds": or_null(POSITIVE),
    "output_dir": TEXT,
    "keep": one_of("all", "winner"),
    "short": FLAG,
    "dry_run": FLAG,
}


def check_values(config: Mapping[str, Any]) -> None:
    """Check every plain value that has a rule and is in the config.

    Args:
        config: the composed config as plain containers.

    Raises:
        ConfigError: naming the key, the value and what is accepted.
    """
    for group in sorted({key.partition(".")[0] for key in RULES if "." in key}):
        if not isinstance(config.get(group), Mapping):
            keys = ", ".join(key for key in RULES if key.startswith(f"{group}."))
            raise ConfigError(f"{group}={show(config.get(group))}: has keys of its own: {keys}")
    _check_known(config)
    for key, (accepts, accepted) in RULES.items():
        present, value = find(config, key.split("."))
        if present and not accepts(value):
            raise ConfigError(f"{key}={show(value)}: {accepted}")
    optimizer = config["optimizer"]
    if optimizer.get("nesterov") and not optimizer.get("momentum"):
        raise ConfigError("optimizer.nesterov=true: needs optimizer.momentum above 0")


# Groups that are no `_target_`
GROUPS = (
    *("seeds", "pruning", "evaluation", "early_stopping", "early_bird"),
    *("trainer", "checkpoint"),
)


def _check_known(config: Mapping[str, Any]) -> None:
    """Groups that are no `_target_` take no other keys: they would have no effect."""
    for group in GROUPS:
        known = [key for key in (*RULES, "pruning.rates") if key.startswith(f"{group}.")]
        for name, value in config[group].items():
            if f"{group}.{name}" not in known:
                raise ConfigError(f"{group}.{name}={show(value)}: no such key; {', '.join(known)}")


def find(config: Mapping[str, Any], path: Sequence[str]) -> tuple[bool, Any]:
    """Whether a nested key is there, and its value."""
    value: Any = config
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return False, None
        value = value[part]
    return True, value


def show(value: Any) -> str:
    """A value as a user would type it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)
