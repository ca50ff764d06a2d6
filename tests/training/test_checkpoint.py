"""A stopped round continues exactly where it was; a damaged checkpoint is not used."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from lottery.data import CropAndFlip
from lottery.imp import run_rounds
from lottery.masks import Masks
from lottery.record.records import read_run_json, write_run_json
from lottery.record.run_dir import RunDir
from lottery.reinit import Rewind
from lottery.signals import Stopped
from lottery.tensors import load_tensors
from lottery.training import LightningFit
from tests.conftest import result_tables, tensor_files
from tests.helpers.foreign import link_again
from tests.helpers.stopping import StopAt, fit_of, run_two_rounds, stopping
from tests.helpers.toy_records import CONFIG, write_run
from tests.helpers.toy_runs import (
    EVERY,
    FALLING,
    NUM_STEPS,
    ToyDraws,
    ToyDropout,
    ToyResNet,
    adam,
    sgd,
    toy_fit,
    toy_imp,
)

SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "numpy and random": ({"network": ToyDraws, "optimizer": adam, "block": 3}, {}),
    "dropout, Adam": ({"network": ToyDropout, "optimizer": adam}, {}),
    "BatchNorm, momentum": ({"network": ToyResNet, "optimizer": sgd}, {}),
    "clipped, block 1": ({"network": ToyDropout, "clip_norm": 0.1, "block": 1}, {}),
    "augmented": ({"network": ToyDropout, "augmentation": CropAndFlip(1)}, {}),
    "block 3": ({"network": ToyResNet, "block": 3}, {}),
    "early stopping": ({"network": ToyResNet, "patience": 1}, {}),
    "a schedule that follows": ({"network": ToyResNet, "schedule": FALLING}, {}),
    "late rewinding": (
        {"network": ToyResNet, "optimizer": adam},
        {"reinit": Rewind(5, "restored")},
    ),
}


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`never_stopped("block 3")` is a whole run of that setting, made once."""

    @cache
    def make(name: str) -> Path:
        training, rewinding = SETTINGS[name]
        path = tmp_path_factory.mktemp("whole")
        run_two_rounds(path, fit_of(**training), **rewinding)
        return path

    return make


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("step", [1, EVERY, EVERY + 2, NUM_STEPS - 1, NUM_STEPS])
def test_stopped_anywhere_and_carried_on_is_never_stopped(
    tmp_path: Path, never_stopped: Callable[[str], Path], name: str, step: int
) -> None:
    training, rewinding = SETTINGS[name]
    whole = never_stopped(name)
    fit = stopping(fit_of(**training), 0, step)
    stopped = True
    try:
        run_two_rounds(tmp_path / "run", fit, **rewinding)
        stopped = False
    except Stopped:
        assert list((tmp_path / "run").glob("rounds/*/checkpoint.pt"))
    assert stopped or training.get("patience")
    run_two_rounds(tmp_path / "run", fit_of(**training), **rewinding)
    assert result_tables(tmp_path / "run") == result_tables(whole)
    assert tensor_files(tmp_path / "run") == tensor_files(whole)
    assert not list((tmp_path / "run").glob("rounds/*/checkpoint.pt"))


def _stopped_run(path: Path, step: int = 6) -> RunDir:
    fit = stopping(fit_of(ToyResNet), 1, step)
    with pytest.raises(Stopped, match=rf"^stopped by SIGUSR1 in round 1 at step {step}$"):
        run_two_rounds(path, fit)
    return RunDir(path)


def test_checkpoint_holds_plain_containers_and_tensors(tmp_path: Path) -> None:
    state = torch.load(_stopped_run(tmp_path).round(1).checkpoint, weights_only=True)
    assert state["step"] == 6
    assert {entry["iteration"] for entry in state["evaluator"]["history"]} == {EVERY}
    assert state["generators"].keys() == {"0/cpu", "0/numpy", "0/python"}


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
def test_damaged_checkpoint_is_named_and_the_round_starts_again(
    tmp_path: Path,
    never_stopped: Callable[[str], Path],
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = never_stopped("BatchNorm, momentum")
    checkpoint = _stopped_run(tmp_path / "run").round(1).checkpoint
    DAMAGES[damage](checkpoint)
    run_two_rounds(tmp_path / "run", fit_of(ToyResNet))
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert str(checkpoint) in warning
    assert warning.endswith("the round starts again")
    assert result_tables(tmp_path / "run") == result_tables(whole)
    assert tensor_files(tmp_path / "run") == tensor_files(whole)


def test_checkpoint_of_another_start_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_two_rounds(tmp_path / "whole", fit_of(ToyResNet))
    run = _stopped_run(tmp_path / "run")
    run.round(1).checkpoint.rename(run.round(0).checkpoint)
    run.round(0).record.unlink()
    run_two_rounds(tmp_path / "run", fit_of(ToyResNet))
    assert "is of another run or start of this round" in caplog.text
    assert result_tables(tmp_path / "run") == result_tables(tmp_path / "whole")


def test_checkpoint_of_another_run_with_the_same_start_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunDir(tmp_path / "seed_0")
    write_run(run.path, tests=[], canonical=CONFIG | {"optimizer.lr": 0.1})
    _stopped_run(run.path)
    write_run_json(run, {**read_run_json(run), "config": CONFIG | {"optimizer.lr": 0.2}})
    link_again(run)
    run_two_rounds(run.path, fit_of(ToyResNet))
    assert "is of another run or start of this round" in caplog.text


def test_a_checkpoint_of_another_device_keeps_each_weights_momentum(tmp_path: Path) -> None:
    """CPUs and GPUs store convolutions in different orders; fused Adam goes by that order."""
    of_gpu, of_cpu = ToyDropout(), ToyDropout()
    of_cpu.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run_two_rounds(tmp_path / "whole", toy_fit(of_cpu, optimizer=adam))
    with pytest.raises(Stopped):
        run_two_rounds(tmp_path / "run", stopping(toy_fit(of_gpu, optimizer=adam), 0, 6))
    run_two_rounds(tmp_path / "run", toy_fit(of_cpu, optimizer=adam))
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
    run_two_rounds(tmp_path / "whole", fit_of(ToyResNet))
    RunDir(tmp_path / "run").round(0).checkpoint.mkdir(parents=True)
    fit = replace(fit_of(ToyResNet, block=3), checkpoint_seconds=1e-9)
    with pytest.raises(OSError, match=r"checkpoint\.pt"):
        run_two_rounds(tmp_path / "run", fit)
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
    fit = fit_of(ToyResNet, block=1)
    stop = StopAt(0, 6, fit.stop)
    fit = replace(fit, make_callbacks=lambda number: [stop, counter])
    with pytest.raises(Stopped):
        run_two_rounds(tmp_path, fit)
    again: list[Counter] = []

    def make(number: int) -> list[pl.Callback]:
        again.append(Counter())
        return [again[-1]]

    run_two_rounds(tmp_path, replace(fit_of(ToyResNet, block=1), make_callbacks=make))
    assert counter.blocks == 6
    assert [c.blocks for c in again] == [NUM_STEPS, NUM_STEPS]


class NotPlain(Counter):
    """A user's callback whose state `torch.load(weights_only=True)` refuses."""

    def state_dict(self) -> dict[str, Any]:
        return {"blocks": np.float64(self.blocks)}


def test_a_callback_whose_state_is_not_plain_is_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit = fit_of(ToyResNet, block=1)
    callbacks = [StopAt(0, 6, fit.stop), NotPlain()]
    with pytest.raises(Stopped):
        run_two_rounds(tmp_path, replace(fit, make_callbacks=lambda number: callbacks))
    assert "NotPlain: its state is no plain containers" in caplog.text
    caplog.clear()
    run_two_rounds(tmp_path, fit_of(ToyResNet, block=1))
    assert "damaged" not in caplog.text


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
    run_two_rounds(tmp_path / "whole", fit_of(Running))
    run_rounds(toy_imp(tmp_path / "run", fit_of(Running), rounds=(0,)))
    run_two_rounds(tmp_path / "run", fit_of(Running))
    assert result_tables(tmp_path / "run") == result_tables(tmp_path / "whole")


def test_lightnings_own_checkpoints_are_written_and_masked(tmp_path: Path) -> None:
    def make(number: int) -> list[pl.Callback]:
        folder = tmp_path / str(number)
        return [ModelCheckpoint(dirpath=folder, every_n_train_steps=EVERY, save_top_k=-1)]

    run_two_rounds(tmp_path / "run", replace(fit_of(ToyResNet), make_callbacks=make))
    files = sorted((tmp_path / "1").glob("*.ckpt"))
    assert len(files) == NUM_STEPS // EVERY
    masks = load_tensors(RunDir(tmp_path / "run").round(1).masks)
    for file in files:
        weights = torch.load(file, weights_only=True)["state_dict"]
        for name, mask in masks.items():
            assert not weights[f"network.{name}"][~mask].any()


def test_logs_of_a_carried_on_round_are_whole(tmp_path: Path) -> None:
    def logging_below(path: Path) -> LightningFit:
        def make(number: int, masks: Masks) -> Any:
            return nullcontext([CSVLogger(path / "csv", name="", version=str(number))])

        return replace(fit_of(ToyResNet), open_loggers=make)

    run, whole = tmp_path / "run", tmp_path / "whole"
    run_two_rounds(whole, logging_below(whole))
    with pytest.raises(Stopped):
        run_two_rounds(run, stopping(logging_below(run), 0, 6))
    (run / "csv" / "0" / "metrics.csv").unlink()  # as the command does
    run_two_rounds(run, logging_below(run))
    here, there = ((path / "csv" / "0" / "metrics.csv").read_text() for path in (run, whole))
    assert here == there
