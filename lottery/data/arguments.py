"""Checks of a dataset's arguments; each error begins with the argument's name."""

from typing import Any


def check_whole(name: str, value: Any, at_least: int, at_most: int) -> None:
    """Check that a value is a whole number in a range.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not at_least <= value <= at_most:
        raise _refusal(name, value, f"a whole number from {at_least} to {at_most}")


def check_share(name: str, value: Any) -> None:
    """Check that a value is a number above 0 and below 1.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, float) or not 0 < value < 1:
        raise _refusal(name, value, "a number above 0 and below 1")


def check_text(name: str, value: Any) -> None:
    """Check that a value is a text that is not empty.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, str) or not value:
        raise _refusal(name, value, "a text")


def check_texts(name: str, value: Any) -> None:
    """Check that a value is a list of texts.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise _refusal(name, value, "a list of texts")


def check_one_of(name: str, value: Any, accepted: tuple[str, ...]) -> None:
    """Check that a value is one of some texts.

    Raises:
        ValueError: it is not.
    """
    if value not in accepted:
        raise _refusal(name, value, f"one of {', '.join(accepted)}")


def _refusal(name: str, value: Any, accepted: str) -> ValueError:
    """Return the error, the value as a user types it."""
    shown = {None: "null", True: "true", False: "false"}
    typed = shown[value] if value is None or isinstance(value, bool) else value
    return ValueError(f"{name}={typed}: {accepted}")
