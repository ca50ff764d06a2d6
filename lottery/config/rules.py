"""What plain values in the config may be. Nothing heavy is imported: values are checked first."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lottery.errors import ConfigError
from lottery.record.durations import ACCEPTED, parse_duration


@dataclass(frozen=True)
class Rule:
    """What a value may be: a test, the same in words, and how the setting is read from it."""

    accepts: Callable[[Any], bool]
    accepted: str
    read: Callable[[Any], Any] = lambda value: value

    def check(self, key: str, value: Any) -> Any:
        """Return the setting for the value of a key."""
        if not self.accepts(value):
            raise ConfigError(f"{key}={show(value)}: {self.accepted}")
        return self.read(value)


def show(value: Any) -> str:
    """Return a value as a user types it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its name if there is none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def get_nested(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of a key like "trainer.devices" in an unchecked config, or None."""
    value: Any = config
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def whole(at_least: int, at_most: int | None = None) -> Rule:
    """Accept an int that is not a bool."""
    upper = "" if at_most is None else f" and <= {at_most}"
    most = math.inf if at_most is None else at_most
    return Rule(
        lambda v: type(v) is int and at_least <= v <= most, f"a whole number >= {at_least}{upper}"
    )


def number(accepts: Callable[[float], bool], accepted: str) -> Rule:
    """Accept a finite int or float for which a condition holds."""
    return Rule(lambda v: type(v) in (int, float) and math.isfinite(v) and accepts(v), accepted)


def duration(at_least: int) -> Rule:
    """Accept a number of steps or epochs; the setting is a `Duration`."""

    def accepts(value: Any) -> bool:
        try:
            return parse_duration(value).number >= at_least
        except ValueError:
            return False

    return Rule(accepts, f"{ACCEPTED}, at least {at_least}", parse_duration)


def one_of(*texts: str) -> Rule:
    """Accept one of some texts."""
    return Rule(lambda v: v in texts, f"one of {', '.join(texts)}")


def list_of(rule: Rule) -> Rule:
    """Accept a list whose items all obey a rule."""
    return Rule(
        lambda v: isinstance(v, list) and all(map(rule.accepts, v)), f"a list of: {rule.accepted}"
    )


def or_null(rule: Rule) -> Rule:
    """Accept null, or what a rule accepts."""
    return Rule(lambda v: v is None or rule.accepts(v), f"{rule.accepted}, or null")
