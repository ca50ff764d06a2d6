"""The promises of a run hold for users' LightningModules: masks, rewinding, seeds, resuming."""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from lottery.config import ProcessRank
from lottery.generators import drawn
from lottery.record.run_dir import RunDir
from lottery.reinit import Continue, Rewind
from lottery.signals import Stopped, StopRequest
from lottery.tensors import digest, load_tensors
from tests.conftest import result_tables, tensor_files
from tests.helpers.lit_modules import (
    EPOCH,
    MODULES,
    LitData,
    LitDecoder,
    SharedData,
    StatefulData,
    WorkerData,
)
from tests.helpers.lit_runs import STEPS, lit_fit, run_lit
from tests.helpers.ranks import CPUS, on_ranks
from tests.helpers.toy_runs import masks_of


@dataclass
class Watch(pl.Callback):
    """Looks at the pruned weights after every step of every optimizer, and at every batch."""

    path: Path
    largest: list[float] = field(default_factory=list)
    gradients: list[float] = field(default_factory=list)
    batches: list[Any] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    start: list[dict[str, torch.Tensor]] = field(default_factory=list)
    first: int | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        number = int(Path(trainer.default_root_dir).name)
        masks = masks_of(self.path, number)
        self.start.append({name: t.clone() for name, t in pl_module.state_dict().items()})
        self.pairs = [(pl_module.get_parameter(name), ~mask) for name, mask in masks.items()]
        for optimizer in trainer.optimizers:
            optimizer.register_step_post_hook(lambda *_: self._look())

    def _look(self) -> None:
        for weight, pruned in self.pairs:
            self.largest += weight.detach()[pruned].abs().tolist()
            self.gradients += [] if weight.grad is None else weight.grad[pruned].abs().tolist()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.first = self.first or trainer.fit_loop.total_batch_idx + 1
        self.batches.append(batch[0].sum().item())
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


@pytest.mark.parametrize("name", MODULES)
def test_pruned_weights_are_zero_after_every_step_and_in_checkpoints(
    name: str, tmp_path: Path
) -> None:
    watch = Watch(tmp_path)

    def make_callbacks(number: int) -> list[pl.Callback]:
        folder = tmp_path / f"saved_{number}"
        return [watch, ModelCheckpoint(folder, every_n_train_steps=1, save_top_k=-1)]

    run_lit(tmp_path, lit_fit(name, make_callbacks=make_callbacks), rounds=(0, 1))
    assert len(watch.largest) > 100
    assert max(watch.largest) == 0
    masks = masks_of(tmp_path, 1)
    paths = sorted((tmp_path / "saved_1").glob("*.ckpt"))
    assert len(paths) == STEPS
    for path in paths:
        weights = torch.load(path, weights_only=True)["state_dict"]
        assert all(not weights[name][~mask].any() for name, mask in masks.items())
    if name == "gan":  # its gradients meet in a norm
        assert max(watch.gradients) == 0


@pytest.mark.parametrize("name", MODULES)
def test_a_rewind_restores_weights_buffers_rates_and_position(name: str, tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    run_lit(
        tmp_path,
        lit_fit(name, callbacks=[watch], fixed_order=True),
        reinit=Rewind(EPOCH, "fresh"),
    )
    stored = load_tensors(RunDir(tmp_path).round(0).rewind)
    for number in (1, 2):
        masks = masks_of(tmp_path, number)
        for key, tensor in watch.start[number].items():
            kept = masks.get(key, torch.ones_like(tensor, dtype=torch.bool))
            if key in stored:  # a shared weight has two names in a state dict
                assert torch.equal(tensor[kept], stored[key][kept])
    rest = STEPS - EPOCH
    assert len(watch.batches) == STEPS + 2 * rest
    for first in (STEPS, STEPS + rest):
        assert watch.batches[first : first + rest] == watch.batches[EPOCH:STEPS]
        assert watch.rates[first] == watch.rates[EPOCH]


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize(("data", "step"), [(LitData, EPOCH), (StatefulData, EPOCH + 2)])
def test_a_mask_of_ones_repeats_the_dense_tail(
    name: str, data: type[LitData], step: int, tmp_path: Path
) -> None:
    fit = lit_fit(name, data, fixed_order=True)
    run_lit(tmp_path, fit, reinit=Rewind(step, "restored"), rounds=(0, 1), rate=0.0)
    files = [RunDir(tmp_path).round(number).final.read_bytes() for number in (0, 1)]
    assert files[0] == files[1]


def _on_a_rank(process: ProcessRank, path: Path) -> None:
    device = replace(CPUS, num_devices=process.processes, index=process.local_rank)
    fit = lit_fit("decoder", SharedData, device=replace(device, precision="64-true"))
    make = partial(drawn, lambda: LitDecoder().double(), 3)
    run_lit(path, replace(fit, make_module=make), rounds=(0, 1), reinit=Rewind(EPOCH, "restored"))


def test_two_ranks_train_as_one_process(tmp_path: Path) -> None:
    alone, ranks = tmp_path / "alone", tmp_path / "ranks"
    _on_a_rank(ProcessRank(), alone)
    assert on_ranks(2, _on_a_rank, ranks) == [None, None]
    assert digest(masks_of(ranks, 1)) == digest(masks_of(alone, 1))
    expected = load_tensors(RunDir(alone).round(1).final)
    for name, weight in load_tensors(RunDir(ranks).round(1).final).items():
        # The gradient of the keys' bias is rounding alone, which Adam divides by 1e-8.
        assert torch.allclose(weight, expected[name], rtol=0, atol=1e-8), name


class Killed(BaseException):
    """The process is gone."""


@dataclass
class End(pl.Callback):
    """Ends a round at a step, by a signal or as by kill -9."""

    round: int
    step: int
    stop: StopRequest | None

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        here = int(Path(trainer.default_root_dir).name), trainer.fit_loop.total_batch_idx + 1
        if here == (self.round, self.step):
            if self.stop is None:
                raise Killed
            self.stop.signum = signal.SIGUSR1


def _only(end: End, number: int) -> list[pl.Callback]:
    return [end]


CASES: dict[str, Callable[[], Any]] = {
    "rewound": lambda: Rewind(EPOCH, "fresh"),
    "continued": Continue,
}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("data", [LitData, StatefulData])
def test_ended_anywhere_and_started_again_is_never_ended(
    name: str, case: str, data: type[LitData], tmp_path: Path
) -> None:
    reinit = CASES[case]()
    run_lit(tmp_path / "whole", lit_fit(name, data), reinit=reinit, rounds=(0, 1))
    path = tmp_path / "ended"
    for number, step, by_signal in [(0, 2, True), (0, 7, False), (1, 6, True), (1, 10, False)]:
        fit = replace(lit_fit(name, data), checkpoint_seconds=0.0)
        end = End(number, step, fit.stop if by_signal else None)
        ending = replace(fit, make_callbacks=partial(_only, end))
        with pytest.raises((Stopped, Killed)):
            run_lit(path, ending, reinit=reinit, rounds=(0, 1))
    watch = Watch(path)
    run_lit(path, lit_fit(name, data, callbacks=[watch]), reinit=reinit, rounds=(0, 1))
    assert watch.first == (9 if data is LitData else 10)  # not the round's first step
    assert result_tables(path) == result_tables(tmp_path / "whole")
    assert tensor_files(path) == tensor_files(tmp_path / "whole")


def test_worker_processes_draw_the_same_numbers_after_a_kill(tmp_path: Path) -> None:
    """Also those that live longer than an epoch, whose generators nobody seeds a second time."""
    run_lit(tmp_path / "whole", lit_fit("classifier", WorkerData), rounds=(0,))
    fit = replace(lit_fit("classifier", WorkerData), checkpoint_seconds=0.0)
    ending = replace(fit, make_callbacks=partial(_only, End(0, 2 * EPOCH + 2, None)))
    with pytest.raises(Killed):
        run_lit(tmp_path / "ended", ending, rounds=(0,))
    watch = Watch(tmp_path / "ended")
    fit = lit_fit("classifier", WorkerData, callbacks=[watch])
    run_lit(tmp_path / "ended", fit, rounds=(0,))
    assert watch.first == 2 * EPOCH + 1
    assert tensor_files(tmp_path / "ended") == tensor_files(tmp_path / "whole")
