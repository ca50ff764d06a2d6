"""Processes that torchrun has started, on one node and on two that are simulated here."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lottery.record.records import read_run_json
from lottery.record.run_dir import RunDir
from lottery.runs.run_lock import locked
from tests.conftest import result_tables
from tests.helpers.torchrun import on_one_node, on_two_nodes

DDP = ("trainer=ddp_cpu", "trainer.precision=64-true", "logger=none")
SHORT = ("iterations=20", "evaluation.every=10", "rounds=1")
TWO_NODES = (*DDP, *SHORT, "trainer.num_nodes=2", "trainer.devices=1", "trainer.interface=lo")

RAISES_ON_NODE_1 = """
from pytorch_lightning import Callback

class Raises(Callback):
    def on_train_start(self, trainer, pl_module):
        if trainer.node_rank == 1:
            raise ValueError("my own bug")
"""


@pytest.mark.usefixtures("folder")
def test_processes_of_torchrun_are_used_as_they_are_on_one_node_and_on_two() -> None:
    first, again = (on_one_node(2, *DDP, *SHORT) for _ in range(2))
    assert (first[0].code, first[1].code) == (0, 0), first[0].err
    # one process prints the table and the folder
    assert (len(first[0].out.splitlines()), first[1].out) == (4, "")
    assert (again[0].code, again[0].out) == (0, first[0].out)
    assert (again[1].code, again[1].out) == (0, "")
    with locked(first[0].run, wait=False):
        refused = on_one_node(2, *DDP, *SHORT, "rounds=2")
    assert (refused[0].code, refused[1].code) == (2, 2)
    assert re.fullmatch(r"error: .* is working here; wait for it to end\n", refused[0].err)
    assert refused[1].err == ""

    nodes = on_two_nodes(*TWO_NODES, "output_dir=nodes")
    assert (nodes[0].code, nodes[1].code) == (0, 0), nodes[0].err
    assert (len(nodes[0].out.splitlines()), nodes[1].out) == (4, "")
    assert result_tables(nodes[0].run) == result_tables(first[0].run)
    found = on_two_nodes(*TWO_NODES)  # the run of one node, which is finished
    assert (found[0].code, found[0].out) == (0, first[0].out)


def test_an_error_on_one_node_ends_the_other(
    folder: Path, write_module: Callable[[str, str], Path]
) -> None:
    write_module("mine", RAISES_ON_NODE_1)
    nodes = on_two_nodes(*TWO_NODES, "+callbacks.mine._target_=mine.Raises")
    assert (nodes[0].code, nodes[1].code) == (1, 1)
    assert "my own bug" in nodes[1].err
    assert "error: another process of the run is gone" in nodes[0].err
    (run,) = folder.glob("outputs/*/seed_0")
    assert read_run_json(RunDir(run))["status"] == "failed"
