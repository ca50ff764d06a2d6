"""torchrun's agents, which start the processes of a run: one agent on each node."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from tests.conftest import PATIENCE, Done
from tests.helpers.forked import be_the_command, print_to

HERE = "127.0.0.1"
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
ByRank = dict[int, Done]


def on_one_node(processes: int, *arguments: str) -> ByRank:
    """Do the command in several processes of one agent; return what each has done."""
    with _own_signal_handlers():
        return _launch(arguments, port=0, nodes=1, processes=processes)


def on_two_nodes(*arguments: str) -> ByRank:
    """Do the command by two agents that meet, as on two nodes, with one process each."""
    fork, port = get_context("fork"), free_port()
    ours, theirs = fork.Pipe()
    other = fork.Process(target=_be_other_node, args=(theirs, arguments, port))
    other.start()
    with _own_signal_handlers():
        done = _launch(arguments, port=port, nodes=2, processes=1)
    assert ours.poll(PATIENCE), "the other node hangs"
    done |= ours.recv()
    other.join()
    return done


def _be_other_node(pipe: Connection, arguments: tuple[str, ...], port: int) -> None:
    pipe.send(_launch(arguments, port=port, nodes=2, processes=1))


def _launch(arguments: tuple[str, ...], *, port: int, nodes: int, processes: int) -> ByRank:
    agent = elastic_launch(
        LaunchConfig(
            min_nodes=nodes,
            max_nodes=nodes,
            nproc_per_node=processes,
            run_id="test",  # two agents of one run have the same
            rdzv_backend="c10d",
            rdzv_endpoint=f"{HERE}:{port}",
            local_addr=HERE,
            start_method="fork",  # a fork need not import Lightning
            max_restarts=0,
        ),
        _be_process,
    )
    return dict(agent(*arguments).values())


def _be_process(*arguments: str) -> tuple[int, Done]:
    """Be a process of the run; return its rank and what it has done.

    Each prints to files of its own: pytest's are shared by all forks, and who reads them first
    empties them for the others.
    """
    rank, code = int(os.environ["RANK"]), 0
    out, err = (Path(f"{name}_{rank}.txt") for name in ("stdout", "stderr"))
    print_to(out, err)
    try:
        be_the_command(*arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return rank, Done(code, out.read_text(), err.read_text())


@contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Take back the handlers that an agent sets in its own process and leaves there."""
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def free_port() -> int:
    """Return the number of a port that nobody uses."""
    with socket.socket() as taken:
        taken.bind((HERE, 0))
        return int(taken.getsockname()[1])
