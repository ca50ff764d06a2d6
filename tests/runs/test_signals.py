"""Signals and kills end a command; the same command carries its run on."""

import json
import os
import random
import signal
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from lottery.signals import Stopped, StopRequest
from tests.conftest import Lottery, result_tables
from tests.helpers.forked import ForkedCommand
from tests.helpers.stopping import StopAt, fit_of, run_two_rounds
from tests.helpers.toy_runs import NUM_STEPS, ToyResNet


class Signals(StopAt):
    """Sends a real signal instead of noting one."""

    def _count(self, network: nn.Module, *_: Any) -> None:
        self.made += network.training
        if self.made == self.training_step and network.training:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("step", [5, NUM_STEPS])
def test_a_real_signal_loses_no_step(tmp_path: Path, step: int) -> None:
    """After the last block Lightning would end the fit, and so the round, by itself."""
    fit = fit_of(ToyResNet)
    callback = Signals(0, step, fit.stop)
    with pytest.raises(Stopped) as stopped, fit.stop.listening():
        run_two_rounds(tmp_path, replace(fit, make_callbacks=lambda number: [callback]))
    where = "round 0 at step 5" if step == 5 else "round 1 at step 1"
    assert str(stopped.value) == f"stopped by SIGTERM in {where}"


def test_ignored_signals_stay_ignored() -> None:
    """nohup ignores SIGHUP for its command."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = StopRequest()
        with stop.listening():
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.signum == 0
            os.kill(os.getpid(), signal.SIGUSR1)
            assert stop.signum == signal.SIGUSR1
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


LONG = ("rounds=2", "iterations=800", "evaluation.every=40", "trainer.threads=1")


def test_sigterm_ends_with_its_code_and_says_how_to_go_on(lottery: Lottery, folder: Path) -> None:
    whole = lottery(*LONG, "output_dir=whole").run
    command = ForkedCommand(*LONG, "output_dir=term")
    while "round 0: " not in command.err:
        assert command.is_alive, command.err
        time.sleep(0.001)
    time.sleep(random.random() / 2)
    os.kill(command.pid, signal.SIGTERM)
    stopped = command.wait()
    assert stopped.code == 143, stopped.err
    line = stopped.err.splitlines()[-1]
    assert line.startswith("stopped by SIGTERM in round ")
    assert line.endswith(f"; resume with: lottery {' '.join(LONG)} output_dir=term")
    run = folder / "term" / whole.parent.name / "seed_0"
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    assert not (run / ".owner.json").exists()
    done = lottery(*LONG, "output_dir=term")
    assert done.code == 0
    assert "carrying on from step" in done.err
    assert result_tables(run) == result_tables(whole)
    _assert_equal_curves(run, whole)


def _assert_equal_curves(run: Path, whole: Path) -> None:
    for folder in sorted((whole / "tensorboard").iterdir()):
        here, there = (
            EventAccumulator(str(path / "tensorboard" / folder.name)).Reload()
            for path in (run, whole)
        )
        assert here.Tags()["scalars"] == there.Tags()["scalars"]
        for tag in there.Tags()["scalars"]:
            points = [
                [(event.step, event.value) for event in events.Scalars(tag)]
                for events in (here, there)
            ]
            assert points[0] == points[1], (folder.name, tag)


def test_killed_at_random_moments_gives_the_same_tables(lottery: Lottery, folder: Path) -> None:
    """Three kills of a forked process; `scripts/soak` kills the command as often as asked for."""
    begun = time.monotonic()
    whole = lottery(*LONG, "output_dir=whole").run
    seconds = time.monotonic() - begun
    killed = (*LONG, "output_dir=killed", "checkpoint.every_seconds=0.05")
    kills = 0
    for _ in range(3):
        process = get_context("fork").Process(target=lottery, args=killed)
        process.start()
        process.join(seconds * random.uniform(0.05, 0.5))
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
    done = lottery(*LONG, "output_dir=killed")
    assert done.code == 0, done.err
    assert kills > 0
    assert result_tables(done.run) == result_tables(whole)
