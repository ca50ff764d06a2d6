"""Which of a run's processes this one is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A process's place; by default it is alone, or starts the others itself.

    Args:
        rank: among all processes of the run.
        local_rank: among those on this machine.
        node: the machine's number.
        processes: that train together, ready-made; 1 where none are.
    """

    rank: int = 0
    local_rank: int = 0
    node: int = 0
    processes: int = 1
