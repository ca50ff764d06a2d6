"""The processes of a run on one machine hold one copy of its data."""

from pathlib import Path
from typing import Any

import pytest

from lottery.config import ProcessRank, prepare
from lottery.distributed import gather
from lottery.runs.shared_data import OtherData, offered_data, share_data
from tests.helpers.experiments import composed
from tests.helpers.ranks import on_ranks

MEMORY = "/memfd:lottery-"


def _maps() -> int:
    """Return how often this process maps memory of ours."""
    return Path("/proc/self/maps").read_text().count(MEMORY)


def _share(process: ProcessRank, path: Path) -> tuple[bool, bool, int, float]:
    experiment = prepare(composed(), path, ProcessRank())
    assert experiment.splits is not None
    digest, before = experiment.splits.digest(), _maps()
    share_data(experiment, None)
    inputs = experiment.splits.train.inputs
    if process.rank == 1:
        inputs[0] = 7.0  # this process's own from now on
    gather(None)
    equal = process.rank == 1 or experiment.splits.digest() == digest
    same = inputs is experiment.imp.fit.splits.train.inputs
    return equal, same, _maps() - before, float(inputs[0].max())


def test_ranks_map_the_memory_of_the_first(tmp_path: Path) -> None:
    first, second = on_ranks(2, _share, tmp_path)
    assert first[:3] == second[:3] == (True, True, 1)
    assert second[3] == 7
    assert first[3] <= 1


def _offer(process: ProcessRank, path: Path) -> tuple[int, bool]:
    starter, worker, other = (
        prepare(composed(f"dataset.split_seed={seed}"), path, ProcessRank()) for seed in (0, 0, 1)
    )
    assert worker.splits is not None
    digest = worker.splits.digest()
    with offered_data(starter) as data:
        share_data(worker, data)
        with pytest.raises(OtherData, match="changed while the run's processes started"):
            share_data(other, data)
    return _maps(), worker.splits.digest() == digest  # though the memory is closed


def test_workers_map_the_memory_of_their_starter(tmp_path: Path) -> None:
    assert on_ranks(1, _offer, tmp_path) == [(2, True)]


def _other(process: ProcessRank, path: Path) -> None:
    words = f"dataset.split_seed={process.rank}"
    share_data(prepare(composed(words), path, ProcessRank()), None)


def test_ranks_with_other_data_are_stopped(tmp_path: Path) -> None:
    errors: list[Any] = on_ranks(2, _other, tmp_path)
    assert [str(error) for error in errors] == ["rank 1 has loaded other data than rank 0"] * 2
