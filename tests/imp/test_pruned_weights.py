"""Invariant 3: pruned weights stay exactly zero, and have no part in a clipped norm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from lottery.pruning import Layerwise, ScoredPruner
from lottery.reinit import Continue, Rewind
from lottery.tensors import load_tensors
from tests.helpers.toy_runs import (
    NUM_STEPS,
    SIZES,
    AllEqual,
    Recorder,
    ToyResNet,
    adam,
    masks_of,
    run_toy,
    sgd,
    toy_fit,
)


class Saver(pl.Callback):
    """Saves a Lightning checkpoint after every block, as a user's ModelCheckpoint would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: list[Path] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.files.append(self.path / f"{len(self.files)}.ckpt")
        trainer.save_checkpoint(self.files[-1])


@pytest.mark.parametrize("clip_norm", [None, 0.1])
@pytest.mark.parametrize("optimizer", [sgd, adam])
@pytest.mark.parametrize("reinit", [Rewind(0, "fresh"), Rewind(5, "restored"), Continue()])
def test_3_pruned_weights_are_zero_after_every_step(
    tmp_path: Path, optimizer: Callable[..., Any], reinit: Any, clip_norm: float | None
) -> None:
    recorder = Recorder()
    fit = toy_fit(optimizer=optimizer, block=1, callbacks=[recorder], clip_norm=clip_norm)
    run_toy(tmp_path, fit, reinit=reinit)
    assert len(recorder.pruned_max) >= 2 * NUM_STEPS
    assert max(recorder.pruned_max) == 0.0


def test_3_pruned_weights_are_zero_in_every_checkpoint(tmp_path: Path) -> None:
    saver = Saver(tmp_path)
    run_toy(tmp_path / "run", toy_fit(block=3, callbacks=[saver]), rounds=(0, 1))
    masks = masks_of(tmp_path / "run", 1)
    pruned_files = saver.files[len(saver.files) // 2 :]
    assert len(pruned_files) == 6  # 12 steps: blocks end at 3, 4, 7, 8, 11, 12
    for file in pruned_files:
        weights = torch.load(file, weights_only=True)["state_dict"]
        for name, mask in masks.items():
            assert (weights[f"network.{name}"][~mask] == 0).all()
            assert (weights[f"network.{name}"][mask] != 0).any()


def test_3_pruned_coordinates_are_not_in_a_clipped_norm(tmp_path: Path) -> None:
    """The gradients of the weights that are left get the whole norm, not a share of it."""
    assert_live_gradients_are_clipped(tmp_path, clip_norm=0.01)


def assert_live_gradients_are_clipped(
    path: Path,
    clip_norm: float | None,
    before_step: Callable[[torch.optim.Optimizer], None] = lambda optimizer: None,
) -> None:
    norms = []

    def spying(parameters: Any) -> torch.optim.Optimizer:
        optimizer = torch.optim.SGD(parameters, lr=0.1)

        def note(opt: torch.optim.Optimizer, *_: Any) -> None:
            before_step(opt)
            grads = [p.grad for group in opt.param_groups for p in group["params"]]
            norms.append(float(torch.cat([g.flatten() for g in grads]).norm()))

        optimizer.register_step_pre_hook(note)
        return optimizer

    prune = ScoredPruner(AllEqual(), Layerwise(), dict.fromkeys(SIZES, 0.9))
    fit = toy_fit(optimizer=spying, clip_norm=clip_norm)
    run_toy(path, fit, prune=prune, rounds=(0, 1))
    masks = masks_of(path, 1)
    grads = {n: p.grad for n, p in fit.network.named_parameters() if p.grad is not None}
    for name, mask in masks.items():
        assert (grads[name][~mask] == 0).all()
    assert norms == pytest.approx([0.01] * (2 * NUM_STEPS), rel=1e-4)


class OneUnused(ToyResNet):
    """Its first layer has no part in the loss, and no gradient."""

    def __init__(self) -> None:
        unused = nn.Linear(2, 2)
        super().__init__()
        self._modules = {"unused": unused, **self._modules}


def test_3_a_layer_without_a_gradient_is_left_out_of_the_norm(tmp_path: Path) -> None:
    with_it = run_toy(tmp_path / "one", toy_fit(OneUnused(), clip_norm=0.01), rounds=(0, 1))[0]
    assert with_it.pruning.prunable[0] == "unused.weight"
    final = load_tensors(with_it.run_dir.round(1).final)
    for name, mask in masks_of(tmp_path / "one", 1).items():
        assert (final[name][~mask] == 0).all()
