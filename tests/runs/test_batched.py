"""Sweeps whose runs are trained as one network: `hydra/launcher=batched`."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from lottery.api import load_run
from lottery.config import ConfigError, prepare
from lottery.config.experiment import Experiment
from lottery.record.records import read_record
from lottery.record.run_dir import RunDir
from lottery.runs.batched_launcher import groups_of
from lottery.signals import StopRequest
from lottery.training.stacked import Meeting, current_meeting
from lottery.turns import Turns
from tests.conftest import Done, Lottery
from tests.helpers.distance import furthest
from tests.helpers.experiments import composed
from tests.helpers.forked import ForkedCommand
from tests.helpers.sweeps import jobs_of, wait_for

BATCHED = ("-m", "hydra/launcher=batched", "logger=none")
SMALL = ("rounds=2", "iterations=20", "evaluation.every=10", "trainer.threads=1", "adopt=false")
DOUBLE = "trainer.precision=64-true"

WAITING = """
import time
from pathlib import Path
import torch
from lottery.models import LeNet300100

class Waits(LeNet300100):  # after seven steps, while a file of that name exists
    steps = 0

    def forward(self, inputs):
        if self.training and torch.is_grad_enabled():
            Waits.steps += 1
            while Waits.steps > 7 and Path("waits").exists():
                Path("waiting_now").touch()
                time.sleep(0.05)
        return super().forward(inputs)
"""

CRITERION = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Fails:
    def __call__(self, trained):
        raise RuntimeError("no scores")
"""


def _runs(out: str) -> list[Path]:
    return [Path(run) for run in jobs_of(out)["run"]]


def test_runs_as_one_are_those_of_a_plain_sweep(
    lottery: Lottery, write_module: Callable[[str, str], Path]
) -> None:
    """Over three rounds, with a late rewind; two jobs fail after their first round."""
    write_module("criteria", CRITERION)
    late = ("reinit=rewind", "reinit.to=5", "reinit.optimizer_state=restored", DOUBLE)
    criteria = "criterion._target_=lottery.pruning.Random,criteria.Fails"
    done = lottery(*BATCHED, *SMALL, *late, criteria, "seed=0,1", "output_dir=one")
    jobs = jobs_of(done.out)
    assert list(jobs["status"]) == ["finished", "finished", "failed", "failed"], done.err
    assert set(jobs["message"].dropna()) == {"RuntimeError: no scores"}
    assert "jobs 0, 1, 2, 3: as one; they differ in seeds, masks and starts only" in done.err
    assert "on CPUs this takes 0.8 to 1.2 times as long" in done.err

    one = ("criterion._target_=lottery.pruning.Random", *late, "logger=none")
    plain = _runs(lottery("-m", *SMALL, *one, "seed=0,1", "output_dir=plain").out)
    runs = [Path(run) for run in jobs["run"][:2]]
    for run, other in zip(runs, plain, strict=True):
        assert furthest(run, other) < 1e-12
        columns = ["round", "remaining", "ES", "steps", "val", "test"]
        rows, others = (load_run(path).results[columns] for path in (run, other))
        assert rows.to_numpy() == pytest.approx(others.to_numpy(), abs=1e-9)
        assert (_grouped(run), _grouped(other)) == (4, None)
        assert read_record(RunDir(run).round(2))["trained"]["hardware"]["grouped"] == 4
        assert (run / "lottery.log").read_text().count("remaining") == 3  # of this run alone

    alone = lottery(*SMALL, *one, "rounds=3", "output_dir=one")
    assert alone.run == runs[0]
    assert "began with grouped=4 and goes on with grouped=1" in alone.err


def _grouped(run: Path) -> int | None:
    found: int | None = json.loads((run / "run.json").read_text())["machine"].get("grouped")
    return found


def test_a_group_that_is_stopped_and_killed_is_carried_on(
    lottery: Lottery, write_module: Callable[[str, str], Path]
) -> None:
    write_module("waiting", WAITING)
    sweep = (*SMALL, "rounds=1", DOUBLE, "model._target_=waiting.Waits", "seed=0,1,1")
    often = ("trainer.block=5", "checkpoint.every_seconds=0.001")
    stopped = _end_while_it_trains(signal.SIGTERM, *BATCHED, *sweep, *often)
    assert stopped.code == 128 + signal.SIGTERM, stopped.err
    assert list(jobs_of(stopped.out)["status"]) == ["interrupted"] * 3  # one waits for its folder
    killed = _end_while_it_trains(signal.SIGKILL, *BATCHED, *sweep, *often)
    assert killed.code == -signal.SIGKILL
    assert killed.err.count("round 0: carrying on from step 8") == 2, killed.err
    done = lottery(*BATCHED, *sweep, *often)
    assert done.err.count("round 0: carrying on from step 15") == 2, done.err
    assert list(jobs_of(done.out)["status"]) == ["finished"] * 3
    plain = lottery("-m", *sweep, "logger=none", "output_dir=plain")
    for run, other in zip(_runs(done.out), _runs(plain.out), strict=True):
        assert furthest(run, other) < 1e-12


def _end_while_it_trains(number: signal.Signals, *arguments: str) -> Done:
    """Send a signal to a command that waits in its eighth step."""
    Path("waits").touch()
    command = ForkedCommand(*arguments)
    try:
        wait_for(lambda: Path("waiting_now").exists() or not command.is_alive)
        os.kill(command.pid, number)
        Path("waits").unlink()
        return command.wait()
    finally:
        Path("waiting_now").unlink(missing_ok=True)
        command.kill()


def test_a_group_has_one_job_at_least(lottery: Lottery) -> None:
    done = lottery(*BATCHED, "hydra.launcher.n_jobs=0", "seed=0,1")
    assert done.code == 2
    assert "hydra.launcher.n_jobs=0: a whole number above 0" in done.err
    assert not list(Path().iterdir())


def test_which_jobs_are_trained_as_one() -> None:
    jobs = [
        ["seed=0", "criterion=random", "model=lenet_5"],
        ["seed=1", "+reinit.draw=1", "model=lenet_5"],
        ["seed=0", "model=conv_2"],
        ["seeds.init=1", "pruning.rate=0.5", "model=lenet_5"],
        ["seed=0", "model=lenet_5", "optimizer.lr=0.1"],
    ]
    groups = groups_of(list(enumerate(jobs)), 2)
    assert [[number for number, _ in group] for group in groups] == [[0, 1], [3], [2], [4]]


def _meeting() -> Meeting:
    return Meeting(Turns(2, read=dict, write=lambda state: None), 2, StopRequest())


def _prepare_in(meeting: Meeting, folder: Path, *overrides: str) -> Experiment:
    token = current_meeting.set(meeting)
    try:
        return prepare(composed(*overrides), folder)
    finally:
        current_meeting.reset(token)


def test_runs_with_other_data_are_trained_alone(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Their overrides are equal, dataset.split_seed=${seed}; the batches of one are not of all."""
    meeting, other = _meeting(), "${seed}"
    words = [
        ("seed=0",),
        ("seed=1", "criterion=random"),
        ("seed=1", f"dataset.split_seed={other}"),
    ]
    with caplog.at_level("INFO"):
        fits = [_prepare_in(meeting, folder, *of_run).fit for of_run in words]
    assert [fit is not None and fit.meeting for fit in fits] == [meeting, meeting, None]
    (line,) = [text for text in caplog.messages if "trained alone, not as one" in text]
    assert line.endswith("dataset.split_seed=1 is not that of the group's first run")


def test_a_run_with_captured_steps_is_trained_alone(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"), pytest.raises(ConfigError, match="only on one GPU"):
        _prepare_in(_meeting(), folder, "trainer.graph=true")
    assert "trained alone, not as one with other runs: trainer.graph=true" in caplog.text


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ((), ""),
        (("optimizer=sgd", "optimizer.clip_norm=1", "logger=csv"), ""),
        (
            ("optimizer._target_=torch.optim.RMSprop", "~optimizer.betas", "~optimizer.fused"),
            "optimizer=torch",
        ),
        (("trainer.precision=bf16-mixed",), "trainer.precision=bf16-mixed"),
        (("model=resnet_20",), "averages of BatchNorm"),
        (("model=conv_2", "model.dropout=0.5"), "draws random numbers"),
        (("model=conv_2",), ""),
        (("dynamic=set",), "dynamic"),
        (("criterion=edge_popup",), "learned"),
        (("+callbacks.one._target_=pytorch_lightning.callbacks.Timer",), "callbacks"),
    ],
    ids=" ".join,
)
def test_what_is_trained_alone_is_said(
    folder: Path, caplog: pytest.LogCaptureFixture, overrides: tuple[str, ...], reason: str
) -> None:
    meeting = _meeting()
    with caplog.at_level("INFO"):
        experiment = _prepare_in(meeting, folder, *overrides)
    assert experiment.fit is not None
    assert experiment.fit.meeting is (None if reason else meeting)
    assert experiment.device.grouped == (1 if reason else 2)
    alone = [text for text in caplog.messages if "trained alone, not as one" in text]
    assert [reason in text for text in alone] == ([True] if reason else [])
