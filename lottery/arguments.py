"""Checks of constructors' arguments; each error begins with the argument's name."""

from typing import Any


def check_whole(name: str, value: Any, at_least: int) -> None:
    """Check that an argument is a whole number.

    Raises:
        ValueError: it is not, or it is below `at_least`.
    """
    if type(value) is not int or value < at_least:  # a bool is an int, too
        raise ValueError(f"{name}={value}: a whole number >= {at_least}")


def check_flag(name: str, value: Any) -> None:
    """Check that an argument is True or False.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name}={value}: true or false")
