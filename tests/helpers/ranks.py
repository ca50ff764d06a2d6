"""Functions called by several processes that train together, as the workers of a run do."""

import multiprocessing
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from lottery.config import ProcessRank
from lottery.runs.process_group import joined
from lottery.training import Device
from tests.conftest import PATIENCE
from tests.helpers.gpus import Gpus

CPUS = Device(
    accelerator="cpu",
    precision="32-true",
    deterministic=True,
    compile=False,
    block=50,
    timeout=60,
    interface="lo",
)

# Forked processes need not import Lightning again. Nothing here has used a second thread.
_context = multiprocessing.get_context("fork")


def on_ranks(
    number: int,
    function: Callable[..., Any],
    *arguments: Any,
    gpus: Gpus | None = None,
    num_devices: int | None = None,
) -> list[Any]:
    """Call `function(process, *arguments)` on every rank.

    Args:
        number: number of ranks.
        function: called in a process for each rank.
        *arguments: for it.
        gpus: each process has one of them; without, they compute on the CPU.
        num_devices: that each process sees, which is all of them if it is not given.

    Returns:
        By rank, what it returned or the exception that it raised.
    """
    context = gpus.context if gpus else _context
    accelerator = "gpu" if gpus else "cpu"
    device = replace(CPUS, accelerator=accelerator, num_devices=num_devices or number)
    with TemporaryDirectory() as meeting:
        queue = context.Queue()
        processes = [
            context.Process(
                target=_call,
                args=(
                    Path(meeting),
                    ProcessRank(rank, rank, 0, number),
                    replace(device, index=rank % device.num_devices),
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
    device: Device,
    queue: Any,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    torch.set_num_threads(1)
    try:
        with joined(process, device, meeting):
            result = function(process, *arguments)
    except BaseException as error:  # noqa: BLE001  # the test looks at it
        traceback.print_exc()
        result = error
    queue.put((process.rank, result))
