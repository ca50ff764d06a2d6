"""Checks of a dataset's arguments; each error begins with the argument's name."""

from typing import Any


def check_whole(name: str, value: Any, at_least: int, at_most: int) -> None:
    """Check that a value is a whole number in a range.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not at_least <= value <= at_most:
        raise ValueError(f"{name}={value}: a whole number from {at_least} to {at_most}")


def check_share(name: str, value: Any) -> None:
    """Check that a value is a number above 0 and below 1.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, int | float) or not 0 < value < 1:
        raise ValueError(f"{name}={value}: a number above 0 and below 1")


def check_text(name: str, value: Any) -> None:
    """Check that a value is a text that is not empty.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}={'null' if value is None else value}: a text")


def check_texts(name: str, value: Any) -> None:
    """Check that a value is a list of texts.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name}={'null' if value is None else value}: a list of texts")


def check_one_of(name: str, value: Any, accepted: tuple[str, ...]) -> None:
    """Check that a value is one of some texts.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, str) or value not in accepted:
        shown = "null" if value is None else value
        raise ValueError(f"{name}={shown}: one of {', '.join(accepted)}")
