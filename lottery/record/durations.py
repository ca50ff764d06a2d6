"""Durations: numbers of optimizer steps, given as 1000, '1000it' or '20ep'."""

import re
from dataclasses import dataclass

ACCEPTED = "a number of steps ('500' or '500it') or epochs ('20ep')"


@dataclass(frozen=True)
class Duration:
    """A number of steps or of epochs."""

    number: int
    unit: str  # "it" or "ep"

    def steps(self, steps_per_epoch: int) -> int:
        """Return the number of optimizer steps."""
        return self.number * (steps_per_epoch if self.unit == "ep" else 1)

    def canonical(self) -> int | str:
        """Return the one spelling of a value: 1000 for 1000 and '1000it', '20ep' for epochs."""
        return self.number if self.unit == "it" else f"{self.number}ep"


def parse_duration(value: object) -> Duration:
    """Read a duration; a ValueError says what is accepted."""
    match = re.fullmatch(r"(\d+)(it|ep)?", str(value))
    if match is None or isinstance(value, bool):
        raise ValueError(ACCEPTED)
    return Duration(int(match[1]), match[2] or "it")
