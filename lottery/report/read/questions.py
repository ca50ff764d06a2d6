"""What a reader can ask of several settings: which of them differ in one thing only."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lottery.report.read.controls import Comparison
from lottery.report.read.labels import short_key
from lottery.report.read.roles import CRITERION_KEYS, copies
from lottery.report.read.settings import Setting

# The keys that go with a choice
CHOICES = {
    "criterion": CRITERION_KEYS,
    "scope": ("scope.", "model.rates", "pruning.rates"),
    "reinit": ("reinit.",),
    "dynamic": ("dynamic.",),
    "dataset": ("dataset.",),
    "model": ("model.",),
    "optimizer": ("optimizer.",),
    "scheduler": ("scheduler.",),
}


@dataclass(frozen=True)
class Group:
    """Settings that answer a question, with what they have in common."""

    title: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """A question, such as "criterion", and the groups of settings that differ in nothing else."""

    name: str
    groups: tuple[Group, ...]


def find_questions(
    settings: Sequence[Setting], comparisons: Sequence[Comparison]
) -> list[Question]:
    """Return the questions that some settings answer: controls, choices, and single values."""
    found = [Question("controls", tuple(_controls(comparisons)))]
    own = [setting for setting in settings if not copies(setting.config)]
    for name, prefixes in CHOICES.items():
        if len({_choice(setting, name) for setting in own}) > 1:
            found.append(Question(name, tuple(_groups(own, prefixes))))
    found += [
        Question(short_key(key), tuple(_groups(own, (key,))))
        for key in _differing(own)
        if not key.endswith("._target_")
    ]
    return [question for question in found if question.groups]


def _choice(setting: Setting, group: str) -> tuple[str, str]:
    """Return the class of a group, and a name where one class serves several options."""
    name = setting.option(group) if group in ("dataset", "model") else ""
    return str(setting.config.get(f"{group}._target_")), name


def _controls(comparisons: Sequence[Comparison]) -> Iterator[Group]:
    of_ticket: dict[str, list[str]] = defaultdict(list)
    for pair in comparisons:
        of_ticket[pair.ticket.label] += [draw.label for draw in pair.draws]
    for ticket, labels in of_ticket.items():
        yield Group(ticket, tuple(dict.fromkeys([ticket, *labels])))


def _differing(settings: Sequence[Setting]) -> list[str]:
    shown = [{k: json.dumps(v) for k, v in setting.config.items()} for setting in settings]
    keys = sorted(set().union(*shown))
    return [key for key in keys if len({one.get(key) for one in shown} - {None}) > 1]


def _groups(settings: Sequence[Setting], keys: tuple[str, ...]) -> Iterator[Group]:
    """Yield the settings that are equal but for some keys, or groups of keys ("reinit.")."""
    prefixes = tuple(key for key in keys if key.endswith("."))
    groups: dict[str, list[Setting]] = defaultdict(list)
    for setting in settings:
        rest = {
            key: value
            for key, value in setting.config.items()
            if key not in keys and not key.startswith(prefixes)
        }
        groups[json.dumps(rest, sort_keys=True)].append(setting)
    for group in groups.values():
        if len(group) > 1:
            labels = [setting.label for setting in group]
            yield Group(_common(labels), tuple(labels))


def _common(labels: Sequence[str]) -> str:
    """Return the words that all labels have; the first label and the number if there are none."""
    words = [label.split(", ") for label in labels]
    counts = Counter(word for one in words for word in dict.fromkeys(one))
    shared = [word for word in words[0] if counts[word] == len(labels)]
    return ", ".join(shared) if shared else f"{labels[0]} and {len(labels) - 1} more"
