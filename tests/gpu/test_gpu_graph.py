"""A step that is captured as a CUDA graph; the emulated GPU records its operations instead."""

from pathlib import Path

import pytest

from lottery.record.records import read_record
from lottery.record.run_dir import RunDir
from tests.helpers.gpu_runs import results, run
from tests.helpers.gpus import Gpus
from tests.helpers.ranks import on_ranks

STEPS = ("trainer=gpu", "iterations=12", "evaluation.every=6", "dataset.batch_size=10")
CASES = [
    ("optimizer.clip_norm=0.5", "trainer.precision=bf16-mixed"),
    (
        *("model=conv_2", "model.dropout=0.5", "optimizer=sgd", "optimizer.lr=0.01"),
        *("scheduler=step_drops", "scheduler.at=[6]"),
    ),
]


@pytest.mark.parametrize("overrides", CASES, ids=" ".join)
def test_a_run_with_graphs_ends_as_one_without(
    gpus: Gpus, tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    with_graphs, without = tmp_path / "true", tmp_path / "false"
    runs = [
        (folder, (*STEPS, f"trainer.graph={folder.name}", *overrides))
        for folder in (with_graphs, without)
    ]
    assert on_ranks(1, run, *runs, gpus=gpus) == [None]
    assert results(with_graphs) == results(without)
    places = [read_record(RunDir(folder).round(1))["trained"] for folder, _ in runs]
    assert [place["hardware"]["graph"] for place in places] == [True, False]
