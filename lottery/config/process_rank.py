"""Which of a run's processes this one is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProcessRank:
    """The rank of this process. The default is a process that is alone or starts the others.

    Args:
        rank: rank among all processes of the run.
        local_rank: rank among those on this machine.
        node: number of the machine.
        processes: number of processes that were started together; 1 if this one is alone.
    """

    rank: int = 0
    local_rank: int = 0
    node: int = 0
    processes: int = 1
