"""A round goes on where it was stopped, exactly; and what a damaged checkpoint does."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from lottery.data import CropAndFlip
from lottery.imp import run_rounds
from lottery.reinit import Rewind
from lottery.run_dir import RunDir
from lottery.stopping import Stopped, StopRequest
from lottery.tensors import load_tensors
from lottery.training import LightningFit
from lottery.training.evaluation import Protocol
from tests.conftest import Lottery, environment, real_command, result_tables, tensor_files
from tests.toys import EVERY, NUM_STEPS, ToyDropout, ToyResNet, adam, sgd, toy_fit, toy_imp


class StopAt(pl.Callback):
    """A signal that comes during a step, be it in the middle of a block."""

    def __init__(self, round_number: int, step: int, stop: StopRequest) -> None:
        self.training_step = round_number * NUM_STEPS + step
        self.stop = stop
        self.made = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.hook = pl_module.network.register_forward_hook(self._count)

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.hook.remove()

    def _count(self, network: nn.Module, *_: Any) -> None:
        self.made += network.training
        if self.made == self.training_step:
            self.stop.signum = signal.SIGUSR1


def _stopping(fit: LightningFit, round_number: int, step: int) -> LightningFit:
    callback = StopAt(round_number, step, fit.stop)
    return replace(fit, make_callbacks=lambda number: [callback])


def _fit(network: type[nn.Module], **changes: Any) -> LightningFit:
    patience = changes.pop("patience", None)
    fit = toy_fit(network(), **changes)
    return replace(fit, protocol=Protocol(every=EVERY, test_curve=False, patience=patience))


def _run(path: Path, fit: Any, **changes: Any) -> None:
    run_rounds(toy_imp(path, fit, rounds=(0, 1), **changes))


SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "dropout, Adam": ({"network": ToyDropout, "optimizer": adam}, {}),
    "BatchNorm, momentum": ({"network": ToyResNet, "optimizer": sgd}, {}),
    "clipped, block 1": ({"network": ToyDropout, "clip_norm": 0.1, "block": 1}, {}),
    "augmented": ({"network": ToyDropout, "augmentation": CropAndFlip(1)}, {}),
    "block 3": ({"network": ToyResNet, "block": 3}, {}),
    "early stopping": ({"network": ToyResNet, "patience": 1}, {}),
    "late rewinding": (
        {"network": ToyResNet, "optimizer": adam},
        {"reinit": Rewind(5, "restored")},
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("step", [1, EVERY, EVERY + 2, NUM_STEPS - 1, NUM_STEPS])
def test_stopped_anywhere_and_carried_on_is_never_stopped(
    tmp_path: Path, name: str, step: int
) -> None:
    training, rewinding = SETTINGS[name]
    _run(tmp_path / "whole", _fit(**training), **rewinding)
    fit = _stopping(_fit(**training), 0, step)
    stopped = True
    try:
        _run(tmp_path / "run", fit, **rewinding)
        stopped = False
    except Stopped:
        assert list((tmp_path / "run").glob("rounds/*/checkpoint.pt"))
    assert stopped or training.get("patience")
    _run(tmp_path / "run", _fit(**training), **rewinding)
    assert result_tables(tmp_path / "run") == result_tables(tmp_path / "whole")
    assert tensor_files(tmp_path / "run") == tensor_files(tmp_path / "whole")
    assert not list((tmp_path / "run").glob("rounds/*/checkpoint.pt"))


def _stopped_run(path: Path, step: int = 6) -> RunDir:
    fit = _stopping(_fit(ToyResNet), 1, step)
    with pytest.raises(Stopped, match=rf"^stopped by SIGUSR1 in round 1 at step {step}$"):
        _run(path, fit)
    return RunDir(path)


def test_checkpoint_holds_plain_containers_and_tensors(tmp_path: Path) -> None:
    state = torch.load(_stopped_run(tmp_path).round(1).checkpoint, weights_only=True)
    assert state["step"] == 6
    assert {entry["iteration"] for entry in state["evaluator"]["history"]} == {EVERY}
    assert state["generators"].keys() == {"0/cpu"}


def _flip(path: Path, place: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "a byte of the front": lambda path: _flip(path, 0.02),
    "a byte of a tensor": lambda path: _flip(path, 0.5),
    "a byte of the end": lambda path: _flip(path, 0.97),
    "half written": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: path.write_bytes(b""),
    "something else": lambda path: path.write_bytes(b"no checkpoint"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoint_is_named_and_the_round_begins_anew(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    _run(tmp_path / "whole", _fit(ToyResNet))
    checkpoint = _stopped_run(tmp_path / "run").round(1).checkpoint
    DAMAGES[damage](checkpoint)
    _run(tmp_path / "run", _fit(ToyResNet))
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert str(checkpoint) in warning
    assert warning.endswith("the round begins anew")
    assert result_tables(tmp_path / "run") == result_tables(tmp_path / "whole")
    assert tensor_files(tmp_path / "run") == tensor_files(tmp_path / "whole")


def test_checkpoint_of_another_start_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _run(tmp_path / "whole", _fit(ToyResNet))
    run = _stopped_run(tmp_path / "run")
    run.round(1).checkpoint.rename(run.round(0).checkpoint)
    run.round(0).record.unlink()
    _run(tmp_path / "run", _fit(ToyResNet))
    assert "is of another start of this round" in caplog.text
    assert result_tables(tmp_path / "run") == result_tables(tmp_path / "whole")


def test_a_checkpoint_of_another_device_keeps_each_weights_momentum(tmp_path: Path) -> None:
    """Convolutions lie in memory one way on CPUs, another on GPUs; fused Adam looks no further."""
    of_gpu, of_cpu = ToyDropout(), ToyDropout()
    of_cpu.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    _run(tmp_path / "whole", toy_fit(of_cpu, optimizer=adam))
    with pytest.raises(Stopped):
        _run(tmp_path / "run", _stopping(toy_fit(of_gpu, optimizer=adam), 0, 6))
    _run(tmp_path / "run", toy_fit(of_cpu, optimizer=adam))
    for part in ("es", "final"):
        here, there = (
            load_tensors(getattr(RunDir(tmp_path / name).round(0), part))
            for name in ("run", "whole")
        )
        for name, weight in here.items():
            torch.testing.assert_close(weight, there[name])


def test_checkpoint_that_cannot_be_written_does_not_end_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _run(tmp_path / "whole", _fit(ToyResNet))
    RunDir(tmp_path / "run").round(0).checkpoint.mkdir(parents=True)
    fit = replace(_fit(ToyResNet, block=3), checkpoint_seconds=1e-9)
    with pytest.raises(OSError, match=r"checkpoint\.pt"):
        _run(tmp_path / "run", fit)
    assert "no checkpoint at step 3" in caplog.text


class Counter(pl.Callback):
    """A user's callback with a state of its own."""

    def __init__(self) -> None:
        self.blocks = 0

    def on_train_batch_end(self, *_: Any) -> None:
        self.blocks += 1

    def state_dict(self) -> dict[str, int]:
        return {"blocks": self.blocks}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.blocks = state["blocks"]


def test_users_callbacks_go_on_with_their_state(tmp_path: Path) -> None:
    counter = Counter()
    fit = _fit(ToyResNet, block=1)
    stop = StopAt(0, 6, fit.stop)
    fit = replace(fit, make_callbacks=lambda number: [stop, counter])
    with pytest.raises(Stopped):
        _run(tmp_path, fit)
    again: list[Counter] = []

    def make(number: int) -> list[pl.Callback]:
        again.append(Counter())
        return [again[-1]]

    _run(tmp_path, replace(_fit(ToyResNet, block=1), make_callbacks=make))
    assert counter.blocks == 6
    assert [c.blocks for c in again] == [NUM_STEPS, NUM_STEPS]


class NotPlain(Counter):
    """A user's callback whose state `torch.load(weights_only=True)` refuses."""

    def state_dict(self) -> dict[str, Any]:
        return {"blocks": np.float64(self.blocks)}


def test_a_callback_whose_state_is_not_plain_is_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit = _fit(ToyResNet, block=1)
    callbacks = [StopAt(0, 6, fit.stop), NotPlain()]
    with pytest.raises(Stopped):
        _run(tmp_path, replace(fit, make_callbacks=lambda number: callbacks))
    assert "NotPlain: its state is no plain containers" in caplog.text
    caplog.clear()
    _run(tmp_path, _fit(ToyResNet, block=1))
    assert "damaged" not in caplog.text


class Signals(StopAt):
    """A real signal in place of the note of one."""

    def _count(self, network: nn.Module, *_: Any) -> None:
        self.made += network.training
        if self.made == self.training_step and network.training:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("step", [5, NUM_STEPS])
def test_a_real_signal_loses_no_step(tmp_path: Path, step: int) -> None:
    """Lightning would end the fit by itself after the last block, and the round with it."""
    fit = _fit(ToyResNet)
    callback = Signals(0, step, fit.stop)
    with pytest.raises(Stopped) as stopped, fit.stop.listening():
        _run(tmp_path, replace(fit, make_callbacks=lambda number: [callback]))
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


class Running(ToyDropout):
    """A network with a buffer that its state dict leaves out, and that training changes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()), persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.scale.mul_(1.01)
        logits: torch.Tensor = super().forward(inputs) * self.scale
        return logits


def test_buffers_outside_the_state_dict_go_back_too(tmp_path: Path) -> None:
    _run(tmp_path / "whole", _fit(Running))
    run_rounds(toy_imp(tmp_path / "run", _fit(Running), rounds=(0,)))
    _run(tmp_path / "run", _fit(Running))
    assert result_tables(tmp_path / "run") == result_tables(tmp_path / "whole")


def test_lightnings_own_checkpoints_are_written_and_masked(tmp_path: Path) -> None:
    def make(number: int) -> list[pl.Callback]:
        folder = tmp_path / str(number)
        return [ModelCheckpoint(dirpath=folder, every_n_train_steps=EVERY, save_top_k=-1)]

    _run(tmp_path / "run", replace(_fit(ToyResNet), make_callbacks=make))
    files = sorted((tmp_path / "1").glob("*.ckpt"))
    assert len(files) == NUM_STEPS // EVERY
    masks = load_tensors(RunDir(tmp_path / "run").round(1).masks)
    for file in files:
        weights = torch.load(file, weights_only=True)["state_dict"]
        for name, mask in masks.items():
            assert not weights[f"network.{name}"][~mask].any()


def test_logs_of_a_carried_on_round_are_whole(tmp_path: Path) -> None:
    def loggers(path: Path) -> Callable[[int], list[Any]]:
        return lambda number: [CSVLogger(path / "csv", name="", version=str(number))]

    _run(tmp_path / "whole", replace(_fit(ToyResNet), make_loggers=loggers(tmp_path / "whole")))
    fit = replace(_fit(ToyResNet), make_loggers=loggers(tmp_path / "run"))
    with pytest.raises(Stopped):
        _run(tmp_path / "run", _stopping(fit, 0, 6))
    (tmp_path / "run" / "csv" / "0" / "metrics.csv").unlink()  # as the command does
    _run(tmp_path / "run", replace(_fit(ToyResNet), make_loggers=loggers(tmp_path / "run")))
    here, there = (
        (tmp_path / name / "csv" / "0" / "metrics.csv").read_text() for name in ("run", "whole")
    )
    assert here == there


LONG = ("rounds=2", "iterations=800", "evaluation.every=40", "trainer.threads=1")


def test_sigterm_ends_with_its_code_and_says_how_to_go_on(lottery: Lottery, folder: Path) -> None:
    whole = lottery(*LONG, "output_dir=whole").run
    process = subprocess.Popen(
        [sys.executable, "-m", "lottery", *LONG, "output_dir=term"],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        while "round 0: " not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(random.random() / 2)
        process.terminate()
        rest = process.stderr.read()
    assert process.returncode == 143
    assert rest.splitlines()[-1].startswith("stopped by SIGTERM in round ")
    command = f"; resume with: lottery {' '.join(LONG)} output_dir=term"
    assert rest.splitlines()[-1].endswith(command)
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
    """Three kills; `scripts/soak` does as many as asked for."""
    whole = lottery(*LONG, "output_dir=whole").run
    command = [sys.executable, "-m", "lottery", *LONG, "output_dir=killed"]
    command += ["checkpoint.every_seconds=0.05"]
    kills = 0
    while kills < 3:
        process = subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=random.uniform(1, 8))
            break  # it was faster
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    done = real_command(*LONG, "output_dir=killed")
    assert done.code == 0, done.err
    assert kills > 0
    assert result_tables(done.run) == result_tables(whole)
