"""Name settings by what distinguishes them."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lottery.report.read.roles import WINNING_TICKET, copies, trunk_of
from lottery.report.read.settings import Setting

# Words for options that a canonical config has only if they are unusual
UNUSUAL: dict[str, Callable[[Any], str]] = {
    "dataset.limit": lambda limit: f"{limit:,} examples",
    "dataset.subsample": lambda share: f"{100 * share:g} % of the training data",
    "dataset.random_labels": lambda share: f"{100 * share:g} % random labels",
    "dataset.shuffle_pixels": lambda _: "shuffled pixels",
    "pruning.units": lambda units: f"whole units by {units.upper()}",
}
# Keys that a copying run takes over from its trunk
INHERITED = ("pruning.", "scope.", "model.rates")

Config = Mapping[str, Any]


def label_settings(settings: Sequence[Setting]) -> list[Setting]:
    """Return the settings with labels; equal labels get the key of the folder's name."""
    labels = [", ".join(words) for words in _differences(settings)]
    counts = Counter(labels)
    return [
        replace(
            setting,
            label=label if counts[label] == 1 else f"{label} ({setting.name.rpartition('-')[2]})",
        )
        for setting, label in zip(settings, labels, strict=True)
    ]


def _differences(settings: Sequence[Setting]) -> list[list[str]]:
    """For each setting: its options that differ, its role, its values that differ."""
    configs = [_with_pruning_of_trunk(setting, settings) for setting in settings]
    options = [
        _options(setting, config) for setting, config in zip(settings, configs, strict=True)
    ]
    found: list[list[str]] = [[] for _ in settings]
    for group in options[0] if options else ():
        if len({option[group] for option in options} - {""}) > 1:
            for words, option in zip(found, options, strict=True):
                words.extend([option[group]] if option[group] else [])
    for key in sorted(set().union(*configs)):
        if key.endswith("._target_") or key in ("criterion.run", *UNUSUAL):
            continue
        group = _group(key)
        # Values are compared only among settings with the same option of the key's group.
        values = defaultdict(set)
        for config, option in zip(configs, options, strict=True):
            if key in config:
                values[option.get(group, "")].add(_show(config[key]))
        for words, config, option in zip(found, configs, options, strict=True):
            if key in config and len(values[option.get(group, "")]) > 1:
                words.append(label_of_value(key, config[key]))
    for words, setting, config in zip(found, settings, configs, strict=True):
        if not (setting.role in words or (words and setting.role == WINNING_TICKET)):
            words.insert(0, setting.role)  # the default role is named only if nothing else is
        words.extend(_source_words(setting, settings))
        words.extend(word(config[key]) for key, word in UNUSUAL.items() if config.get(key))
    return found


def _with_pruning_of_trunk(setting: Setting, settings: Sequence[Setting]) -> Config:
    """The config; with copied masks, plus the trunk's pruning, which made the masks."""
    if not copies(setting.config):
        return setting.config
    trunk = trunk_of(setting.config)[0]
    found = [other.config for other in settings if other.name == trunk]
    inherited = {k: v for k, v in found[0].items() if k.startswith(INHERITED)} if found else {}
    return {**inherited, **setting.config}


def _options(setting: Setting, config: Config) -> dict[str, str]:
    classes = {
        group: str(config.get(f"{group}._target_", "")).rpartition(".")[2].lower()
        for group in ("scope", "optimizer", "scheduler")
    }
    chosen = {group: setting.option(group) for group in ("dataset", "model")}
    return {**chosen, "role": setting.role, **classes}


def _group(key: str) -> str:
    group = key.partition(".")[0]
    decides_role = group in ("criterion", "reinit") or key in ("pruning.one_shot", "pruning.at")
    return "role" if decides_role else group


def _source_words(setting: Setting, settings: Sequence[Setting]) -> list[str]:
    """For copied masks, name the role of the source run if the roles of the sources differ."""
    roles = {other.name: other.role for other in settings}
    sources = {
        one.name: roles.get(trunk_of(one.config)[0]) for one in settings if copies(one.config)
    }
    role = sources.get(setting.name)
    return [f"of {role}"] if role and len(set(sources.values()) - {None}) > 1 else []


def label_of_value(key: str, value: Any) -> str:
    """Word one value of a config, as labels do."""
    if key == "pruning.one_shot":
        return "iterative" if value is None else f"as {value} rounds"
    return f"{key}={_show(value)}"


def _show(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list) else str(value)
