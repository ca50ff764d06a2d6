"""What plain values in the config may be. Nothing heavy is imported: values are checked first."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lottery.errors import ConfigError
from lottery.nearest import did_you_mean
from lottery.record.durations import ACCEPTED, parse_duration

MOST = 10**9  # of whole numbers that are no seeds
MOST_STEPS = 10**7  # of a training
SHOWN = 200  # characters of a value in a message


@dataclass(frozen=True)
class Rule:
    """What a value may be: a test, the same in words, and how the setting is read from it."""

    accepts: Callable[[Any], bool]
    accepted: str
    read: Callable[[Any], Any] = lambda value: value
    choices: tuple[str, ...] = ()  # of texts, to suggest the nearest

    def check(self, key: str, value: Any) -> Any:
        """Return the setting for the value of a key."""
        if not self.accepts(value):
            near = did_you_mean(show(value), self.choices)
            raise ConfigError(f"{key}={show(value)}: {self.accepted}{near and f'; {near}'}")
        return self.read(value)


def show(value: Any) -> str:
    """Return a value as a user types it; a long one is cut."""
    if isinstance(value, bool):
        return str(value).lower()
    text = "null" if value is None else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its name if there is none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def get_nested(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of a key like "trainer.devices" in an unchecked config, or None."""
    value: Any = config
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def whole(at_least: int, at_most: int = MOST) -> Rule:
    """Accept an int that is not a bool."""
    return Rule(
        lambda v: type(v) is int and at_least <= v <= at_most,
        f"a whole number >= {at_least} and <= {at_most}",
    )


def number(accepts: Callable[[float], bool], accepted: str) -> Rule:
    """Accept a finite int or float for which a condition holds."""
    most = sys.float_info.max  # an int may be larger
    return Rule(lambda v: type(v) in (int, float) and abs(v) <= most and accepts(v), accepted)


def duration(at_least: int) -> Rule:
    """Accept a number of steps or epochs; the setting is a `Duration`."""

    def accepts(value: Any) -> bool:
        try:
            return at_least <= parse_duration(value).number <= MOST_STEPS
        except ValueError:
            return False

    return Rule(accepts, f"{ACCEPTED}, at least {at_least}, at most {MOST_STEPS}", parse_duration)


def one_of(*texts: str) -> Rule:
    """Accept one of some texts."""
    return Rule(lambda v: v in texts, f"one of {', '.join(texts)}", choices=texts)


def list_of(rule: Rule) -> Rule:
    """Accept a list whose items all obey a rule."""
    return Rule(
        lambda v: isinstance(v, list) and all(map(rule.accepts, v)), f"a list of: {rule.accepted}"
    )


def or_null(rule: Rule) -> Rule:
    """Accept null, or what a rule accepts."""
    return Rule(
        lambda v: v is None or rule.accepts(v), f"{rule.accepted}, or null", choices=rule.choices
    )
