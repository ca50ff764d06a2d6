"""Runs grouped into settings, which are named by what differs between them."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lottery.report.roles import (
    WINNING_TICKET,
    copies,
    is_control,
    is_ticket,
    role_of,
    trunk_of,
)
from lottery.report.runs import RunRecord
from lottery.report.statistics import Summary, summarise
from lottery.report.unusual_settings import KEYS, extras_of

# The parts of a folder's name that say which option of a group was chosen
GROUPS = ("dataset", "model", "criterion", "rate", "scope", "reinit")
# What a copying run has from its trunk
INHERITED = ("pruning.", "scope.", "model.rates")


@dataclass(frozen=True)
class Setting:
    """One config and its runs, one per seed."""

    label: str
    role: str
    runs: tuple[RunRecord, ...]  # by seed

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.runs[0].name

    @property
    def config(self) -> dict[str, Any]:
        """Its canonical config."""
        return self.runs[0].config

    def values(self, column: str) -> dict[int, dict[int, float]]:
        """A column of results.csv or timing.csv: round -> seed -> value."""
        found: dict[int, dict[int, float]] = defaultdict(dict)
        for run in self.runs:
            for number, value in run.values(column).items():
                found[number][run.seed] = value
        return dict(sorted(found.items()))

    def summaries(self, column: str) -> dict[int, Summary]:
        """A column in short, by round."""
        columns = self.values(column)
        return {number: summarise(list(seeds.values())) for number, seeds in columns.items()}

    def means(self, column: str) -> dict[int, float]:
        """A column's means over the seeds, by round."""
        return {number: summary.mean for number, summary in self.summaries(column).items()}

    def chosen(self, group: str) -> str:
        """The option chosen in a config group (`dataset`, `model`, ...), as folders name it."""
        parts = self.name.split("-")
        if len(parts) == len(GROUPS) + 1:
            return parts[GROUPS.index(group)]
        return str(self.config.get(f"{group}._target_")).rpartition(".")[2]


def group_runs(runs: Sequence[RunRecord]) -> tuple[list[Setting], list[str]]:
    """The settings of some runs, tickets with their controls first, and lines about doubles.

    Of two runs with one config and one seed the one with more rounds counts.
    """
    kept: dict[tuple[str, int], RunRecord] = {}
    problems = []
    for run in runs:
        key = json.dumps(run.config, sort_keys=True), run.seed
        there = kept.setdefault(key, run)
        if there is not run:
            less, more = sorted((there, run), key=lambda one: len(one.records))
            kept[key] = more
            problems.append(f"left out: {less.path} is the same run as {more.path}")
    grouped: dict[str, list[RunRecord]] = defaultdict(list)
    for (config, _), run in kept.items():
        grouped[config].append(run)
    settings = [
        Setting("", role_of(some[0].config), tuple(sorted(some, key=lambda run: run.seed)))
        for some in grouped.values()
    ]
    return _label(_in_order(settings)), problems


def _in_order(settings: Sequence[Setting]) -> list[Setting]:
    """Tickets first, each with its controls behind it."""
    ordered: list[Setting] = []
    for ticket in settings:
        if is_ticket(ticket.config):
            ordered.append(ticket)
            ordered += [
                control
                for control in settings
                if is_control(control.config, ticket.config, ticket.name)
                and not any(control is there for there in ordered)
            ]
    return ordered + [s for s in settings if not any(s is there for there in ordered)]


def _label(settings: Sequence[Setting]) -> list[Setting]:
    labels = [", ".join(parts) for parts in _differences(settings)]
    counts = Counter(labels)
    return [
        replace(
            setting,
            label=label if counts[label] == 1 else f"{label} ({setting.name.rpartition('-')[2]})",
        )
        for setting, label in zip(settings, labels, strict=True)
    ]


def _differences(settings: Sequence[Setting]) -> list[list[str]]:
    """What each setting differs by: options of groups, its role, single values."""
    configs = [_whole_config(setting, settings) for setting in settings]
    options = [
        _options(setting, config) for setting, config in zip(settings, configs, strict=True)
    ]
    found: list[list[str]] = [[] for _ in settings]
    for group in options[0] if options else ():
        if len({option[group] for option in options} - {""}) > 1:
            for parts, option in zip(found, options, strict=True):
                parts.extend([option[group]] if option[group] else [])
    for key in sorted(set().union(*configs)):
        if key.endswith("._target_") or key in ("criterion.run", *KEYS):
            continue
        group = _group(key)
        # A value only tells apart settings that have it: those with the same option.
        values = defaultdict(set)
        for config, option in zip(configs, options, strict=True):
            if key in config:
                values[option.get(group, "")].add(_show(config[key]))
        for parts, config, option in zip(found, configs, options, strict=True):
            if key in config and len(values[option.get(group, "")]) > 1:
                parts.append(show_part(key, config[key]))
    return [
        [*_with_role(setting, parts), *_trunk_words(setting, settings), *extras_of(config)]
        for parts, setting, config in zip(found, settings, configs, strict=True)
    ]


def _with_role(setting: Setting, parts: list[str]) -> list[str]:
    """Whatever is not the usual experiment says so, also where all settings are."""
    said = setting.role in parts or (parts and setting.role == WINNING_TICKET)
    return parts if said else [setting.role, *parts]


def _trunk_words(setting: Setting, settings: Sequence[Setting]) -> list[str]:
    """Of a copying setting what its trunk is, where the trunks of others are something else."""
    roles = {other.name: other.role for other in settings}
    trunks = {
        one.name: roles.get(trunk_of(one.config)[0]) for one in settings if copies(one.config)
    }
    role = trunks.get(setting.name)
    return [f"of {role}"] if role and len(set(trunks.values()) - {None}) > 1 else []


def _whole_config(setting: Setting, settings: Sequence[Setting]) -> dict[str, Any]:
    """The config; of a copying setting with its trunk's pruning, which made its masks."""
    if not copies(setting.config):
        return setting.config
    trunk = trunk_of(setting.config)[0]
    found = [other.config for other in settings if other.name == trunk]
    inherited = {k: v for k, v in found[0].items() if k.startswith(INHERITED)} if found else {}
    return {**inherited, **setting.config}


def _options(setting: Setting, config: dict[str, Any]) -> dict[str, str]:
    classes = {
        group: str(config.get(f"{group}._target_", "")).rpartition(".")[2].lower()
        for group in ("scope", "optimizer", "scheduler")
    }
    chosen = {group: setting.chosen(group) for group in ("dataset", "model")}
    return {**chosen, "role": setting.role, **classes}


def _group(key: str) -> str:
    group = key.partition(".")[0]
    of_role = group in ("criterion", "reinit") or key in ("pruning.one_shot", "pruning.at")
    return "role" if of_role else group


def show_part(key: str, value: Any) -> str:
    """A value as labels name it."""
    if key == "pruning.one_shot":
        return "iterative" if value is None else f"as {value} rounds"
    return f"{key}={_show(value)}"


def _show(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list) else str(value)
