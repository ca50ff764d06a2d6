"""What a check of the machine found."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check ended."""

    PASS = "pass"
    FAIL = "fail"
    NOT_HERE = "not here"  # there is nothing of the kind to check


@dataclass(frozen=True)
class Finding:
    """The outcome of one check, and what the user should know about it."""

    status: Status
    text: str


def passed(text: str) -> Finding:
    """Return the finding of a check that found all well."""
    return Finding(Status.PASS, text)


def failed(text: str) -> Finding:
    """Return the finding of a check that found a fault."""
    return Finding(Status.FAIL, text)


def not_here(text: str) -> Finding:
    """Return the finding of a check that had nothing to look at."""
    return Finding(Status.NOT_HERE, text)
