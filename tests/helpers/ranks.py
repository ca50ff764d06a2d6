"""Functions called by several processes that train together, as the workers of a run do."""

import multiprocessing
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from lottery.config import ProcessRank
from lottery.runs.process_group import joined
from lottery.training import Device
from tests.conftest import PATIENCE

CPUS = Device(
    accelerator="cpu",
    precision="32-true",
    deterministic=True,
    compile=False,
    block=50,
    timeout=60,
)

# Forked processes need not import Lightning again. Nothing here has used a second thread.
_context = multiprocessing.get_context("fork")


def on_ranks(number: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call `function(process, *arguments)` on every rank.

    Returns:
        By rank, what it returned or the exception that it raised.
    """
    with TemporaryDirectory() as meeting:
        queue = _context.Queue()
        processes = [
            _context.Process(
                target=_call,
                args=(
                    Path(meeting),
                    ProcessRank(rank, rank, 0, number),
                    queue,
                    function,
                    arguments,
                ),
            )
            for rank in range(number)
        ]
        for process in processes:
            process.start()
        results = dict(queue.get(timeout=PATIENCE) for _ in processes)
        for process in processes:
            process.join()
    return [results[rank] for rank in range(number)]


def _call(
    meeting: Path,
    process: ProcessRank,
    queue: Any,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    torch.set_num_threads(1)
    try:
        with joined(process, CPUS, meeting):
            result = function(process, *arguments)
    except BaseException as error:  # noqa: BLE001  # the test looks at it
        traceback.print_exc()
        result = error
    queue.put((process.rank, result))
