"""Whole runs on one GPU; on an emulated one they end with the files of a run on the CPU."""

from pathlib import Path

import pytest

from lottery.config.hydra_setup import conf_dir
from lottery.record.records import read_record, read_run_json
from lottery.record.run_dir import RunDir
from tests.helpers.distance import furthest
from tests.helpers.gpu_runs import analyse, kill_in_first_round, results, run, sweep
from tests.helpers.gpus import Gpus
from tests.helpers.ranks import on_ranks

OF_WEIGHTS = (
    *("magnitude", "large_final", "large_init", "large_init_large_final"),
    *("magnitude_increase", "movement"),
)
LATE = ("reinit=rewind", "reinit.to=2", "reinit.optimizer_state=restored")
# Every criterion that runs the network, and every reinit.
CASES = [
    ("criterion=snip", "reinit=random", "trainer.data_on_gpu=false"),
    ("criterion=grasp", "reinit=none"),
    ("criterion=synflow", "criterion.iterations=5", "reinit=sign"),
    ("criterion=gradient_magnitude", "reinit=lr_rewind"),
    ("criterion=random", "reinit=finetune"),
    ("criterion=edge_popup", "reinit=rewind"),
    ("optimizer.clip_norm=0.1", "trainer.tf32=true"),
    ("optimizer=sgd", "trainer.data_on_gpu=false", *LATE),
]


def test_every_criterion_and_reinit_is_here() -> None:
    words = {word for case in CASES for word in case}
    reinits = {f"reinit={file.stem}" for file in (conf_dir() / "reinit").glob("*.yaml")}
    assert reinits <= words
    criteria = {file.stem for file in (conf_dir() / "criterion").glob("*.yaml")} - {"copy"}
    assert {f"criterion={name}" for name in criteria - set(OF_WEIGHTS)} <= words


@pytest.mark.parametrize("overrides", CASES, ids=" ".join)
def test_a_run_on_a_gpu_ends_as_on_the_cpu(
    gpus: Gpus, tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    here, there = tmp_path / "gpu", tmp_path / "cpu"
    runs = ((here, ("trainer=gpu", *overrides)), (there, ("trainer=cpu", *overrides)))
    assert on_ranks(1, run, *runs, gpus=gpus) == [None]
    if gpus.emulated:  # a real one adds up in another order
        assert results(here) == results(there)


def test_criteria_that_look_at_weights(gpus: Gpus, tmp_path: Path) -> None:
    runs = [(tmp_path / name, ("trainer=gpu", f"criterion={name}")) for name in OF_WEIGHTS]
    assert on_ranks(1, run, *runs, gpus=gpus) == [None]


def test_a_record_says_where_its_round_was_trained(gpus: Gpus, tmp_path: Path) -> None:
    """A run that goes on elsewhere keeps what was there, and warns."""
    gpu, cpu = (
        (tmp_path, (trainer, rounds))
        for trainer, rounds in (("trainer=gpu", "rounds=0"), ("trainer=cpu", "rounds=1"))
    )
    assert on_ranks(1, run, gpu, cpu, gpus=gpus) == [None]
    first, second = (read_record(RunDir(tmp_path).round(number))["trained"] for number in (0, 1))
    assert first["hardware"]["device"].startswith("gpu (")
    assert first["hardware"]["tf32"] is False
    assert second["hardware"]["device"].startswith("cpu (")
    assert first["host"] == second["host"]
    assert read_run_json(RunDir(tmp_path))["machine"]["device"].startswith("cpu (")


def test_runs_that_are_trained_as_one_on_a_gpu(gpus: Gpus, tmp_path: Path) -> None:
    arms = ("seed=0,1", "criterion=random", "trainer.precision=64-true")
    here, there = tmp_path / "gpu", tmp_path / "cpu"
    batched = ("hydra/launcher=batched", "trainer=gpu", *arms)
    assert on_ranks(1, sweep, here, *batched, gpus=gpus) == [None]
    assert on_ranks(1, sweep, there, "trainer=cpu", *arms, gpus=gpus) == [None]
    folders = sorted(here.glob("outputs/*/seed_*"))
    assert len(folders) == 2
    for folder in folders:
        machine = read_run_json(RunDir(folder))["machine"]
        assert (machine["grouped"], machine["graph"]) == (2, False)
        assert furthest(folder, there / folder.relative_to(here)) < 1e-12


def test_stability_and_ticket_of_a_run_in_bfloat16(gpus: Gpus, tmp_path: Path) -> None:
    bf16 = (tmp_path, ("trainer=gpu", "trainer.precision=bf16-mixed"))
    assert on_ranks(1, run, bf16, gpus=gpus) == [None]
    assert on_ranks(1, analyse, tmp_path, gpus=gpus) == [None]
    assert (tmp_path / "stability" / "pairs.csv").exists()
    assert (tmp_path / "ticket" / "ticket.json").exists()


KILLED = (
    *("trainer=gpu", "trainer.block=2", "model=conv_2", "model.dropout=0.5", "optimizer=sgd"),
    *("rounds=0", "iterations=12", "evaluation.every=6", "dataset.batch_size=10"),
)


def test_a_killed_run_ends_as_one_that_was_not(gpus: Gpus, tmp_path: Path) -> None:
    """Dropout draws from the GPU's generator, whose state comes back with the checkpoint."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    kill_in_first_round(gpus, killed, KILLED)
    assert on_ranks(1, run, (killed, KILLED), (whole, KILLED), gpus=gpus) == [None]
    assert results(killed) == results(whole)
