"""Checks of constructors' arguments; a ValueError names the argument and what the user typed."""

from collections.abc import Sequence
from typing import Any


def check_whole(name: str, value: Any, at_least: int, at_most: int | None = None) -> None:
    """Check that an argument is a whole number in a range."""
    accepted = f">= {at_least}" if at_most is None else f"from {at_least} to {at_most}"
    in_range = type(value) is int and at_least <= value and (at_most is None or value <= at_most)
    _check(in_range, name, value, f"a whole number {accepted}")  # a bool is an int, too


def check_share(name: str, value: Any) -> None:
    """Check that an argument is a number above 0 and below 1."""
    _check(isinstance(value, float) and 0 < value < 1, name, value, "a number above 0 and below 1")


def check_flag(name: str, value: Any) -> None:
    """Check that an argument is True or False."""
    _check(isinstance(value, bool), name, value, "true or false")


def check_text(name: str, value: Any) -> None:
    """Check that an argument is a text that is not empty."""
    _check(isinstance(value, str) and value != "", name, value, "a text")


def check_texts(name: str, value: Any) -> None:
    """Check that an argument is a list of texts."""
    are_texts = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    _check(are_texts, name, value, "a list of texts")


def check_one_of(name: str, value: Any, accepted: Sequence[str]) -> None:
    """Check that an argument is one of some texts."""
    is_one = isinstance(value, str) and value in accepted
    _check(is_one, name, value, f"one of {', '.join(accepted)}")


def _check(is_right: bool, name: str, value: Any, accepted: str) -> None:
    if is_right:
        return
    typed = str(value).lower() if isinstance(value, bool) else "null" if value is None else value
    raise ValueError(f"{name}={typed}: {accepted}")
