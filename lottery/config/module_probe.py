"""What criteria run a LightningModule with: its `training_step` and its training data."""

from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from lottery.config.module import ModuleSetup
from lottery.config.pruning import PruningSetup
from lottery.config.rules import first_line
from lottery.config.settings import Settings
from lottery.errors import ConfigError
from lottery.models.state import read_state
from lottery.pruning import MakeProbe, ScoredPruner, trait
from lottery.pruning.probe import differentiable, no_probe
from lottery.training import Device
from lottery.training.native.probe import ModuleProbe, NoLoss

OTHERS = "criteria of weights and random do not run it"


def set_up_probe(
    settings: Settings, setup: ModuleSetup, pruning: PruningSetup, device: Device
) -> MakeProbe:
    """Return what makes a probe of the module; if the criterion runs the network, try it once."""
    if not pruning.runs_network:
        return no_probe
    assert isinstance(pruning.pruner, ScoredPruner)
    criterion, epsilon = pruning.pruner.criterion, settings.early_bird.epsilon
    name = f"criterion={type(criterion).__name__.lower()}"
    if epsilon is not None:
        raise ConfigError(
            f"early_bird.epsilon={epsilon:g}: with module= not with {name}, which would begin a "
            "fit inside a validation; accepted: null"
        )
    make = cache(partial(_make_probe, settings, setup, device))
    if trait(criterion, "runs_on_ones"):
        _check_input_of_ones(setup, name)
    if trait(criterion, "num_examples"):
        _check_one_loss(setup, criterion, name)
        second = bool(trait(criterion, "second_derivatives"))
        try:
            _differentiate(make(torch.float32), setup, pruning, second=second)
        except (NoLoss, NoSecondDerivative) as error:
            raise ConfigError(f"{name}: {error}") from error
    return make


def notes_on_batches(pruning: PruningSetup) -> list[str]:
    """Tell that the batches to score on have the loader's size."""
    criterion = getattr(pruning.pruner, "criterion", None)
    if not (pruning.runs_network and hasattr(criterion, "batch_size")):
        return []
    return ["criterion.batch_size: no effect with module=, whose loader makes the batches"]


class NoSecondDerivative(Exception):
    """A loss has no second derivative."""


def _make_probe(
    settings: Settings, setup: ModuleSetup, device: Device, dtype: torch.dtype
) -> ModuleProbe:
    return ModuleProbe(
        network=setup.make_initial().to(dtype),
        make_datamodule=setup.make_data,
        split_seed=settings.dataset.split_seed,
        options=setup.options,
        device=device,
        dtype=dtype,
    )


def _check_input_of_ones(setup: ModuleSetup, name: str) -> None:
    """Check that forward takes an input of ones and returns one tensor."""
    network, why = setup.make_initial().eval(), ""
    example = network.example_input_array
    if not isinstance(example, Tensor) or not example.is_floating_point():
        why = "its example_input_array is not a tensor of numbers"
    else:
        with torch.no_grad():
            output = network(example.to(next(network.parameters()).dtype))
        if not isinstance(output, Tensor):
            why = f"its forward returns {type(output).__name__}, not a tensor"
    if why:
        raise ConfigError(f"{name}: runs the module on an input of ones, and {why}; {OTHERS}")


def _check_one_loss(setup: ModuleSetup, criterion: Any, name: str) -> None:
    """Check that training_step returns one loss, and that there are enough batches."""
    module = setup.make_initial()
    if not module.automatic_optimization:
        raise ConfigError(
            f"{name}: differentiates the loss that training_step returns, and in manual "
            f"optimization {type(module).__name__} may have several and returns none; "
            f"{OTHERS}"
        )
    temperature = getattr(criterion, "temperature", 1)
    if temperature != 1:
        raise ConfigError(
            f"criterion.temperature={temperature:g}: with module= training_step computes the "
            "loss, and its logits cannot be divided; accepted: 1"
        )
    wanted, there = getattr(criterion, "num_batches", 1), setup.seen.steps_per_epoch
    if there is not None and wanted > there:
        raise ConfigError(f"criterion.num_batches={wanted}: at most the {there} of an epoch")


def _differentiate(
    probe: ModuleProbe, setup: ModuleSetup, pruning: PruningSetup, *, second: bool
) -> None:
    """Differentiate the loss of one batch, so that no run fails after its dense round."""
    state, generator = read_state(setup.network), torch.Generator().manual_seed(0)
    weights = differentiable(probe, {name: state.weights[name] for name in pruning.prunable})
    parameters = list(weights.values())
    with sdpa_kernel(SDPBackend.MATH):
        (loss,) = probe.losses(state, weights, probe.batches(1, 0, generator))
        if not second:
            return
        grad = partial(torch.autograd.grad, inputs=parameters, materialize_grads=True)
        try:
            gradients = grad(loss, create_graph=True)
            grad(torch.stack([g.square().sum() for g in gradients]).sum())
        except RuntimeError as error:
            raise NoSecondDerivative(
                f"takes second derivatives, and the loss of training_step has none: "
                f"{first_line(error)}"
            ) from error
