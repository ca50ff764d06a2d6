"""Sweeps on a real SLURM of one node, which `scripts/slurm-local` starts and stops."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from lottery.api import load_run
from tests.conftest import PATIENCE, TINY, Lottery, real_command, tensor_files
from tests.helpers.forked import ForkedCommand
from tests.helpers.sweeps import NETWORKS, jobs_of, wait_for

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "slurm-local"
SWEEP = ("-m", "hydra/launcher=slurm", *TINY)


def _slurm_local(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *arguments],
        env=os.environ | {"SLURM_LOCAL": str(home)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture(scope="module")
def slurm_home() -> Iterator[Path]:
    """The folder of a SLURM that runs. Its name is short, because a socket's must be."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        home = Path(folder) / "home"
        started = _slurm_local(home, "start")
        if started.returncode == 2:
            pytest.skip(started.stderr.strip())
        assert started.returncode == 0, started.stderr
        yield home
        stopped = _slurm_local(home, "stop")
        assert (stopped.returncode, stopped.stderr) == (0, "")
        assert _processes_of(home) == []


@pytest.fixture
def slurm(slurm_home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM for the commands of a test, in an empty folder."""
    monkeypatch.setenv("SLURM_CONF", str(slurm_home / "slurm.conf"))


def _processes_of(home: Path) -> list[str]:
    """Return every process that was started for a SLURM, including those of its jobs."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            name = (process / "comm").read_text().strip()
        except OSError:  # gone by now
            continue
        if str(home).encode() in words:
            found.append(name)
    return found


def _assert_equal(run: Path, other: Path) -> None:
    for name in ("results.csv", "history.csv"):
        assert (run / name).read_bytes() == (other / name).read_bytes()
    assert tensor_files(run) == tensor_files(other)


def _unlocked(folder: Path) -> bool:
    return not list(folder.glob("outputs/*/*/.owner.json"))


@pytest.mark.usefixtures("slurm")
def test_a_sweep_is_a_job_array_and_a_job_that_fails_or_dies_leaves_the_others_alone(
    lottery: Lottery, write_module: Callable[[str, str], Path], folder: Path
) -> None:
    write_module("networks", NETWORKS)
    classes = [f"model._target_=networks.{name}" for name in ("Dies", "Raises", "Good")]
    done = real_command(*SWEEP, "model._target_=networks.Dies,networks.Raises,networks.Good")
    assert done.code == 1
    assert "Traceback" not in done.err
    jobs = jobs_of(done.out)
    assert list(jobs["overrides"].str.split().str[-1]) == classes
    logs = Path(done.out.splitlines()[-1]).glob(".submitit/*/*_0_log.out")
    arrays = [log.parent.name.split("_") for log in logs]
    assert {index for _, index in arrays} == {"0", "1", "2"}
    assert len({array for array, _ in arrays}) == 1

    assert list(jobs["status"]) == ["died", "failed", "finished"]
    assert jobs["message"][1].startswith("RuntimeError: two lines")
    assert "SLURM says FAILED" in jobs["message"][0]
    log = Path(jobs["message"][0].rpartition(" ")[2])
    assert "Killed" in log.read_text()
    good = Path(jobs["run"][2])
    assert not (good / ".owner.json").exists()
    _assert_equal(good, lottery(*TINY, classes[2], "output_dir=plain").run)


@pytest.mark.usefixtures("slurm")
def test_two_tasks_train_one_run(lottery: Lottery, folder: Path) -> None:
    """SLURM starts a task per device, and the tasks agree with one process."""
    ddp = ("trainer=ddp_cpu", "trainer.devices=2", "trainer.precision=64-true")
    done = ForkedCommand(*SWEEP, *ddp).wait()
    assert done.code == 0, done.err
    jobs = jobs_of(done.out)
    assert list(jobs["status"]) == ["finished"]
    logs = Path(done.out.splitlines()[-1]).glob(".submitit/*/*_log.out")
    assert sorted(log.name.split("_")[1] for log in logs) == ["0", "1"]
    assert _unlocked(folder)
    run = load_run(jobs["run"][0])
    alone = load_run(lottery(*TINY, "trainer.precision=64-true", "output_dir=plain").run)
    torch.testing.assert_close(run.masks(1), alone.masks(1), rtol=0, atol=0)
    torch.testing.assert_close(run.weights(1), alone.weights(1), rtol=0, atol=1e-9)


@pytest.mark.usefixtures("slurm")
def test_a_requeued_job_carries_on_with_equal_results(
    lottery: Lottery, write_module: Callable[[str, str], Path], folder: Path
) -> None:
    write_module("networks", NETWORKS)
    slow = "model._target_=networks.Slow"
    Path("slow").touch()
    command = ForkedCommand(*SWEEP, slow)
    try:
        wait_for(lambda: any(folder.glob("outputs/*/seed_0/rounds/01")))  # round 1 has begun
        (job,) = _squeue("%A")
        subprocess.run(["scontrol", "requeue", job], check=True)
        wait_for(lambda: _squeue("%T %r") == ["PENDING BeginTime"])
        Path("slow").unlink()
        start_now = ["scontrol", "update", f"JobId={job}", "StartTime=now"]
        subprocess.run(start_now, check=True)  # instead of in two minutes
        done = command.wait()
    finally:
        command.kill()
    assert done.code == 0, done.err
    (log,) = done.run.glob(".submitit/*/*_log.out")
    text = log.read_text()
    assert text.count("Starting with JobEnvironment") == 2
    assert "stopped by SIGTERM in round 1" in text
    assert text.count("round 0: 100.00 %") == 1, "a finished round was trained again"
    run = Path(jobs_of(done.out)["run"][0])
    assert _unlocked(folder)
    _assert_equal(run, lottery(*TINY, slow, "output_dir=plain").run)


def test_stop_ends_the_jobs_and_leaves_nothing(slurm_home: Path) -> None:
    """Two SLURMs at once: the first one does not notice the second."""
    home = slurm_home.parent / "second"
    assert _slurm_local(home, "start").returncode == 0
    submit = ["sbatch", "--output=/dev/null", "--wrap=sleep 1000"]
    there = os.environ | {"SLURM_CONF": str(home / "slurm.conf")}
    subprocess.run(submit, env=there, check=True, capture_output=True)
    wait_for(lambda: "sleep" in _processes_of(home))
    stopped = _slurm_local(home, "stop")
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert not home.exists()
    wait_for(lambda: _processes_of(home) == [])
    assert _slurm_local(slurm_home, "status").returncode == 0


def test_what_is_missing_is_said_in_a_line(tmp_path: Path) -> None:
    nowhere = os.environ | {"PATH": str(tmp_path), "SLURM_LOCAL": str(tmp_path / "home")}
    command = ["/bin/bash", SCRIPT, "start"]
    done = subprocess.run(command, env=nowhere, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "slurmctld" in line
    assert "apt-get install" in line
    assert list(tmp_path.iterdir()) == []


def _squeue(columns: str) -> list[str]:
    command = ["squeue", "--noheader", f"--format={columns}"]
    return subprocess.check_output(command, text=True).splitlines()
