"""Name settings by what distinguishes them."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from lottery.report.read.roles import TICKET, copies, trunk_of
from lottery.report.read.settings import Setting

# Words for options that a canonical config has only if they are unusual
UNUSUAL: dict[str, Callable[[Any], str]] = {
    "dataset.limit": lambda limit: f"{limit:,} examples",
    "dataset.subsample": lambda share: f"{100 * share:g} % of the training data",
    "dataset.random_labels": lambda share: f"{100 * share:g} % random labels",
    "dataset.shuffle_pixels": lambda _: "shuffled pixels",
    "dynamic.restart": lambda _: "learning rate restarted",
    "model.init_from": lambda file: f"round 0 from {file}",
    "pruning.units": lambda units: f"whole units by {units.upper()}",
}
# Groups whose keys need no group: `rate`, `lr` and `batch_size` are understood alone
KNOWN_ALONE = ("dataset", "evaluation", "optimizer", "pruning", "scheduler", "trainer")
# Keys that a copying run takes over from its trunk
INHERITED = ("pruning.", "scope.", "model.rates")


@dataclass(frozen=True)
class _Draft:
    """A setting with the words of its label so far."""

    setting: Setting
    config: Mapping[str, Any]  # with copied masks also the trunk's pruning, which made the masks
    words: list[str] = field(default_factory=list)

    @cached_property
    def options(self) -> dict[str, str]:
        classes = {
            group: str(self.config.get(f"{group}._target_", "")).rpartition(".")[2].lower()
            for group in ("scope", "optimizer", "scheduler")
        }
        chosen = {group: self.setting.option(group) for group in ("dataset", "model")}
        metric = self.setting.score.metric
        return {**chosen, "score": metric, "role": self.setting.role, **classes}

    def option_of(self, key: str) -> str:
        """Return the option of a key's group; criterion, reinit and dynamic decide the role."""
        group = key.partition(".")[0]
        of_role = group in ("criterion", "reinit", "dynamic")
        if of_role or key in ("pruning.one_shot", "pruning.at"):
            group = "role"
        return self.options.get(group, "")


def label_settings(settings: Sequence[Setting]) -> list[Setting]:
    """Return the settings with labels; equal labels get the key of the folder's name."""
    drafts = [_Draft(setting, _with_pruning_of_trunk(setting, settings)) for setting in settings]
    _add_options_that_differ(drafts)
    _add_values_that_differ(drafts)
    sources = _roles_of_sources(settings)
    for draft in drafts:
        role, words = draft.setting.role, draft.words
        if not (role in words or (words and role == TICKET)):
            words.insert(0, role)  # the default role is named only if nothing else is
        if source := sources.get(draft.setting.name):
            words.append(f"of {source}")
        words += [word(value) for key, word in UNUSUAL.items() if (value := draft.config.get(key))]
    labels = [", ".join(draft.words) for draft in drafts]
    counts = Counter(labels)
    keys = [setting.name.rpartition("-")[2] for setting in settings]
    return [
        replace(setting, label=label if counts[label] == 1 else f"{label} ({key})")
        for setting, label, key in zip(settings, labels, keys, strict=True)
    ]


def _with_pruning_of_trunk(setting: Setting, settings: Sequence[Setting]) -> Mapping[str, Any]:
    if not copies(setting.config):
        return setting.config
    trunk = trunk_of(setting.config)[0]
    found = [other.config for other in settings if other.name == trunk]
    inherited = {k: v for k, v in found[0].items() if k.startswith(INHERITED)} if found else {}
    return {**inherited, **setting.config}


def _add_options_that_differ(drafts: Sequence[_Draft]) -> None:
    options = [draft.options for draft in drafts]
    for group in options[0] if options else ():
        if len({option[group] for option in options} - {""}) > 1:
            for draft, option in zip(drafts, options, strict=True):
                draft.words.extend([option[group]] if option[group] else [])


def _add_values_that_differ(drafts: Sequence[_Draft]) -> None:
    """Compare values only among settings with the same option of the key's group."""
    for key in sorted(set().union(*(draft.config for draft in drafts))):
        if key.endswith("._target_") or key in ("criterion.run", *UNUSUAL):
            continue
        having = [draft for draft in drafts if key in draft.config]
        values = defaultdict(set)
        for draft in having:
            values[draft.option_of(key)].add(_show(draft.config[key]))
        for draft in having:
            differs = len(values[draft.option_of(key)]) > 1
            # what is not set needs no word: the others have one
            if differs and draft.config[key] is not None:
                draft.words.append(label_of_value(key, draft.config[key]))


def _roles_of_sources(settings: Sequence[Setting]) -> dict[str, str | None]:
    """For copied masks, return the role of the source run by name, if these roles differ."""
    roles = {setting.name: setting.role for setting in settings}
    sources = {s.name: roles.get(trunk_of(s.config)[0]) for s in settings if copies(s.config)}
    return sources if len(set(sources.values()) - {None}) > 1 else {}


def label_of_value(key: str, value: Any) -> str:
    """Word one value of a config, as labels do."""
    if key == "pruning.one_shot":
        return f"as {value} rounds"
    return f"{short_key(key)}={_show(value)}"


def short_key(key: str) -> str:
    """Return a key as labels name it.

    Example:
        >>> short_key("pruning.rate"), short_key("reinit.to")
        ('rate', 'reinit.to')
    """
    group, _, name = key.partition(".")
    return name if name and group in KNOWN_ALONE else key


def _show(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list) else str(value)


def capital(text: str) -> str:
    """Return a text with a first capital letter, the others as they are."""
    return text[:1].upper() + text[1:]
