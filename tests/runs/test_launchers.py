"""Hydra's launchers as configured here: every YAML, and several runs at once on this machine."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from lottery.config.hydra_setup import conf_dir
from lottery.runs.local_launcher import WorkerPool
from lottery.runs.sweep import Sweep
from tests.conftest import TINY, Lottery, tensor_files
from tests.helpers.experiments import with_hydra
from tests.helpers.forked import ForkedCommand
from tests.helpers.sweeps import NETWORKS, jobs_of, wait_for

LAUNCHERS = sorted(path.stem for path in (conf_dir() / "hydra" / "launcher").iterdir())
# One process per device. SLURM would not complain of a device without one, or with two.
FOLLOWS_TRAINER = {
    "slurm": {"tasks_per_node": 4, "nodes": 2},
    "slurm_gpu": {"tasks_per_node": 4, "nodes": 2, "gpus_per_node": 4},
    "local_parallel": {"n_jobs": 2},
    "batched": {"n_jobs": 10},
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_launcher_composes(launcher: str) -> None:
    devices = ("trainer.devices=4", "trainer.num_nodes=2")
    chosen = with_hydra(f"hydra/launcher={launcher}", *devices).hydra.launcher
    expected = FOLLOWS_TRAINER[launcher]
    assert {key: chosen[key] for key in expected} == expected
    if launcher not in ("local_parallel", "batched"):
        assert "export SLURM_KILL_BAD_EXIT=1" in chosen.setup
        assert chosen.max_num_timeout > 0


def test_runs_at_once_are_those_of_a_plain_sweep_and_one_that_dies_leaves_the_others_alone(
    lottery: Lottery, write_module: Callable[[str, str], Path]
) -> None:
    write_module("networks", NETWORKS)
    classes = "model._target_=networks.Dies,networks.Raises,networks.Good"
    parallel = ("hydra/launcher=local_parallel", "trainer.threads=null", "output_dir=parallel")
    done = lottery("-m", *TINY, classes, *parallel)
    assert done.code == 1
    jobs = jobs_of(done.out)
    assert list(jobs["status"]) == ["died", "failed", "finished"], done.err
    assert "SIGKILL" in jobs["message"][0]
    assert "two lines" in jobs["message"][1]
    run = Path(jobs["run"][2])
    assert '"threads": 1,' in (run / "run.json").read_text()
    good = "model._target_=networks.Good"
    plain = jobs_of(lottery("-m", *TINY, good, "output_dir=plain").out)
    other = Path(plain["run"][0])
    assert run.relative_to(Path("parallel").absolute()) == other.relative_to(
        Path("plain").absolute()
    )
    for name in ("results.csv", "history.csv"):
        assert (run / name).read_bytes() == (other / name).read_bytes()
    assert tensor_files(run) == tensor_files(other)


@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_runs_and_the_command_carries_them_on(
    lottery: Lottery, write_module: Callable[[str, str], Path], number: signal.Signals
) -> None:
    """A terminal sends SIGINT to every process; SIGTERM goes to the command alone."""
    write_module("networks", NETWORKS)
    sweep = ("-m", *TINY, "model._target_=networks.Slow", "seed=0,1")
    Path("slow").touch()
    command = ForkedCommand(*sweep, "hydra/launcher=local_parallel")
    try:
        wait_for(lambda: len(list(Path("outputs").glob("*/seed_*/rounds/00"))) == 2)
        assert len(_living(command.pid)) > 2  # the command and its two processes
        os.kill(-command.pid if number == signal.SIGINT else command.pid, number)
        done = command.wait()
    finally:
        Path("slow").unlink()
        command.kill()
    assert done.code == 128 + number, done.err
    assert list(jobs_of(done.out)["status"]) == ["interrupted", "interrupted"]
    wait_for(lambda: not _living(command.pid))

    jobs = jobs_of(lottery(*sweep).out)
    plain = jobs_of(lottery(*sweep, "output_dir=plain").out)
    for run, other in zip(jobs["run"], plain["run"], strict=True):
        for name in ("results.csv", "history.csv"):
            assert (Path(run) / name).read_bytes() == (Path(other) / name).read_bytes()


def _living(session: int) -> list[str]:
    """Return the living processes of a session."""
    stats = [text.rpartition(")") for text in map(_stat, Path("/proc").glob("[0-9]*/stat"))]
    fields = [(name, *rest.split()) for name, _, rest in stats]
    return [name for name, state, _, _, sid, *_ in fields if int(sid) == session and state != "Z"]


def _stat(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # gone by now
        return "0 () Z 0 0 0"


@pytest.mark.parametrize(
    ("given", "num_gpus", "gpus_per_run", "expected"),
    [
        (None, 0, 1, [None, None, None]),
        (None, 2, 1, ["0", "1", "0"]),
        (None, 4, 2, ["0,1", "2,3", "0,1"]),
        ("5,7", 2, 1, ["5", "7", "5"]),
    ],
)
def test_gpus_are_dealt_out_in_turn(
    monkeypatch: pytest.MonkeyPatch,
    given: str | None,
    num_gpus: int,
    gpus_per_run: int,
    expected: list[str | None],
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    pool = WorkerPool(
        sweep=Sweep(Path("sweep")), num_workers=3, num_gpus=num_gpus, gpus_per_run=gpus_per_run
    )
    dealt = [pool.environment(slot).get("CUDA_VISIBLE_DEVICES") for slot in range(3)]
    assert dealt == expected
