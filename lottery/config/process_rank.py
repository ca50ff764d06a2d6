"""Which of a run's processes this one is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProcessRank:
    """The rank of this process. The default is a process that is alone or starts the others."""

    rank: int = 0  # among all processes of the run
    local_rank: int = 0  # among those on this machine
    node: int = 0  # number of the machine
    processes: int = 1  # that were started together
